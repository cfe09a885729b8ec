"""Campaigns: the list, and one of them with all that is known of it."""

from datetime import datetime
from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from vestnik.console.campaign_details import (
    read_failures,
    read_posts,
    read_rates,
    read_replaced,
    show_detail,
)
from vestnik.console.pages import PAGE_SIZE, make_page, read_cursor, read_search
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.db.campaigns import CampaignFilter
from vestnik.domain.ids import CampaignId
from vestnik.domain.states import CampaignStatus
from vestnik.domain.users import Role
from vestnik.services import campaigns

router = APIRouter(prefix="/campaigns")


@router.get("", **open_to(Role.VIEWER))
async def list_campaigns(visitor: Visiting) -> Response:
    """All campaigns, the newest first."""
    before, search = read_cursor(visitor.request, (datetime, UUID)), read_search(visitor.request)
    wanted_status = _read_status(visitor)
    wanted = CampaignFilter(statuses=[] if wanted_status is None else [wanted_status], search=search)
    found = await visitor.read(
        lambda session: campaigns.list_campaigns(session, limit=PAGE_SIZE + 1, before=before, wanted=wanted)
    )
    page = make_page(visitor.request, found, lambda campaign: (campaign.created_at, campaign.id))
    return visitor.render(
        "campaigns/list.html",
        page=page,
        search=search or "",
        wanted_status=wanted_status,
        statuses=list(CampaignStatus),
    )


def _read_status(visitor: Visitor) -> CampaignStatus | None:
    try:
        return CampaignStatus(visitor.request.query_params.get("status", ""))
    except ValueError:
        return None


@router.get("/{campaign_id}", **open_to(Role.VIEWER))
async def show_campaign(visitor: Visiting, campaign_id: UUID) -> Response:
    """One campaign."""
    return await show_detail(visitor, CampaignId(campaign_id))


@router.get("/{campaign_id}/around", **open_to(Role.VIEWER))
async def show_around(visitor: Visiting, campaign_id: UUID) -> Response:
    """The part with what can be done now, and with it what else on the page has become old."""
    asked = visitor.request.query_params
    around = await visitor.read(
        lambda session: read_replaced(session, visitor, CampaignId(campaign_id), asked.get("shown", ""))
    )
    # What the page was opened with: its preview of the post is not asked for again.
    around["seen"] = asked.get("seen", "") or around["seen"]
    headers = {"HX-Trigger-After-Settle": "campaign-changed"} if around["replaced"] else {}
    return visitor.render("campaigns/around_all.html", headers=headers, **around)


@router.get("/{campaign_id}/failures", **open_to(Role.VIEWER))
async def show_failures(visitor: Visiting, campaign_id: UUID) -> Response:
    """The part with the reasons; nothing at all while it is what the page shows."""
    shown = await visitor.read(
        lambda session: read_failures(
            session, CampaignId(campaign_id), visitor.request.query_params.get("known")
        )
    )
    if shown is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return visitor.render("campaigns/failures.html", **shown)


@router.get("/{campaign_id}/rates", **open_to(Role.VIEWER))
async def show_rates(visitor: Visiting, campaign_id: UUID) -> Response:
    """The part with the chart."""
    shown = await visitor.read(lambda session: read_rates(session, CampaignId(campaign_id)))
    return visitor.render("campaigns/rates.html", **shown)


@router.get("/{campaign_id}/posts", **open_to(Role.VIEWER))
async def show_posts(visitor: Visiting, campaign_id: UUID) -> Response:
    """The part with the channels; the browser's address becomes that of the whole page."""
    shown = await visitor.read(
        lambda session: read_posts(session, CampaignId(campaign_id), visitor.request.query_params)
    )
    return visitor.render(
        "campaigns/posts.html", headers={"HX-Replace-Url": shown["posts"].page_url}, **shown
    )
