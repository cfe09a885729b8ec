"""Putting channels into batches: chosen ones, all that a search finds, or a list; and batches made of others."""

from datetime import datetime
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.batches import read_chosen
from vestnik.console.channel_imports import SHOWN_BATCHES, preview
from vestnik.console.channel_lists import read_target
from vestnik.console.channel_queries import make_address, read_channel_query, write_channel_query
from vestnik.console.forms import Form, Submitted, submit
from vestnik.console.pages import PAGE_SIZE
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.domain.batches import Combination
from vestnik.domain.errors import InvalidInputError, NotFoundError
from vestnik.domain.ids import BatchId, ChannelId
from vestnik.domain.users import Role
from vestnik.services import batch_views, batches
from vestnik.services.accounts import parse_id
from vestnik.services.channel_views import ChannelQuery
from vestnik.web.cursors import decode_cursor, encode_cursor
from vestnik.web.database import LONG_LIMIT_SECONDS

router = APIRouter(prefix="/batches")

MOST_COMBINED: Final = 20
_FEWEST_FIELDS: Final = 2
START: Final = "start"
"""Instead of a cursor: from the beginning."""
_COMBINE_FIELDS: Final = {"batch_ids": "other"}


# -- all that a search finds --------------------------------------------------------------------------------


@router.get("/found", **open_to(Role.OPERATOR))
async def show_found(visitor: Visiting) -> Response:
    """Where the channels that a search found shall go."""
    wanted = read_channel_query(visitor.request.query_params)
    return await _show_found(visitor, wanted, Form.start(target="new"))


@router.post("/found", **open_to(Role.OPERATOR))
async def add_found(visitor: Visiting, form: Submitted) -> Response:
    """Put all of them into a new batch, or into one that is there."""
    wanted = _read_wanted(form)

    async def add(session: AsyncSession) -> str:
        into = await read_target(session, form)
        if into.batch_id is None:
            found = await batch_views.find_all_channels(session, wanted)
            made = await batches.create_batch_of(session, visitor.actor, form.text("batch_name"), found)
            return f"/batches/{made.batch.id}"
        await batch_views.add_found(session, visitor.actor, BatchId(into.batch_id), wanted)
        return f"/batches/{into.batch_id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_found(visitor, wanted, _rename(corrected, {"name": "batch_name"}), status)

    return await submit(visitor, form, add, again=again, notice="channels-added", limit=LONG_LIMIT_SECONDS)


def _read_wanted(form: Form) -> ChannelQuery:
    return read_channel_query({name: form.text(name) for name in ("search", "active", "error")})


def _rename(form: Form, names: dict[str, str]) -> Form:
    return form.with_problems(**{names.get(name, name): text for name, text in form.problems.items()})


async def _show_found(visitor: Visitor, wanted: ChannelQuery, form: Form, status: int = 200) -> Response:
    return visitor.render(
        "batches/found.html",
        form=form,
        status=status,
        wanted=write_channel_query(wanted),
        back_url=make_address("/channels", wanted),
        batch_names=await _list_names(visitor),
    )


async def _list_names(visitor: Visitor) -> list[str]:
    """To be suggested; any other can be typed."""
    known = await visitor.read(lambda session: batches.list_batches(session, limit=SHOWN_BATCHES))
    return [batch.name for batch in known]


# -- set operations -----------------------------------------------------------------------------------------


@router.get("/combine", **open_to(Role.OPERATOR))
async def show_combine(visitor: Visiting) -> Response:
    """The form; `first` in the address is the batch that somebody came from."""
    try:
        first = BatchId(UUID(visitor.request.query_params.get("first", "")))
    except ValueError:
        return await _show_combine(visitor, Form.start(operation=Combination.UNION))
    detail = await visitor.read(lambda session: batches.get_batch(session, first))
    return await _show_combine(visitor, Form.start(operation=Combination.UNION, first=detail.batch.name))


@router.post("/combine", **open_to(Role.OPERATOR))
async def combine_batches(visitor: Visiting, form: Submitted) -> Response:
    """Make a batch of others; `more` only asks for another field."""

    async def combine(session: AsyncSession) -> str:
        batch_ids = [await _find(session, form.text("first"), "first")]
        batch_ids += [await _find(session, name, "other") for name in form.texts("other") if name.strip()]
        made = await batches.combine_batches(
            session, visitor.actor, form.text("name"), _read_operation(form), batch_ids[:MOST_COMBINED]
        )
        return f"/batches/{made.id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_combine(visitor, _rename(corrected, _COMBINE_FIELDS), status)

    if form.flag("more"):
        return await again(form, 200)
    return await submit(visitor, form, combine, again=again, notice="created", limit=LONG_LIMIT_SECONDS)


async def _find(session: AsyncSession, name: str, field: str) -> BatchId:
    if not name.strip():
        raise InvalidInputError("name a batch", field=field)
    try:
        return BatchId((await batches.find_batch(session, name)).id)
    except (InvalidInputError, NotFoundError) as error:
        raise type(error)(error.message, field=field) from None


def _read_operation(form: Form) -> Combination:
    try:
        return Combination(form.text("operation"))
    except ValueError:
        raise InvalidInputError("choose what is to become of the batches", field="operation") from None


