"""Templates: what campaigns post, written in an editor that shows the post as Telegram would."""

import asyncio
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.forms import Form, Submitted, explain, submit
from vestnik.console.marking import mark
from vestnik.console.pages import PAGE_SIZE, make_page, read_cursor, read_search
from vestnik.console.post_previews import VARIABLE_TEXTS, render_post, show_post, suggest_channels
from vestnik.console.template_forms import (
    FILE_LIMITS,
    find_files,
    read_changes,
    read_draft,
    receive_picture,
    start_form,
)
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.content import count_units
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.ids import TemplateId
from vestnik.domain.users import Role
from vestnik.services import templates
from vestnik.services.media import ReceivedMedia, store_media
from vestnik.services.templates import TemplateDraft, TemplateView

router = APIRouter(prefix="/templates")

_CHANGED_MEANWHILE: Final = mark(
    "Somebody else changed this template after you opened it. What you typed is still here: compare it with what is "
    "stored now, below, and save again to replace that."
)


@router.get("", **open_to(Role.VIEWER))
async def list_templates(visitor: Visiting) -> Response:
    """All templates, the newest first."""
    after, search = read_cursor(visitor.request, (datetime, UUID)), read_search(visitor.request)
    found = await visitor.read(
        lambda session: templates.list_templates(session, limit=PAGE_SIZE + 1, after=after, search=search)
    )
    # Long texts take a while to read, and live pages are served meanwhile.
    measured = await asyncio.to_thread(lambda: [templates.measure_listed(listed) for listed in found])
    page = make_page(visitor.request, measured, lambda template: (template.created_at, template.id))
    return visitor.render("templates/list.html", page=page, search=search or "")


@router.get("/new", **open_to(Role.OPERATOR))
async def show_new(visitor: Visiting) -> Response:
    """The editor for a new one."""
    return await _show_editor(visitor, Form.start(parse_mode="HTML", link_preview=True))


@router.post("/new", **open_to(Role.OPERATOR))
async def create_template(visitor: Visiting, form: Submitted) -> Response:
    """Save what Telegram would take."""

    async def again(corrected: Form, status: int) -> Response:
        return await _show_editor(visitor, corrected, status=status)

    try:
        received = await receive_picture(visitor, form)
    except InvalidInputError as error:
        return await again(explain(visitor, form, error), HTTPStatus.UNPROCESSABLE_ENTITY)

    async def create(session: AsyncSession) -> str:
        draft = await _attach(session, visitor, form, received)
        made = await templates.save_template(session, visitor.actor, draft)
        return f"/templates/{made.id}"

    return await submit(visitor, form, create, again=again, notice="created")


async def _attach(
    session: AsyncSession, visitor: Visitor, form: Form, received: ReceivedMedia | None
) -> TemplateDraft:
    """The draft with a file that came along; it is kept only if the draft is."""
    draft, is_added = read_draft(form), "added" in form.files
    if received is None:
        return draft
    view = await store_media(session, visitor.actor, received)
    ids = (*draft.media_ids, view.id) if is_added else (view.id,)
    return replace(draft, media_id=None, media_ids=ids, media_url=None, media_type=None)


@router.post("/preview", **open_to(Role.VIEWER))
async def preview_draft(visitor: Visiting, form: Submitted) -> Response:
    """What is being written, as readers would see it."""
    try:
        draft = read_draft(form)
    except InvalidInputError:
        draft = TemplateDraft(name="", content=form.text("content"))
    return render_post(visitor, await show_post(visitor, draft, channel=form.text("preview_channel")))


@router.get("/channels", **open_to(Role.VIEWER))
async def suggest_preview_channels(visitor: Visiting) -> Response:
    """Channels in which the post may be shown."""
    return await suggest_channels(visitor, visitor.request.query_params.get("preview_channel", ""))


@router.get("/{template_id}", **open_to(Role.VIEWER))
async def show_template(visitor: Visiting, template_id: UUID) -> Response:
    """The editor; those who may not change anything see the post."""
    view = await visitor.read(lambda session: templates.get_template(session, TemplateId(template_id)))
    if visitor.may(Role.OPERATOR):
        return await _show_editor(visitor, start_form(view), view)
    shown = await show_post(visitor, _draft_of(view))
    files = await find_files(visitor, start_form(view))
    return visitor.render("templates/show.html", template=view, shown=shown, files=files)


