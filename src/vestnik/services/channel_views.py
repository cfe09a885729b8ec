"""Channels as they are shown: one with what each account knows of it, and lists of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import channel_records as records
from vestnik.db.channel_records import Place
from vestnik.domain.channels import ChannelName, mark_id, parse_channel_name
from vestnik.domain.errors import InvalidInputError, NotFoundError
from vestnik.domain.ids import BatchId, ChannelId
from vestnik.domain.states import AccountKind
from vestnik.services.accounts import parse_id


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelView:
    """A channel as it is shown. `active`, and otherwise `reason` and what follows, sum up what accounts know."""

    id: UUID
    username: str | None
    tg_id: int | None
    """With the mark -100."""
    title: str | None
    active: bool
    reason: str | None
    since: datetime | None
    campaign_id: UUID | None
    created_at: datetime
    revision: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PeerView:
    """What one account knows of a channel; `can_post` is None until it has looked."""

    account_id: UUID
    account_name: str
    account_kind: AccountKind
    can_post: bool | None
    forbidden: Sequence[str]
    """Kinds of posts that the account may not make (see domain.rights)."""
    slow_mode_seconds: int | None
    member_count: int | None
    gone_since: datetime | None
    """It was among the account's dialogs before, and was not at the last sync."""
    hold_until: datetime | None
    active: bool
    reason: str | None
    since: datetime | None
    campaign_id: UUID | None
    consecutive_failures: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelDetail:
    """A channel with what each account knows of it."""

    channel: ChannelView
    peers: Sequence[PeerView]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelQuery:
    """Which channels are wanted; None is any. `search` is a part of a name or title, a link, or an id."""

    search: str | None = None
    active: bool | None = None
    error: str | None = None
    batch_id: UUID | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelPage:
    """Some channels, perhaps fewer than asked for; there may be more beyond `next_before`, none if it is None."""

    items: Sequence[ChannelView]
    next_before: Place | None


async def list_channels(
    session: AsyncSession, wanted: ChannelQuery, *, limit: int, before: Place | None = None
) -> ChannelPage:
    """The newest first; `before` is the `next_before` of the page before."""
    part = await records.list_channels(session, _make_filter(wanted), limit=limit, before=before)
    return ChannelPage(
        items=[build_channel_view(record) for record in part.records], next_before=part.next_before
    )


def _make_filter(wanted: ChannelQuery) -> records.ChannelFilter:
    search = (wanted.search or "").strip()
    name = _read_exact_name(search)
    return records.ChannelFilter(
        search=(name.username if name and name.username else search).removeprefix("@") or None,
        name=name,
        id=parse_id(search),
        active=wanted.active,
        error=wanted.error,
        batch_id=None if wanted.batch_id is None else BatchId(wanted.batch_id),
    )


def _read_exact_name(search: str) -> ChannelName | None:
    """What a link or a number names; words are searched for as they are."""
    if "/" not in search and not search.lstrip("-").isdigit():
        return None
    try:
        return parse_channel_name(search)
    except InvalidInputError:
        return None


async def find_channels(session: AsyncSession, channel_ids: Sequence[ChannelId]) -> list[ChannelView]:
    """Those that are there, the newest first."""
    return [build_channel_view(record) for record in await records.find_channels(session, channel_ids)]


async def get_channel(session: AsyncSession, channel_id: ChannelId) -> ChannelDetail:
    """Raises NotFoundError, for deleted ones too."""
    record = await records.get_channel(session, channel_id)
    if record is None:
        raise NotFoundError(f"there is no channel {channel_id}", field="channel_id")
    return ChannelDetail(
        channel=build_channel_view(record),
        peers=[_build_peer_view(peer) for peer in await records.list_peers(session, channel_id)],
    )


def build_channel_view(record: records.ChannelRecord) -> ChannelView:
    """What is shown of a channel."""
    channel, inactivity = record.channel, record.inactivity
    return ChannelView(
        id=channel.id,
        username=channel.username,
        tg_id=None if channel.tg_id is None else mark_id(channel.tg_id),
        title=channel.title,
        active=inactivity is None,
        reason=None if inactivity is None else inactivity.reason,
        since=None if inactivity is None else inactivity.since,
        campaign_id=None if inactivity is None else inactivity.campaign_id,
        created_at=channel.created_at,
        revision=channel.revision,
    )


def _build_peer_view(record: records.PeerRecord) -> PeerView:
    peer = record.peer
    return PeerView(
        account_id=peer.account_id,
        account_name=record.account_name,
        account_kind=AccountKind(record.account_kind),
        can_post=peer.can_post,
        forbidden=peer.forbidden or (),
        slow_mode_seconds=peer.slow_mode_seconds,
        member_count=peer.member_count,
        gone_since=peer.gone_since,
        hold_until=peer.hold_until,
        active=peer.is_active,
        reason=peer.inactive_reason,
        since=peer.inactive_since,
        campaign_id=peer.inactive_campaign_id,
        consecutive_failures=peer.consecutive_failures,
    )
