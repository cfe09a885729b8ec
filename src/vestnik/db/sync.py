"""Channels of ours brought up to what Telegram shows an account."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Row,
    Text,
    Uuid,
    any_,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.channels import lock_names, store_channels
from vestnik.db.models import Account, Channel, ChannelPeer, ChannelPicture
from vestnik.domain.channels import MAX_TITLE_LENGTH, ChannelName, check_title
from vestnik.domain.ids import AccountId, ChannelId
from vestnik.domain.states import AccountKind
from vestnik.domain.transport import KnownChannel

CHUNK: Final = 100
"""Channels brought up to date in one transaction."""


@dataclass(slots=True, kw_only=True)
class SyncCounts:
    """See `domain.surveys.SyncReport`."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    without_right: int = 0
    left_out: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Rows:
    """What we have of some channels already."""

    by_key: Mapping[str, Row[Any]]
    """By lower-case username, or id."""
    by_tg_id: Mapping[int, Row[Any]]
    """As the account knows them."""
    deleted: frozenset[str]
    """Keys of rows that somebody deleted."""

    def find(self, known: KnownChannel) -> Row[Any] | None:
        """Our row of a channel."""
        for key in _list_keys(known):
            if key in self.by_key:
                return self.by_key[key]
        return self.by_tg_id.get(known.peer.tg_id)

    def is_deleted(self, known: KnownChannel) -> bool:
        """Whether somebody deleted it here."""
        return not self.deleted.isdisjoint(_list_keys(known))


@dataclass(slots=True, kw_only=True)
class _Changes:
    new: list[KnownChannel] = field(default_factory=list)
    titles: dict[UUID, str] = field(default_factory=dict)
    pictures: dict[UUID, bytes | None] = field(default_factory=dict)


async def store_listed(
    session: AsyncSession, account_id: AccountId, channels: Sequence[KnownChannel]
) -> SyncCounts:
    """Add channels that the account may post in and bring titles and pictures of ours up to date.

    A title that somebody typed stays: only one that came from Telegram changes with it. Addresses and rights are
    stored by `PeerLedger.store_peers` afterwards.
    """
    await lock_names(session)
    rows = await _find_rows(session, account_id, channels)
    counts, changes = SyncCounts(), _Changes()
    for known in channels:
        _compare(known, rows, counts, changes)
    await _store_titles(session, changes.titles)
    await _add(session, changes)
    await _store_pictures(session, changes.pictures)
    return counts


def _list_keys(known: KnownChannel) -> list[str]:
    names = known.names if known.names is not None else [known.username] if known.username else []
    return [name.lower() for name in names] or [str(known.peer.tg_id)]


async def _find_rows(session: AsyncSession, account_id: AccountId, channels: Sequence[KnownChannel]) -> _Rows:
    keys = [key for known in channels for key in _list_keys(known)]
    ids = [known.peer.tg_id for known in channels]
    is_named = or_(
        func.lower(Channel.username) == any_(literal(keys, ARRAY(Text))),
        Channel.username.is_(None) & (Channel.tg_id == any_(literal(ids, ARRAY(BigInteger)))),
    )
    peer, picture = ChannelPeer, ChannelPicture
    of_account = (peer.channel_id == Channel.id) & (peer.account_id == account_id)
    columns = select(
        Channel.id,
        func.coalesce(func.lower(Channel.username), Channel.tg_id.cast(Text)).label("key"),
        Channel.title,
        Channel.telegram_title,
        peer.tg_id,
        peer.access_hash,
        peer.can_post,
        peer.forbidden,
        peer.slow_mode_seconds,
        peer.gone_since,
        picture.jpeg,
    ).outerjoin(picture, picture.channel_id == Channel.id)
    named = await session.execute(
        columns.outerjoin(peer, of_account).where(Channel.deleted_at.is_(None), is_named)
    )
    met = await session.execute(
        columns.join(peer, of_account)
        .where(Channel.deleted_at.is_(None), peer.tg_id == any_(literal(ids, ARRAY(BigInteger))))
        .order_by(Channel.id)
    )
    return _Rows(
        by_key={row.key: row for row in named},
        by_tg_id={row.tg_id: row for row in met},
        deleted=await _find_deleted(session, is_named),
    )


async def _find_deleted(session: AsyncSession, is_named: ColumnElement[bool]) -> frozenset[str]:
    key = func.coalesce(func.lower(Channel.username), Channel.tg_id.cast(Text))
    query = select(key).where(Channel.deleted_at.is_not(None), is_named)
    return frozenset(await session.scalars(query))


