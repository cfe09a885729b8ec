"""The life of accounts: which session is whose, logins under way, and how often Telegram made an account wait."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

NOW = sa.text("now()")
ZERO = sa.text("0")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL search_path = public")
    _extend_accounts()
    _create_logins()
    _create_waits()
    _protect_tables()


def _extend_accounts() -> None:
    op.add_column("accounts", sa.Column("session_digest", sa.LargeBinary()))
    op.add_column("accounts", sa.Column("session_version", sa.Integer(), server_default=ZERO, nullable=False))
    op.add_column("accounts", sa.Column("state_before", sa.Text()))
    op.create_check_constraint(
        op.f("accounts_state_before_check"),
        "accounts",
        "state_before IN ('ACTIVE', 'NEEDS_LOGIN', 'LIMITED')",
    )
    op.create_unique_constraint(op.f("accounts_session_digest_key"), "accounts", ["session_digest"])
    # Until now there was one real account at most, so no two of them can be the same Telegram user.
    op.create_index(
        "accounts_tg_user_id_key",
        "accounts",
        ["tg_user_id"],
        unique=True,
        postgresql_where=sa.text("kind <> 'SIMULATED'"),
    )
    op.add_column("account_leases", sa.Column("connected_at", sa.DateTime(timezone=True)))


def _create_logins() -> None:
    op.create_table(
        "account_logins",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("login_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), server_default="STARTING", nullable=False),
        sa.Column("epoch", sa.BigInteger()),
        sa.Column("attempts", sa.SmallInteger(), server_default=ZERO, nullable=False),
        sa.Column("hint", sa.Text()),
        sa.Column("code_kind", sa.Text()),
        sa.Column("code_length", sa.SmallInteger()),
        sa.Column("next_kind", sa.Text()),
        sa.Column("resend_at", sa.DateTime(timezone=True)),
        sa.Column("qr_ciphertext", sa.LargeBinary()),
        sa.Column("qr_expires_at", sa.DateTime(timezone=True)),
        sa.Column("error_code", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("error_field", sa.Text()),
        sa.Column("retry_at", sa.DateTime(timezone=True)),
        sa.Column(
            "recent_starts",
            sa.ARRAY(sa.DateTime(timezone=True)),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "method IN ('PHONE', 'QR', 'BOT', 'LOG_OUT')", name=op.f("account_logins_method_check")
        ),
        sa.CheckConstraint(
            "step IN ('STARTING', 'CODE', 'PASSWORD', 'QR', 'CHECKING', 'DONE', 'FAILED', 'CANCELLED')",
            name=op.f("account_logins_step_check"),
        ),
        sa.CheckConstraint(
            "(finished_at IS NOT NULL) = (step IN ('DONE', 'FAILED', 'CANCELLED'))",
            name=op.f("account_logins_finished_check"),
        ),
        sa.CheckConstraint("step = 'QR' OR qr_ciphertext IS NULL", name=op.f("account_logins_wiped_check")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("account_logins_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("account_logins_pkey")),
    )


def _create_waits() -> None:
    op.create_table(
        "account_waits",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("scope IN ('SEND', 'RESOLVE')", name=op.f("account_waits_scope_check")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("account_waits_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("account_waits_pkey")),
    )
    op.create_index("account_waits_account_id_idx", "account_waits", ["account_id", "id"])


def _protect_tables() -> None:
    """As all tables: of no use to the roles through which Supabase exposes the schema."""
    for table in ("account_logins", "account_waits"):
        op.execute(f"ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY")
    op.execute(
        """
        DO $$
        DECLARE exposed text;
        BEGIN
            FOR exposed IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
                EXECUTE pg_catalog.format(
                    'REVOKE ALL ON public.account_logins, public.account_waits FROM %I', exposed);
                EXECUTE pg_catalog.format('REVOKE ALL ON SEQUENCE public.account_waits_id_seq FROM %I', exposed);
            END LOOP;
        END $$
        """
    )
