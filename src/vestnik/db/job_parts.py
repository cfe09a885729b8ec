"""Which jobs each partial index of the ledger holds, written as conditions that the planner recognizes.

The values stand in the statements: a plan that is kept for any parameter could not use a partial index.
"""

from typing import Final

from sqlalchemy import ColumnElement, FromClause, literal_column, select

from vestnik.db.models import CampaignProgress, Job
from vestnik.domain.states import JobStatus


def _in_part(name: str) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = Job.queue_part == literal_column(f"'{name}'")
    return condition


def has_status(status: JobStatus) -> ColumnElement[bool]:
    """Of jobs in this status."""
    condition: ColumnElement[bool] = Job.status == literal_column(f"'{status.value}'")
    return condition


_IS_OPEN: Final = _in_part("OPEN")
"""Queued and never claimed, or being sent; in the order of `OPEN_ID`."""
OPEN_ID: Final[ColumnElement[int]] = literal_column("(jobs.id + 0)")
"""What the index of open jobs holds besides the campaign."""


def _is_open_and(status: JobStatus) -> ColumnElement[bool]:
    """A status is to the planner a further part of those that are open: it counts on hardly any, and would read
    and sort them all. Of a CASE it knows nothing."""
    return _IS_OPEN & literal_column(f"CASE jobs.status WHEN '{status.value}' THEN true ELSE false END")


IS_FRESH: Final = _is_open_and(JobStatus.QUEUED)
"""Queued and never claimed."""
IS_RETURNED: Final = _in_part("RETURNED")
"""Queued and claimed before; in the order of `not_before`."""
IS_FAILED: Final = _in_part("FAILED")
"""In the order of their ids."""


def select_sending() -> FromClause:
    """The jobs that are being sent: `campaign_id`, `account_id`, `id`, `started_at`, `not_before`.

    Each search among the open jobs of a campaign ends with as many as it counts. What it passes are fresh jobs
    that could not be claimed.
    """
    found = (
        select(Job.account_id, Job.id, Job.started_at, Job.not_before)
        .where(Job.campaign_id == CampaignProgress.campaign_id, _is_open_and(JobStatus.SENDING))
        .order_by(OPEN_ID)
        .limit(CampaignProgress.sending)
        .correlate(CampaignProgress)
        .lateral("found")
    )
    return (
        select(CampaignProgress.campaign_id, found)
        .join(found, literal_column("true"))
        .where(CampaignProgress.sending > 0)
        .subquery("sending")
    )
