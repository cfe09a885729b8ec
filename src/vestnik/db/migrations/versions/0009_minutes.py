"""Posts of each campaign minute by minute, noted by a trigger when a minute of its counters is over."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("SET LOCAL search_path = public")
    op.create_table(
        "campaign_minutes",
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.CheckConstraint("sent > 0", name=op.f("campaign_minutes_sent_check")),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("campaign_minutes_campaign_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("campaign_id", "minute", name=op.f("campaign_minutes_pkey")),
    )
    op.create_index("campaign_minutes_minute_idx", "campaign_minutes", ["minute"])
    _note_minutes()
    _protect()


def _note_minutes() -> None:
    """Once a minute and campaign a row is inserted; otherwise recording a post only evaluates the WHEN clause.

    What left the counter of the minute is what was in it, plus what was posted, less what is in it now. That is
    the whole minute when it moved on, and stays right when the clock is set back, or passes into the next minute
    between two columns of one update: then the same minute is noted in two parts.

    Nothing new is locked: whoever moves the minute on holds the campaign's row and that of its counters.
    """
    op.execute(
        """
        CREATE FUNCTION public.vestnik_note_minute() RETURNS trigger
        LANGUAGE plpgsql SET search_path = '' AS $$
        DECLARE gone int := OLD.minute_sent + (NEW.sent - OLD.sent) - NEW.minute_sent;
        BEGIN
            IF gone > 0 THEN
                INSERT INTO public.campaign_minutes AS m (campaign_id, minute, sent)
                VALUES (OLD.campaign_id, OLD.minute_started_at, gone)
                ON CONFLICT (campaign_id, minute) DO UPDATE SET sent = m.sent + excluded.sent;
            END IF;
            RETURN NULL;
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER campaign_progress_minutes
        AFTER UPDATE OF minute_started_at, minute_sent ON public.campaign_progress
        FOR EACH ROW
        WHEN (OLD.minute_sent > 0
              AND (NEW.minute_started_at <> OLD.minute_started_at OR NEW.minute_sent < OLD.minute_sent))
        EXECUTE FUNCTION public.vestnik_note_minute()
        """
    )


def _protect() -> None:
    """As all tables and functions: of no use to the roles through which Supabase exposes the schema."""
    op.execute("ALTER TABLE public.campaign_minutes ENABLE ROW LEVEL SECURITY")
    op.execute(
        """
        DO $$
        DECLARE exposed text;
        BEGIN
            REVOKE ALL ON FUNCTION public.vestnik_note_minute() FROM PUBLIC;
            FOR exposed IN SELECT rolname FROM pg_catalog.pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
                EXECUTE pg_catalog.format('REVOKE ALL ON public.campaign_minutes FROM %I', exposed);
                EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION public.vestnik_note_minute() FROM %I', exposed);
            END LOOP;
        END $$
        """
    )
