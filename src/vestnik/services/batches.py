"""Batches of channels: made of ids, lists or other batches, changed, and deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import batches as rows
from vestnik.db.accounts import get_account
from vestnik.db.audit import record_audit
from vestnik.db.channel_records import list_members
from vestnik.db.channels import read_names
from vestnik.db.legacy_ids import find_by_legacy_id
from vestnik.db.models import Batch
from vestnik.domain.actors import Actor
from vestnik.domain.audit import name_channels
from vestnik.domain.batches import Combination
from vestnik.domain.errors import ConflictError, InvalidInputError, NotFoundError, StaleRevisionError
from vestnik.domain.ids import AccountId, BatchId, ChannelId
from vestnik.domain.names import check_name, choose_free_name, name_stem
from vestnik.services.accounts import parse_id, quote_names
from vestnik.services.channel_views import ChannelView, build_channel_view
from vestnik.services.channels import require_channels

_SUGGESTIONS = 5
_NAMED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchView:
    """A batch as it is shown. `channels` counts inactive ones too."""

    id: UUID
    name: str
    channels: int
    revision: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchDetail:
    """A batch and to how many of its channels can be posted."""

    batch: BatchView
    sendable: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberView:
    """A channel at its place in a batch."""

    channel: ChannelView
    position: int


@dataclass(frozen=True, kw_only=True, slots=True)
class MembershipChange:
    """What became of ids that were to come into a batch or out of it; `unchanged` were there, or not."""

    batch: BatchView
    changed: int
    unchanged: int
    duplicates: int


async def create_batch(
    session: AsyncSession,
    actor: Actor,
    name: str,
    channels: Sequence[ChannelId],
    *,
    number_name: bool = False,
    may_be_empty: bool = False,
) -> BatchView:
    """Make a batch of these channels, in this order.

    With `number_name` a name that is taken gets a number. Raises InvalidInputError for a bad name or no channel,
    ConflictError for a name that is taken.
    """
    name = check_name(name)
    if not channels and not may_be_empty:
        raise InvalidInputError("a batch needs at least one channel", field="channels")
    batch_id = await rows.insert_batch(session, name)
    wanted = name
    while batch_id is None and number_name:
        taken = await rows.list_batch_names(session, beginning=name_stem(wanted))
        name = choose_free_name(wanted, set(taken))
        batch_id = await rows.insert_batch(session, name)
    if batch_id is None:
        raise _make_name_conflict(name)
    added = await rows.append_channels(session, batch_id, channels)
    await _refuse_deleted(session, batch_id)
    after = {"name": name, "channels": added.count} | await _name_moved(session, added)
    await record_audit(session, actor, "batch.created", "batch", batch_id, after=after)
    return await _get_view(session, batch_id)


async def _name_moved(session: AsyncSession, moved: rows.Moved) -> dict[str, Any]:
    """For the audit log."""
    return name_channels(await read_names(session, moved.first), moved.count)


def _make_name_conflict(name: str) -> ConflictError:
    return ConflictError(f"there is a batch '{name}' already; choose another name", field="name")


async def _refuse_deleted(session: AsyncSession, batch_id: BatchId) -> None:
    """Raise InvalidInputError if a channel was deleted while it was put into the batch.

    Later it cannot be: its deletion waits for us and then finds it in the batch.
    """
    if await rows.count_deleted_channels(session, batch_id):
        raise InvalidInputError("a channel was deleted at this moment; ask again", field="channel_ids")


async def check_new_name(session: AsyncSession, name: str) -> str:
    """The name without blanks around it. Raises InvalidInputError, and ConflictError when it is taken."""
    name = check_name(name, field="batch_name")
    if await rows.find_batch_by_name(session, name) is not None:
        raise _make_name_conflict(name)
    return name


async def create_batch_of(
    session: AsyncSession, actor: Actor, name: str, channel_ids: Sequence[ChannelId]
) -> MembershipChange:
    """Make a batch of ids that somebody gave; it may be empty, to be filled later.

    Raises InvalidInputError for unknown ids or a bad name, ConflictError for a name that is taken.
    """
    wanted = list(dict.fromkeys(channel_ids))
    await require_channels(session, wanted)
    batch = await create_batch(session, actor, name, wanted, may_be_empty=True)
    return MembershipChange(
        batch=batch,
        changed=batch.channels,
        unchanged=len(wanted) - batch.channels,
        duplicates=len(channel_ids) - len(wanted),
    )


async def combine_batches(
    session: AsyncSession,
    actor: Actor,
    name: str,
    combination: Combination,
    batch_ids: Sequence[BatchId],
) -> BatchView:
    """Make a batch of others, in the order of the first of them that has each channel; it may come out empty.

    Raises InvalidInputError, also for unknown batches, and ConflictError for a name that is taken.
    """
    name = check_name(name)
    if len(set(batch_ids)) < len(batch_ids) or len(batch_ids) < 2:
        raise InvalidInputError("give at least two different batches", field="batch_ids")
    missing = await rows.find_missing_batches(session, batch_ids)
    if missing:
        raise InvalidInputError(
            f"no batches have these ids: {', '.join(map(str, missing[:_NAMED]))}", field="batch_ids"
        )
    batch_id = await rows.insert_batch(session, name)
    if batch_id is None:
        raise _make_name_conflict(name)
    added = await rows.append_combination(session, batch_id, combination, batch_ids)
    await _refuse_deleted(session, batch_id)
    after = {
        "name": name,
        "channels": added.count,
        "operation": combination.value,
        "batches": [str(batch_id) for batch_id in batch_ids],
    }
    after |= await _name_moved(session, added)
    await record_audit(session, actor, "batch.created", "batch", batch_id, after=after)
    return await _get_view(session, batch_id)


async def rename_batch(
    session: AsyncSession,
    actor: Actor,
    batch_id: BatchId,
    name: str,
    *,
    expected_revision: int | None = None,
) -> BatchView:
    """Raises NotFoundError, StaleRevisionError, InvalidInputError, ConflictError for a name that is taken."""
    name = check_name(name)
    batch = await _lock(session, batch_id, expected_revision)
    if name == batch.name:
        return await _get_view(session, batch_id)
    if not await rows.rename_batch(session, batch_id, name):
        raise _make_name_conflict(name)
    await record_audit(
        session, actor, "batch.renamed", "batch", batch_id, before={"name": batch.name}, after={"name": name}
    )
    return await _get_view(session, batch_id)


async def delete_batch(
    session: AsyncSession, actor: Actor, batch_id: BatchId, *, expected_revision: int | None = None
) -> None:
    """Delete a batch; its channels stay.

    Raises NotFoundError, StaleRevisionError, and ConflictError when a campaign was made with it.
    """
    batch = await _lock(session, batch_id, expected_revision)
    campaigns = await rows.list_campaign_names(session, batch_id, _NAMED + 1)
    if campaigns:
        more = " and others" if len(campaigns) > _NAMED else ""
        raise ConflictError(
            f"batch '{batch.name}' is used by the {'campaign' if len(campaigns) == 1 else 'campaigns'} "
            f"{quote_names(campaigns[:_NAMED])}{more}; delete those first",
            field="batch_id",
        )
    if await rows.is_being_freed(session, batch_id):
        raise ConflictError(
            f"the messages of a deleted campaign with batch '{batch.name}' are still being removed; "
            "try again in a moment",
            field="batch_id",
        )
    before = {"name": batch.name, "channels": await rows.count_batch_channels(session, batch_id)}
    await rows.delete_batch(session, batch_id)
    await record_audit(session, actor, "batch.deleted", "batch", batch_id, before=before)


async def add_channels(
    session: AsyncSession, actor: Actor, batch_id: BatchId, channel_ids: Sequence[ChannelId]
) -> MembershipChange:
    """Put channels at the end of a batch, in this order.

    Raises NotFoundError, InvalidInputError for unknown ids, and ConflictError while a large campaign is still
    being turned into messages from it.
    """
    batch = await _lock(session, batch_id, None)
    await _refuse_while_expanding(session, batch)
    wanted = list(dict.fromkeys(channel_ids))
    await require_channels(session, wanted)
    added = await rows.append_channels(session, batch_id, wanted)
    await _refuse_deleted(session, batch_id)
    view = await _finish_change(session, actor, batch_id, "batch.channels_added", added)
    return MembershipChange(
        batch=view,
        changed=added.count,
        unchanged=len(wanted) - added.count,
        duplicates=len(channel_ids) - len(wanted),
    )


async def remove_channels(
    session: AsyncSession, actor: Actor, batch_id: BatchId, channel_ids: Sequence[ChannelId]
) -> MembershipChange:
    """Take channels out of a batch; what campaigns have queued for them stays queued.

    Raises NotFoundError, and ConflictError while a large campaign is still being turned into messages from it.
    """
    batch = await _lock(session, batch_id, None)
    await _refuse_while_expanding(session, batch)
    wanted = list(dict.fromkeys(channel_ids))
    gone = await rows.remove_channels(session, batch_id, wanted)
    view = await _finish_change(session, actor, batch_id, "batch.channels_removed", gone)
    return MembershipChange(
        batch=view,
        changed=gone.count,
        unchanged=len(wanted) - gone.count,
        duplicates=len(channel_ids) - len(wanted),
    )


async def _refuse_while_expanding(session: AsyncSession, batch: Batch) -> None:
    campaigns = await rows.lock_expanding_campaigns(session, BatchId(batch.id))
    if campaigns:
        raise ConflictError(
            f"batch '{batch.name}' is being turned into the messages of {quote_names(campaigns[:_NAMED])}; "
            "try again when that is done, or cancel the campaign",
            field="batch_id",
        )


async def _finish_change(
    session: AsyncSession, actor: Actor, batch_id: BatchId, action: str, moved: rows.Moved
) -> BatchView:
    if moved.count:
        await rows.touch_batch(session, batch_id)
    view = await _get_view(session, batch_id)
    if moved.count:
        after = {"changed": moved.count, "channels": view.channels} | await _name_moved(session, moved)
        await record_audit(session, actor, action, "batch", batch_id, after=after)
    return view


async def list_batches(
    session: AsyncSession,
    *,
    limit: int,
    before: tuple[datetime, UUID] | None = None,
    search: str | None = None,
) -> list[BatchView]:
    """The newest first; `search` is a part of a name."""
    found = await rows.list_batches(session, limit=limit, before=before, search=search)
    return [_view(record) for record in found]


async def get_batch(
    session: AsyncSession, batch_id: BatchId, *, account_id: AccountId | None = None
) -> BatchDetail:
    """With an account, `sendable` is to how many channels a campaign of it would post. Raises NotFoundError."""
    view = await _get_view(session, batch_id)
    if account_id is not None and await get_account(session, account_id) is None:
        raise NotFoundError(f"there is no account {account_id}", field="account_id")
    return BatchDetail(batch=view, sendable=await rows.count_sendable(session, batch_id, account_id))


async def list_batch_channels(
    session: AsyncSession, batch_id: BatchId, *, limit: int, after: int = 0
) -> list[MemberView]:
    """Channels in the batch's order, those behind a position. Raises NotFoundError."""
    await require_batch(session, batch_id)
    return [
        MemberView(channel=build_channel_view(record), position=record.position)
        for record in await list_members(session, batch_id, limit=limit, after=after)
    ]


