"""Changing a campaign: what its status still allows, and the post of one that is paused."""

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.campaign_details import read_frozen
from vestnik.console.campaign_forms import (
    find_batches,
    find_templates,
    read_account_id,
    read_batch_id,
    read_error_rate,
    read_rate,
    read_retry_limit,
    read_template_id,
    rename_problems,
    write_error_rate,
    write_rate,
)
from vestnik.console.campaign_wizard import show_template
from vestnik.console.forms import Form, Submitted, explain, submit
from vestnik.console.marking import mark
from vestnik.console.post_previews import show_post
from vestnik.console.template_forms import (
    FILE_LIMITS,
    find_files,
    keep_upload,
    parse_buttons,
    read_media_ids,
    read_post_options,
    show_buttons,
)
from vestnik.console.visitors import Visiting, Visitor, lead_to, open_to
from vestnik.content import ParseMode, read_buttons
from vestnik.domain.campaigns import parse_mode
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.ids import CampaignId
from vestnik.domain.lifecycle import CampaignAction, campaign_sources
from vestnik.domain.posting import LATER_NAMES, pick_options, write_options
from vestnik.domain.states import AccountKind, CampaignStatus
from vestnik.domain.users import Role
from vestnik.services.accounts import list_accounts
from vestnik.services.campaign_edits import CampaignChanges, change_campaign
from vestnik.services.campaign_views import CampaignView
from vestnik.services.campaigns import get_campaign
from vestnik.services.content_corrections import KEPT, correct_content, get_content
from vestnik.services.templates import TemplateDraft
from vestnik.web.database import patiently

router = APIRouter(prefix="/campaigns/{campaign_id}")

_CHANGED_MEANWHILE: Final = mark(
    "Somebody else changed this campaign after you opened it. What you typed is still here: compare it with what is "
    "stored now, below, and save again to replace that."
)
_SETTLED_AT_START: Final = ("batch_id", "template_id", "mode", "account_id")
_PACE: Final = ("delivery_rate", "retry_limit", "max_error_rate")


def _is_unstarted(campaign: CampaignView) -> bool:
    return campaign.stored_status in campaign_sources(CampaignAction.START)


@router.get("/edit", **open_to(Role.OPERATOR))
async def show_edit(visitor: Visiting, campaign_id: UUID) -> Response:
    """The form with what is stored."""
    return await _show_edit(visitor, CampaignId(campaign_id))


@router.post("/edit", **open_to(Role.OPERATOR))
async def save_edit(visitor: Visiting, campaign_id: UUID, form: Submitted) -> Response:
    """Change it; a change that somebody else made meanwhile is not lost."""
    if form.text("go") == "look":
        return await _show_edit(visitor, CampaignId(campaign_id), form)

    async def change(session: AsyncSession) -> str:
        changes = _read_changes(form)
        await change_campaign(
            session, visitor.actor, CampaignId(campaign_id), changes, expected_revision=form.revision()
        )
        return f"/campaigns/{campaign_id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_edit(visitor, CampaignId(campaign_id), rename_problems(corrected), status)

    return await submit(visitor, form, patiently(change), again=again, notice="saved")


def _read_changes(form: Form) -> CampaignChanges:
    """What the form has; which fields those are depends on the status when it was shown."""
    sent = form.values
    return CampaignChanges(
        name=form.text("name"),
        batch_id=read_batch_id(form) if "batch_id" in sent else None,
        template_id=read_template_id(form) if "template_id" in sent else None,
        mode=parse_mode(form.text("mode")) if "mode" in sent else None,
        account_id=read_account_id(form) if "account_id" in sent else None,
        delivery_rate=read_rate(form) if "delivery_rate" in sent else None,
        retry_limit=read_retry_limit(form) if "retry_limit" in sent else None,
        max_error_rate=read_error_rate(form) if "max_error_rate" in sent else None,
    )


async def _show_edit(
    visitor: Visitor, campaign_id: CampaignId, form: Form | None = None, status: int = HTTPStatus.OK
) -> Response:
    campaign = await visitor.read(lambda session: get_campaign(session, campaign_id))
    form = form or _start_edit(campaign)
    shown: dict[str, Any] = dict.fromkeys(("batches", "templates", "accounts", "shown"))
    if _is_unstarted(campaign):
        chosen = form

        async def read(session: AsyncSession) -> None:
            shown["batches"], shown["has_more_batches"] = await find_batches(session, chosen)
            shown["templates"], shown["has_more_templates"] = await find_templates(session, chosen)
            shown["accounts"] = await list_accounts(session)

        await visitor.read(read)
        shown["shown"] = await show_template(visitor, form)
    is_stale = status == HTTPStatus.PRECONDITION_FAILED
    if is_stale:
        form = form.with_problems(**{"": visitor.language.gettext(_CHANGED_MEANWHILE)})
    form = _place_problems(form, _list_fields(campaign))
    return visitor.render(
        "campaigns/edit.html",
        status=status,
        form=form,
        campaign=campaign,
        is_unstarted=_is_unstarted(campaign),
        is_over=campaign.stored_status.is_final,
        is_stale=is_stale,
        **shown,
    )


def _list_fields(campaign: CampaignView) -> Sequence[str]:
    """What the form has in this status."""
    if _is_unstarted(campaign):
        return ("name", *_SETTLED_AT_START, *_PACE)
    return ("name",) if campaign.stored_status.is_final else ("name", *_PACE)


def _place_problems(form: Form, fields: Sequence[str]) -> Form:
    """Those with fields that are not there stand at the top."""
    return form.with_problems(
        **{name if name in fields else "": text for name, text in form.problems.items()}
    )


