"""The first tables: campaigns, their ledger of jobs, accounts, people, audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "account_commands",
    "account_holds",
    "account_leases",
    "accounts",
    "api_tokens",
    "audit_logs",
    "batch_channels",
    "batches",
    "campaign_progress",
    "campaigns",
    "channel_peers",
    "channels",
    "jobs",
    "sessions",
    "templates",
    "users",
    "alembic_version",
)
SEQUENCES = ("audit_logs_id_seq", "batch_channels_position_seq", "jobs_id_seq")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL search_path = public")
    op.create_table(
        "accounts",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="ACTIVE", nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=True),
        sa.Column("rate", sa.Numeric(precision=8, scale=3), server_default="20", nullable=False),
        sa.Column("api_id", sa.Integer(), nullable=True),
        sa.Column("api_hash_ciphertext", sa.LargeBinary(), nullable=True),
        sa.Column("session_ciphertext", sa.LargeBinary(), nullable=True),
        sa.Column("environment_digest", sa.LargeBinary(), nullable=True),
        sa.Column("tg_user_id", sa.BigInteger(), nullable=True),
        sa.Column("tg_name", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind <> 'SIMULATED' OR session_ciphertext IS NULL", name=op.f("accounts_simulated_session_check")
        ),
        sa.CheckConstraint("kind IN ('USER', 'BOT', 'SIMULATED')", name=op.f("accounts_kind_check")),
        sa.CheckConstraint(
            "state IN ('ACTIVE', 'NEEDS_LOGIN', 'LIMITED', 'DISABLED')", name=op.f("accounts_state_check")
        ),
        sa.CheckConstraint("rate > 0 AND rate <= 1000", name=op.f("accounts_rate_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("accounts_pkey")),
        sa.UniqueConstraint("id", "kind", name=op.f("accounts_id_kind_key")),
        sa.UniqueConstraint("name", name=op.f("accounts_name_key")),
    )
    op.create_table(
        "audit_logs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("entity_type", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "actor_kind IN ('USER', 'TOKEN', 'CLI', 'SYSTEM')", name=op.f("audit_logs_actor_kind_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_logs_pkey")),
    )
    op.create_index("audit_logs_created_at_idx", "audit_logs", ["created_at", "id"], unique=False)
    op.create_index("audit_logs_entity_idx", "audit_logs", ["entity_type", "entity_id", "id"], unique=False)
    op.create_table(
        "batches",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("batches_pkey")),
        sa.UniqueConstraint("name", name=op.f("batches_name_key")),
    )
    op.create_table(
        "channels",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("username", sa.Text(), nullable=True),
        sa.Column("tg_id", sa.BigInteger(), nullable=True),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("inactive_reason", sa.Text(), nullable=True),
        sa.Column("inactive_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("inactive_campaign_id", sa.Uuid(), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("username ~ '^[A-Za-z][A-Za-z0-9_]{3,31}$'", name=op.f("channels_username_check")),
        sa.CheckConstraint("username IS NOT NULL OR tg_id IS NOT NULL", name=op.f("channels_named_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("channels_pkey")),
    )
    op.create_index(
        "channels_tg_id_key",
        "channels",
        ["tg_id"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL AND username IS NULL"),
    )
    op.create_index(
        "channels_username_key",
        "channels",
        [sa.literal_column("lower(username)")],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "templates",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("parse_mode", sa.Text(), nullable=True),
        sa.Column("link_preview", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("media_url", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("parse_mode IN ('HTML', 'MARKDOWN')", name=op.f("templates_parse_mode_check")),
        sa.CheckConstraint("(media_type IS NULL) = (media_url IS NULL)", name=op.f("templates_media_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("templates_pkey")),
        sa.UniqueConstraint("name", name=op.f("templates_name_key")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("role IN ('ADMIN', 'OPERATOR', 'VIEWER')", name=op.f("users_role_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("users_pkey")),
    )
    op.create_index("users_email_key", "users", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "account_commands",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payload_ciphertext", sa.LargeBinary(), nullable=True),
        sa.Column("random_id", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.Text(), server_default="PENDING", nullable=False),
        sa.Column("claim_epoch", sa.BigInteger(), nullable=True),
        sa.Column("maybe_sent", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('PENDING', 'STARTED', 'DONE', 'FAILED', 'EXPIRED')",
            name=op.f("account_commands_status_check"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("account_commands_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("account_commands_pkey")),
    )
    op.create_index(
        "account_commands_pending_idx",
        "account_commands",
        ["account_id", "created_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('PENDING', 'STARTED')"),
    )
    op.create_table(
        "account_holds",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("scope IN ('SEND', 'RESOLVE')", name=op.f("account_holds_scope_check")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("account_holds_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "scope", name=op.f("account_holds_pkey")),
    )
    op.create_table(
        "account_leases",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_slot_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("account_leases_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("account_leases_pkey")),
    )
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scope", sa.Text(), server_default="FULL", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("api_tokens_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("api_tokens_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("api_tokens_token_hash_key")),
    )
    op.create_index(op.f("api_tokens_user_id_idx"), "api_tokens", ["user_id"], unique=False)
    op.create_table(
        "batch_channels",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("batch_channels_batch_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("batch_channels_channel_id_fkey"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("batch_id", "channel_id", name=op.f("batch_channels_pkey")),
    )
    op.create_index("batch_channels_channel_id_idx", "batch_channels", ["channel_id"], unique=False)
    op.create_table(
        "campaigns",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("account_kind", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.Text(), server_default="TEST", nullable=False),
        sa.Column("status", sa.Text(), server_default="DRAFT", nullable=False),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("status_detail", sa.Text(), nullable=True),
        sa.Column("delivery_rate", sa.Numeric(precision=8, scale=3), nullable=False),
        sa.Column("retry_limit", sa.SmallInteger(), server_default="3", nullable=False),
        sa.Column("max_error_rate", sa.Numeric(precision=4, scale=3), server_default="0.100", nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("next_slot_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expansion_position", sa.BigInteger(), nullable=True),
        sa.Column("expanded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(mode = 'TEST') = (account_kind = 'SIMULATED')", name=op.f("campaigns_mode_account_check")
        ),
        sa.CheckConstraint(
            "(status = 'PAUSED') = (pause_reason IS NOT NULL)", name=op.f("campaigns_paused_check")
        ),
        sa.CheckConstraint("mode IN ('TEST', 'LIVE')", name=op.f("campaigns_mode_check")),
        sa.CheckConstraint(
            "pause_reason IN ('OPERATOR', 'CONTENT_ERROR', 'ERROR_RATE', 'RESTORED')",
            name=op.f("campaigns_pause_reason_check"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('RUNNING', 'COMPLETED') OR content IS NOT NULL",
            name=op.f("campaigns_content_check"),
        ),
        sa.CheckConstraint(
            "status IN ('DRAFT', 'SCHEDULED', 'RUNNING', 'PAUSED', 'COMPLETED', 'CANCELLED', 'FAILED')",
            name=op.f("campaigns_status_check"),
        ),
        sa.CheckConstraint(
            "delivery_rate > 0 AND delivery_rate <= 1000", name=op.f("campaigns_delivery_rate_check")
        ),
        sa.CheckConstraint(
            "max_error_rate > 0 AND max_error_rate <= 1", name=op.f("campaigns_max_error_rate_check")
        ),
        sa.CheckConstraint("retry_limit BETWEEN 0 AND 20", name=op.f("campaigns_retry_limit_check")),
        sa.ForeignKeyConstraint(
            ["account_id", "account_kind"],
            ["accounts.id", "accounts.kind"],
            name=op.f("campaigns_account_id_account_kind_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["batches.id"], name=op.f("campaigns_batch_id_fkey"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["template_id"], ["templates.id"], name=op.f("campaigns_template_id_fkey"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("campaigns_pkey")),
    )
    op.create_index(op.f("campaigns_batch_id_idx"), "campaigns", ["batch_id"], unique=False)
    op.create_index("campaigns_created_at_idx", "campaigns", ["created_at", "id"], unique=False)
    op.create_index(
        "campaigns_running_idx",
        "campaigns",
        ["account_id"],
        unique=False,
        postgresql_where=sa.text("status = 'RUNNING'"),
    )
    op.create_index(op.f("campaigns_template_id_idx"), "campaigns", ["template_id"], unique=False)
    op.create_table(
        "channel_peers",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("tg_id", sa.BigInteger(), nullable=True),
        sa.Column("access_hash", sa.BigInteger(), nullable=True),
        sa.Column("can_post", sa.Boolean(), nullable=True),
        sa.Column("slow_mode_seconds", sa.Integer(), nullable=True),
        sa.Column("hold_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("consecutive_failures", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("inactive_reason", sa.Text(), nullable=True),
        sa.Column("inactive_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("inactive_campaign_id", sa.Uuid(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("channel_peers_account_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("channel_peers_channel_id_fkey"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("account_id", "channel_id", name=op.f("channel_peers_pkey")),
    )
    op.create_index("channel_peers_channel_id_idx", "channel_peers", ["channel_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "last_seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("sessions_user_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("sessions_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("sessions_token_hash_key")),
    )
    op.create_index(op.f("sessions_user_id_idx"), "sessions", ["user_id"], unique=False)
    op.create_table(
        "campaign_progress",
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("queued", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sending", sa.Integer(), server_default="0", nullable=False),
        sa.Column("sent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancelled", sa.Integer(), server_default="0", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "least(queued, sending, sent, failed, cancelled) >= 0",
            name=op.f("campaign_progress_not_negative_check"),
        ),
        sa.CheckConstraint(
            "total = queued + sending + sent + failed + cancelled", name=op.f("campaign_progress_sum_check")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("campaign_progress_campaign_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("campaign_progress_pkey")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), server_default="QUEUED", nullable=False),
        sa.Column("claims", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("maybe_sent", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("claim_epoch", sa.BigInteger(), nullable=True),
        sa.Column("random_id", sa.BigInteger(), nullable=False),
        sa.Column("message_ids", postgresql.ARRAY(sa.BigInteger()), nullable=True),
        sa.Column("rendered_content", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('QUEUED', 'SENDING', 'SENT', 'FAILED', 'CANCELLED')", name=op.f("jobs_status_check")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("jobs_account_id_fkey"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("jobs_campaign_id_fkey"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("jobs_channel_id_fkey"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("jobs_pkey")),
        sa.UniqueConstraint("campaign_id", "channel_id", name=op.f("jobs_campaign_id_channel_id_key")),
    )
    op.create_index("jobs_channel_id_idx", "jobs", ["channel_id"], unique=False)
    op.create_index(
        "jobs_fresh_idx",
        "jobs",
        ["campaign_id", sa.text("(id + 0)")],
        unique=False,
        postgresql_where=sa.text("status = 'QUEUED' AND claims = 0"),
    )
    op.create_index(
        "jobs_returned_idx",
        "jobs",
        ["campaign_id", "not_before"],
        unique=False,
        postgresql_where=sa.text("status = 'QUEUED' AND claims > 0"),
    )
    op.create_index(
        "jobs_sending_idx",
        "jobs",
        ["account_id"],
        unique=False,
        postgresql_where=sa.text("status = 'SENDING'"),
    )
    _tune_ledger()
    _make_audit_log_append_only()
    _keep_out_supabase_roles()
    # A TEST campaign rehearses on this account without being told.
    op.execute("INSERT INTO public.accounts (name, kind) VALUES ('rehearsal', 'SIMULATED')")


def _tune_ledger() -> None:
    """The ledger's rows change a few times each, in the order of their ids: keep room and clean early."""
    op.execute(
        "ALTER TABLE public.jobs SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, "
        "autovacuum_analyze_scale_factor = 0.05)"
    )
    op.execute("ALTER TABLE public.campaign_progress SET (fillfactor = 50)")
    op.execute("ALTER TABLE public.account_leases SET (fillfactor = 50)")


