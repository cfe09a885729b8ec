"""What needs a person, kept with its history, and who is told of it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
EXPANDS_ONLY = True

MOMENT = sa.DateTime(timezone=True)
NOW = sa.text("now()")
DESTINATIONS = "alert_destinations"
NOTIFICATIONS = "alert_notifications"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL search_path = public")
    _keep_alerts()
    _keep_destinations()
    _keep_notifications()
    # What is asked every few seconds is found without reading all campaigns that ever were.
    op.create_index(
        "campaigns_stuck_idx",
        "campaigns",
        ["updated_at"],
        postgresql_where=sa.text(
            "deleted_at IS NULL AND (status IN ('PAUSED', 'FAILED') OR status = 'DRAFT'"
            " AND status_detail IS NOT NULL)"
        ),
    )
    op.create_index(
        "campaigns_completed_idx",
        "campaigns",
        ["ended_at"],
        postgresql_where=sa.text("status = 'COMPLETED'"),
    )
    _protect()


def _keep_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="FIRING", nullable=False),
        sa.Column("is_urgent", sa.Boolean(), nullable=False),
        sa.Column("subject_id", sa.Uuid()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text()),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("clear_since", MOMENT),
        sa.Column("resolved_at", MOMENT),
        sa.Column("announced_at", MOMENT),
        sa.Column("notified_at", MOMENT),
        sa.CheckConstraint("state IN ('FIRING', 'RESOLVED')", name=op.f("alerts_state_check")),
        sa.CheckConstraint(
            "(state = 'RESOLVED') = (resolved_at IS NOT NULL)", name=op.f("alerts_resolved_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("alerts_pkey")),
    )
    op.create_index(
        "alerts_firing_key", "alerts", ["key"], unique=True, postgresql_where=sa.text("state = 'FIRING'")
    )
    op.create_index(
        "alerts_resolved_at_idx",
        "alerts",
        ["resolved_at"],
        postgresql_where=sa.text("resolved_at IS NOT NULL"),
    )


def _keep_destinations() -> None:
    op.create_table(
        DESTINATIONS,
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("config", postgresql.JSONB(), nullable=False),
        sa.Column("secret_ciphertext", sa.LargeBinary()),
        sa.Column("account_id", sa.Uuid()),
        sa.Column("channel_id", sa.Uuid()),
        sa.Column("claim_epoch", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("claimed_until", MOMENT),
        sa.Column("not_before", MOMENT, server_default=NOW, nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failing_since", MOMENT),
        sa.Column("last_error", sa.Text()),
        sa.Column("last_error_at", MOMENT),
        sa.Column("last_success_at", MOMENT),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.CheckConstraint(
            "kind IN ('WEBHOOK', 'EMAIL', 'TELEGRAM')", name=op.f("alert_destinations_kind_check")
        ),
        sa.CheckConstraint(
            "(kind = 'TELEGRAM') = (account_id IS NOT NULL AND channel_id IS NOT NULL)",
            name=op.f("alert_destinations_chat_check"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("alert_destinations_account_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["channel_id"], ["channels.id"], name=op.f("alert_destinations_channel_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("alert_destinations_pkey")),
        sa.UniqueConstraint("name", name=op.f("alert_destinations_name_key")),
    )


def _keep_notifications() -> None:
    op.create_table(
        NOTIFICATIONS,
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), nullable=False),
        sa.Column("destination_id", sa.Uuid(), nullable=False),
        sa.Column("occasion", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="PENDING", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("sent_at", MOMENT),
        sa.CheckConstraint(
            "occasion IN ('FIRING', 'REPEAT', 'RESOLVED')", name=op.f("alert_notifications_occasion_check")
        ),
        sa.CheckConstraint(
            "status IN ('PENDING', 'SENT', 'FAILED', 'DROPPED')",
            name=op.f("alert_notifications_status_check"),
        ),
        sa.ForeignKeyConstraint(
            ["alert_id"],
            ["alerts.id"],
            name=op.f("alert_notifications_alert_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["destination_id"],
            ["alert_destinations.id"],
            name=op.f("alert_notifications_destination_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("alert_notifications_pkey")),
    )
    op.create_index("alert_notifications_alert_id_idx", NOTIFICATIONS, ["alert_id", "id"])
    op.create_index(
        "alert_notifications_pending_idx",
        NOTIFICATIONS,
        ["destination_id", "id"],
        postgresql_where=sa.text("status = 'PENDING'"),
    )


def _protect() -> None:
    """As all tables: of no use to the roles through which Supabase exposes the schema."""
    op.execute(
        """
        DO $$
        DECLARE own text; exposed text;
        BEGIN
            FOREACH own IN ARRAY ARRAY['alerts', 'alert_destinations', 'alert_notifications'] LOOP
                EXECUTE pg_catalog.format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', own);
                FOR exposed IN SELECT rolname FROM pg_catalog.pg_roles
                               WHERE rolname IN ('anon', 'authenticated') LOOP
                    EXECUTE pg_catalog.format('REVOKE ALL ON public.%I FROM %I', own, exposed);
                END LOOP;
            END LOOP;
            FOR exposed IN SELECT rolname FROM pg_catalog.pg_roles
                           WHERE rolname IN ('anon', 'authenticated') LOOP
                EXECUTE pg_catalog.format(
                    'REVOKE ALL ON SEQUENCE public.alerts_id_seq, public.alert_notifications_id_seq FROM %I',
                    exposed);
            END LOOP;
        END $$
        """
    )
