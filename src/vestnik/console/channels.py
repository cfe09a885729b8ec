"""Channels: the list, and one with what each account makes of it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.channel_queries import (
    EXPORT,
    make_address,
    read_channel_query,
    write_channel_query,
)
from vestnik.console.forms import Form, Submitted, submit
from vestnik.console.pages import PAGE_SIZE, make_part, read_cursor
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.domain.channels import MAX_TITLE_LENGTH
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.ids import AccountId, ChannelId
from vestnik.domain.users import Role
from vestnik.services import channel_health, channel_views, channels
from vestnik.services.channel_views import ChannelDetail
from vestnik.services.channels import ChannelChanges, NewChannel
from vestnik.services.syncs import find_faces

router = APIRouter(prefix="/channels")


@router.get("", **open_to(Role.VIEWER))
async def list_channels(visitor: Visiting) -> Response:
    """Those that are searched for, the newest first."""
    request = visitor.request
    wanted, before = read_channel_query(request.query_params), read_cursor(request, (datetime, UUID))

    async def read(session: AsyncSession) -> dict[str, Any]:
        found = await channel_views.list_channels(session, wanted, limit=PAGE_SIZE, before=before)
        reasons = await channel_health.list_reasons(session)
        return {
            "page": make_part(request, found.items, found.next_before),
            "failed": await channel_health.find_failed(session, found.items),
            "faces": await find_faces(session, [item.id for item in found.items]),
            # The chosen one even where no channel has it any more.
            "reasons": sorted({*reasons, *([wanted.error] if wanted.error else [])}),
        }

    return visitor.render(
        "channels/list.html",
        wanted=write_channel_query(wanted),
        export_url=make_address(EXPORT, wanted),
        found_url=make_address("/batches/found", wanted),
        **await visitor.read(read),
    )


@router.get("/new", **open_to(Role.OPERATOR))
async def show_new(visitor: Visiting) -> Response:
    """The form for one more."""
    return _show_new(visitor, Form())


@router.post("/new", **open_to(Role.OPERATOR))
async def create_channel(visitor: Visiting, form: Submitted) -> Response:
    """Add it; a deleted one comes back."""

    async def create(session: AsyncSession) -> str:
        new = NewChannel(
            username=form.optional("username"), tg_id=form.optional("tg_id"), title=form.optional("title")
        )
        return f"/channels/{(await channels.create_channel(session, visitor.actor, new)).channel.id}"

    async def again(corrected: Form, status: int) -> Response:
        return _show_new(visitor, corrected, status)

    return await submit(visitor, form, create, again=again, notice="created")


def _show_new(visitor: Visitor, form: Form, status: int = 200) -> Response:
    return visitor.render("channels/new.html", form=form, status=status, longest_title=MAX_TITLE_LENGTH)


@router.get("/{channel_id}", **open_to(Role.VIEWER))
async def show_channel(visitor: Visiting, channel_id: UUID) -> Response:
    """One channel with its health, its latest posts and what uses it."""
    return await _show_channel(visitor, ChannelId(channel_id), Form())


async def _show_channel(visitor: Visitor, channel_id: ChannelId, form: Form, status: int = 200) -> Response:
    async def read(session: AsyncSession) -> dict[str, Any]:
        detail = await channel_views.get_channel(session, channel_id)
        faces = await find_faces(session, [channel_id])
        health = await channel_health.get_health(session, detail.channel)
        return {"detail": detail, "health": health, "face": faces.get(channel_id)}

    return visitor.render("channels/detail.html", form=form, status=status, **await visitor.read(read))


@router.get("/{channel_id}/edit", **open_to(Role.OPERATOR))
async def show_edit(visitor: Visiting, channel_id: UUID) -> Response:
    """The form to correct it."""
    return await _show_edit(visitor, ChannelId(channel_id), None)


@router.post("/{channel_id}/edit", **open_to(Role.OPERATOR))
async def edit_channel(visitor: Visiting, channel_id: UUID, form: Submitted) -> Response:
    """Correct name, id and title."""

    async def edit(session: AsyncSession) -> str:
        changes = ChannelChanges(
            username=form.optional("username"),
            tg_id=form.optional("tg_id"),
            title=form.optional("title"),
            # Accounts find ids out meanwhile: what nobody touched is left alone.
            given=frozenset({"title"} | {name for name in ("username", "tg_id") if _is_touched(form, name)}),
        )
        await channels.change_channel(
            session, visitor.actor, ChannelId(channel_id), changes, expected_revision=form.revision()
        )
        return f"/channels/{channel_id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_edit(visitor, ChannelId(channel_id), corrected, status)

    return await submit(visitor, form, edit, again=again, notice="saved")


def _is_touched(form: Form, name: str) -> bool:
    return form.optional(name) != form.optional(f"shown_{name}")


async def _show_edit(
    visitor: Visitor, channel_id: ChannelId, form: Form | None, status: int = 200
) -> Response:
    detail = await visitor.read(lambda session: channel_views.get_channel(session, channel_id))
    return visitor.render(
        "channels/edit.html",
        detail=detail,
        form=form or _start_edit(detail),
        status=status,
        longest_title=MAX_TITLE_LENGTH,
    )


def _start_edit(detail: ChannelDetail) -> Form:
    channel = detail.channel
    return Form.start(
        username=channel.username,
        shown_username=channel.username,
        tg_id=channel.tg_id,
        shown_tg_id=channel.tg_id,
        title=channel.title,
    )


@router.post("/{channel_id}/reactivate", **open_to(Role.OPERATOR))
async def reactivate_channel(visitor: Visiting, channel_id: UUID, form: Submitted) -> Response:
    """Post to it again, with all accounts or with one."""

    async def reactivate(session: AsyncSession) -> str:
        account_id = read_id(form.text("account_id"), "account_id")
        await channels.reactivate_channel(
            session,
            visitor.actor,
            ChannelId(channel_id),
            None if account_id is None else AccountId(account_id),
        )
        return f"/channels/{channel_id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_channel(visitor, ChannelId(channel_id), corrected, status)

    return await submit(visitor, form, reactivate, again=again, notice="channel-reactivated")


@router.post("/{channel_id}/stop", **open_to(Role.OPERATOR))
async def stop_channel(visitor: Visiting, channel_id: UUID, form: Submitted) -> Response:
    """Let no account post to it."""

    async def stop(session: AsyncSession) -> str:
        changes = ChannelChanges(active=False, given=frozenset({"active"}))
        await channels.change_channel(
            session, visitor.actor, ChannelId(channel_id), changes, expected_revision=form.revision()
        )
        return f"/channels/{channel_id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_channel(visitor, ChannelId(channel_id), corrected, status)

    return await submit(visitor, form, stop, again=again, notice="channel-stopped")


@router.post("/{channel_id}/delete", **open_to(Role.OPERATOR))
async def delete_channel(visitor: Visiting, channel_id: UUID, form: Submitted) -> Response:
    """Delete it; what was posted there stays readable."""

    async def delete(session: AsyncSession) -> str:
        await channels.delete_channel(
            session, visitor.actor, ChannelId(channel_id), expected_revision=form.revision()
        )
        return "/channels"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_channel(visitor, ChannelId(channel_id), corrected, status)

    return await submit(visitor, form, delete, again=again, notice="deleted")


def read_id(text: str, field: str) -> UUID | None:
    """An id of a hidden field; None for an empty one. Raises InvalidInputError."""
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInputError("this is not an id; open the page again", field=field) from None
