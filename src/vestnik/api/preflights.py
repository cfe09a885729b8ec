"""Preflights: what would become of a campaign, channel by channel, before it starts."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Final, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.api.schemas import ApiModel, Limit, Page, Text, make_page
from vestnik.domain.commands import CommandStatus
from vestnik.domain.ids import CampaignId
from vestnik.domain.states import PreflightVerdict
from vestnik.domain.users import Role
from vestnik.services import preflights
from vestnik.services.polling import poll_until
from vestnik.web.cursors import decode_cursor
from vestnik.web.idempotency import Acting, ReplayedAnswer
from vestnik.web.identity import allow
from vestnik.web.state import read_state

router = APIRouter(prefix="/campaigns/{campaign_id}/preflight", tags=["campaigns"])

WAIT: Final = timedelta(seconds=30)
"""How long a caller waits for the report before it is told to ask again."""


class ReasonModel(ApiModel):
    """How many channels a finding concerns."""

    verdict: PreflightVerdict
    code: Annotated[str, Field(examples=["CHAT_WRITE_FORBIDDEN"])]
    channels: Annotated[int, Field(examples=[3])]


class PreflightModel(ApiModel):
    """The report on a campaign; the numbers are 0 before it is whole."""

    id: UUID
    campaign_id: UUID
    status: Annotated[CommandStatus, Field(examples=["DONE"])]
    checked: Annotated[int, Field(description="Channels looked at so far.", examples=[100])]
    missing: Annotated[int, Field(description="Addresses that are being looked for.", examples=[0])]
    total: Annotated[int, Field(examples=[100])]
    ready: Annotated[int, Field(description="Warned ones included.", examples=[95])]
    failing: Annotated[int, Field(description="The post would fail there.", examples=[3])]
    waiting: Annotated[
        int, Field(description="Not found out: their addresses cannot be looked up yet.", examples=[2])
    ]
    warned: Annotated[int, Field(examples=[1])]
    reasons: Annotated[list[ReasonModel], Field(description="The most frequent first.")]
    is_current: Annotated[
        bool,
        Field(
            description="Campaign, template and batch are what they were, and it is less than a day old: a start may "
            "leave out what it says would fail."
        ),
    ]
    error_code: Annotated[str | None, Field(examples=[None])]
    error_message: str | None
    requested_at: datetime
    finished_at: datetime | None

    @classmethod
    def show_preflight(cls, view: preflights.PreflightView) -> Self:
        """The reasons as models."""
        own = {name: getattr(view, name) for name in cls.model_fields if name != "reasons"}
        return cls(**own, reasons=[ReasonModel.show(reason) for reason in view.reasons])


class FindingModel(ApiModel):
    """What was found of one channel: FAILS, WAITS (not found out), or WARNS (it would be posted)."""

    channel_id: UUID
    channel: Annotated[str, Field(examples=["@news"])]
    title: str | None
    verdict: PreflightVerdict
    code: Annotated[
        str,
        Field(
            description="The error that Telegram would answer, why the channel is inactive, or SAME_CONTENT, "
            "CHANNEL_GONE, LOOKUPS_USED_UP …",
            examples=["CHAT_WRITE_FORBIDDEN"],
        ),
    ]
    detail: Annotated[str | None, Field(description="What is too long, or which campaign posted the same.")]
    at: Annotated[datetime | None, Field(description="Of that post, or the end of the wait.")]

    @classmethod
    def show_finding(cls, view: preflights.FindingView) -> Self:
        """Without its place in the batch."""
        return cls(**{name: getattr(view, name) for name in cls.model_fields})


class FindingQuery(ApiModel):
    """Which findings are wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)

    verdict: PreflightVerdict | None = None
    code: Annotated[Text | None, Field(max_length=100)] = None
    limit: Limit = 50
    cursor: Annotated[Text | None, Field(max_length=500, description="nextCursor of the page before.")] = None


class _RequestedPreflight(ApiModel):
    """What is kept under an Idempotency-Key: not the report, which is still to come."""

    id: UUID


@router.post(
    "",
    responses={
        202: {
            "model": PreflightModel,
            "description": "It is not finished within 30 s; ask for it.",
            "headers": {"Location": {"description": "The report.", "schema": {"type": "string"}}},
        }
    },
    **allow(Role.OPERATOR),
)
async def check_campaign(
    request: Request, response: Response, act: Acting, campaign_id: UUID
) -> PreflightModel:
    """Look at each channel without posting: is it there, may the account post this, is it slow, is the text short.

    The report replaces the one before. Waits for it at most 30 seconds.
    """

    async def ask(session: AsyncSession) -> _RequestedPreflight:
        view = await preflights.request_preflight(session, act.actor, CampaignId(campaign_id))
        return _RequestedPreflight(id=view.id)

    try:
        await act(ask)
    except ReplayedAnswer:
        response.headers["Idempotency-Replayed"] = "true"
    database = read_state(request.app).database
    view = await poll_until(
        lambda: database.run(lambda session: preflights.get_preflight(session, CampaignId(campaign_id))),
        lambda seen: seen.status.is_final,
        timeout=WAIT,
    )
    if not view.status.is_final:
        response.status_code = HTTPStatus.ACCEPTED
        response.headers["Location"] = f"/api/campaigns/{campaign_id}/preflight"
    return PreflightModel.show_preflight(view)


@router.get("", **allow(Role.VIEWER))
async def show_preflight(request: Request, campaign_id: UUID) -> PreflightModel:
    """The report, or how far it has come."""
    view = await read_state(request.app).database.run(
        lambda session: preflights.get_preflight(session, CampaignId(campaign_id))
    )
    return PreflightModel.show_preflight(view)


@router.get("/channels", **allow(Role.VIEWER))
async def list_findings(
    request: Request, campaign_id: UUID, query: Annotated[FindingQuery, Query()]
) -> Page[FindingModel]:
    """Channels of which something is to be said, in the order of the batch; all others are ready."""
    after = preflights.FIRST
    if query.cursor is not None:
        (position,) = decode_cursor(query.cursor, [int])
        assert isinstance(position, int)
        after = position
    found = await read_state(request.app).database.run(
        lambda session: preflights.list_findings(
            session,
            CampaignId(campaign_id),
            verdict=query.verdict,
            code=query.code,
            after=after,
            limit=query.limit + 1,
        )
    )
    return Page[FindingModel](
        **make_page(found, query.limit, FindingModel.show_finding, lambda item: [item.position])
    )
