"""How posts of a template are announced and shown, albums, buttons, and when files were used."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL search_path = public")
    _add_options()
    _add_albums()
    _add_buttons()
    # What is stored by now counts as used today.
    op.add_column(
        "media",
        sa.Column("used_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )


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


def _add_albums() -> None:
    op.add_column(
        "templates",
        sa.Column("media_ids", postgresql.ARRAY(sa.Uuid()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.create_check_constraint(
        op.f("templates_media_ids_check"),
        "templates",
        "media_ids = '{}' OR (cardinality(media_ids) BETWEEN 2 AND 10 AND media_id IS NOT NULL"
        " AND media_ids[1] = media_id)",
    )


def _add_buttons() -> None:
    op.add_column(
        "templates",
        sa.Column("buttons", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
    )
    op.create_check_constraint(
        op.f("templates_buttons_check"), "templates", "jsonb_typeof(buttons) = 'array'"
    )
