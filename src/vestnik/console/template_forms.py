"""What the editor of templates sends, and the picture that goes with it."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.datastructures import UploadFile

from vestnik.console.forms import Form, Submitted, explain
from vestnik.console.post_previews import find_media
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.content import Buttons
from vestnik.domain.albums import LARGEST_ALBUM, check_album, choose_media_ids
from vestnik.domain.errors import ConflictError, InvalidInputError
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
from vestnik.services.template_files import TemplateChanges
from vestnik.services.templates import TemplateDraft, TemplateView
from vestnik.web.downloads import send_file
from vestnik.web.state import read_state
from vestnik.web.uploads import read_upload

router = APIRouter(prefix="/templates/picture")

FILE_LIMITS: Final[dict[str, Any]] = {"most": LARGEST_ALBUM, "largest": LARGEST_PHOTO}
"""What the part of a form with the files needs beside them: how many, and how large each may be here."""


def start_form(view: TemplateView) -> Form:
    """The editor's form of a stored template."""
    return Form.start(
        name=view.name,
        content=view.content,
        parse_mode=view.parse_mode or "",
        **write_options(pick_options(view)),
        buttons=show_buttons(view.buttons),
        media_id=view.media_ids,
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
        buttons=parse_buttons(form.text("buttons")),
        media_type=(form.optional("media_type") or MediaType.PHOTO.value) if address else None,
        media_url=address,
        media_ids=read_media_ids(form),
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


def show_buttons(buttons: Buttons) -> str:
    """As somebody types them: a row on each line, `|` between buttons, the address behind the text."""
    return "\n".join(" | ".join(f"{button.text} {button.url}" for button in row) for row in buttons)


def parse_buttons(text: str) -> list[list[dict[str, str]]]:
    """What `show_buttons` writes, or somebody typed; the services check it."""
    rows = []
    for line in text.split("\n"):
        parts = [part.strip().rpartition(" ") for part in line.split(" | ") if part.strip()]
        rows.append([{"text": label.strip(), "url": url} for label, _, url in parts])
    return [row for row in rows if row]


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
        buttons=draft.buttons,
        media_type=draft.media_type,
        media_url=draft.media_url,
        media_id=draft.media_id,
        media_ids=draft.media_ids,
    )


def read_media_ids(form: Form) -> tuple[UUID, ...]:
    """The stored files that the form names, in their order. Raises InvalidInputError for what is no id."""
    ids = []
    for text in filter(None, (text.strip() for text in form.texts("media_id"))):
        media_id = parse_id(text)
        if media_id is None:
            raise InvalidInputError(f"there is no stored file {text[:40]}", field="media_id")
        ids.append(media_id)
    return tuple(ids)


async def find_files(visitor: Visitor, form: Form) -> list[MediaView]:
    """The stored files that the form names, in their order, without those that are not there."""
    try:
        return await find_media(visitor, read_media_ids(form))
    except InvalidInputError:
        return []


async def find_picture(visitor: Visitor, form: Form) -> MediaView | None:
    """The first of the stored files that the form names; None without one that is there."""
    return next(iter(await find_files(visitor, form)), None)


async def receive_picture(visitor: Visitor, form: Form) -> ReceivedMedia | None:
    """The file that came with a form, checked; nothing names it yet. Raises InvalidInputError, MediaStoreError."""
    upload = form.files.get("file") or form.files.get("added")
    if upload is None or form.is_only_shown:
        return None
    store = read_state(visitor.request.app).media
    kind = await _choose_kind(visitor, form, upload)
    try:
        return await receive_media(store, read_upload(upload), kind=kind, name=upload.filename or kind)
    except InvalidInputError as error:
        field = "file" if "file" in form.files else "added"
        raise InvalidInputError(error.message, field=field) from error


async def keep_upload(visitor: Visitor, form: Form) -> Form:
    """The form with the file that came with it as one of the stored files that it names.

    For forms that are asked about once more, or shown again: the file need not be chosen anew. Raises
    InvalidInputError, MediaStoreError.
    """
    received = await receive_picture(visitor, form)
    if received is None:
        return form
    stored = await visitor.read(lambda session: store_media(session, visitor.actor, received))
    kept = [text for text in form.texts("media_id") if text.strip()] if "added" in form.files else []
    return replace(form, values={**form.values, "media_id": [*kept, str(stored.id)]}, files={})


async def _choose_kind(visitor: Visitor, form: Form, upload: UploadFile) -> str:
    """As what a file is stored: beside documents or audio as these are, else as asked, or as the browser says."""
    told = _tell_kind(upload.content_type or "")
    if "added" not in form.files:
        return form.optional("file_kind") or told
    first = await find_picture(visitor, form)
    if first is not None and first.kind not in {MediaType.PHOTO, MediaType.VIDEO}:
        return first.kind
    return MediaType.VIDEO if told is MediaType.VIDEO else MediaType.PHOTO


def _tell_kind(content_type: str) -> MediaType:
    """What a browser takes a file for; its bytes are looked at later."""
    match content_type.partition("/")[0]:
        case "video":
            return MediaType.VIDEO
        case "audio":
            return MediaType.AUDIO
        case "application" | "text":
            return MediaType.DOCUMENT
        case _:
            return MediaType.PHOTO


def _rearrange(form: Form, files: list[MediaView]) -> list[MediaView]:
    """The files after a button was pressed: one or all taken out, or one put before the one that it followed."""
    removed, earlier = form.text("remove"), form.text("earlier")
    if removed:
        return [file for file in files if removed != "yes" and str(file.id) != removed]
    place = next((place for place, file in enumerate(files) if str(file.id) == earlier), 0)
    if place:
        files[place - 1], files[place] = files[place], files[place - 1]
    return files


@router.post("", **open_to(Role.OPERATOR))
async def change_picture(visitor: Visiting, form: Submitted) -> Response:
    """Keep a file as soon as it is chosen, take one off or move it; the template changes when it is saved."""
    problem = form
    files = _rearrange(form, await find_files(visitor, form))
    status = HTTPStatus.OK
    try:
        received = await receive_picture(visitor, form)
        if received is not None:
            stored = await visitor.read(lambda session: store_media(session, visitor.actor, received))
            together = [*files, stored] if "added" in form.files else [stored]
            choose_media_ids(None, [file.id for file in together])
            check_album([file.kind for file in together])
            files = together
    except (InvalidInputError, ConflictError) as error:
        error.field = "added" if error.field == "media_ids" else error.field
        problem, status = explain(visitor, form, error), HTTPStatus.UNPROCESSABLE_ENTITY
    return visitor.render(
        "templates/picture.html",
        status=status,
        headers={"HX-Trigger-After-Settle": "picture-changed"},
        form=problem,
        files=files,
        files_for=form.text("files_for"),
        **FILE_LIMITS,
    )


@router.get("/{media_id}", **open_to(Role.VIEWER))
async def show_picture(visitor: Visiting, media_id: UUID) -> Response:
    """The picture itself. A browser shows it without letting it run anything."""
    view = await visitor.read(lambda session: get_media(session, MediaId(media_id)))
    return await send_file(read_state(visitor.request.app).media, view)
