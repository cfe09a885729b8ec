"""Indexes for large campaigns: for ending and expanding them in parts, and for entries that are one channel."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL search_path = public")
    ending = sa.text("status IN ('CANCELLED', 'FAILED') AND ended_at IS NULL")
    op.create_index("campaigns_ending_idx", "campaigns", ["id"], postgresql_where=ending)
    op.create_index("channel_peers_tg_id_idx", "channel_peers", ["account_id", "tg_id"])
    op.create_index("batch_channels_position_idx", "batch_channels", ["batch_id", "position"])
