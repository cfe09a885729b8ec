"""Batches and the channels in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, any_, exists, func, literal, select, tuple_, update
from sqlalchemy import delete as delete_from
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from vestnik.db.channel_records import is_shown_active
from vestnik.db.models import Batch, BatchChannel, Campaign, Channel, ChannelPeer
from vestnik.domain.audit import MOST_NAMED
from vestnik.domain.batches import Combination
from vestnik.domain.ids import AccountId, BatchId, ChannelId
from vestnik.domain.states import CampaignStatus

_CHUNK = 2000
"""Channels in one statement, as in db.channels."""
_MAY_EXPAND = (
    CampaignStatus.DRAFT,
    CampaignStatus.SCHEDULED,
    CampaignStatus.RUNNING,
    CampaignStatus.PAUSED,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchRecord:
    """A batch and how many channels it has, inactive ones included."""

    batch: Batch
    channels: int


async def insert_batch(session: AsyncSession, name: str) -> BatchId | None:
    """Make an empty batch; None when the name is taken."""
    batch_id = await session.scalar(
        insert(Batch).values(name=name).on_conflict_do_nothing().returning(Batch.id)
    )
    return None if batch_id is None else BatchId(batch_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """How many channels came into a batch or left it, and which were the first."""

    count: int = 0
    first: Sequence[ChannelId] = ()

    def __add__(self, other: "Moved") -> "Moved":
        return Moved(count=self.count + other.count, first=[*self.first, *other.first][:MOST_NAMED])


async def append_channels(session: AsyncSession, batch_id: BatchId, channels: Sequence[ChannelId]) -> Moved:
    """Put channels at the end of a batch in the given order; those that were not in it yet."""
    moved = Moved()
    for start in range(0, len(channels), _CHUNK):
        wanted = (
            func.unnest(literal(list(channels[start : start + _CHUNK]), ARRAY(Uuid)))
            .table_valued("id", with_ordinality="place")
            .render_derived()
        )
        # The position is an identity column, so the order of the rows is the order of the batch.
        rows = select(literal(batch_id, Uuid), wanted.c.id).order_by(wanted.c.place)
        moved += await _append_from(session, rows)
    return moved


async def _append_from(session: AsyncSession, rows: Select[UUID, UUID]) -> Moved:
    # Counted by the database: the ids of a whole batch would keep this process busy for long.
    added = (
        insert(BatchChannel)
        .from_select(["batch_id", "channel_id"], rows)
        .on_conflict_do_nothing()
        .returning(BatchChannel.channel_id, BatchChannel.position)
        .cte("added")
    )
    count = select(func.count()).select_from(added).scalar_subquery()
    first = select(added.c.channel_id).order_by(added.c.position).limit(MOST_NAMED).scalar_subquery()
    row = (await session.execute(select(count, func.array(first, type_=ARRAY(Uuid))))).one()
    return Moved(count=row[0], first=row[1])


async def append_combination(
    session: AsyncSession, batch_id: BatchId, combination: Combination, batch_ids: Sequence[BatchId]
) -> Moved:
    """Fill a batch from others, in the order of the first of them that has each channel."""
    first, *others = batch_ids
    if combination is Combination.UNION:
        return await _append_from(session, _select_union(batch_id, batch_ids))
    rows = (
        select(literal(batch_id, Uuid), BatchChannel.channel_id)
        .where(BatchChannel.batch_id == first)
        .order_by(BatchChannel.position)
    )
    if combination is Combination.DIFFERENCE:
        return await _append_from(session, rows.where(~_is_also_in(others)))
    for other in others:
        rows = rows.where(_is_also_in([other]))
    return await _append_from(session, rows)


def _select_union(batch_id: BatchId, batch_ids: Sequence[BatchId]) -> Select[UUID, UUID]:
    rank = func.array_position(literal(list(batch_ids), ARRAY(Uuid)), BatchChannel.batch_id)
    members = (
        select(BatchChannel.channel_id, rank.label("rank"), BatchChannel.position)
        .where(BatchChannel.batch_id.in_(batch_ids))
        .ext(distinct_on(BatchChannel.channel_id))
        .order_by(BatchChannel.channel_id, rank, BatchChannel.position)
        .subquery()
    )
    return select(literal(batch_id, Uuid), members.c.channel_id).order_by(members.c.rank, members.c.position)


def _is_also_in(batch_ids: Sequence[BatchId]) -> ColumnElement[bool]:
    other = aliased(BatchChannel)
    return exists().where(other.batch_id.in_(batch_ids), other.channel_id == BatchChannel.channel_id)


async def remove_channels(session: AsyncSession, batch_id: BatchId, channels: Sequence[ChannelId]) -> Moved:
    """Take channels out of a batch; those that were in it."""
    moved = Moved()
    for start in range(0, len(channels), _CHUNK):
        wanted = any_(literal(list(channels[start : start + _CHUNK]), ARRAY(Uuid)))
        removed = await session.scalars(
            delete_from(BatchChannel)
            .where(BatchChannel.batch_id == batch_id, BatchChannel.channel_id == wanted)
            .returning(BatchChannel.channel_id)
            .execution_options(synchronize_session=False)
        )
        gone = [ChannelId(channel_id) for channel_id in removed]
        moved += Moved(count=len(gone), first=gone)
    return moved


async def lock_batch(session: AsyncSession, batch_id: BatchId) -> Batch | None:
    """The batch, locked for an edit: meanwhile no campaign is made with it."""
    return await session.scalar(
        select(Batch).where(Batch.id == batch_id).with_for_update().execution_options(populate_existing=True)
    )


async def lock_expanding_campaigns(session: AsyncSession, batch_id: BatchId) -> list[str]:
    """Names of campaigns that are being turned into messages from this batch right now.

    Those that are not yet are kept from starting until the transaction ends: a start reads the batch, and must see
    all of an edit or nothing.
    """
    campaigns = await session.execute(
        select(Campaign.name, Campaign.status)
        .where(Campaign.batch_id == batch_id, Campaign.expanded_at.is_(None))
        .where(Campaign.status.in_(_MAY_EXPAND))
        .order_by(Campaign.id)
        .with_for_update(read=True)
    )
    started = {CampaignStatus.RUNNING, CampaignStatus.PAUSED}
    return [name for name, status in campaigns if status in started]


async def list_campaign_names(session: AsyncSession, batch_id: BatchId, limit: int) -> list[str]:
    """The newest campaigns that were made with a batch."""
    query = select(Campaign.name).where(Campaign.batch_id == batch_id, Campaign.deleted_at.is_(None))
    return list(await session.scalars(query.order_by(Campaign.created_at.desc(), Campaign.id).limit(limit)))


async def is_being_freed(session: AsyncSession, batch_id: BatchId) -> bool:
    """Whether a deleted campaign of which messages are left still needs the batch."""
    query = select(Campaign.id).where(Campaign.batch_id == batch_id, Campaign.deleted_at.is_not(None))
    return await session.scalar(query.limit(1)) is not None


async def delete_batch(session: AsyncSession, batch_id: BatchId) -> None:
    """Delete a batch that no campaign uses, with its list of channels."""
    await session.execute(delete_from(Batch).where(Batch.id == batch_id))


async def touch_batch(session: AsyncSession, batch_id: BatchId) -> None:
    """A person changed the batch's channels."""
    await session.execute(
        update(Batch)
        .where(Batch.id == batch_id)
        .values(revision=Batch.revision + 1, updated_at=func.now())
        .execution_options(synchronize_session=False)
    )


