"""Preflights: the check of a campaign's channels before its start, in short on its page and channel by channel."""

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.campaign_details import describe_seen, list_allowed, read_preflight, show_detail
from vestnik.console.forms import Form, Submitted, submit
from vestnik.console.pages import PAGE_SIZE, make_page, read_cursor
from vestnik.console.visitors import Visiting, open_to
from vestnik.domain.ids import CampaignId
from vestnik.domain.states import PreflightVerdict
from vestnik.domain.users import Role
from vestnik.services import preflights
from vestnik.services.campaigns import get_campaign

router = APIRouter(prefix="/campaigns/{campaign_id}/preflight")

_LONGEST_CODE: Final = 100


@router.post("", **open_to(Role.OPERATOR))
async def check_campaign(visitor: Visiting, campaign_id: UUID, form: Submitted) -> Response:
    """Have the channels looked at."""

    async def ask(session: AsyncSession) -> str:
        await preflights.request_preflight(session, visitor.actor, CampaignId(campaign_id))
        return f"/campaigns/{campaign_id}#preflight"

    async def again(corrected: Form, status: int) -> Response:
        problem = next(iter(corrected.problems.values()), "")
        return await show_detail(
            visitor, CampaignId(campaign_id), corrected.with_problems(**{"": problem}), status
        )

    return await submit(visitor, form, ask, again=again)


@router.get("/part", **open_to(Role.VIEWER))
async def show_part(visitor: Visiting, campaign_id: UUID) -> Response:
    """The part of the campaign's page, while the channels are being looked at."""

    async def read(session: AsyncSession) -> dict[str, Any]:
        campaign = await get_campaign(session, CampaignId(campaign_id))
        shown = await read_preflight(session, campaign)
        # What the page was opened with: its preview of the post is not asked for again.
        seen = visitor.request.query_params.get("seen", "") or await describe_seen(session, campaign)
        return {"campaign": campaign, "allowed": list_allowed(campaign), "seen": seen} | shown

    return visitor.render("campaigns/preflight.html", **await visitor.read(read))


@router.get("", **open_to(Role.VIEWER))
async def show_findings(visitor: Visiting, campaign_id: UUID) -> Response:
    """Channel by channel what was found."""
    request = visitor.request
    verdict = _read_verdict(request.query_params.get("verdict", ""))
    code = request.query_params.get("code", "").replace("\0", "").strip()[:_LONGEST_CODE]
    place = read_cursor(request, [int])

    async def read(session: AsyncSession) -> dict[str, Any]:
        campaign = await get_campaign(session, CampaignId(campaign_id))
        view = await preflights.find_preflight(session, CampaignId(campaign_id))
        found: list[preflights.FindingView] = []
        if view is not None and view.finished_at is not None:
            found = await preflights.list_findings(
                session,
                CampaignId(campaign_id),
                verdict=verdict,
                code=code or None,
                after=place[0] if place else preflights.FIRST,
                limit=PAGE_SIZE + 1,
            )
        return {
            "campaign": campaign,
            "preflight": view,
            "page": make_page(request, found, lambda item: [item.position]),
        }

    return visitor.render(
        "campaigns/preflight_channels.html",
        verdict=verdict,
        code=code,
        verdicts=list(PreflightVerdict),
        **await visitor.read(read),
    )


def _read_verdict(text: str) -> PreflightVerdict | None:
    try:
        return PreflightVerdict(text)
    except ValueError:
        return None
