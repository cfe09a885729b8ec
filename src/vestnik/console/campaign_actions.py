"""What can be done with a campaign: start, pause, resume, cancel, retry, schedule, copy, delete."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.campaign_details import describe_seen, show_detail
from vestnik.console.campaign_forms import read_instant
from vestnik.console.forms import Form, Submitted, submit
from vestnik.console.marking import mark
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.domain.actors import Actor
from vestnik.domain.errors import InvalidInputError, StaleRevisionError
from vestnik.domain.ids import CampaignId
from vestnik.domain.users import Role
from vestnik.services import campaign_edits, campaigns
from vestnik.services.campaign_views import CampaignView
from vestnik.web.database import LONG_LIMIT_SECONDS, patiently

router = APIRouter(prefix="/campaigns/{campaign_id}")

CHANGED_MEANWHILE: Final = mark(
    "Somebody else changed this campaign after you opened it, so nothing was done. Look at what it is now, below."
)
Work = Callable[[AsyncSession], Awaitable[str]]


class Step(StrEnum):
    """Changes of the status that need nothing but a click."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    UNSCHEDULE = "unschedule"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Act:
    change: Callable[[AsyncSession, Actor, CampaignId], Awaitable[CampaignView]]
    notice: str
    is_long: bool = False
    """It writes a row for each message of a campaign."""


_ACTS: Final = {
    Step.START: _Act(change=campaigns.start_campaign, notice="campaign-started", is_long=True),
    Step.PAUSE: _Act(change=campaigns.pause_campaign, notice="campaign-paused"),
    Step.RESUME: _Act(change=campaigns.resume_campaign, notice="campaign-resumed", is_long=True),
    Step.CANCEL: _Act(change=campaigns.cancel_campaign, notice="campaign-cancelled"),
    Step.UNSCHEDULE: _Act(change=campaigns.unschedule_campaign, notice="campaign-unscheduled"),
}


async def _act(
    visitor: Visitor, form: Form, campaign_id: CampaignId, work: Work, *, notice: str, is_long: bool = False
) -> Response:
    async def again(corrected: Form, status: int) -> Response:
        return await show_detail(visitor, campaign_id, _place_problems(visitor, corrected, status), status)

    limit = LONG_LIMIT_SECONDS if is_long else None
    return await submit(
        visitor, form, work if is_long else patiently(work), again=again, notice=notice, limit=limit
    )


async def _require_seen(session: AsyncSession, campaign_id: CampaignId, form: Form) -> None:
    """Raise StaleRevisionError if campaign or template are not what the page showed that the form is from."""
    now = await describe_seen(session, await campaigns.get_campaign(session, campaign_id))
    if form.text("seen") and now and form.text("seen") != now:
        raise StaleRevisionError("the campaign or its template was changed since this page was opened")


def _place_problems(visitor: Visitor, form: Form, status: int) -> Form:
    """At the page's only field, or at the top."""
    if status == HTTPStatus.PRECONDITION_FAILED:
        return form.with_problems(**{"": visitor.language.gettext(CHANGED_MEANWHILE)})
    return form.with_problems(
        **{name if name == "scheduled_at" else "": text for name, text in form.problems.items()}
    )


@router.post("/retry", **open_to(Role.OPERATOR))
async def retry_failed(visitor: Visiting, campaign_id: UUID, form: Submitted) -> Response:
    """Queue failed posts again: those of the reasons in the form, or all whose outcome is known."""
    codes = [code for code in form.texts("codes") if code]

    async def retry(session: AsyncSession) -> str:
        retried = await campaigns.retry_failed(session, visitor.actor, CampaignId(campaign_id), codes or None)
        return f"/campaigns/{campaign_id}" + (f"?skipped={retried.skipped}" if retried.skipped else "")

    return await _act(visitor, form, CampaignId(campaign_id), retry, notice="campaign-retried", is_long=True)


@router.post("/schedule", **open_to(Role.OPERATOR))
async def schedule_campaign(visitor: Visiting, campaign_id: UUID, form: Submitted) -> Response:
    """Have it start by itself."""

    async def schedule(session: AsyncSession) -> str:
        at = read_instant(form, "scheduled_at", visitor.formats.zone)
        if at is None:
            raise InvalidInputError("choose a date and a time", field="scheduled_at")
        await _require_seen(session, CampaignId(campaign_id), form)
        await campaigns.schedule_campaign(session, visitor.actor, CampaignId(campaign_id), at)
        return f"/campaigns/{campaign_id}"

    return await _act(visitor, form, CampaignId(campaign_id), schedule, notice="campaign-scheduled")


@router.post("/duplicate", **open_to(Role.OPERATOR))
async def duplicate_campaign(visitor: Visiting, campaign_id: UUID, form: Submitted) -> Response:
    """Make a draft like it, and show that."""

    async def copy(session: AsyncSession) -> str:
        view = await campaign_edits.duplicate_campaign(session, visitor.actor, CampaignId(campaign_id))
        return f"/campaigns/{view.id}"

    return await _act(visitor, form, CampaignId(campaign_id), copy, notice="campaign-copied")


@router.post("/delete", **open_to(Role.OPERATOR))
async def delete_campaign(visitor: Visiting, campaign_id: UUID, form: Submitted) -> Response:
    """Delete it with its results."""

    async def delete(session: AsyncSession) -> str:
        await campaign_edits.delete_campaign(
            session, visitor.actor, CampaignId(campaign_id), expected_revision=form.revision()
        )
        return "/campaigns"

    return await _act(visitor, form, CampaignId(campaign_id), delete, notice="deleted")


@router.post("/{step}", **open_to(Role.OPERATOR))
async def take_step(visitor: Visiting, campaign_id: UUID, step: Step, form: Submitted) -> Response:
    """Change its status."""
    act = _ACTS[step]

    async def change(session: AsyncSession) -> str:
        if step is Step.START:
            await _require_seen(session, CampaignId(campaign_id), form)
            await campaigns.start_campaign(
                session,
                visitor.actor,
                CampaignId(campaign_id),
                skip_failing=form.text("skip") == "preflight",
            )
        else:
            await act.change(session, visitor.actor, CampaignId(campaign_id))
        return f"/campaigns/{campaign_id}"

    return await _act(visitor, form, CampaignId(campaign_id), change, notice=act.notice, is_long=act.is_long)