async def get_batch(session: AsyncSession, batch_id: BatchId) -> Batch | None:
    """The batch, or None."""
    return await session.get(Batch, batch_id)


async def find_missing_batches(session: AsyncSession, batch_ids: Sequence[BatchId]) -> list[BatchId]:
    """The ids that are no batch's, in the order given; the others cannot be deleted until the transaction ends."""
    query = select(Batch.id).where(Batch.id.in_(batch_ids)).order_by(Batch.id)
    found = set(await session.scalars(query.with_for_update(read=True, key_share=True)))
    return [batch_id for batch_id in batch_ids if batch_id not in found]


async def find_batch_by_name(session: AsyncSession, name: str) -> Batch | None:
    """The batch of that name, or None."""
    return await session.scalar(select(Batch).where(Batch.name == name))


def _select_records() -> Select[Batch, int]:
    size = (
        select(func.count())
        .select_from(BatchChannel)
        .where(BatchChannel.batch_id == Batch.id)
        .scalar_subquery()
    )
    return select(Batch, size)


async def get_record(session: AsyncSession, batch_id: BatchId) -> BatchRecord | None:
    """The batch with its size, or None."""
    query = _select_records().where(Batch.id == batch_id)
    row = (await session.execute(query.execution_options(populate_existing=True))).one_or_none()
    return None if row is None else BatchRecord(batch=row[0], channels=row[1])


