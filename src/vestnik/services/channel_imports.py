"""Lists of channels that are taken over and put into a batch in one go."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from heapq import merge
from itertools import islice
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.batches import count_members
from vestnik.domain.actors import Actor
from vestnik.domain.channel_lists import InvalidLine, ListForm
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.ids import BatchId
from vestnik.services.batches import add_channels, check_new_name, create_batch, require_batch
from vestnik.services.channels import ImportResult, import_channels

MOST_LINES = 1_000
"""Bad lines that a report lists; all are counted."""


class LineStatus(StrEnum):
    """Why a line was left out: it names no channel, or one that a line before it names."""

    INVALID = "INVALID"
    DUPLICATE = "DUPLICATE"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedLine:
    """A line that was left out."""

    line: int
    text: str
    status: LineStatus
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportReport:
    """What became of a list, or would become of it."""

    dry_run: bool
    imported: int
    existing: int
    duplicates: int
    invalid: int
    lines: Sequence[ReportedLine]
    """The first of the bad ones."""
    batch_id: UUID | None
    """Where the channels are now; None also in a dry run that would make the batch."""
    batch_added: int | None
    """How many of them were not in that batch before."""
    address_column: int | None = None
    """Of a table: where the addresses stood, counted from 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportTarget:
    """The batch that the channels go into: a new one, one that is there, or none."""

    name: str | None = None
    batch_id: UUID | None = None


async def import_list(
    session: AsyncSession,
    actor: Actor,
    data: bytes,
    form: ListForm = ListForm.ANY,
    *,
    encoding: str | None = None,
    into: ImportTarget | None = None,
    dry_run: bool = False,
) -> ImportReport:
    """Take over a list and put all channels that it names into a batch, in its order.

    Raises InvalidInputError, NotFoundError and ConflictError about the batch, nothing being stored.
    """
    into = into or ImportTarget()
    if into.name is not None and into.batch_id is not None:
        raise InvalidInputError("name a new batch or an existing one, not both", field="batch_name")
    if into.name is not None:
        await check_new_name(session, into.name)
    result = await import_channels(session, actor, data, form, encoding=encoding, dry_run=dry_run)
    if dry_run:
        batch_id, added = await _foresee(session, result, into)
    else:
        batch_id, added = await _fill(session, actor, result, into)
    return ImportReport(
        dry_run=dry_run,
        imported=result.imported,
        existing=result.existing,
        duplicates=result.duplicates,
        invalid=len(result.invalid),
        lines=list(islice(_merge_lines(result), MOST_LINES)),
        batch_id=batch_id,
        batch_added=added,
        address_column=result.column,
    )


async def _foresee(
    session: AsyncSession, result: ImportResult, into: ImportTarget
) -> tuple[UUID | None, int | None]:
    if into.batch_id is not None:
        batch_id = BatchId(into.batch_id)
        await require_batch(session, batch_id)
        already = await count_members(session, batch_id, result.channels)
        return batch_id, result.imported + result.existing - already
    return None, None if into.name is None else result.imported + result.existing


async def _fill(
    session: AsyncSession, actor: Actor, result: ImportResult, into: ImportTarget
) -> tuple[UUID | None, int | None]:
    if into.name is not None:
        batch = await create_batch(session, actor, into.name, result.channels)
        return batch.id, batch.channels
    if into.batch_id is not None:
        change = await add_channels(session, actor, BatchId(into.batch_id), result.channels)
        return into.batch_id, change.changed
    return None, None


def _merge_lines(result: ImportResult) -> Iterator[ReportedLine]:
    return merge(
        _report(result.invalid, LineStatus.INVALID),
        _report(result.repeated, LineStatus.DUPLICATE),
        key=lambda bad: bad.line,
    )


def _report(lines: Sequence[InvalidLine], status: LineStatus) -> list[ReportedLine]:
    return [
        ReportedLine(line=bad.line, text=bad.text, status=status, reason=bad.reason)
        for bad in lines[:MOST_LINES]
    ]
