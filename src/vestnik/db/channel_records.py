"""Channels as they are shown: with what the real accounts make of them.

A channel counts as active when it is so itself and for at least one real account, or was never tried; rehearsals
say nothing about Telegram. Lists walk an index in the order of the page. Where a filter has two sides that lie in
different indexes, each is asked on its own: together they would be looked for in all channels.
"""

import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, product
from typing import Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Uuid,
    and_,
    any_,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from vestnik.db.models import Account, BatchChannel, Channel, ChannelPeer
from vestnik.domain.channels import ChannelName
from vestnik.domain.ids import BatchId, ChannelId
from vestnik.domain.states import AccountKind

Sides = Sequence[ColumnElement[bool]]
Place = tuple[datetime, UUID]
"""Of a channel in lists: when it was made, and its id."""

WINDOW: Final = 1_000
"""Channels looked through in one statement for active ones: some 10 ms."""
LOOK_FOR_SECONDS: Final = 0.04
"""After that a page is handed out as it is, and the next one goes on from there."""
_place = tuple_(Channel.created_at, Channel.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Inactivity:
    """Why and since when nothing is posted, and which campaign found out."""

    reason: str | None
    since: datetime | None
    campaign_id: UUID | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelRecord:
    """A channel and, unless it is active, why not."""

    channel: Channel
    inactivity: Inactivity | None
    position: int = 0
    """In the batch that it was listed of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelPart:
    """Some channels; there may be more beyond `next_before`, or none if it is None."""

    records: Sequence[ChannelRecord]
    next_before: Place | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerRecord:
    """What one account knows of a channel."""

    peer: ChannelPeer
    account_name: str
    account_kind: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelFilter:
    """Which channels are wanted; None is any. `name` and `id` are what `search` may also mean."""

    search: str | None = None
    name: ChannelName | None = None
    id: UUID | None = None
    active: bool | None = None
    error: str | None = None
    batch_id: BatchId | None = None


ANY = ChannelFilter()


def is_shown_active() -> ColumnElement[bool]:
    """The channel of the query at hand is active, as it is shown."""
    return and_(Channel.is_active, ~_is_given_up())


def _is_real(peer: type[ChannelPeer]) -> ColumnElement[bool]:
    simulated = select(Account.id).where(Account.kind == AccountKind.SIMULATED)
    return peer.account_id.not_in(simulated)


def _is_given_up() -> ColumnElement[bool]:
    """At least one real account may not post to it, and none may."""
    stopped, going = aliased(ChannelPeer), aliased(ChannelPeer)
    goes_on = exists().where(going.channel_id == stopped.channel_id, going.is_active, _is_real(going))
    return exists().where(stopped.channel_id == Channel.id, ~stopped.is_active, _is_real(stopped), ~goes_on)


def _has_error(code: str) -> Sides:
    stopped = aliased(ChannelPeer)
    own = and_(~Channel.is_active, Channel.inactive_reason == code)
    of_pair = exists().where(
        stopped.channel_id == Channel.id,
        ~stopped.is_active,
        stopped.inactive_reason == code,
        _is_real(stopped),
    )
    return own, and_(of_pair, ~func.coalesce(own, False))


def _list_sides(wanted: ChannelFilter) -> list[ColumnElement[bool]]:
    """Conditions that no two channels share and that together are the filter on activity and errors."""
    activity: Sides = ()
    if wanted.active is True:
        activity = (is_shown_active(),)
    elif wanted.active is False:
        activity = (~Channel.is_active, and_(Channel.is_active, _is_given_up()))
    errors: Sides = () if wanted.error is None else _has_error(wanted.error)
    return [and_(true(), *sides) for sides in product(*(sides for sides in (activity, errors) if sides))]


def _narrow(query: Select[Channel], wanted: ChannelFilter) -> Select[Channel]:
    query = query.where(Channel.deleted_at.is_(None))
    if wanted.batch_id is not None:
        query = query.join(
            BatchChannel,
            (BatchChannel.channel_id == Channel.id) & (BatchChannel.batch_id == wanted.batch_id),
        )
    if wanted.id is not None:
        query = query.where(Channel.id == wanted.id)
    elif wanted.name is not None and wanted.name.tg_id is not None:
        query = query.where(Channel.tg_id == wanted.name.tg_id)
    elif wanted.search is not None:
        text = wanted.search.lower()
        query = query.where(
            or_(
                func.strpos(func.lower(Channel.username), text) > 0,
                func.strpos(func.lower(Channel.title), text) > 0,
            )
        )
    return query


def select_page(
    wanted: ChannelFilter, *, limit: int, before: Place | None, back_to: Place | None = None
) -> list[Select[Channel]]:
    """The queries whose rows, put together by age, are a page; `back_to` is the oldest one that is looked at."""
    query = _narrow(select(Channel), wanted)
    if before is not None:
        query = query.where(_place < before)
    if back_to is not None:
        query = query.where(_place >= back_to)
    query = query.order_by(Channel.created_at.desc(), Channel.id.desc()).limit(limit)
    return [query.where(side) for side in _list_sides(wanted)]


def select_window_end(before: Place | None) -> Select[datetime, UUID]:
    """The last of the next channels that are worth looking at for active ones; nothing when there are fewer."""
    query = select(Channel.created_at, Channel.id).where(Channel.deleted_at.is_(None), Channel.is_active)
    if before is not None:
        query = query.where(_place < before)
    # The offset is that of the window, whatever page it belongs to.
    return query.order_by(Channel.created_at.desc(), Channel.id.desc()).offset(WINDOW - 1).limit(1)


async def list_channels(
    session: AsyncSession, wanted: ChannelFilter = ANY, *, limit: int, before: Place | None = None
) -> ChannelPart:
    """The newest first; a part may be short or empty and still have a `next_before`."""
    if wanted == ChannelFilter(active=True):  # anything else leaves few to look at
        channels, next_before = await _look_through(session, wanted, limit + 1, before)
    else:
        channels, next_before = await _find(session, wanted, limit + 1, before), None
    if len(channels) > limit:
        channels, next_before = channels[:limit], _find_place(channels[limit - 1])
    return ChannelPart(records=await _add_inactivity(session, channels), next_before=next_before)


def _find_place(channel: Channel) -> Place:
    return channel.created_at, channel.id


async def _find(
    session: AsyncSession,
    wanted: ChannelFilter,
    limit: int,
    before: Place | None,
    back_to: Place | None = None,
) -> list[Channel]:
    queries = select_page(wanted, limit=limit, before=before, back_to=back_to)
    parts = [(await session.scalars(query)).all() for query in queries]
    return list(islice(heapq.merge(*parts, key=_find_place, reverse=True), limit))


async def _look_through(
    session: AsyncSession, wanted: ChannelFilter, limit: int, before: Place | None
) -> tuple[list[Channel], Place | None]:
    """Channels found by looking at them in their order, and where to go on; None at the end."""
    await _prefer_lookups(session)
    started_at = time.monotonic()
    found: list[Channel] = []
    while True:
        row = (await session.execute(select_window_end(before))).one_or_none()
        end: Place | None = None if row is None else (row[0], row[1])
        found += await _find(session, wanted, limit - len(found), before, end)
        if len(found) == limit or end is None:
            return found, None
        if time.monotonic() - started_at > LOOK_FOR_SECONDS:
            return found, end
        before = end


async def _prefer_lookups(session: AsyncSession) -> None:
    """For the rest of the transaction: what accounts know of some thousand channels, not of all that there are."""
    settings = ("enable_hashjoin", "enable_mergejoin", "enable_seqscan")
    await session.execute(select(*(func.set_config(name, "off", True) for name in settings)))


async def get_channel(session: AsyncSession, channel_id: ChannelId) -> ChannelRecord | None:
    """The channel, or None when there is none or it is deleted."""
    query = select(Channel).where(Channel.id == channel_id, Channel.deleted_at.is_(None))
    channels = await session.scalars(query.execution_options(populate_existing=True))
    found = await _add_inactivity(session, channels.all())
    return found[0] if found else None


async def find_channels(session: AsyncSession, channel_ids: Sequence[ChannelId]) -> list[ChannelRecord]:
    """Those of the channels that are there and not deleted, the newest first."""
    query = (
        select(Channel)
        .where(Channel.id.in_(channel_ids), Channel.deleted_at.is_(None))
        .order_by(Channel.created_at.desc(), Channel.id.desc())
    )
    return await _add_inactivity(session, (await session.scalars(query)).all())


async def list_members(
    session: AsyncSession, batch_id: BatchId, *, limit: int, after: int
) -> list[ChannelRecord]:
    """Channels of a batch in its order, those behind a position."""
    query = (
        select(Channel, BatchChannel.position)
        .join(BatchChannel, BatchChannel.channel_id == Channel.id)
        .where(BatchChannel.batch_id == batch_id, BatchChannel.position > after)
        .order_by(BatchChannel.position)
        .limit(limit)
    )
    rows = (await session.execute(query)).all()
    records = await _add_inactivity(session, [channel for channel, _ in rows])
    return [
        ChannelRecord(channel=record.channel, inactivity=record.inactivity, position=position)
        for record, (_, position) in zip(records, rows, strict=True)
    ]


async def list_peers(session: AsyncSession, channel_id: ChannelId) -> list[PeerRecord]:
    """What each account knows of a channel."""
    query = (
        select(ChannelPeer, Account.name, Account.kind)
        .join(Account, Account.id == ChannelPeer.account_id)
        .where(ChannelPeer.channel_id == channel_id)
        .order_by(Account.name)
    )
    rows = await session.execute(query.execution_options(populate_existing=True))
    return [PeerRecord(peer=peer, account_name=name, account_kind=kind) for peer, name, kind in rows]


async def _add_inactivity(session: AsyncSession, channels: Sequence[Channel]) -> list[ChannelRecord]:
    # Of the page alone: in the query of the page the planner would work it out for all channels at once.
    given_up = await _find_given_up(session, [channel.id for channel in channels if channel.is_active])
    return [
        ChannelRecord(
            channel=channel,
            inactivity=given_up.get(channel.id) if channel.is_active else _own_inactivity(channel),
        )
        for channel in channels
    ]


def _own_inactivity(channel: Channel) -> Inactivity:
    return Inactivity(
        reason=channel.inactive_reason,
        since=channel.inactive_since,
        campaign_id=channel.inactive_campaign_id,
    )


async def _find_given_up(session: AsyncSession, channel_ids: Sequence[UUID]) -> dict[UUID, Inactivity]:
    """Those of the channels that no real account may post to any more, and why the last one had to stop."""
    peer, going = ChannelPeer, aliased(ChannelPeer)
    goes_on = exists().where(going.channel_id == peer.channel_id, going.is_active, _is_real(going))
    query = (
        select(peer.channel_id, peer.inactive_reason, peer.inactive_since, peer.inactive_campaign_id)
        .where(peer.channel_id == any_(literal(list(channel_ids), ARRAY(Uuid))))
        .where(~peer.is_active, _is_real(peer), ~goes_on)
        .ext(distinct_on(peer.channel_id))
        .order_by(peer.channel_id, peer.inactive_since.desc().nulls_last())
    )
    return {
        channel_id: Inactivity(reason=reason, since=since, campaign_id=campaign_id)
        for channel_id, reason, since, campaign_id in await session.execute(query)
    }