async def rename_batch(session: AsyncSession, batch_id: BatchId, name: str) -> bool:
    """Give a locked batch another name; False when that is taken."""
    if await find_batch_by_name(session, name) is not None:
        return False
    try:
        async with session.begin_nested():
            await session.execute(
                update(Batch)
                .where(Batch.id == batch_id)
                .values(name=name, revision=Batch.revision + 1, updated_at=func.now())
                .execution_options(synchronize_session=False)
            )
    except IntegrityError:
        return False  # somebody else took it at this moment
    return True


async def list_batches(
    session: AsyncSession,
    *,
    limit: int,
    before: tuple[datetime, UUID] | None = None,
    search: str | None = None,
) -> list[BatchRecord]:
    """The newest first; `before` is creation and id of the last one of the page before."""
    query = _select_records().order_by(Batch.created_at.desc(), Batch.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tuple_(Batch.created_at, Batch.id) < before)
    if search is not None:
        query = query.where(func.strpos(func.lower(Batch.name), search.lower()) > 0)
    return [BatchRecord(batch=batch, channels=count) for batch, count in await session.execute(query)]


async def list_batch_names(
    session: AsyncSession, *, beginning: str = "", limit: int | None = None
) -> list[str]:
    """Names in use that begin with a text, the newest first."""
    query = select(Batch.name).where(Batch.name.startswith(beginning, autoescape=True))
    return list(await session.scalars(query.order_by(Batch.created_at.desc(), Batch.id).limit(limit)))


async def count_batch_channels(session: AsyncSession, batch_id: BatchId) -> int:
    """How many channels a batch has, inactive ones included."""
    query = select(func.count()).select_from(BatchChannel).where(BatchChannel.batch_id == batch_id)
    return await session.scalar(query) or 0


async def count_members(session: AsyncSession, batch_id: BatchId, channels: Sequence[ChannelId]) -> int:
    """How many of the channels are in a batch."""
    query = select(func.count()).select_from(BatchChannel).where(BatchChannel.batch_id == batch_id)
    count = 0
    for start in range(0, len(channels), _CHUNK):
        wanted = any_(literal(list(channels[start : start + _CHUNK]), ARRAY(Uuid)))
        count += await session.scalar(query.where(BatchChannel.channel_id == wanted)) or 0
    return count


async def count_deleted_channels(session: AsyncSession, batch_id: BatchId) -> int:
    """How many channels of a batch are deleted: only those that were while they were put into it."""
    query = (
        select(func.count())
        .select_from(BatchChannel)
        .join(Channel, Channel.id == BatchChannel.channel_id)
        .where(BatchChannel.batch_id == batch_id, Channel.deleted_at.is_not(None))
    )
    return await session.scalar(query) or 0


async def count_sendable(session: AsyncSession, batch_id: BatchId, account_id: AccountId | None) -> int:
    """To how many channels a campaign of the account would post; without one, how many are shown as active."""
    query = (
        select(func.count())
        .select_from(BatchChannel)
        .join(Channel, Channel.id == BatchChannel.channel_id)
        .where(BatchChannel.batch_id == batch_id, Channel.deleted_at.is_(None))
    )
    if account_id is None:
        return await session.scalar(query.where(is_shown_active())) or 0
    stopped = exists().where(
        ChannelPeer.account_id == account_id,
        ChannelPeer.channel_id == Channel.id,
        ~ChannelPeer.is_active,
    )
    return await session.scalar(query.where(Channel.is_active, ~stopped)) or 0