def _compare(known: KnownChannel, rows: _Rows, counts: SyncCounts, changes: _Changes) -> None:
    row = rows.find(known)
    if row is None:
        if not known.can_post:
            counts.without_right += 1
        elif rows.is_deleted(known):
            counts.left_out += 1
        else:
            counts.added += 1
            changes.new.append(known)
        return
    title = clean_title(known.title)
    if title is not None and title != row.telegram_title:
        changes.titles[row.id] = title
    # One that may not even be read comes without its picture.
    is_described = known.names is not None
    if is_described and known.picture != row.jpeg:
        changes.pictures[row.id] = known.picture
    if not known.can_post:
        counts.without_right += 1
    elif row.id in changes.titles or row.id in changes.pictures or _is_changed(known, row):
        counts.updated += 1
    else:
        counts.unchanged += 1


def _is_changed(known: KnownChannel, row: Row[Any]) -> bool:
    return (
        row.access_hash != known.peer.access_hash
        or row.can_post != known.can_post
        or set(row.forbidden or ()) != set(known.forbidden)
        or (row.slow_mode_seconds is None) != (known.slow_mode is None)
        or row.gone_since is not None
    )


def clean_title(title: str) -> str | None:
    """A title of Telegram's as we keep titles; None when nothing is left of it."""
    return check_title(title[:MAX_TITLE_LENGTH])


async def _store_titles(session: AsyncSession, titles: Mapping[UUID, str]) -> None:
    if not titles:
        return
    told = case(titles, value=Channel.id)
    is_typed = Channel.title.is_not(None) & Channel.title.is_distinct_from(Channel.telegram_title)
    await session.execute(
        update(Channel)
        .where(Channel.id.in_(titles))
        .values(
            title=case((is_typed, Channel.title), else_=told),
            telegram_title=told,
            updated_at=func.clock_timestamp(),
        )
        .execution_options(synchronize_session=False)
    )


async def _add(session: AsyncSession, changes: _Changes) -> None:
    names = [
        ChannelName(username=known.username)
        if known.username is not None
        else ChannelName(tg_id=known.peer.tg_id)
        for known in changes.new
    ]
    if not names:
        return
    titles = {name.key: clean_title(known.title) for name, known in zip(names, changes.new, strict=True)}
    stored = await store_channels(session, names, {key: title for key, title in titles.items() if title})
    await session.execute(
        update(Channel)
        .where(Channel.id.in_(stored.ids))
        .values(telegram_title=Channel.title)
        .execution_options(synchronize_session=False)
    )
    for channel_id, known in zip(stored.ids, changes.new, strict=True):
        if known.picture is not None:
            changes.pictures[channel_id] = known.picture


async def _store_pictures(session: AsyncSession, pictures: Mapping[UUID, bytes | None]) -> None:
    lost = [channel_id for channel_id, picture in pictures.items() if picture is None]
    if lost:
        await session.execute(delete(ChannelPicture).where(ChannelPicture.channel_id.in_(lost)))
    found = [
        {"channel_id": channel_id, "jpeg": picture} for channel_id, picture in _sort(pictures) if picture
    ]
    if found:
        given = insert(ChannelPicture).values(found)
        await session.execute(
            given.on_conflict_do_update(
                index_elements=[ChannelPicture.channel_id],
                set_={"jpeg": given.excluded.jpeg, "updated_at": func.clock_timestamp()},
            )
        )


def _sort(pictures: Mapping[UUID, bytes | None]) -> Iterable[tuple[UUID, bytes | None]]:
    """In one order, so that two syncs cannot block each other."""
    return sorted(pictures.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelFace:
    """What makes a channel known at a glance; the members are those that a real account was told of last."""

    has_picture: bool
    members: int | None


async def read_faces(session: AsyncSession, channel_ids: Sequence[UUID]) -> dict[UUID, ChannelFace]:
    """Of those of a page's channels that have anything to show."""
    wanted = any_(literal(list(channel_ids), ARRAY(Uuid)))
    simulated = select(Account.id).where(Account.kind == AccountKind.SIMULATED)
    told = await session.execute(
        select(ChannelPeer.channel_id, func.max(ChannelPeer.member_count))
        .where(ChannelPeer.channel_id == wanted, ChannelPeer.account_id.not_in(simulated))
        .group_by(ChannelPeer.channel_id)
    )
    members: dict[UUID, int | None] = {row[0]: row[1] for row in told}
    pictures = set(
        await session.scalars(select(ChannelPicture.channel_id).where(ChannelPicture.channel_id == wanted))
    )
    return {
        channel_id: ChannelFace(has_picture=channel_id in pictures, members=members.get(channel_id))
        for channel_id in pictures | members.keys()
    }


async def read_picture(session: AsyncSession, channel_id: ChannelId) -> bytes | None:
    """A channel's small JPEG; None without one."""
    return await session.scalar(
        select(ChannelPicture.jpeg)
        .join(Channel, Channel.id == ChannelPicture.channel_id)
        .where(ChannelPicture.channel_id == channel_id, Channel.deleted_at.is_(None))
    )
