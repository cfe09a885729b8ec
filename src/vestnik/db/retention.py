"""Deleting what has been kept long enough: jobs of ended campaigns, ended commands. In small transactions."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.statements import load_statement
from vestnik.domain.ids import CampaignId, JobId

BATCH = 2_000
"""Rows deleted in one transaction: some 20 ms, in which a lane can still claim."""
CAMPAIGNS_AT_ONCE = 100
BEFORE_ALL = JobId(0)
"""Before every job."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PurgedJobs:
    """What one transaction deleted of a campaign that had `total` jobs."""

    is_first: bool
    """The campaign was marked as purged by this very transaction."""
    total: int
    deleted: int
    next_after: JobId | None
    """Where to go on; None when nothing is left."""


async def list_purgeable_campaigns(session: AsyncSession, keep_for: timedelta) -> list[CampaignId]:
    """Ended campaigns that still have jobs after that time, the oldest first, a hundred at most."""
    rows = await session.execute(
        load_statement("list_purgeable"), {"keep_for": keep_for, "batch": CAMPAIGNS_AT_ONCE}
    )
    return [CampaignId(row.id) for row in rows]


async def purge_jobs(
    session: AsyncSession, campaign_id: CampaignId, keep_for: timedelta, after: JobId
) -> PurgedJobs | None:
    """Delete the next jobs of a campaign; None when it may not be purged or somebody else has it locked."""
    row = (
        await session.execute(
            load_statement("purge_jobs"),
            {"campaign_id": campaign_id, "keep_for": keep_for, "after": after, "batch": BATCH},
        )
    ).one_or_none()
    if row is None:
        return None
    return PurgedJobs(
        is_first=row.is_first,
        total=row.total,
        deleted=row.deleted,
        next_after=JobId(row.last_id) if row.deleted == BATCH else None,
    )


async def purge_commands(session: AsyncSession, keep_for: timedelta) -> int:
    """Delete ended commands; how many."""
    rows = await session.execute(load_statement("purge_commands"), {"keep_for": keep_for, "batch": BATCH})
    return len(rows.all())


async def purge_audit(session: AsyncSession, keep_for: timedelta, *, is_going_on: bool) -> int:
    """Delete the next old entries of the audit log, once a day; how many.

    `is_going_on` for the second and later parts of one purge. `keep_for` is 30 days at least: the database refuses
    less.
    """
    row = (
        await session.execute(
            load_statement("purge_audit"), {"keep_for": keep_for, "batch": BATCH, "is_going_on": is_going_on}
        )
    ).one_or_none()
    return 0 if row is None else row.gone
