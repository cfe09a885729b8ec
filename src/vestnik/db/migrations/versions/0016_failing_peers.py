"""Channels with failures in a row are found without looking at those without."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

EXPANDS_ONLY = True


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute(
        """
        CREATE INDEX channel_peers_failing_idx ON public.channel_peers (account_id, channel_id)
        WHERE consecutive_failures > 0
        """
    )
