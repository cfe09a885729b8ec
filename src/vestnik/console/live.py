"""Live parts of pages: one stream of events for a page, whose data are the parts rendered anew."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from fastapi.sse import format_sse_event
from pydantic import Field

from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.ids import CampaignId
from vestnik.domain.states import CampaignStatus
from vestnik.domain.users import Role
from vestnik.services.campaign_views import StandingView
from vestnik.services.campaigns import read_progress
from vestnik.web.sse import EventStream
from vestnik.web.state import read_state

router = APIRouter()

HEARTBEAT_SECONDS: Final = 10.0
SHORTEST_PAUSE_SECONDS: Final = 0.25
"""Between two pictures of the same page, however fast the counters run."""
RETRY_MILLISECONDS: Final = 1_000
QUIET_SECONDS: Final = 5.0
"""After so long without news a running campaign's rate and time left are shown anew: they change by themselves."""
MOST_CAMPAIGNS: Final = 100


class View(StrEnum):
    """Which parts of a campaign a page shows."""

    ROW = "row"
    DETAIL = "detail"


@router.get("/live", **open_to(Role.VIEWER))
async def stream_campaigns(
    visitor: Visiting,
    campaigns: Annotated[list[UUID], Query(), Field(min_length=1, max_length=MOST_CAMPAIGNS)],
    view: View = View.ROW,
) -> Response:
    """`parts` events with HTML, `offline` ones while the database does not answer; ends with the session."""
    ids = [CampaignId(campaign_id) for campaign_id in campaigns]
    found = await visitor.read(lambda session: read_progress(session, ids))
    return EventStream(_tell(visitor, found, view))


async def _tell(
    visitor: Visitor, standings: Mapping[CampaignId, StandingView], view: View
) -> AsyncGenerator[bytes, None]:
    with read_state(visitor.request.app).hub.watch(
        standings, credential_id=visitor.identity.credential_id
    ) as watcher:
        yield format_sse_event(retry=RETRY_MILLISECONDS)
        heartbeat_at = time.monotonic() + HEARTBEAT_SECONDS
        was_offline = False
        latest: dict[CampaignId, StandingView | None] = {}
        while not watcher.is_closed:
            news = watcher.take()
            latest |= news
            if news:
                yield format_sse_event(event="parts", data_str=_render(visitor, news, view))
            if watcher.is_offline != was_offline:
                was_offline = watcher.is_offline
                yield format_sse_event(event="offline" if was_offline else "online", data_str="{}")
            await asyncio.sleep(SHORTEST_PAUSE_SECONDS)
            left = max(heartbeat_at - time.monotonic(), 0)
            if not await watcher.wait(min(left, QUIET_SECONDS)) and view is View.DETAIL:
                html = _render(visitor, await _look_again(visitor, latest), view)
                if html:
                    yield format_sse_event(event="parts", data_str=html)
            if time.monotonic() >= heartbeat_at:
                yield format_sse_event(comment="still here")
                heartbeat_at = time.monotonic() + HEARTBEAT_SECONDS


def _render(visitor: Visitor, news: Mapping[CampaignId, StandingView | None], view: View) -> str:
    parts = []
    for campaign_id, standing in news.items():
        template = "campaigns/gone.html" if standing is None else f"campaigns/live_{view}.html"
        html = visitor.render(template, standing=standing, campaign_id=campaign_id).body
        parts.append(bytes(html).decode())
    return "".join(parts)


async def _look_again(
    visitor: Visitor, latest: Mapping[CampaignId, StandingView | None]
) -> Mapping[CampaignId, StandingView | None]:
    """The running ones of them as they are now; none while the database does not answer."""
    running = [
        campaign_id
        for campaign_id, standing in latest.items()
        if standing is not None and standing.status is CampaignStatus.RUNNING
    ]
    if not running:
        return {}
    database = read_state(visitor.request.app).database
    try:
        return dict(await database.look(lambda session: read_progress(session, running)))
    except DatabaseUnavailableError:
        return {}
