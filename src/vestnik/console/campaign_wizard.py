"""A new campaign, step by step: one form, which carries what was typed in the steps before."""

from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.campaign_forms import (
    find_batches,
    find_templates,
    read_account_id,
    read_batch_id,
    read_draft,
    read_error_rate,
    read_instant,
    read_rate,
    read_retry_limit,
    read_template_id,
    rename_problems,
)
from vestnik.console.campaign_plans import make_plan
from vestnik.console.forms import Form, Submitted, explain, submit
from vestnik.console.marking import mark
from vestnik.console.post_previews import ShownPost, show_post
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.domain.campaigns import DEFAULT_RETRY_LIMIT, parse_mode
from vestnik.domain.errors import InvalidInputError, NotFoundError, VestnikError
from vestnik.domain.ids import CampaignId, TemplateId
from vestnik.domain.names import check_name
from vestnik.domain.states import Mode
from vestnik.domain.users import Role
from vestnik.services.accounts import choose_account, list_accounts, parse_id
from vestnik.services.batches import get_batch
from vestnik.services.campaign_edits import draft_campaign
from vestnik.services.campaigns import start_campaign
from vestnik.services.preflights import request_preflight
from vestnik.services.templates import TemplateDraft, get_template
from vestnik.web.database import LONG_LIMIT_SECONDS
from vestnik.web.problems import find_status

router = APIRouter(prefix="/campaigns/new")

STEPS: Final[Mapping[str, str]] = {
    "channels": mark("Channels"),
    "post": mark("Post"),
    "pace": mark("Pace and account"),
    "summary": mark("Summary"),
}
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "channels": ("name", "batch_id"),
    "post": ("template_id",),
    "pace": (
        "mode",
        "account_id",
        "delivery_rate",
        "retry_limit",
        "max_error_rate",
        "scheduled_at",
        "scheduled_at_zone",
        "scheduled_at_turn",
    ),
    "summary": (),
}
"""What is typed in which step."""
_ORDER: Final = tuple(STEPS)
_FINISHING: Final = frozenset({"create", "check", "start", "schedule"})
_SHOWN: Final = ("plan", "batches", "templates", "accounts", "has_more", "shown")
"""What some of the steps show."""
_USUAL_RATE: Final = "1"
_USUAL_ERROR_RATE: Final = "10"


@router.get("", **open_to(Role.OPERATOR))
async def begin(visitor: Visiting) -> Response:
    """The first step; a batch and a template may be chosen already."""
    asked = visitor.request.query_params
    form = Form.start(
        batch_id=parse_id(asked.get("batch", "")),
        template_id=parse_id(asked.get("template", "")),
        mode=Mode.TEST,
        delivery_rate=_USUAL_RATE,
        retry_limit=DEFAULT_RETRY_LIMIT,
        max_error_rate=_USUAL_ERROR_RATE,
    )
    return await _show(visitor, form, _ORDER[0])


@router.post("", **open_to(Role.OPERATOR))
async def go_on(visitor: Visiting, form: Submitted) -> Response:
    """The next step, or an earlier one, or the same again with what is wrong; the last one makes the campaign."""
    step = form.text("step") if form.text("step") in STEPS else _ORDER[0]
    place, wanted = _ORDER.index(step), form.text("go")
    if wanted == "back":
        return await _show(visitor, form, _ORDER[max(place - 1, 0)])
    if form.is_only_shown:
        return await _show(visitor, form, step)
    if wanted == "look" or wanted in _ORDER[:place]:
        return await _show(visitor, form, wanted if wanted in _ORDER else step)
    if wanted in _FINISHING:
        return await _finish(visitor, form, wanted)
    try:
        await _check(visitor, form, step)
    except (InvalidInputError, NotFoundError) as error:
        corrected = rename_problems(explain(visitor, form, error))
        return await _show(visitor, corrected, step, HTTPStatus.UNPROCESSABLE_ENTITY)
    return await _show(visitor, form, _ORDER[min(place + 1, len(_ORDER) - 1)])


@router.get("/batches", **open_to(Role.OPERATOR))
async def search_batches(visitor: Visiting) -> Response:
    """The batches to choose from, while somebody types."""
    form = _read_query(visitor)
    batches, has_more = await visitor.read(lambda session: find_batches(session, form))
    return visitor.render("campaigns/choose_batch.html", form=form, batches=batches, has_more=has_more)


@router.get("/templates", **open_to(Role.OPERATOR))
async def search_templates(visitor: Visiting) -> Response:
    """The templates to choose from, while somebody types."""
    form = _read_query(visitor)
    templates, has_more = await visitor.read(lambda session: find_templates(session, form))
    return visitor.render("campaigns/choose_template.html", form=form, templates=templates, has_more=has_more)