async def require_batch(session: AsyncSession, batch_id: BatchId) -> Batch:
    """The batch. Raises NotFoundError."""
    batch = await rows.get_batch(session, batch_id)
    if batch is None:
        raise NotFoundError(f"there is no batch {batch_id}", field="batch_id")
    return batch


async def _lock(session: AsyncSession, batch_id: BatchId, expected_revision: int | None) -> Batch:
    batch = await rows.lock_batch(session, batch_id)
    if batch is None:
        raise NotFoundError(f"there is no batch {batch_id}", field="batch_id")
    if expected_revision not in {None, batch.revision}:
        raise StaleRevisionError(
            f"batch '{batch.name}' was changed since revision {expected_revision}: it is at {batch.revision} "
            "now; read it again"
        )
    return batch


async def _get_view(session: AsyncSession, batch_id: BatchId) -> BatchView:
    record = await rows.get_record(session, batch_id)
    if record is None:
        raise NotFoundError(f"there is no batch {batch_id}", field="batch_id")
    return _view(record)


def _view(record: rows.BatchRecord) -> BatchView:
    batch = record.batch
    return BatchView(
        id=batch.id,
        name=batch.name,
        channels=record.channels,
        revision=batch.revision,
        created_at=batch.created_at,
        updated_at=batch.updated_at,
    )


async def find_batch(session: AsyncSession, reference: str) -> Batch:
    """The batch of this name or id. Raises NotFoundError, which names some that there are."""
    reference = check_name(reference, field="batch")
    batch = await rows.find_batch_by_name(session, reference)
    if batch is None:
        batch_id = await find_by_legacy_id(session, "batches", reference) or parse_id(reference)
        batch = None if batch_id is None else await rows.get_batch(session, BatchId(batch_id))
    if batch is None:
        names = await rows.list_batch_names(session, limit=_SUGGESTIONS)
        hint = f"the newest are {quote_names(names)}" if names else "there is none yet"
        raise NotFoundError(f"there is no batch '{reference}'; {hint}", field="batch")
    return batch
