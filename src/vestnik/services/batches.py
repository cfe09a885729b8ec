"""Batches of channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import batches as rows
from vestnik.db.audit import record_audit
from vestnik.db.models import Batch
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConflictError, InvalidInputError, NotFoundError
from vestnik.domain.ids import BatchId, ChannelId
from vestnik.domain.names import check_name, choose_free_name, name_stem
from vestnik.services.accounts import parse_id, quote_names

_SUGGESTIONS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchView:
    """A batch as it is shown."""

    id: UUID
    name: str
    channels: int


async def create_batch(
    session: AsyncSession,
    actor: Actor,
    name: str,
    channels: Sequence[ChannelId],
    *,
    number_name: bool = False,
) -> BatchView:
    """Make a batch of these channels, in this order.

    With `number_name` a name that is taken gets a number. Raises InvalidInputError for a bad name or no channel,
    ConflictError for a name that is taken.
    """
    name = check_name(name)
    if not channels:
        raise InvalidInputError("a batch needs at least one channel", field="channels")
    batch_id = await rows.insert_batch(session, name)
    wanted = name
    while batch_id is None and number_name:
        taken = await rows.list_batch_names(session, beginning=name_stem(wanted))
        name = choose_free_name(wanted, set(taken))
        batch_id = await rows.insert_batch(session, name)
    if batch_id is None:
        raise ConflictError(f"there is a batch '{name}' already; choose another name", field="name")
    count = await rows.append_channels(session, batch_id, channels)
    await record_audit(
        session, actor, "batch.created", "batch", batch_id, after={"name": name, "channels": count}
    )
    return BatchView(id=batch_id, name=name, channels=count)


async def find_batch(session: AsyncSession, reference: str) -> Batch:
    """The batch of this name or id. Raises NotFoundError, which names some that there are."""
    reference = check_name(reference, field="batch")
    batch = await rows.find_batch_by_name(session, reference)
    if batch is None and (batch_id := parse_id(reference)) is not None:
        batch = await rows.get_batch(session, BatchId(batch_id))
    if batch is None:
        names = await rows.list_batch_names(session, limit=_SUGGESTIONS)
        hint = f"the newest are {quote_names(names)}" if names else "there is none yet"
        raise NotFoundError(f"there is no batch '{reference}'; {hint}", field="batch")
    return batch
