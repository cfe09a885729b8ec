"""Live progress as server-sent events."""

import time
import zlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from fastapi.sse import format_sse_event
from pydantic import Field

from vestnik.api.campaign_schemas import EXAMPLE_EVENT, CampaignProgress
from vestnik.api.schemas import ApiModel
from vestnik.domain.errors import (
    NotFoundError,
)
from vestnik.domain.ids import CampaignId
from vestnik.domain.users import Role
from vestnik.services import campaigns
from vestnik.services.campaign_views import StandingView
from vestnik.web.hub import Watcher
from vestnik.web.identity import Identified, Identity, allow
from vestnik.web.sse import EventStream
from vestnik.web.state import read_state

router = APIRouter(tags=["campaigns"])

HEARTBEAT_SECONDS: Final = 15.0
RETRY_MILLISECONDS: Final = 2_000
MOST_CAMPAIGNS: Final = 100

LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        max_length=100,
        description="The id of the last event that came, as browsers send it: without news since then nothing is "
        "sent until there is some.",
    ),
]
_ANSWER: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "`progress` events with the progress as JSON, `deleted` ones with the campaign's id, and "
        "`offline` ones while the database does not answer. It never ends by itself.",
        "content": EXAMPLE_EVENT,
    }
}


class EventsQuery(ApiModel):
    """Which campaigns are followed."""

    campaign_ids: Annotated[
        list[UUID],
        Field(min_length=1, max_length=MOST_CAMPAIGNS, description="Repeat it for several."),
    ]


@router.get(
    "/campaigns/{campaign_id}/events",
    response_class=EventStream,
    status_code=200,
    responses=_ANSWER,
    **allow(Role.VIEWER),
)
async def follow_campaign(
    request: Request, identity: Identified, campaign_id: UUID, last_event_id: LastEventId = None
) -> EventStream:
    """A campaign's progress as it changes, within a second."""
    return await _follow(request, identity, [CampaignId(campaign_id)], last_event_id, field="campaign_id")


@router.get("/events", response_class=EventStream, status_code=200, responses=_ANSWER, **allow(Role.VIEWER))
async def follow_campaigns(
    request: Request,
    identity: Identified,
    query: Annotated[EventsQuery, Query()],
    last_event_id: LastEventId = None,
) -> EventStream:
    """The progress of several campaigns as it changes, within a second."""
    ids = [CampaignId(campaign_id) for campaign_id in query.campaign_ids]
    return await _follow(request, identity, ids, last_event_id, field="campaign_ids")


async def _follow(
    request: Request,
    identity: Identity,
    campaign_ids: Sequence[CampaignId],
    last_event_id: str | None,
    *,
    field: str,
) -> EventStream:
    found = await read_state(request.app).database.look(
        lambda session: campaigns.read_progress(session, campaign_ids)
    )
    for campaign_id in campaign_ids:
        if campaign_id not in found:
            raise NotFoundError(f"there is no campaign {campaign_id}", field=field)
    watching = read_state(request.app).hub.watch(found, credential_id=identity.credential_id)
    return EventStream(_tell(watching, found, last_event_id))


async def _tell(
    watching: AbstractContextManager[Watcher],
    standings: Mapping[CampaignId, StandingView],
    last_event_id: str | None,
) -> AsyncGenerator[bytes, None]:
    known = dict(standings)
    with watching as watcher:
        yield format_sse_event(retry=RETRY_MILLISECONDS)
        if last_event_id == make_event_id(known):
            watcher.take()
        heartbeat_at = time.monotonic() + HEARTBEAT_SECONDS
        was_offline = False
        while known and not watcher.is_closed:
            for event in _list_events(watcher, known):
                yield event
            if watcher.is_offline and not was_offline:
                yield format_sse_event(event="offline", data_str="{}")
            was_offline = watcher.is_offline
            await watcher.wait(heartbeat_at - time.monotonic())
            if time.monotonic() >= heartbeat_at:
                yield format_sse_event(comment="still here")
                heartbeat_at = time.monotonic() + HEARTBEAT_SECONDS


def _list_events(watcher: Watcher, known: dict[CampaignId, StandingView]) -> list[bytes]:
    """What is new; `known` is brought up to date, and each event's id says what was known after it."""
    events = []
    for campaign_id, standing in watcher.take().items():
        if standing is None:
            known.pop(campaign_id, None)
            name, text = "deleted", f'{{"campaignId":"{campaign_id}"}}'
        else:
            known[campaign_id] = standing
            name, text = "progress", CampaignProgress.show_standing(standing).model_dump_json()
        events.append((name, text))
    last_id = make_event_id(known)
    # Only the last of several tells that all of them came: who lost the connection in between gets them again.
    return [
        format_sse_event(event=name, data_str=text, id=last_id if place == len(events) else None)
        for place, (name, text) in enumerate(events, start=1)
    ]


def make_event_id(standings: Mapping[CampaignId, StandingView]) -> str:
    """Equal for equal states: the sum of the versions, and a checksum that also differs with each status."""
    keys = sorted((str(campaign_id), *map(str, standing.key)) for campaign_id, standing in standings.items())
    version = sum(standing.progress.version for standing in standings.values())
    return f"{version}.{zlib.crc32(repr(keys).encode()):08x}"
