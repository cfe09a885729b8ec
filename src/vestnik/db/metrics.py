"""The installation in figures: sums over counters and small tables; messages themselves are never counted.

Rows come as (labels…, number), so that each statement is one metric.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Executable, and_, case, exists, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased
from sqlalchemy.sql.elements import SQLCoreOperations

from vestnik.db.job_parts import select_sending
from vestnik.db.models import (
    Account,
    AccountHold,
    AlertRecord,
    Campaign,
    CampaignProgress,
    Channel,
    ChannelPeer,
    WorkerProcess,
)
from vestnik.db.statements import load_statement
from vestnik.domain.states import AccountKind, JobStatus, Mode

Rows = Sequence[tuple[Any, ...]]

_COUNTERS: Final = tuple((status, getattr(CampaignProgress, status.lower())) for status in JobStatus)
_MODE: Final = case((Account.kind == AccountKind.SIMULATED, Mode.TEST.value), else_=Mode.LIVE.value)


def _seconds_until(moment: SQLCoreOperations[Any]) -> ColumnElement[Any]:
    return func.extract("epoch", moment - func.clock_timestamp())


async def _fetch(session: AsyncSession, query: Executable) -> Rows:
    return [tuple(row) for row in await session.execute(query)]


async def sum_jobs(session: AsyncSession) -> list[tuple[str, JobStatus, int]]:
    """(mode, status, messages) over the counters of all campaigns."""
    sums = [func.coalesce(func.sum(column), 0) for _, column in _COUNTERS]
    rows = await session.execute(
        select(Campaign.mode, *sums)
        .join(CampaignProgress, CampaignProgress.campaign_id == Campaign.id)
        .where(Campaign.deleted_at.is_(None))
        .group_by(Campaign.mode)
    )
    return [
        (mode, status, int(number))
        for mode, *numbers in rows
        for (status, _), number in zip(_COUNTERS, numbers, strict=True)
    ]


async def count_campaigns(session: AsyncSession) -> Rows:
    """(mode, status, reason of the pause or None, campaigns)."""
    key = (Campaign.mode, Campaign.status, Campaign.pause_reason)
    return await _fetch(
        session, select(*key, func.count()).where(Campaign.deleted_at.is_(None)).group_by(*key)
    )


async def read_due(session: AsyncSession) -> Rows:
    """(mode, campaigns that could post now, seconds by which one of them is behind)."""
    return await _fetch(session, load_statement("read_due"))


async def measure_oldest_sending(session: AsyncSession) -> float:
    """Seconds since the first that is still on its way was begun; 0 when nothing is."""
    sending = select_sending().c
    query = select(-_seconds_until(func.min(func.greatest(sending.started_at, sending.not_before))))
    return max(float(await session.scalar(query) or 0), 0.0)


async def count_accounts(session: AsyncSession) -> Rows:
    """(kind, state, accounts)."""
    key = (Account.kind, Account.state)
    return await _fetch(session, select(*key, func.count()).group_by(*key))


async def count_holds(session: AsyncSession) -> Rows:
    """(mode, scope, accounts that wait, seconds until the last of them goes on)."""
    key = (_MODE, AccountHold.scope)
    return await _fetch(
        session,
        select(*key, func.count(), func.max(_seconds_until(AccountHold.until)))
        .join(Account, Account.id == AccountHold.account_id)
        .where(AccountHold.until > func.clock_timestamp())
        .group_by(*key),
    )


async def count_workers(session: AsyncSession, alive_for: float) -> int:
    """Those seen in the last `alive_for` seconds."""
    query = select(func.count()).where(_seconds_until(WorkerProcess.seen_at) > -alive_for)
    return await session.scalar(query) or 0


async def count_alerts(session: AsyncSession) -> Rows:
    """(kind, alerts that go on)."""
    return await _fetch(
        session,
        select(AlertRecord.kind, func.count())
        .where(AlertRecord.state == literal_column("'FIRING'"))
        .group_by(AlertRecord.kind),
    )


# -- channels: rows that have to be counted one by one -----------------------------------------------------------


def _is_real(account_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    return account_id.not_in(select(Account.id).where(Account.kind == AccountKind.SIMULATED))


async def count_channels(session: AsyncSession) -> tuple[int, int]:
    """(all, those shown as inactive): stopped for all, or for each account that tried; see `is_shown_active`."""
    stopped, going = aliased(ChannelPeer), aliased(ChannelPeer)
    goes_on = exists().where(
        going.channel_id == stopped.channel_id, going.is_active, _is_real(going.account_id)
    )
    given_up = select(stopped.channel_id).where(~stopped.is_active, _is_real(stopped.account_id), ~goes_on)
    is_there = Channel.deleted_at.is_(None)
    total = await session.scalar(select(func.count()).where(is_there))
    off = await session.scalar(select(func.count()).where(is_there, ~Channel.is_active))
    lost = await session.scalar(
        select(func.count()).where(and_(is_there, Channel.is_active), Channel.id.in_(given_up))
    )
    return total or 0, (off or 0) + (lost or 0)


async def count_stopped_channels(session: AsyncSession) -> Rows:
    """(reason, channels that no account posts to any more)."""
    reason = func.coalesce(Channel.inactive_reason, "")
    return await _fetch(
        session,
        select(reason, func.count()).where(Channel.deleted_at.is_(None), ~Channel.is_active).group_by(reason),
    )


async def count_stopped_pairs(session: AsyncSession) -> Rows:
    """(reason, channels that one account does not post to any more)."""
    reason = func.coalesce(ChannelPeer.inactive_reason, "")
    return await _fetch(
        session,
        select(reason, func.count())
        .where(~ChannelPeer.is_active, _is_real(ChannelPeer.account_id))
        .group_by(reason),
    )
