"""How posts of a template are announced and shown."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL search_path = public")
    _add_options()


def _add_options() -> None:
    op.add_column(
        "templates",
        sa.Column("link_preview_position", sa.Text(), server_default="below", nullable=False),
    )
    op.add_column("templates", sa.Column("link_preview_size", sa.Text()))
    for name in ("silent", "protect_content"):
        op.add_column(
            "templates", sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)
        )
    op.create_check_constraint(
        op.f("templates_link_preview_position_check"),
        "templates",
        "link_preview_position IN ('above', 'below')",
    )
    op.create_check_constraint(
        op.f("templates_link_preview_size_check"), "templates", "link_preview_size IN ('large', 'small')"
    )
