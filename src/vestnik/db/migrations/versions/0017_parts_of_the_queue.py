"""A claim of a fresh job changes nothing that an index holds, so it writes to none.

Every row is written anew, under a lock that nobody passes: some ten seconds for a million jobs. And code of before
looks for jobs by indexes that are gone, so the promise to only expand is not given.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

EXPANDS_ONLY = False


def upgrade() -> None:
    for index in ("jobs_fresh_idx", "jobs_returned_idx", "jobs_sending_idx", "jobs_failed_idx"):
        op.execute(f"DROP INDEX public.{index}")
    op.execute("ALTER TABLE public.jobs SET (fillfactor = 50)")
    op.execute(
        """
        ALTER TABLE public.jobs ADD COLUMN queue_part text GENERATED ALWAYS AS (
            CASE WHEN status = 'SENDING' OR status = 'QUEUED' AND claims = 0 THEN 'OPEN'
                 WHEN status = 'QUEUED' THEN 'RETURNED'
                 WHEN status = 'FAILED' THEN 'FAILED' END) STORED
        """
    )
    op.execute("CREATE INDEX jobs_open_idx ON public.jobs (campaign_id, (id + 0)) WHERE queue_part = 'OPEN'")
    op.execute(
        "CREATE INDEX jobs_returned_idx ON public.jobs (campaign_id, not_before) WHERE queue_part = 'RETURNED'"
    )
    op.execute("CREATE INDEX jobs_failed_idx ON public.jobs (campaign_id, id) WHERE queue_part = 'FAILED'")
    op.execute("ANALYZE public.jobs")
