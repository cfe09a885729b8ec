"""Revisions of accounts, and the headers of answers that may be asked for again."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL search_path = public")
    op.add_column("accounts", sa.Column("revision", sa.Integer(), server_default="1", nullable=False))
    op.add_column(
        "idempotency_keys", sa.Column("headers", JSONB(), server_default=sa.text("'{}'"), nullable=False)
    )