@router.post("/{template_id}", **open_to(Role.OPERATOR))
async def change_template(visitor: Visiting, template_id: UUID, form: Submitted) -> Response:
    """Save what is different."""

    async def again(corrected: Form, status: int) -> Response:
        return await _show_again(visitor, TemplateId(template_id), corrected, status)

    try:
        received = await receive_picture(visitor, form)
    except InvalidInputError as error:
        return await again(explain(visitor, form, error), HTTPStatus.UNPROCESSABLE_ENTITY)

    async def change(session: AsyncSession) -> str:
        draft = await _attach(session, visitor, form, received)
        await templates.edit_template(
            session,
            visitor.actor,
            TemplateId(template_id),
            read_changes(draft),
            expected_revision=form.revision(),
        )
        return f"/templates/{template_id}"

    return await submit(visitor, form, change, again=again, notice="saved")


@router.post("/{template_id}/duplicate", **open_to(Role.OPERATOR))
async def duplicate_template(visitor: Visiting, template_id: UUID, form: Submitted) -> Response:
    """Make a copy and open it."""

    async def duplicate(session: AsyncSession) -> str:
        made = await templates.duplicate_template(session, visitor.actor, TemplateId(template_id))
        return f"/templates/{made.id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_refused(visitor, TemplateId(template_id), corrected, status)

    return await submit(visitor, form, duplicate, again=again, notice="copied")


@router.post("/{template_id}/delete", **open_to(Role.OPERATOR))
async def delete_template(visitor: Visiting, template_id: UUID, form: Submitted) -> Response:
    """Delete one that no campaign uses."""

    async def delete(session: AsyncSession) -> str:
        await templates.delete_template(
            session, visitor.actor, TemplateId(template_id), expected_revision=form.revision()
        )
        return "/templates"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_refused(visitor, TemplateId(template_id), corrected, status)

    return await submit(visitor, form, delete, again=again, notice="deleted")


async def _show_refused(visitor: Visitor, template_id: TemplateId, refused: Form, status: int) -> Response:
    """The editor with what is stored, and why something else could not be done with it."""
    view = await visitor.read(lambda session: templates.get_template(session, template_id))
    form = start_form(view).with_problems(**refused.problems)
    return await _show_editor(visitor, form, view, status=status)


async def _show_again(visitor: Visitor, template_id: TemplateId, form: Form, status: int) -> Response:
    """The editor with what was typed. Who came too late sees what is stored, and may replace it knowingly."""
    view = await visitor.read(lambda session: templates.get_template(session, template_id))
    if status != HTTPStatus.PRECONDITION_FAILED:
        return await _show_editor(visitor, form, view, status=status)
    newest = Form(values={**form.values, "revision": [str(view.revision)]})
    form = newest.with_problems(**{"": visitor.language.gettext(_CHANGED_MEANWHILE)})
    return await _show_editor(visitor, form, view, stored=view, status=status)


async def _show_editor(
    visitor: Visitor,
    form: Form,
    view: TemplateView | None = None,
    *,
    stored: TemplateView | None = None,
    status: int = HTTPStatus.OK,
) -> Response:
    """`view` is the template that is edited, None for a new one; `stored` is shown beside what was typed."""
    try:
        draft = read_draft(form)
    except InvalidInputError:
        draft = TemplateDraft(name="", content=form.text("content"))
    return visitor.render(
        "templates/editor.html",
        status=status,
        form=form,
        template=view,
        stored=stored,
        stored_files=[] if stored is None else await find_files(visitor, start_form(stored)),
        files=await find_files(visitor, form),
        **FILE_LIMITS,
        shown=await show_post(visitor, draft),
        typed=count_units(form.text("content")),
        variables=VARIABLE_TEXTS,
    )


def _draft_of(view: TemplateView) -> TemplateDraft:
    return TemplateDraft(**{name: getattr(view, name) for name in TemplateDraft.__dataclass_fields__})
