"""New channels get ids that ascend with time, so that what belongs to neighbours lies together in every index.

Channels that are there keep the ids that they have.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

EXPANDS_ONLY = True


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        """
        ALTER TABLE public.channels ALTER COLUMN id SET DEFAULT (
            overlay(lpad(to_hex((date_part('epoch', clock_timestamp()) * 4096000)::bigint), 15, '0')
                    PLACING '7' FROM 13 FOR 0)
            || right(gen_random_uuid()::text, 17))::uuid
        """
    )
