"""Channels: taken over in bulk, found by the key of their name (see domain.channels)."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    Text,
    any_,
    func,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import Channel
from vestnik.domain.channels import ChannelName
from vestnik.domain.ids import ChannelId

_CHUNK = 5000
_IMPORT_LOCK = 0x7665_6368  # any number, as long as every version of Vestnik uses the same


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredChannels:
    """Ids in the order of the names, and how they came to be there. Revived ones had been deleted."""

    ids: tuple[ChannelId, ...]
    inserted: int
    revived: int
    existing: int


async def store_channels(session: AsyncSession, names: Sequence[ChannelName]) -> StoredChannels:
    """Make sure that every named channel exists; names must differ by their keys.

    Imports exclude each other until their transactions end, so that two lists in different orders cannot
    block each other and no name is revived twice.
    """
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _IMPORT_LOCK})
    ids: list[ChannelId] = []
    inserted = revived = 0
    for start in range(0, len(names), _CHUNK):
        chunk = names[start : start + _CHUNK]
        known = await _find_ids(session, chunk)
        revived += await _revive(session, _without(chunk, known))
        if revived:
            known = await _find_ids(session, chunk)
        inserted += await _insert(session, _without(chunk, known))
        known = await _find_ids(session, chunk)
        ids += [known[name.key] for name in chunk]
    return StoredChannels(
        ids=tuple(ids), inserted=inserted, revived=revived, existing=len(names) - inserted - revived
    )


def _without(names: Sequence[ChannelName], known: dict[str, ChannelId]) -> list[ChannelName]:
    return [name for name in names if name.key not in known]


async def _find_ids(session: AsyncSession, names: Sequence[ChannelName]) -> dict[str, ChannelId]:
    """Ids by key of those that exist and are not deleted."""
    by_name = select(func.lower(Channel.username), Channel.id).where(
        Channel.deleted_at.is_(None), _has_username(names)
    )
    by_id = select(Channel.tg_id, Channel.id).where(Channel.deleted_at.is_(None), _has_only_id(names))
    found = {str(key): ChannelId(channel_id) for key, channel_id in await session.execute(by_name)}
    found |= {str(key): ChannelId(channel_id) for key, channel_id in await session.execute(by_id)}
    return found


def _usernames(names: Sequence[ChannelName]) -> list[str]:
    return [name.username for name in names if name.username is not None]


def _ids(names: Sequence[ChannelName]) -> list[int]:
    return [name.tg_id for name in names if name.tg_id is not None]


def _has_username(names: Sequence[ChannelName]) -> ColumnElement[bool]:
    keys = [name.lower() for name in _usernames(names)]
    return func.lower(Channel.username) == any_(literal(keys, ARRAY(Text)))


def _has_only_id(names: Sequence[ChannelName]) -> ColumnElement[bool]:
    wanted = any_(literal(_ids(names), ARRAY(BigInteger)))
    return Channel.username.is_(None) & (Channel.tg_id == wanted)


async def _revive(session: AsyncSession, names: Sequence[ChannelName]) -> int:
    """Bring back deleted rows of these names, of several with one name the one deleted last."""
    if not names:
        return 0
    key = func.coalesce(func.lower(Channel.username), Channel.tg_id.cast(Text))
    last = (
        select(Channel.id)
        .where(Channel.deleted_at.is_not(None), _has_username(names) | _has_only_id(names))
        .ext(distinct_on(key))
        .order_by(key, Channel.deleted_at.desc(), Channel.id)
    )
    values = {
        "deleted_at": None,
        "is_active": True,
        "inactive_reason": None,
        "inactive_since": None,
        "inactive_campaign_id": None,
        "updated_at": func.now(),
    }
    result = await session.execute(
        update(Channel)
        .where(Channel.id.in_(last))
        .values(values)
        .returning(Channel.id)
        .execution_options(synchronize_session=False)
    )
    return len(result.all())


async def _insert(session: AsyncSession, names: Sequence[ChannelName]) -> int:
    inserted: list[UUID] = []
    usernames, ids = _usernames(names), _ids(names)
    if usernames:
        rows = select(func.unnest(literal(usernames, ARRAY(Text))))
        inserted += await _insert_from(session, "username", rows)
    if ids:
        rows = select(func.unnest(literal(ids, ARRAY(BigInteger))))
        inserted += await _insert_from(session, "tg_id", rows)
    return len(inserted)


async def _insert_from(session: AsyncSession, column: str, rows: Select[str] | Select[int]) -> Sequence[UUID]:
    statement = insert(Channel).from_select([column], rows).on_conflict_do_nothing().returning(Channel.id)
    return (await session.scalars(statement)).all()