def _make_audit_log_append_only() -> None:
    op.execute(
        """
        CREATE FUNCTION public.vestnik_refuse_audit_change() RETURNS trigger
        LANGUAGE plpgsql SET search_path = '' AS $$
        BEGIN
            RAISE EXCEPTION 'audit_logs is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER audit_logs_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.audit_logs
        FOR EACH STATEMENT EXECUTE FUNCTION public.vestnik_refuse_audit_change()
        """
    )


def _keep_out_supabase_roles() -> None:
    """Row security on each table and no grant to the roles that Supabase exposes over HTTP.

    Row security alone covers neither TRUNCATE nor views; default grants differ between projects, and Supabase's
    cover the sequences behind identity columns, where they allow setval.
    """
    for table in TABLES:
        op.execute(f"ALTER TABLE public.{table} ENABLE ROW LEVEL SECURITY")
    ours = ", ".join(f"public.{table}" for table in TABLES)
    sequences = ", ".join(f"public.{sequence}" for sequence in SEQUENCES)
    op.execute(
        f"""
        DO $$
        DECLARE exposed text;
        BEGIN
            REVOKE ALL ON FUNCTION public.vestnik_refuse_audit_change() FROM PUBLIC;
            FOR exposed IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
                EXECUTE pg_catalog.format('REVOKE ALL ON {ours} FROM %I', exposed);
                EXECUTE pg_catalog.format('REVOKE ALL ON SEQUENCE {sequences} FROM %I', exposed);
                EXECUTE pg_catalog.format(
                    'REVOKE ALL ON FUNCTION public.vestnik_refuse_audit_change() FROM %I', exposed);
            END LOOP;
        END $$
        """  # noqa: S608 - names of our own tables
    )
