"""Commands to the lease holder: which channel, which request, how often claimed, when next."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLE = "account_commands"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL search_path = public")
    zero = sa.text("0")
    op.add_column(TABLE, sa.Column("channel_id", sa.Uuid()))
    op.add_column(TABLE, sa.Column("idempotency_key", sa.Text()))
    op.add_column(TABLE, sa.Column("request_digest", sa.LargeBinary()))
    op.add_column(TABLE, sa.Column("attempts", sa.SmallInteger(), server_default=zero, nullable=False))
    op.add_column(TABLE, sa.Column("claims", sa.SmallInteger(), server_default=zero, nullable=False))
    now = sa.text("now()")
    op.add_column(
        TABLE, sa.Column("not_before", sa.DateTime(timezone=True), server_default=now, nullable=False)
    )
    op.create_foreign_key(
        op.f("account_commands_channel_id_fkey"),
        TABLE,
        "channels",
        ["channel_id"],
        ["id"],
        ondelete="RESTRICT",
    )
    op.create_check_constraint(
        op.f("account_commands_send_check"),
        TABLE,
        "kind <> 'SEND' OR channel_id IS NOT NULL AND random_id IS NOT NULL",
    )
    op.create_check_constraint(
        op.f("account_commands_wiped_check"),
        TABLE,
        "status IN ('PENDING', 'STARTED') OR payload_ciphertext IS NULL",
    )
    op.create_index(
        "account_commands_idempotency_key",
        TABLE,
        ["account_id", "idempotency_key", "channel_id"],
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    # A row changes two or three times within seconds, and none of the indexed columns but the status with it.
    op.execute("ALTER TABLE public.account_commands SET (fillfactor = 70)")