async def _show_combine(visitor: Visitor, form: Form, status: int = 200) -> Response:
    others = [name for name in form.texts("other") if name.strip()]
    fields = max(len(others) + form.flag("more"), _FEWEST_FIELDS - 1)
    return visitor.render(
        "batches/combine.html",
        form=form,
        status=status,
        others=[*others, *[""] * (fields - len(others))][: MOST_COMBINED - 1],
        may_have_more=fields < MOST_COMBINED - 1,
        batch_names=await _list_names(visitor),
    )


# -- into one batch -----------------------------------------------------------------------------------------


@router.get("/{batch_id}/add", **open_to(Role.OPERATOR))
async def show_add(visitor: Visiting, batch_id: UUID) -> Response:
    """Channels to choose from, and a place for a list."""
    return await _show_add(visitor, BatchId(batch_id), Form())


@router.post("/{batch_id}/add", **open_to(Role.OPERATOR))
async def add_chosen(visitor: Visiting, batch_id: UUID, form: Submitted) -> Response:
    """Put the chosen channels at its end; `look` only shows others to choose from."""

    async def add(session: AsyncSession) -> str:
        await batches.add_channels(session, visitor.actor, BatchId(batch_id), read_chosen(form))
        return make_address(f"/batches/{batch_id}/add", _read_wanted(form))

    async def again(corrected: Form, status: int) -> Response:
        return await _show_add(visitor, BatchId(batch_id), corrected, status)

    if form.flag("look"):
        return await again(form, HTTPStatus.OK)
    response = await submit(
        visitor, form, add, again=again, notice="channels-added", limit=LONG_LIMIT_SECONDS
    )
    if response.status_code != HTTPStatus.SEE_OTHER or not form.text("text").strip():
        return response
    # A redirect would take away the list that was pasted as well.
    kept = Form(values={name: form.texts(name) for name in ("text", "search", "active")})
    return await _show_add(visitor, BatchId(batch_id), kept, is_added=True)


@router.post("/{batch_id}/add-found", **open_to(Role.OPERATOR))
async def add_all_found(visitor: Visiting, batch_id: UUID, form: Submitted) -> Response:
    """Put everything that the search finds at its end."""

    async def add(session: AsyncSession) -> str:
        await batch_views.add_found(session, visitor.actor, BatchId(batch_id), _read_wanted(form))
        return f"/batches/{batch_id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_add(visitor, BatchId(batch_id), corrected, status)

    return await submit(visitor, form, add, again=again, notice="channels-added", limit=LONG_LIMIT_SECONDS)


@router.post("/{batch_id}/paste", **open_to(Role.OPERATOR))
async def preview_list(visitor: Visiting, batch_id: UUID, form: Submitted) -> Response:
    """Show what putting a pasted list into it would do."""
    detail = await visitor.read(lambda session: batches.get_batch(session, BatchId(batch_id)))

    async def again(corrected: Form, status: int) -> Response:
        return await _show_add(visitor, BatchId(batch_id), corrected, status)

    into = {"target": ["existing"], "batch": [detail.batch.name]}
    return await preview(
        visitor,
        Form(values={**form.values, **into}, files=form.files, is_only_shown=form.is_only_shown),
        again,
    )


async def _show_add(
    visitor: Visitor, batch_id: BatchId, form: Form, status: int = 200, *, is_added: bool = False
) -> Response:
    request = visitor.request
    is_form = request.method == "POST"
    wanted = _read_wanted(form) if is_form else read_channel_query(request.query_params)
    cursor = (form.text("look") or form.text("cursor")) if is_form else request.query_params.get("cursor", "")
    before = _read_before(cursor)

    async def read(session: AsyncSession) -> dict[str, Any]:
        found = await batch_views.list_candidates(session, batch_id, wanted, limit=PAGE_SIZE, before=before)
        shown = {candidate.channel.id for candidate in found.items}
        return {
            "detail": await batches.get_batch(session, batch_id),
            "rows": found.items,
            "next_cursor": "" if found.next_before is None else encode_cursor(found.next_before),
            # Boxes that were checked stay, on whichever page they were.
            "chosen": await batch_views.list_chosen(
                session, batch_id, [channel for channel in _list_chosen(form) if channel not in shown]
            ),
        }

    return visitor.render(
        "batches/add.html",
        form=form,
        status=status,
        wanted=write_channel_query(wanted),
        cursor="" if before is None else cursor,
        start=START,
        is_added=is_added,
        **await visitor.read(read),
    )


def _read_before(cursor: str) -> tuple[datetime, UUID] | None:
    """Where the page before ended; None for the first and for anything that is no cursor."""
    try:
        at, channel_id = decode_cursor(cursor, (datetime, UUID))
    except InvalidInputError:
        return None
    assert isinstance(at, datetime)
    assert isinstance(channel_id, UUID)
    return at, channel_id


def _list_chosen(form: Form) -> list[ChannelId]:
    """The channels whose boxes are checked, each once; what is no id is left out."""
    found = dict.fromkeys(parse_id(text) for text in form.texts("channel_ids"))
    return [ChannelId(channel_id) for channel_id in found if channel_id is not None]
