"""Channels: taken over in bulk, found by the key of their name (see domain.channels)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Text,
    Uuid,
    any_,
    delete,
    func,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from vestnik.db.models import Batch, BatchChannel, Campaign, Channel, ChannelPeer, ChannelPicture, Job
from vestnik.domain.audit import MOST_NAMED
from vestnik.domain.channels import ChannelName
from vestnik.domain.ids import AccountId, ChannelId
from vestnik.domain.states import CampaignStatus, JobStatus

Item = TypeVar("Item")

_CHUNK = 2000
"""Channels in one statement: the process makes its parameters and reads its rows in some 20 ms, and does nothing
else meanwhile."""
_IMPORT_LOCK = 0x7665_6368  # any number, as long as every version of Vestnik uses the same
_ACTIVE: Final[dict[str, Any]] = {
    "is_active": True,
    "inactive_reason": None,
    "inactive_since": None,
    "inactive_campaign_id": None,
}
_CHANGED: Final[dict[str, Any]] = {"updated_at": func.now(), "revision": Channel.revision + 1}
"""By a person."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredChannels:
    """Ids in the order of the names, and how they came to be there. Revived ones had been deleted."""

    ids: tuple[ChannelId, ...]
    inserted: int
    revived: int
    existing: int
    first_new: tuple[str, ...] = ()
    """The first of those that were inserted or revived."""


async def lock_names(session: AsyncSession) -> None:
    """Let nobody else give names to channels until this transaction ends.

    So that two lists in different orders cannot block each other, and no name is revived or given twice. Taken
    before any other lock.
    """
    await session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _IMPORT_LOCK})


async def store_channels(
    session: AsyncSession, names: Sequence[ChannelName], titles: Mapping[str, str] = MappingProxyType({})
) -> StoredChannels:
    """Make sure that every named channel exists; names must differ by their keys.

    `titles` by those keys are for channels that are new.
    """
    await lock_names(session)
    ids: list[ChannelId] = []
    first_new: list[str] = []
    inserted = revived = 0
    for chunk in _split(names):
        known = await _find_ids(session, chunk)
        first_new += map(str, islice(_without(chunk, known), MOST_NAMED - len(first_new)))
        revived += await _revive(session, _without(chunk, known))
        if revived:
            known = await _find_ids(session, chunk)
        inserted += await _insert(session, _without(chunk, known), titles)
        known = await _find_ids(session, chunk)
        ids += [known[name.key] for name in chunk]
    return StoredChannels(
        ids=tuple(ids),
        inserted=inserted,
        revived=revived,
        existing=len(names) - inserted - revived,
        first_new=tuple(first_new),
    )


async def find_known(session: AsyncSession, names: Sequence[ChannelName]) -> dict[str, ChannelId]:
    """Ids by key of those that exist and are not deleted, of however many names."""
    known: dict[str, ChannelId] = {}
    for chunk in _split(names):
        known |= await _find_ids(session, chunk)
    return known


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
    revived = (await session.scalars(last)).all()
    if revived:
        await reset_peers(session, revived)
        await session.execute(
            update(Channel)
            .where(Channel.id == any_(literal(list(revived), ARRAY(Uuid))))
            .values({"deleted_at": None, **_ACTIVE, **_CHANGED})
            .execution_options(synchronize_session=False)
        )
    return len(revived)


async def _insert(session: AsyncSession, names: Sequence[ChannelName], titles: Mapping[str, str]) -> int:
    if not names:
        return 0
    rows = select(
        func.unnest(
            literal([name.username for name in names], ARRAY(Text)),
            literal([name.tg_id for name in names], ARRAY(BigInteger)),
            literal([titles.get(name.key) for name in names], ARRAY(Text)),
        )
        .table_valued("username", "tg_id", "title")
        .render_derived()
    )
    statement = (
        insert(Channel)
        .from_select(["username", "tg_id", "title"], rows)
        .on_conflict_do_nothing()
        .returning(Channel.id)
    )
    return len((await session.scalars(statement)).all())


# -- one channel, or chosen ones ----------------------------------------------------------------------------


