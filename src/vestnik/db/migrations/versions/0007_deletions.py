"""Campaigns that are deleted while their messages still go; indexes of active and of deleted channels."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL search_path = public")
    op.add_column("campaigns", sa.Column("deleted_at", sa.DateTime(timezone=True)))
    op.create_index(
        "campaigns_deleted_idx", "campaigns", ["id"], postgresql_where=sa.text("deleted_at IS NOT NULL")
    )
    op.create_index(
        "channels_active_idx",
        "channels",
        ["created_at", "id"],
        postgresql_where=sa.text("deleted_at IS NULL AND is_active"),
    )
    op.create_index(
        "channels_deleted_idx", "channels", ["id"], postgresql_where=sa.text("deleted_at IS NOT NULL")
    )