@router.get("/preview", **open_to(Role.OPERATOR))
async def preview_template(visitor: Visiting) -> Response:
    """The post of the template that was just chosen."""
    return visitor.render(
        "campaigns/chosen_post.html", shown=await show_template(visitor, _read_query(visitor))
    )


def _read_query(visitor: Visitor) -> Form:
    return Form(values={name: [value] for name, value in visitor.request.query_params.items()})


async def _check(visitor: Visitor, form: Form, step: str) -> None:
    """Raise InvalidInputError or NotFoundError for what is wrong in a step."""

    async def check(session: AsyncSession) -> None:
        match step:
            case "channels":
                check_name(form.text("name"))
                await get_batch(session, read_batch_id(form))
            case "post":
                await get_template(session, read_template_id(form))
            case "pace":
                await _check_pace(visitor, session, form)

    await visitor.read(check)


async def _check_pace(visitor: Visitor, session: AsyncSession, form: Form) -> None:
    account_id = read_account_id(form)
    await choose_account(
        session, parse_mode(form.text("mode")), None if account_id is None else str(account_id)
    )
    read_rate(form)
    read_retry_limit(form)
    read_error_rate(form)
    at = read_instant(form, "scheduled_at", visitor.formats.zone)
    if at is not None and at <= datetime.now(UTC):
        raise InvalidInputError("this time has passed; choose one to come, or none", field="scheduled_at")


async def _finish(visitor: Visitor, form: Form, wanted: str) -> Response:
    async def create(session: AsyncSession) -> str:
        draft = read_draft(form, visitor.formats.zone, with_schedule=wanted == "schedule")
        campaign_id = CampaignId((await draft_campaign(session, visitor.actor, draft)).id)
        if wanted == "start":
            await start_campaign(session, visitor.actor, campaign_id)
        if wanted == "check":
            await _ask_preflight(visitor, session, campaign_id)
            return f"/campaigns/{campaign_id}#preflight"
        return f"/campaigns/{campaign_id}"

    async def again(corrected: Form, status: int) -> Response:
        corrected = rename_problems(corrected)
        return await _show(visitor, corrected, _find_step(corrected), status)

    notice = {
        "create": "created",
        "check": "created",
        "start": "campaign-started",
        "schedule": "campaign-scheduled",
    }
    return await submit(visitor, form, create, again=again, notice=notice[wanted], limit=LONG_LIMIT_SECONDS)


async def _ask_preflight(visitor: Visitor, session: AsyncSession, campaign_id: CampaignId) -> None:
    """What stands against it concerns no field of the form; nothing is saved then."""
    try:
        await request_preflight(session, visitor.actor, campaign_id)
    except VestnikError as error:
        error.field = None
        raise


def _find_step(form: Form) -> str:
    """Where the first problem can be corrected."""
    return next((step for step in _ORDER if any(name in FIELDS[step] for name in form.problems)), _ORDER[-1])


async def _show(visitor: Visitor, form: Form, step: str, status: int = HTTPStatus.OK) -> Response:
    """A step with what it shows; an earlier one where the summary finds something wrong."""
    shown: dict[str, Any] = {}
    if step == "summary":
        try:
            draft = read_draft(form, visitor.formats.zone)
            shown["plan"] = await visitor.read(lambda session: make_plan(session, draft))
        except (InvalidInputError, NotFoundError) as error:
            form = rename_problems(explain(visitor, form, error))
            step, status = _find_step(form), find_status(error)
    if step == "channels":
        shown["batches"], shown["has_more"] = await visitor.read(lambda session: find_batches(session, form))
    if step == "post":
        shown["templates"], shown["has_more"] = await visitor.read(
            lambda session: find_templates(session, form)
        )
    if step in {"post", "summary"}:
        shown["shown"] = await show_template(visitor, form)
    if step == "pace":
        shown["accounts"] = await visitor.read(list_accounts)
    carried = {name: form.text(name) for other in _ORDER if other != step for name in FIELDS[other]}
    return visitor.render(
        "campaigns/wizard.html",
        status=status,
        form=form,
        step=step,
        steps=STEPS,
        reached=_ORDER[: _ORDER.index(step)],
        carried=carried,
        **{name: shown.get(name) for name in _SHOWN},
    )


async def show_template(visitor: Visitor, form: Form) -> ShownPost | None:
    """The chosen template as a post; None while none is chosen that is there."""
    template_id = parse_id(form.text("template_id").strip())
    if template_id is None:
        return None
    try:
        view = await visitor.read(lambda session: get_template(session, TemplateId(template_id)))
    except NotFoundError:
        return None
    fields = {name: getattr(view, name) for name in TemplateDraft.__dataclass_fields__}
    return await show_post(visitor, TemplateDraft(**fields))
