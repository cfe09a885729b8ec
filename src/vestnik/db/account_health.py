"""How an account does: since when it is connected, how much it posts, how often Telegram made it wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import (
    AccountCommand,
    AccountLease,
    AccountWait,
    Campaign,
    CampaignMinute,
    CampaignProgress,
)
from vestnik.db.rates import select_minutes
from vestnik.domain.commands import CommandKind, CommandStatus
from vestnik.domain.ids import AccountId
from vestnik.domain.states import HoldScope


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """A time for which Telegram made the account wait, over or not."""

    at: datetime
    until: datetime
    scope: HoldScope
    reason: str


async def find_connected_since(session: AsyncSession, account_id: AccountId) -> datetime | None:
    """Since when a process is connected for the account; None while none is."""
    connected_at: datetime | None = await session.scalar(
        select(AccountLease.connected_at).where(
            AccountLease.account_id == account_id, AccountLease.lease_until > func.clock_timestamp()
        )
    )
    return connected_at


async def count_posts(session: AsyncSession, account_id: AccountId, within: timedelta) -> int:
    """Posts of campaigns and of direct sends, the former to the minute."""
    since: datetime | None = await session.scalar(select(func.clock_timestamp() - within))
    assert since is not None
    own = select(Campaign.id).where(Campaign.account_id == account_id)
    minutes = select_minutes(
        since, CampaignMinute.campaign_id.in_(own), CampaignProgress.campaign_id.in_(own)
    ).subquery()
    posted = await session.scalar(select(func.coalesce(func.sum(minutes.c[1]), 0)))
    direct = await session.scalar(
        select(func.count()).where(
            AccountCommand.account_id == account_id,
            AccountCommand.kind == CommandKind.SEND,
            AccountCommand.status == CommandStatus.DONE,
            AccountCommand.finished_at >= since,
        )
    )
    return int(posted or 0) + int(direct or 0)


async def list_waits(session: AsyncSession, account_id: AccountId, *, limit: int) -> Sequence[Wait]:
    """The last ones, the newest first."""
    rows = await session.scalars(
        select(AccountWait)
        .where(AccountWait.account_id == account_id)
        .order_by(AccountWait.id.desc())
        .limit(limit)
    )
    return [Wait(at=row.at, until=row.until, scope=HoldScope(row.scope), reason=row.reason) for row in rows]
