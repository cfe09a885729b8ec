"""What the API needs: people and their sign-ins, repeatable requests, revisions, lists of jobs by indexes."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

NOW = sa.text("now()")
REVISED = ("users", "channels", "batches", "templates")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL search_path = public")
    for table in REVISED:
        op.add_column(table, sa.Column("revision", sa.Integer(), server_default="1", nullable=False))
    op.add_column(
        "users",
        sa.Column("must_change_password", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("users", sa.Column("last_login_at", sa.DateTime(timezone=True)))
    op.add_column("api_tokens", sa.Column("hint", sa.Text(), server_default="", nullable=False))
    op.create_check_constraint(op.f("api_tokens_scope_check"), "api_tokens", "scope IN ('READ', 'FULL')")
    op.create_index(
        "channels_created_at_idx",
        "channels",
        ["created_at", "id"],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index(
        "channels_inactive_idx",
        "channels",
        ["created_at", "id"],
        postgresql_where=sa.text("deleted_at IS NULL AND NOT is_active"),
    )
    op.create_index(
        "channel_peers_inactive_idx",
        "channel_peers",
        ["channel_id"],
        postgresql_where=sa.text("NOT is_active"),
    )
    _create_tables()
    _protect_tables()
    _change_jobs()


def _create_tables() -> None:
    op.create_table(
        "login_attempts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("succeeded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("login_attempts_pkey")),
    )
    op.create_index("login_attempts_email_idx", "login_attempts", ["email", "at"])
    op.create_index("login_attempts_address_idx", "login_attempts", ["address", "at"])
    op.create_index("login_attempts_at_idx", "login_attempts", ["at"])
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("idempotency_keys_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("idempotency_keys_pkey")),
    )
    op.create_index("idempotency_keys_created_at_idx", "idempotency_keys", ["created_at"])


def _protect_tables() -> None:
    """As all tables: of no use to the roles through which Supabase exposes the schema."""
    for table in ("login_attempts", "idempotency_keys"):
        op.execute(f"ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(
        """
        DO $$
        DECLARE exposed text;
        BEGIN
            FOR exposed IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
                EXECUTE pg_catalog.format(
                    'REVOKE ALL ON public.login_attempts, public.idempotency_keys FROM %I', exposed);
                EXECUTE pg_catalog.format('REVOKE ALL ON SEQUENCE public.login_attempts_id_seq FROM %I', exposed);
            END LOOP;
        END $$
        """
    )


def _change_jobs() -> None:
    op.create_unique_constraint(op.f("campaigns_id_account_id_key"), "campaigns", ["id", "account_id"])
    op.create_foreign_key(
        op.f("jobs_campaign_id_account_id_fkey"),
        "jobs",
        "campaigns",
        ["campaign_id", "account_id"],
        ["id", "account_id"],
        ondelete="RESTRICT",
    )
    op.drop_constraint(op.f("jobs_campaign_id_fkey"), "jobs", type_="foreignkey")
    op.drop_constraint(op.f("jobs_account_id_fkey"), "jobs", type_="foreignkey")
    op.drop_constraint(op.f("jobs_campaign_id_channel_id_key"), "jobs", type_="unique")
    op.drop_index("jobs_channel_id_idx", "jobs")
    op.create_unique_constraint(
        op.f("jobs_campaign_id_channel_id_key"), "jobs", ["channel_id", "campaign_id"]
    )
    op.create_index("jobs_campaign_id_id_idx", "jobs", ["campaign_id", "id"])
    op.create_index(
        "jobs_failed_idx", "jobs", ["campaign_id", "id"], postgresql_where=sa.text("status = 'FAILED'")
    )
