"""Importing channels: a list is looked at first, and taken over when somebody has seen what will happen."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.channel_lists import ENCODINGS, GivenList, read_list, read_target
from vestnik.console.forms import Form, Submitted, explain, submit
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.domain.errors import ConflictError, InvalidInputError, NotFoundError
from vestnik.domain.ids import BatchId
from vestnik.domain.users import Role
from vestnik.services import batches
from vestnik.services.channel_imports import ImportReport, ImportTarget, import_list
from vestnik.web.database import LONG_LIMIT_SECONDS
from vestnik.web.problems import find_status

router = APIRouter(prefix="/channels/import")

SHOWN_LINES: Final = 200
SHOWN_BATCHES: Final = 200
CARRIED_FIELDS: Final = ("target", "batch_name", "batch", "encoding")
_COUNTS: Final = ("imported", "existing", "duplicates", "invalid", "batch_added")
_FIELDS: Final[Mapping[str, str]] = {"batch_id": "batch", "name": "batch_name"}
"""What services call differently."""

Again = Callable[[Form, int], Awaitable[Response]]


@router.get("", **open_to(Role.OPERATOR))
async def show_import(visitor: Visiting) -> Response:
    """The form; `batch` in the address is one that the channels shall go into, `target=new` asks for a new one."""
    batch_id = _read_uuid(visitor.request.query_params.get("batch", ""))
    if batch_id is None:
        wants_batch = visitor.request.query_params.get("target") == "new"
        return await _show_form(visitor, Form.start(target="new" if wants_batch else "none"))
    detail = await visitor.read(lambda session: batches.get_batch(session, BatchId(batch_id)))
    return await _show_form(visitor, Form.start(target="existing", batch=detail.batch.name))


def _read_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def _show_form(visitor: Visitor, form: Form, status: int = 200) -> Response:
    known = await visitor.read(lambda session: batches.list_batches(session, limit=SHOWN_BATCHES))
    return visitor.render(
        "channels/import.html",
        form=form,
        status=status,
        batch_names=[batch.name for batch in known],
        encodings=ENCODINGS,
    )


@router.post("", **open_to(Role.OPERATOR))
async def submit_import(visitor: Visiting, form: Submitted) -> Response:
    """Show what a list would do; `step` goes back to the form from there, or on to doing it."""

    async def again(corrected: Form, status: int) -> Response:
        return await _show_form(visitor, corrected, status)

    match form.text("step"):
        case "edit":
            return await again(form, 200)
        case "import":
            return await _import(visitor, form, again)
        case _:
            return await preview(visitor, form, again)


async def preview(
    visitor: Visitor, form: Form, again: Again, *, other_file: GivenList | None = None
) -> Response:
    """What taking over the list of a form would do; nothing is stored.

    `other_file` is the list, read already, that came instead of one that was looked at before.
    """
    if form.is_only_shown:
        return await again(form, 200)
    try:
        given = other_file or await read_list(form)
        report = await visitor.read(
            lambda session: _take_over(session, visitor, form, given, dry_run=True),
            limit=LONG_LIMIT_SECONDS,
        )
    except (InvalidInputError, NotFoundError, ConflictError) as error:
        return await again(_place_problems(explain(visitor, form, error)), find_status(error))
    return visitor.render(
        "channels/preview.html",
        form=form,
        given=given,
        report=report,
        lines=report.lines[:SHOWN_LINES],
        carried={name: form.text(name) for name in CARRIED_FIELDS if form.text(name)},
        is_other_file=other_file is not None,
    )


async def _import(visitor: Visitor, form: Form, again: Again) -> Response:
    if form.is_only_shown:
        return await again(form, 200)
    try:
        given = await read_list(form)
    except InvalidInputError as error:
        return await again(_place_problems(explain(visitor, form, error)), find_status(error))
    if form.text("digest") not in {"", given.digest}:
        return await preview(visitor, form, again, other_file=given)

    async def work(session: AsyncSession) -> str:
        report = await _take_over(session, visitor, form, given, dry_run=False)
        return f"/channels/import/done?{_write_counts(report)}"

    async def place(corrected: Form, status: int) -> Response:
        return await again(_place_problems(corrected), status)

    return await submit(visitor, form, work, again=place, limit=LONG_LIMIT_SECONDS)


async def _take_over(
    session: AsyncSession, visitor: Visitor, form: Form, given: GivenList, *, dry_run: bool
) -> ImportReport:
    into: ImportTarget = await read_target(session, form)
    return await import_list(
        session,
        visitor.actor,
        given.data,
        given.form,
        encoding=given.encoding,
        into=into,
        dry_run=dry_run,
    )


def _place_problems(form: Form) -> Form:
    """The messages at the fields of our form."""
    fields = {**_FIELDS, "channels": "file" if form.files else "text"}
    return form.with_problems(**{fields.get(name, name): text for name, text in form.problems.items()})


def _write_counts(report: ImportReport) -> str:
    counts = {name: getattr(report, name) for name in _COUNTS} | {"batch": report.batch_id}
    return "&".join(f"{name}={value}" for name, value in counts.items() if value is not None)


@router.get("/done", **open_to(Role.OPERATOR))
async def show_done(visitor: Visiting) -> Response:
    """What came of it; the counts are in the address, so that the page can be opened again."""
    asked = visitor.request.query_params
    counts = {name: _read_count(asked.get(name, "")) for name in _COUNTS}
    batch_id = _read_uuid(asked.get("batch", ""))
    detail = None
    if batch_id is not None:
        with suppress(NotFoundError):  # deleted since then
            detail = await visitor.read(lambda session: batches.get_batch(session, BatchId(batch_id)))
    return visitor.render(
        "channels/imported.html", counts=counts, batch=None if detail is None else detail.batch
    )


def _read_count(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
