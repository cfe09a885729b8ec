"""What the whole engine needs: the error-rate brake, the pace of the last minute, schedules, the workers' list."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL search_path = public")
    zero = sa.text("0")
    for column in ("brake_sent", "brake_failed", "minute_sent", "previous_minute_sent"):
        op.add_column(
            "campaign_progress", sa.Column(column, sa.Integer(), server_default=zero, nullable=False)
        )
    op.add_column("campaign_progress", sa.Column("minute_started_at", sa.DateTime(timezone=True)))
    op.create_check_constraint(
        op.f("campaigns_scheduled_check"), "campaigns", "status <> 'SCHEDULED' OR scheduled_at IS NOT NULL"
    )
    op.create_index(
        "campaigns_scheduled_idx",
        "campaigns",
        ["scheduled_at"],
        postgresql_where=sa.text("status = 'SCHEDULED'"),
    )
    now = sa.text("now()")
    op.create_table(
        "workers",
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("holder", name=op.f("workers_pkey")),
    )
    op.execute("ALTER TABLE public.workers ENABLE ROW LEVEL SECURITY")
    op.execute(
        """
        DO $$
        DECLARE exposed text;
        BEGIN
            FOR exposed IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
                EXECUTE pg_catalog.format('REVOKE ALL ON public.workers FROM %I', exposed);
            END LOOP;
        END $$
        """
    )
