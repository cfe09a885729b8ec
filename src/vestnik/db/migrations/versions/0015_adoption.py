"""What was taken over from the predecessor: its ids, the rows that were refused, and what was done when."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
EXPANDS_ONLY = True

NOW = sa.text("now()")
LOOKED_UP = ("users", "channels", "batches", "templates", "campaigns")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL search_path = public")
    for table in LOOKED_UP:
        op.add_column(table, sa.Column("legacy_id", sa.Text()))
        op.create_index(
            f"{table}_legacy_id_key",
            table,
            ["legacy_id"],
            unique=True,
            postgresql_where=sa.text("legacy_id IS NOT NULL"),
        )
    op.add_column("jobs", sa.Column("legacy_id", sa.Text()))
    op.create_table(
        "legacy_adoptions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("adopted_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("tables", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("report", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("legacy_adoptions_pkey")),
    )
    op.create_table(
        "legacy_rejects",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source_table", sa.Text(), nullable=False),
        sa.Column("legacy_id", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("row", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("legacy_rejects_pkey")),
    )
    _protect()


def _protect() -> None:
    """As all tables: of no use to the roles through which Supabase exposes the schema."""
    for table in ("legacy_adoptions", "legacy_rejects"):
        op.execute(f"ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(
        """
        DO $$
        DECLARE exposed text;
        BEGIN
            FOR exposed IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
                EXECUTE pg_catalog.format(
                    'REVOKE ALL ON public.legacy_adoptions, public.legacy_rejects FROM %I', exposed);
                EXECUTE pg_catalog.format(
                    'REVOKE ALL ON SEQUENCE public.legacy_adoptions_id_seq, public.legacy_rejects_id_seq FROM %I',
                    exposed);
            END LOOP;
        END $$
        """
    )