async def lock_channel(
    session: AsyncSession, channel_id: ChannelId, *, with_peers: bool = True
) -> Channel | None:
    """The channel, locked for an edit after what accounts know of it; None when there is none or it is deleted."""
    if with_peers:
        await _lock_peers(session, [channel_id])
    return await session.scalar(
        select(Channel)
        .where(Channel.id == channel_id, Channel.deleted_at.is_(None))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


async def _lock_peers(session: AsyncSession, channel_ids: Sequence[UUID]) -> None:
    # In the order in which results are recorded.
    locked = (
        select(ChannelPeer.channel_id)
        .where(_is_one_of(ChannelPeer.channel_id, channel_ids))
        .order_by(ChannelPeer.channel_id, ChannelPeer.account_id)
        .with_for_update(key_share=True)
        .subquery()
    )
    await session.execute(select(func.count()).select_from(locked))


def _is_one_of(column: InstrumentedAttribute[UUID], ids: Sequence[UUID]) -> ColumnElement[bool]:
    return column == any_(literal(list(ids), ARRAY(Uuid)))


async def reset_peers(
    session: AsyncSession, channel_ids: Sequence[UUID], account_id: AccountId | None = None
) -> int:
    """Let accounts (or one) post again where they had been stopped; of how many pairs anything changed."""
    await _lock_peers(session, channel_ids)
    statement = update(ChannelPeer).where(
        _is_one_of(ChannelPeer.channel_id, channel_ids),
        ~ChannelPeer.is_active | (ChannelPeer.consecutive_failures > 0),
    )
    if account_id is not None:
        statement = statement.where(ChannelPeer.account_id == account_id)
    result = await session.execute(
        statement.values({**_ACTIVE, "consecutive_failures": 0})
        .returning(ChannelPeer.channel_id)
        .execution_options(synchronize_session=False)
    )
    return len(result.all())


async def forget_addresses(session: AsyncSession, channel_id: ChannelId) -> None:
    """The channel has another name: what accounts found out about the old one says nothing about it."""
    await session.execute(
        update(ChannelPeer)
        .where(ChannelPeer.channel_id == channel_id)
        .values(
            {
                "tg_id": None,
                "access_hash": None,
                "can_post": None,
                "forbidden": None,
                "slow_mode_seconds": None,
                "member_count": None,
                "listed_at": None,
                "gone_since": None,
                "details_at": None,
                "hold_until": None,
                "resolved_at": None,
                "consecutive_failures": 0,
                **_ACTIVE,
            }
        )
        .execution_options(synchronize_session=False)
    )
    await session.execute(delete(ChannelPicture).where(ChannelPicture.channel_id == channel_id))


async def reactivate_channels(session: AsyncSession, channel_ids: Sequence[UUID]) -> list[ChannelId]:
    """Make channels active, for all accounts; those that were not, for at least one of them."""
    chunks = _split(sorted(channel_ids))
    for chunk in chunks:  # all of them before any channel, as results are recorded
        await _lock_peers(session, chunk)
    changed: list[ChannelId] = []
    for chunk in chunks:
        changed += await _reactivate(session, chunk)
    return changed


def _split(items: Sequence[Item]) -> list[Sequence[Item]]:
    return [items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK)]


async def _reactivate(session: AsyncSession, channel_ids: Sequence[UUID]) -> list[ChannelId]:
    stopped = select(ChannelPeer.channel_id).where(
        _is_one_of(ChannelPeer.channel_id, channel_ids), ~ChannelPeer.is_active
    )
    changed = (
        await session.scalars(
            select(Channel.id)
            .where(_is_one_of(Channel.id, channel_ids), ~Channel.is_active | Channel.id.in_(stopped))
            .order_by(Channel.id)
            .with_for_update(key_share=True)
        )
    ).all()
    await reset_peers(session, channel_ids)
    await session.execute(
        update(Channel)
        .where(_is_one_of(Channel.id, changed))
        .values({**_ACTIVE, **_CHANGED})
        .execution_options(synchronize_session=False)
    )
    return [ChannelId(channel_id) for channel_id in changed]


async def find_missing(session: AsyncSession, channel_ids: Sequence[UUID], limit: int) -> list[UUID]:
    """The first of the ids that are no channel's, or a deleted one's."""
    missing: list[UUID] = []
    for chunk in _split(channel_ids):
        missing += await _find_missing(session, chunk, limit - len(missing))
        if len(missing) >= limit:
            break
    return missing


async def _find_missing(session: AsyncSession, channel_ids: Sequence[UUID], limit: int) -> Sequence[UUID]:
    wanted = (
        func.unnest(literal(list(channel_ids), ARRAY(Uuid)))
        .table_valued("id", with_ordinality="place")
        .render_derived()
    )
    exists = select(Channel.id).where(Channel.id == wanted.c.id, Channel.deleted_at.is_(None)).exists()
    query = select(wanted.c.id).where(~exists).order_by(wanted.c.place).limit(limit)
    return (await session.scalars(query)).all()


async def read_names(session: AsyncSession, channel_ids: Sequence[UUID]) -> list[str]:
    """@name or id of each, in the given order, for as many as an audit entry names."""
    wanted = list(channel_ids[:MOST_NAMED])
    query = select(Channel.id, Channel.username, Channel.tg_id).where(_is_one_of(Channel.id, wanted))
    names = {
        channel_id: str(ChannelName(username=username, tg_id=None if username else tg_id))
        for channel_id, username, tg_id in await session.execute(query)
    }
    return [names[channel_id] for channel_id in wanted if channel_id in names]


# -- deletion -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelUse:
    """What a channel is needed for; the first few names of each."""

    batches: Sequence[str]
    campaigns: Sequence[str]


async def lock_for_deletion(session: AsyncSession, channel_id: ChannelId) -> Channel | None:
    """The channel, locked so that it is put into no batch meanwhile; None when there is none."""
    return await session.scalar(
        select(Channel)
        .where(Channel.id == channel_id, Channel.deleted_at.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def find_use(session: AsyncSession, channel_id: ChannelId, limit: int) -> ChannelUse:
    """Batches that hold the channel, and unfinished campaigns that still have a message for it."""
    batches = (
        select(Batch.name)
        .join(BatchChannel, BatchChannel.batch_id == Batch.id)
        .where(BatchChannel.channel_id == channel_id)
    )
    campaigns = (
        select(Campaign.name)
        .join(Job, Job.campaign_id == Campaign.id)
        .where(Job.channel_id == channel_id, Job.status.in_([JobStatus.QUEUED, JobStatus.SENDING]))
        .where(Campaign.status.in_([CampaignStatus.RUNNING, CampaignStatus.PAUSED]))
    )
    return ChannelUse(
        batches=(await session.scalars(batches.order_by(Batch.name).limit(limit))).all(),
        campaigns=(await session.scalars(campaigns.order_by(Campaign.name).limit(limit))).all(),
    )
