"""Campaigns that wait for a person."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.ledger import BRAKE_RESULTS
from vestnik.db.models import AccountHold, Campaign
from vestnik.db.statements import load_statement
from vestnik.domain.states import CampaignStatus, HoldScope, PauseReason

FAILED_FOR: Final = timedelta(days=1)
"""For so long a failed campaign is news."""
_MOST_JOBS: Final = 500
"""So many of a campaign's jobs are looked at to find one that is due."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StuckCampaign:
    """A campaign that does not go on by itself, and why."""

    id: UUID
    name: str
    status: CampaignStatus
    pause_reason: PauseReason | None
    detail: str | None


async def list_stuck_campaigns(session: AsyncSession, *, limit: int) -> list[StuckCampaign]:
    """Those that paused themselves, missed their time or failed lately; the one that changed last first.

    A DRAFT has a detail only when its time was missed.
    """
    query = (
        select(Campaign.id, Campaign.name, Campaign.status, Campaign.pause_reason, Campaign.status_detail)
        .where(
            Campaign.deleted_at.is_(None),
            or_(
                # Literals, which the planner can compare with the index.
                and_(
                    Campaign.status == literal_column("'PAUSED'"),
                    Campaign.pause_reason != PauseReason.OPERATOR,
                ),
                and_(Campaign.status == literal_column("'DRAFT'"), Campaign.status_detail.is_not(None)),
                and_(
                    Campaign.status == literal_column("'FAILED'"),
                    Campaign.updated_at > func.clock_timestamp() - FAILED_FOR,
                ),
            ),
        )
        .order_by(Campaign.updated_at.desc(), Campaign.id)
        .limit(limit)
    )
    return [
        StuckCampaign(
            id=row.id,
            name=row.name,
            status=CampaignStatus(row.status),
            pause_reason=None if row.pause_reason is None else PauseReason(row.pause_reason),
            detail=row.status_detail,
        )
        for row in await session.execute(query)
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class FailingCampaign:
    """A campaign of which too large a part failed."""

    id: UUID
    name: str
    failed: int
    results: int


async def list_failing_campaigns(session: AsyncSession, *, share: float, limit: int) -> list[FailingCampaign]:
    """Read from counters; no job is counted."""
    rows = await session.execute(
        load_statement("list_failing_campaigns"), {"share": share, "enough": BRAKE_RESULTS, "limit": limit}
    )
    return [FailingCampaign(id=row.id, name=row.name, failed=row.failed, results=row.results) for row in rows]


@dataclass(frozen=True, kw_only=True, slots=True)
class StalledCampaign:
    """A campaign that has something to post, and may post it, but has not since then."""

    id: UUID
    name: str
    since: datetime


async def list_stalled_campaigns(
    session: AsyncSession, *, after: timedelta, limit: int
) -> list[StalledCampaign]:
    """The one that stands still for the longest time first."""
    rows = await session.execute(
        load_statement("list_stalled"), {"after": after, "limit": limit, "most": _MOST_JOBS}
    )
    return [StalledCampaign(id=row.id, name=row.name, since=row.since) for row in rows]


async def count_running(session: AsyncSession) -> dict[UUID, int]:
    """Running campaigns by account, read from their index."""
    rows = await session.execute(
        select(Campaign.account_id, func.count().label("running"))
        .where(Campaign.status == literal_column("'RUNNING'"))
        .group_by(Campaign.account_id)
    )
    return {row.account_id: row.running for row in rows}


async def is_any_scheduled(session: AsyncSession) -> bool:
    """Whether a campaign starts by itself."""
    query = select(Campaign.id).where(Campaign.status == literal_column("'SCHEDULED'"))
    return bool(await session.scalar(select(query.exists())))


@dataclass(frozen=True, kw_only=True, slots=True)
class LongHold:
    """A time for which an account posts nothing because Telegram said so."""

    until: datetime
    reason: str


async def list_long_holds(session: AsyncSession, *, at_least: timedelta) -> dict[UUID, LongHold]:
    """Those that last, by account: of so much time from their beginning to their end."""
    hold = AccountHold
    rows = await session.scalars(
        select(hold)
        .where(
            hold.scope == HoldScope.SEND,
            hold.until > func.clock_timestamp(),
            hold.until - hold.created_at >= at_least,
        )
        .execution_options(populate_existing=True)
    )
    return {row.account_id: LongHold(until=row.until, reason=row.reason) for row in rows}
