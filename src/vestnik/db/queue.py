"""What the whole system has to do and who does it: sums over counters, never over jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.job_parts import select_sending
from vestnik.db.models import (
    AccountHold,
    AccountLease,
    Campaign,
    CampaignProgress,
    WorkerProcess,
)
from vestnik.domain.states import CampaignStatus, HoldScope


@dataclass(frozen=True, kw_only=True, slots=True)
class JobSums:
    """Jobs of all campaigns by status, purged ones included."""

    total: int
    queued: int
    sending: int
    sent: int
    failed: int
    cancelled: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountLoad:
    """What an account has to do."""

    running_campaigns: int = 0
    queued: int = 0
    sending: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """An account waits; SEND holds everything, RESOLVE only look-ups of usernames."""

    scope: HoldScope
    until: datetime
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerStanding:
    """A worker as it last said that it lives, and how many accounts it speaks for now."""

    holder: str
    host: str
    pid: int
    started_at: datetime
    seen_at: datetime
    silent_for: timedelta
    accounts: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OldestSending:
    """The message that has been on its way to Telegram for the longest time."""

    job_id: int
    campaign_id: UUID
    account_id: UUID
    since: datetime


async def sum_jobs(session: AsyncSession) -> JobSums:
    """All campaigns' counters."""
    names = ("total", "queued", "sending", "sent", "failed", "cancelled")
    columns = (func.coalesce(func.sum(getattr(CampaignProgress, name)), 0).label(name) for name in names)
    query = select(*columns).join(Campaign, Campaign.id == CampaignProgress.campaign_id)
    row = (await session.execute(query.where(Campaign.deleted_at.is_(None)))).one()
    return JobSums(**{name: int(getattr(row, name)) for name in names})


async def count_campaigns(session: AsyncSession) -> dict[CampaignStatus, int]:
    """Campaigns by stored status."""
    rows = await session.execute(
        select(Campaign.status, func.count()).where(Campaign.deleted_at.is_(None)).group_by(Campaign.status)
    )
    return {CampaignStatus(status): count for status, count in rows}


async def list_account_loads(session: AsyncSession) -> dict[UUID, AccountLoad]:
    """By account; those without campaigns are missing."""
    rows = await session.execute(
        select(
            Campaign.account_id,
            func.count().filter(Campaign.status == CampaignStatus.RUNNING),
            func.coalesce(func.sum(CampaignProgress.queued), 0),
            func.coalesce(func.sum(CampaignProgress.sending), 0),
        )
        .outerjoin(CampaignProgress, CampaignProgress.campaign_id == Campaign.id)
        .group_by(Campaign.account_id)
    )
    return {
        account_id: AccountLoad(running_campaigns=running, queued=int(queued), sending=int(sending))
        for account_id, running, queued, sending in rows
    }


async def list_holds(session: AsyncSession) -> dict[UUID, Sequence[Hold]]:
    """Holds that still last, by account."""
    rows = await session.scalars(
        select(AccountHold)
        .where(AccountHold.until > func.clock_timestamp())
        .order_by(AccountHold.account_id, AccountHold.scope)
        .execution_options(populate_existing=True)
    )
    found: dict[UUID, list[Hold]] = {}
    for row in rows:
        hold = Hold(scope=HoldScope(row.scope), until=row.until, reason=row.reason)
        found.setdefault(row.account_id, []).append(hold)
    return dict(found)


async def list_holders(session: AsyncSession) -> dict[UUID, str]:
    """Which process speaks for an account now, by account."""
    rows = await session.execute(
        select(AccountLease.account_id, AccountLease.holder).where(
            AccountLease.lease_until > func.clock_timestamp()
        )
    )
    return {row.account_id: row.holder for row in rows}


async def list_workers(session: AsyncSession) -> list[WorkerStanding]:
    """Those seen within a day, the one seen last first."""
    leases = (
        select(func.count())
        .where(AccountLease.holder == WorkerProcess.holder, AccountLease.lease_until > func.clock_timestamp())
        .scalar_subquery()
    )
    rows = await session.execute(
        select(WorkerProcess, func.clock_timestamp() - WorkerProcess.seen_at, leases)
        .order_by(WorkerProcess.seen_at.desc(), WorkerProcess.holder)
        .execution_options(populate_existing=True)
    )
    return [
        WorkerStanding(
            holder=worker.holder,
            host=worker.host,
            pid=worker.pid,
            started_at=worker.started_at,
            seen_at=worker.seen_at,
            silent_for=silent_for,
            accounts=accounts,
        )
        for worker, silent_for, accounts in rows
    ]


async def find_oldest_sending(session: AsyncSession) -> OldestSending | None:
    """The one that has been on its way for longest.

    A job's first claim is known, not its last: one that came back counts from when it was due again.
    """
    sending = select_sending().c
    since = func.greatest(sending.started_at, sending.not_before)
    row = (
        await session.execute(
            select(sending.id, sending.campaign_id, sending.account_id, since)
            .order_by(since, sending.id)
            .limit(1)
        )
    ).one_or_none()
    if row is None:
        return None
    job_id, campaign_id, account_id, moment = row
    return OldestSending(job_id=job_id, campaign_id=campaign_id, account_id=account_id, since=moment)
