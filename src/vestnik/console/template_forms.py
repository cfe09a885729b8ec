"""What the editor of templates sends, and the picture that goes with it."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from vestnik.console.forms import Form, Submitted, explain
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.domain.errors import ConflictError, InvalidInputError, NotFoundError
from vestnik.domain.ids import MediaId
from vestnik.domain.media import LARGEST_PHOTO, MediaType
from vestnik.domain.posting import PreviewPosition, pick_options, write_options
from vestnik.domain.users import Role
from vestnik.services.accounts import parse_id
from vestnik.services.media import (
    MediaView,
    ReceivedMedia,
    get_media,
    receive_media,
    store_media,
)
from vestnik.services.templates import TemplateChanges, TemplateDraft, TemplateView
from vestnik.web.downloads import send_file
from vestnik.web.state import read_state
from vestnik.web.uploads import read_upload

router = APIRouter(prefix="/templates/picture")


def start_form(view: TemplateView) -> Form:
    """The editor's form of a stored template."""
    return Form.start(
        name=view.name,
        content=view.content,
        parse_mode=view.parse_mode or "",
        **write_options(pick_options(view)),
        media_id=view.media_id,
        media_type=view.media_type,
        media_url=view.media_url,
        revision=view.revision,
    )


def read_draft(form: Form) -> TemplateDraft:
    """What was typed. Raises InvalidInputError for a picture that no page of ours offered."""
    address = form.optional("media_url")
    return TemplateDraft(
        name=form.text("name"),
        content=form.text("content"),
        parse_mode=form.optional("parse_mode"),
        **read_post_options(form),
        media_type=(form.optional("media_type") or MediaType.PHOTO.value) if address else None,
        media_url=address,
        media_id=_read_media_id(form),
    )


def read_post_options(form: Form) -> dict[str, Any]:
    """How a form says that its post is announced and shown; the services check it."""
    return {
        "link_preview": form.flag("link_preview"),
        "link_preview_position": form.optional("link_preview_position") or PreviewPosition.BELOW.value,
        "link_preview_size": form.optional("link_preview_size"),
        "silent": form.flag("silent"),
        "protect_content": form.flag("protect_content"),
    }


def read_changes(draft: TemplateDraft) -> TemplateChanges:
    """All of a draft, as changes."""
    return TemplateChanges(
        name=draft.name,
        content=draft.content,
        parse_mode=draft.parse_mode,
        link_preview=draft.link_preview,
        link_preview_position=draft.link_preview_position,
        link_preview_size=draft.link_preview_size,
        silent=draft.silent,
        protect_content=draft.protect_content,
        media_type=draft.media_type,
        media_url=draft.media_url,
        media_id=draft.media_id,
    )


def _read_media_id(form: Form) -> UUID | None:
    text = form.text("media_id").strip()
    media_id = parse_id(text)
    if text and media_id is None:
        raise InvalidInputError(f"there is no stored file {text[:40]}", field="media_id")
    return media_id


async def find_picture(visitor: Visitor, form: Form) -> MediaView | None:
    """The stored picture that the form names; None without one that is there."""
    media_id = parse_id(form.text("media_id").strip())
    if media_id is None:
        return None
    try:
        return await visitor.read(lambda session: get_media(session, MediaId(media_id)))
    except NotFoundError:
        return None


async def receive_picture(visitor: Visitor, form: Form) -> ReceivedMedia | None:
    """The file that came with a form, checked; nothing names it yet. Raises InvalidInputError, MediaStoreError."""
    upload = form.files.get("file")
    if upload is None:
        return None
    store = read_state(visitor.request.app).media
    kind = MediaType.PHOTO.value
    try:
        return await receive_media(store, read_upload(upload), kind=kind, name=upload.filename or kind)
    except InvalidInputError as error:
        raise InvalidInputError(error.message, field="file") from error


@router.post("", **open_to(Role.OPERATOR))
async def change_picture(visitor: Visiting, form: Submitted) -> Response:
    """Keep a picture as soon as it is chosen, or take it off the form; the template changes when it is saved."""
    problem = form
    picture = None if form.flag("remove") else await find_picture(visitor, form)
    status = HTTPStatus.OK
    try:
        received = await receive_picture(visitor, form)
        if received is not None:
            picture = await visitor.read(lambda session: store_media(session, visitor.actor, received))
    except (InvalidInputError, ConflictError) as error:
        problem, status = explain(visitor, form, error), HTTPStatus.UNPROCESSABLE_ENTITY
    return visitor.render(
        "templates/picture.html",
        status=status,
        headers={"HX-Trigger-After-Settle": "picture-changed"},
        form=problem,
        picture=picture,
        largest=LARGEST_PHOTO,
    )


@router.get("/{media_id}", **open_to(Role.VIEWER))
async def show_picture(visitor: Visiting, media_id: UUID) -> Response:
    """The picture itself. A browser shows it without letting it run anything."""
    view = await visitor.read(lambda session: get_media(session, MediaId(media_id)))
    return await send_file(read_state(visitor.request.app).media, view)
