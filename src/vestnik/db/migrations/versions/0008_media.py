"""Stored files, where each account has uploaded them, and templates that name them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NOW = sa.text("now()")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL search_path = public")
    _create_tables()
    _protect_tables()
    op.add_column("templates", sa.Column("media_id", sa.Uuid()))
    op.create_foreign_key(
        op.f("templates_media_id_fkey"), "templates", "media", ["media_id"], ["id"], ondelete="RESTRICT"
    )
    op.create_index(
        "templates_media_id_idx",
        "templates",
        ["media_id"],
        postgresql_where=sa.text("media_id IS NOT NULL"),
    )
    op.drop_constraint(op.f("templates_media_check"), "templates", type_="check")
    op.create_check_constraint(
        op.f("templates_media_check"),
        "templates",
        "(media_type IS NULL) = (media_url IS NULL AND media_id IS NULL)",
    )
    op.create_check_constraint(
        op.f("templates_media_source_check"), "templates", "media_url IS NULL OR media_id IS NULL"
    )


def _create_tables() -> None:
    op.create_table(
        "media",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("mime_type", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer()),
        sa.Column("height", sa.Integer()),
        sa.Column("duration", sa.Double()),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.CheckConstraint(
            "kind IN ('photo', 'video', 'document', 'animation', 'audio', 'voice')",
            name=op.f("media_kind_check"),
        ),
        sa.CheckConstraint("octet_length(sha256) = 32", name=op.f("media_sha256_check")),
        sa.CheckConstraint("size > 0", name=op.f("media_size_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("media_pkey")),
        sa.UniqueConstraint("sha256", "kind", "name", name=op.f("media_sha256_kind_name_key")),
    )
    op.create_index("media_created_at_idx", "media", ["created_at", "id"])
    op.create_table(
        "account_media",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("media_id", sa.Uuid(), nullable=False),
        sa.Column("is_photo", sa.Boolean(), nullable=False),
        sa.Column("file_id", sa.BigInteger(), nullable=False),
        sa.Column("access_hash", sa.BigInteger(), nullable=False),
        sa.Column("file_reference", sa.LargeBinary(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("account_media_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["media_id"], ["media.id"], name=op.f("account_media_media_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "media_id", name=op.f("account_media_pkey")),
    )
    op.create_index("account_media_media_id_idx", "account_media", ["media_id"])


def _protect_tables() -> None:
    """As all tables: of no use to the roles through which Supabase exposes the schema."""
    for table in ("media", "account_media"):
        op.execute(f"ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(
        """
        DO $$
        DECLARE exposed text;
        BEGIN
            FOR exposed IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
                EXECUTE pg_catalog.format('REVOKE ALL ON public.media, public.account_media FROM %I', exposed);
            END LOOP;
        END $$
        """
    )
