"""Campaigns: make, list, change, copy, delete, act on."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Final, assert_never
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.api.campaign_schemas import (
    NOT_FOUND,
    ActionAnswer,
    ActionInput,
    ActionName,
    CampaignInput,
    CampaignPatch,
    CampaignProgress,
    CampaignQuery,
    CampaignView,
    CopyInput,
    FailuresView,
    read_mode,
)
from vestnik.api.schemas import Page, make_page
from vestnik.db.campaigns import CampaignFilter
from vestnik.domain.actors import Actor
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.ids import AccountId, BatchId, CampaignId, TemplateId
from vestnik.domain.users import Role
from vestnik.services import campaign_edits, campaign_views, campaigns
from vestnik.services.campaign_edits import CampaignChanges, CampaignDraft
from vestnik.web.cursors import decode_cursor
from vestnik.web.database import LONG_LIMIT_SECONDS, patiently
from vestnik.web.etags import ExpectedRevision, list_created, put_etag
from vestnik.web.idempotency import Acting
from vestnik.web.identity import Identified, allow
from vestnik.web.state import read_state

router = APIRouter(prefix="/campaigns", tags=["campaigns"])

_list_created = list_created("/api/campaigns")
Step = Callable[[AsyncSession, Actor, CampaignId], Awaitable[campaign_views.CampaignView]]

_STEPS: Final[dict[ActionName, Step]] = {
    ActionName.PAUSE: campaigns.pause_campaign,
    ActionName.RESUME: campaigns.resume_campaign,
    ActionName.CANCEL: campaigns.cancel_campaign,
    ActionName.UNSCHEDULE: campaigns.unschedule_campaign,
}

_LONG: Final = frozenset({ActionName.START, ActionName.RESUME, ActionName.RETRY_FAILED})
"""They write a row for each message of a campaign; what a restored backup paused may begin by being resumed."""


@router.post("", status_code=201, responses=NOT_FOUND, **allow(Role.OPERATOR))
async def create_campaign(body: CampaignInput, act: Acting) -> CampaignView:
    """Make a DRAFT, or with `scheduledAt` a campaign that starts by itself."""
    draft = CampaignDraft(
        name=body.name,
        batch_id=BatchId(body.batch_id),
        template_id=TemplateId(body.template_id),
        mode=read_mode(body.mode),
        delivery_rate=body.delivery_rate,
        retry_limit=body.retry_limit,
        max_error_rate=body.max_error_rate,
        account_id=None if body.account_id is None else AccountId(body.account_id),
        scheduled_at=body.scheduled_at,
    )

    async def create(session: AsyncSession) -> CampaignView:
        return CampaignView.show(await campaign_edits.draft_campaign(session, act.actor, draft))

    return await act(create, headers=_list_created)


@router.get("", **allow(Role.VIEWER))
async def list_campaigns(request: Request, query: Annotated[CampaignQuery, Query()]) -> Page[CampaignView]:
    """The newest first."""
    wanted = CampaignFilter(
        statuses=query.status,
        mode=query.mode,
        account_id=None if query.account_id is None else AccountId(query.account_id),
        search=query.search,
    )
    before = _read_cursor(query.cursor)
    found = await read_state(request.app).database.run(
        lambda session: campaigns.list_campaigns(session, limit=query.limit + 1, before=before, wanted=wanted)
    )
    return Page[CampaignView](
        **make_page(found, query.limit, CampaignView.show, lambda view: [view.created_at, view.id])
    )


@router.get("/{campaign_id}", **allow(Role.VIEWER))
async def show_campaign(request: Request, response: Response, campaign_id: UUID) -> CampaignView:
    """A campaign with its progress."""
    view = await read_state(request.app).database.run(
        lambda session: campaigns.get_campaign(session, CampaignId(campaign_id))
    )
    put_etag(response, view.revision)
    return CampaignView.show(view)


@router.patch("/{campaign_id}", **allow(Role.OPERATOR))
async def change_campaign(  # noqa: PLR0917 - FastAPI passes them by name
    request: Request,
    response: Response,
    identity: Identified,
    expected: ExpectedRevision,
    campaign_id: UUID,
    body: CampaignPatch,
) -> CampaignView:
    """Change its name at any time, its pace until it has ended, everything else before the first start."""
    given = body.model_dump(exclude_unset=True, by_alias=False)
    if "mode" in given:
        given["mode"] = read_mode(given["mode"])
    changes = CampaignChanges(**given)
    view = await read_state(request.app).database.run(
        patiently(
            lambda session: campaign_edits.change_campaign(
                session, identity.actor, CampaignId(campaign_id), changes, expected_revision=expected
            )
        )
    )
    put_etag(response, view.revision)
    return CampaignView.show(view)


@router.delete("/{campaign_id}", status_code=204, **allow(Role.OPERATOR))
async def delete_campaign(
    request: Request, identity: Identified, expected: ExpectedRevision, campaign_id: UUID
) -> None:
    """Delete one that has not started or has ended, with the records of its messages.

    It is gone at once. Of a large one a worker deletes the records in the background, and batch and template stay
    in use until then.
    """
    await read_state(request.app).database.run(
        patiently(
            lambda session: campaign_edits.delete_campaign(
                session, identity.actor, CampaignId(campaign_id), expected_revision=expected
            )
        )
    )


@router.post("/{campaign_id}/duplicate", status_code=201, **allow(Role.OPERATOR))
async def duplicate_campaign(act: Acting, campaign_id: UUID, body: CopyInput | None = None) -> CampaignView:
    """Make a DRAFT like it."""

    async def copy(session: AsyncSession) -> CampaignView:
        view = await campaign_edits.duplicate_campaign(
            session, act.actor, CampaignId(campaign_id), name=None if body is None else body.name
        )
        return CampaignView.show(view)

    return await act(copy, headers=_list_created)


@router.post("/{campaign_id}/action", **allow(Role.OPERATOR))
async def act_on_campaign(act: Acting, campaign_id: UUID, body: ActionInput) -> ActionAnswer:
    """Start, pause, resume, cancel, retry what failed, schedule, unschedule; 409 where its status forbids it."""
    _check_companions(body)

    async def carry_out(session: AsyncSession) -> ActionAnswer:
        return await _carry_out(session, act.actor, CampaignId(campaign_id), body)

    if body.action in _LONG:
        return await act(carry_out, limit=LONG_LIMIT_SECONDS)
    return await act(patiently(carry_out))


@router.get("/{campaign_id}/progress", **allow(Role.VIEWER))
async def show_progress(request: Request, campaign_id: UUID) -> CampaignProgress:
    """Counters and status alone, which is quick however large the campaign is."""
    standing = await read_state(request.app).database.look(
        lambda session: campaigns.get_progress(session, CampaignId(campaign_id))
    )
    return CampaignProgress.show_standing(standing)


@router.get("/{campaign_id}/failures", **allow(Role.VIEWER))
async def show_failures(request: Request, campaign_id: UUID) -> FailuresView:
    """Why messages failed."""

    async def count(session: AsyncSession) -> dict[str, int]:
        await campaigns.get_progress(session, CampaignId(campaign_id))
        return await campaigns.count_failures(session, CampaignId(campaign_id))

    codes = await read_state(request.app).database.run(count)
    return FailuresView(total=sum(codes.values()), codes=codes)


def _read_cursor(cursor: str | None) -> tuple[datetime, CampaignId] | None:
    if cursor is None:
        return None
    created_at, campaign_id = decode_cursor(cursor, [datetime, UUID])
    assert isinstance(created_at, datetime)
    assert isinstance(campaign_id, UUID)
    return created_at, CampaignId(campaign_id)


def _check_companions(body: ActionInput) -> None:
    if body.action is ActionName.SCHEDULE:
        if body.scheduled_at is None:
            raise InvalidInputError("schedule needs scheduledAt, the time to start at", field="scheduled_at")
    elif body.scheduled_at is not None:
        raise InvalidInputError(
            f"scheduledAt goes with schedule, not with {body.action}", field="scheduled_at"
        )
    if body.error_codes is not None and body.action is not ActionName.RETRY_FAILED:
        raise InvalidInputError(
            f"errorCodes goes with retry-failed, not with {body.action}", field="error_codes"
        )
    if body.skip is not None and body.action is not ActionName.START:
        raise InvalidInputError(f"skip goes with start, not with {body.action}", field="skip")


async def _carry_out(
    session: AsyncSession, actor: Actor, campaign_id: CampaignId, body: ActionInput
) -> ActionAnswer:
    match body.action:
        case ActionName.SCHEDULE:
            assert body.scheduled_at is not None
            view = await campaigns.schedule_campaign(session, actor, campaign_id, body.scheduled_at)
        case ActionName.RETRY_FAILED:
            retried = await campaigns.retry_failed(session, actor, campaign_id, body.error_codes)
            view = await campaigns.get_campaign(session, campaign_id)
            return ActionAnswer(
                campaign=CampaignView.show(view), reopened=retried.reopened, skipped=retried.skipped
            )
        case ActionName.START:
            view = await campaigns.start_campaign(
                session, actor, campaign_id, skip_failing=body.skip is not None
            )
        case ActionName.PAUSE | ActionName.RESUME | ActionName.CANCEL | ActionName.UNSCHEDULE:
            view = await _STEPS[body.action](session, actor, campaign_id)
        case _:
            assert_never(body.action)
    return ActionAnswer(campaign=CampaignView.show(view))