def _start_edit(campaign: CampaignView) -> Form:
    return Form.start(
        name=campaign.name,
        batch_id=campaign.batch_id,
        template_id=campaign.template_id,
        mode=campaign.mode,
        account_id=campaign.account_id,
        delivery_rate=write_rate(campaign.delivery_rate),
        retry_limit=str(campaign.retry_limit),
        max_error_rate=write_error_rate(campaign.max_error_rate),
    )


@router.get("/content", **open_to(Role.OPERATOR))
async def show_content(visitor: Visiting, campaign_id: UUID) -> Response:
    """The post of a paused campaign, to be corrected."""
    return await _show_content(visitor, CampaignId(campaign_id))


@router.post("/content", **open_to(Role.OPERATOR))
async def save_content(visitor: Visiting, campaign_id: UUID, form: Submitted) -> Response:
    """Correct it for the channels that do not have it yet."""
    try:
        form = await keep_upload(visitor, form)
    except InvalidInputError as error:
        found = explain(visitor, form, error)
        return await _show_content(visitor, CampaignId(campaign_id), found, HTTPStatus.UNPROCESSABLE_ENTITY)
    if form.text("go") == "look":
        return await _show_content(visitor, CampaignId(campaign_id), form)

    async def correct(session: AsyncSession) -> str:
        await correct_content(
            session,
            visitor.actor,
            CampaignId(campaign_id),
            form.text("content"),
            parse_mode=form.optional("parse_mode"),
            link_preview=form.flag("link_preview"),
            options=_read_later_options(form),
            buttons=parse_buttons(form.text("buttons")) if "buttons" in form.values else KEPT,
            **await _read_files(session, CampaignId(campaign_id), form),
            expected_revision=form.revision(),
        )
        return f"/campaigns/{campaign_id}"

    async def again(corrected: Form, status: int) -> Response:
        problems = {
            "without_file" if name == "media_id" else name: text for name, text in corrected.problems.items()
        }
        return await _show_content(visitor, CampaignId(campaign_id), form.with_problems(**problems), status)

    return await submit(visitor, form, patiently(correct), again=again, notice="campaign-corrected")


_UNREADABLE_DRAFT: Final = TemplateDraft(name="", content="", parse_mode=ParseMode.HTML)


def _read_later_options(form: Form) -> dict[str, Any]:
    return {name: value for name, value in read_post_options(form).items() if name in LATER_NAMES}


async def _read_files(session: AsyncSession, campaign_id: CampaignId, form: Form) -> dict[str, Any]:
    """What the service is told of the files: nothing of those that are the same, and of one at an address."""
    if form.flag("without_file"):
        return {"media_id": None}
    ids = read_media_ids(form)
    try:
        stored = (await get_content(session, campaign_id)).media_ids
    except InvalidInputError:  # cannot be read any more
        stored = ()
    return {} if "media_id" not in form.values or ids == stored else {"media_ids": ids}


async def _may_have_buttons(visitor: Visitor, campaign: CampaignView, stored: TemplateDraft) -> bool:
    """Only bots post them; whoever has them anyway has to be able to take them out."""
    accounts = await visitor.read(list_accounts)
    kinds = {account.kind for account in accounts if account.id == campaign.account_id}
    return AccountKind.BOT in kinds or bool(stored.buttons)


async def _read_stored(visitor: Visitor, campaign: CampaignView) -> TemplateDraft | None:
    """What it posts now, `_UNREADABLE_DRAFT` if that cannot be read any more; None before its start."""
    try:
        return await visitor.read(lambda session: read_frozen(session, CampaignId(campaign.id)))
    except InvalidInputError:
        return _UNREADABLE_DRAFT


async def _show_content(
    visitor: Visitor, campaign_id: CampaignId, form: Form | None = None, status: int = HTTPStatus.OK
) -> Response:
    campaign = await visitor.read(lambda session: get_campaign(session, campaign_id))
    stored = await _read_stored(visitor, campaign)
    if stored is None or campaign.stored_status is not CampaignStatus.PAUSED:
        if form is None:
            return lead_to(f"/campaigns/{campaign_id}")
        if stored is None:
            return lead_to(f"/campaigns/{campaign_id}/edit")
    form = form or Form.start(
        content=stored.content,
        parse_mode=stored.parse_mode or "",
        **write_options(pick_options(stored)),
        buttons=show_buttons(read_buttons(stored.buttons)),
        media_id=stored.media_ids,
    )
    is_stale = status == HTTPStatus.PRECONDITION_FAILED
    if is_stale:
        form = form.with_problems(**{"": visitor.language.gettext(_CHANGED_MEANWHILE)})
    typed = replace(
        stored,
        content=form.text("content"),
        parse_mode=form.optional("parse_mode"),
        **read_post_options(form),
        buttons=parse_buttons(form.text("buttons")) if "buttons" in form.values else stored.buttons,
    )
    files = await find_files(visitor, form)
    ids = tuple(file.id for file in files)
    if form.flag("without_file") or ("media_id" in form.values and ids != tuple(stored.media_ids)):
        files = [] if form.flag("without_file") else files
        ids = tuple(file.id for file in files)
        typed = replace(typed, media_type=None, media_url=None, media_id=None, media_ids=ids)
    return visitor.render(
        "campaigns/content.html",
        status=status,
        form=form,
        campaign=campaign,
        stored=stored,
        is_unreadable=stored is _UNREADABLE_DRAFT,
        is_stale=is_stale,
        has_buttons=await _may_have_buttons(visitor, campaign, stored) or bool(form.text("buttons")),
        files=files,
        **FILE_LIMITS,
        shown=await show_post(visitor, typed),
    )
