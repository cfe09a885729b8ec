"""How posting in channels went: failures in a row, last errors, the latest posts; and what uses a channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, any_, func, literal, literal_column, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from vestnik.db.models import Account, Batch, BatchChannel, Campaign, Channel, ChannelPeer, Job
from vestnik.domain.ids import ChannelId
from vestnik.domain.states import AccountKind, JobStatus

LOOKED_AT: Final = 20_000
"""Of so many stopped channels, and pairs of account and channel, the reasons are told: some 20 ms."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LastError:
    """What Telegram said to the last failed post."""

    code: str
    message: str | None
    at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FailedChannel:
    """A channel that the last posts failed in; of several accounts the one with the most failures counts."""

    consecutive: int
    last_error: LastError | None
    """None once the messages of its campaign were purged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelPost:
    """What became of a channel's message in one campaign."""

    job: Job
    campaign_name: str
    mode: str
    account_name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedBatch:
    """A batch, for a link to it."""

    id: UUID
    name: str


def _is_real(column: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    return column.not_in(select(Account.id).where(Account.kind == AccountKind.SIMULATED))


def _select_errors(*key: InstrumentedAttribute[UUID]) -> Select[*tuple[Any, ...]]:
    """The last failed message for each key; an index finds the jobs of a channel."""
    return (
        select(*key, func.coalesce(Job.error_code, "UNKNOWN"), Job.error_message, Job.failed_at)
        .where(Job.status == JobStatus.FAILED)
        .ext(distinct_on(*key))
        .order_by(*key, Job.failed_at.desc().nulls_last(), Job.id.desc())
    )


async def find_failed(session: AsyncSession, channel_ids: Sequence[UUID]) -> dict[UUID, FailedChannel]:
    """Those of a page's channels that the last posts of a real account failed in."""
    worst = (
        select(ChannelPeer.channel_id, func.max(ChannelPeer.consecutive_failures))
        .where(ChannelPeer.channel_id == any_(literal(list(channel_ids), ARRAY(Uuid))))
        .where(ChannelPeer.consecutive_failures > 0, _is_real(ChannelPeer.account_id))
        .group_by(ChannelPeer.channel_id)
    )
    counts = {found[0]: found[1] for found in await session.execute(worst)}
    if not counts:
        return {}
    query = _select_errors(Job.channel_id).where(
        Job.channel_id == any_(literal(list(counts), ARRAY(Uuid))), _is_real(Job.account_id)
    )
    errors = {
        channel_id: LastError(code=code, message=message, at=at)
        for channel_id, code, message, at in await session.execute(query)
    }
    return {
        channel_id: FailedChannel(consecutive=count, last_error=errors.get(channel_id))
        for channel_id, count in counts.items()
    }


async def find_last_errors(session: AsyncSession, channel_id: ChannelId) -> dict[UUID, LastError]:
    """By account, the rehearsals' included."""
    query = _select_errors(Job.account_id).where(Job.channel_id == channel_id)
    return {
        account_id: LastError(code=code, message=message, at=at)
        for account_id, code, message, at in await session.execute(query)
    }


async def list_posts(session: AsyncSession, channel_id: ChannelId, limit: int) -> list[ChannelPost]:
    """The latest messages for a channel, of all campaigns that still have theirs."""
    query = (
        select(Job, Campaign.name, Campaign.mode, Account.name)
        .join(Campaign, Campaign.id == Job.campaign_id)
        .join(Account, Account.id == Job.account_id)
        .where(Job.channel_id == channel_id, Campaign.deleted_at.is_(None))
        # An expression, so that nobody walks the primary key through all other channels' jobs.
        .order_by((Job.id + literal_column("0")).desc())
        .limit(limit)
    )
    return [
        ChannelPost(job=job, campaign_name=campaign, mode=mode, account_name=account)
        for job, campaign, mode, account in await session.execute(query)
    ]


async def list_batches_of(session: AsyncSession, channel_id: ChannelId, limit: int) -> list[NamedBatch]:
    """Batches that hold a channel, by name."""
    query = (
        select(Batch.id, Batch.name)
        .join(BatchChannel, BatchChannel.batch_id == Batch.id)
        .where(BatchChannel.channel_id == channel_id)
        .order_by(Batch.name)
        .limit(limit)
    )
    return [NamedBatch(id=batch_id, name=name) for batch_id, name in await session.execute(query)]


async def list_reasons(session: AsyncSession) -> list[str]:
    """Why channels are stopped, each reason once; of very many channels only some are looked at."""
    own = select(Channel.inactive_reason.label("reason")).where(
        Channel.deleted_at.is_(None), ~Channel.is_active
    )
    of_pair = select(ChannelPeer.inactive_reason.label("reason")).where(
        ~ChannelPeer.is_active, _is_real(ChannelPeer.account_id)
    )
    looked_at = own.limit(LOOKED_AT).union_all(of_pair.limit(LOOKED_AT)).subquery()
    query = select(looked_at.c.reason).where(looked_at.c.reason.is_not(None)).distinct()
    return sorted(await session.scalars(query))
