"""Batches and the channels in them."""

from collections.abc import Sequence

from sqlalchemy import ARRAY, Uuid, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import Batch, BatchChannel
from vestnik.domain.ids import BatchId, ChannelId


async def insert_batch(session: AsyncSession, name: str) -> BatchId | None:
    """Make an empty batch; None when the name is taken."""
    batch_id = await session.scalar(
        insert(Batch).values(name=name).on_conflict_do_nothing().returning(Batch.id)
    )
    return None if batch_id is None else BatchId(batch_id)


async def append_channels(session: AsyncSession, batch_id: BatchId, channels: Sequence[ChannelId]) -> int:
    """Put channels at the end of a batch in the given order; returns how many were not in it yet."""
    wanted = (
        func.unnest(literal(list(channels), ARRAY(Uuid)))
        .table_valued("id", with_ordinality="place")
        .render_derived()
    )
    # The position is an identity column, so the order of the rows is the order of the batch.
    rows = select(literal(batch_id, Uuid), wanted.c.id).order_by(wanted.c.place)
    inserted = await session.execute(
        insert(BatchChannel)
        .from_select(["batch_id", "channel_id"], rows)
        .on_conflict_do_nothing()
        .returning(BatchChannel.channel_id)
    )
    return len(inserted.all())


async def get_batch(session: AsyncSession, batch_id: BatchId) -> Batch | None:
    """The batch, or None."""
    return await session.get(Batch, batch_id)


async def find_batch_by_name(session: AsyncSession, name: str) -> Batch | None:
    """The batch of that name, or None."""
    return await session.scalar(select(Batch).where(Batch.name == name))


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
