"""Batches: the list, making them, and one with its channels and what uses it."""

from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.channel_imports import preview
from vestnik.console.forms import Form, Submitted, submit
from vestnik.console.pages import PAGE_SIZE, Page, make_page, make_part, read_cursor, read_search
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.ids import BatchId, ChannelId
from vestnik.domain.users import Role
from vestnik.services import batch_views, batches, channel_views
from vestnik.services.channel_views import ChannelQuery, ChannelView
from vestnik.web.database import LONG_LIMIT_SECONDS

router = APIRouter(prefix="/batches")

SHOWN_CAMPAIGNS: Final = 20
_FIELDS: Final = {"batch_name": "name"}


@router.get("", **open_to(Role.VIEWER))
async def list_batches(visitor: Visiting) -> Response:
    """All batches, the newest first."""
    before, search = read_cursor(visitor.request, (datetime, UUID)), read_search(visitor.request)
    found = await visitor.read(
        lambda session: batches.list_batches(session, limit=PAGE_SIZE + 1, before=before, search=search)
    )
    page = make_page(visitor.request, found, lambda batch: (batch.created_at, batch.id))
    return visitor.render("batches/list.html", page=page, search=search or "")


@router.get("/new", **open_to(Role.OPERATOR))
async def show_new(visitor: Visiting) -> Response:
    """The form for a new one."""
    return await _show_new(visitor, Form())


@router.post("/new", **open_to(Role.OPERATOR))
async def create_batch(visitor: Visiting, form: Submitted) -> Response:
    """Make it, empty; with a list of channels show first what would happen."""

    async def create(session: AsyncSession) -> str:
        made = await batches.create_batch_of(session, visitor.actor, form.text("name"), [])
        return f"/batches/{made.batch.id}/add"

    async def again(corrected: Form, status: int) -> Response:
        problems = {_FIELDS.get(name, name): text for name, text in corrected.problems.items()}
        return await _show_new(visitor, form.with_problems(**problems), status)

    if form.text("text").strip():
        into = {"target": ["new"], "batch_name": [form.text("name")]}
        return await preview(
            visitor, Form(values={**form.values, **into}, is_only_shown=form.is_only_shown), again
        )
    return await submit(visitor, form, create, again=again, notice="created")


async def _show_new(visitor: Visitor, form: Form, status: int = 200) -> Response:
    return visitor.render("batches/new.html", form=form, status=status)


@router.get("/{batch_id}", **open_to(Role.VIEWER))
async def show_batch(visitor: Visiting, batch_id: UUID) -> Response:
    """One batch with its channels."""
    return await _show_batch(visitor, BatchId(batch_id), Form())


async def _show_batch(visitor: Visitor, batch_id: BatchId, form: Form, status: int = 200) -> Response:
    async def read(session: AsyncSession) -> dict[str, Any]:
        detail = await batches.get_batch(session, batch_id)
        return {
            "detail": detail,
            # Only one of the page's forms has the name in it.
            "form": form
            if form.flag("name")
            else Form(values={**form.values, "name": [detail.batch.name]}, problems=form.problems),
            "page": await _read_channels(visitor, session, batch_id),
            "reach": await batch_views.list_reach(session, batch_id),
            "campaigns": await batch_views.list_campaigns_of(session, batch_id, limit=SHOWN_CAMPAIGNS),
        }

    return visitor.render(
        "batches/detail.html",
        status=status,
        search=read_search(visitor.request) or "",
        place=_read_place(visitor),
        **await visitor.read(read),
    )


def _read_place(visitor: Visitor) -> str:
    """The part of the list that is looked at, as an address has it; forms of the list are sent with it."""
    asked = visitor.request.query_params
    where = {name: asked[name] for name in ("search", "cursor") if asked.get(name)}
    return f"?{urlencode(where)}" if where else ""


async def _read_channels(visitor: Visitor, session: AsyncSession, batch_id: BatchId) -> Page[ChannelView]:
    """In the batch's order; those that are searched for the newest first."""
    search, path = read_search(visitor.request), f"/batches/{batch_id}"
    if search is not None:
        wanted = ChannelQuery(search=search, batch_id=batch_id)
        before = read_cursor(visitor.request, (datetime, UUID))
        found = await channel_views.list_channels(session, wanted, limit=PAGE_SIZE, before=before)
        return make_part(visitor.request, found.items, found.next_before, path=path)
    (after,) = read_cursor(visitor.request, (int,)) or (0,)
    members = await batches.list_batch_channels(session, batch_id, limit=PAGE_SIZE + 1, after=after)
    page = make_page(visitor.request, members, lambda member: (member.position,), path=path)
    return Page(
        rows=[member.channel for member in page.rows], next_url=page.next_url, first_url=page.first_url
    )


@router.post("/{batch_id}/rename", **open_to(Role.OPERATOR))
async def rename_batch(visitor: Visiting, batch_id: UUID, form: Submitted) -> Response:
    """Give it another name."""

    async def rename(session: AsyncSession) -> str:
        await batches.rename_batch(
            session,
            visitor.actor,
            BatchId(batch_id),
            form.text("name"),
            expected_revision=form.revision(),
        )
        return f"/batches/{batch_id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_batch(visitor, BatchId(batch_id), corrected, status)

    return await submit(visitor, form, rename, again=again, notice="saved")


@router.post("/{batch_id}/remove", **open_to(Role.OPERATOR))
async def remove_channels(visitor: Visiting, batch_id: UUID, form: Submitted) -> Response:
    """Take the chosen channels out; they themselves stay."""

    async def remove(session: AsyncSession) -> str:
        await batches.remove_channels(session, visitor.actor, BatchId(batch_id), read_chosen(form))
        return f"/batches/{batch_id}{_read_place(visitor)}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_batch(visitor, BatchId(batch_id), corrected, status)

    return await submit(
        visitor, form, remove, again=again, notice="channels-removed", limit=LONG_LIMIT_SECONDS
    )


def read_chosen(form: Form) -> list[ChannelId]:
    """The channels whose boxes are checked. Raises InvalidInputError for none at all."""
    try:
        chosen = [ChannelId(UUID(text)) for text in form.texts("channel_ids")]
    except ValueError:
        chosen = []
    if not chosen:
        raise InvalidInputError("choose at least one channel", field="channel_ids")
    return chosen


@router.post("/{batch_id}/delete", **open_to(Role.OPERATOR))
async def delete_batch(visitor: Visiting, batch_id: UUID, form: Submitted) -> Response:
    """Delete it; its channels stay."""

    async def delete(session: AsyncSession) -> str:
        await batches.delete_batch(
            session, visitor.actor, BatchId(batch_id), expected_revision=form.revision()
        )
        return "/batches"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_batch(visitor, BatchId(batch_id), corrected, status)

    return await submit(visitor, form, delete, again=again, notice="deleted")
