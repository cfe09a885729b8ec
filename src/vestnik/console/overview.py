"""Overview: what runs, what waits and what needs a person, on one page that keeps itself up to date.

The page is made of parts. Every few seconds it asks for those that differ from what it shows, so that what stays
the same is left alone: live bars above all, which follow a stream of their own (see live.py).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.alert_words import describe_alerts
from vestnik.console.rate_charts import make_chart
from vestnik.console.setup import is_dismissed
from vestnik.console.visitors import Visiting, Visitor, open_to
from vestnik.db.campaigns import CampaignFilter
from vestnik.domain.alerts import AlertRules
from vestnik.domain.ids import CampaignId
from vestnik.domain.states import CampaignStatus
from vestnik.domain.users import Role
from vestnik.services.alerts import Alert, list_alerts
from vestnik.services.campaign_views import CampaignView, StandingView
from vestnik.services.campaigns import list_campaigns, read_progress
from vestnik.services.failures import FailureReason, list_recent_failures
from vestnik.services.queue import ALIVE_FOR, QueueStats, read_queue_stats
from vestnik.services.rates import read_minutes
from vestnik.services.setup import Setup, read_setup
from vestnik.web.state import read_state

router = APIRouter()

PARTS: Final = ("next", "alerts", "figures", "running", "holds", "rates", "failures")
MOST_CAMPAIGNS: Final = 20
SPAN: Final = timedelta(hours=3)
"""Of posts per minute."""
ACTIVE: Final = (CampaignStatus.RUNNING, CampaignStatus.PAUSED)
LONGEST_KEYS: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """All that the page shows, read at one moment."""

    stats: QueueStats
    alerts: Sequence[Alert]
    campaigns: Sequence[CampaignView]
    has_more_campaigns: bool
    standings: dict[CampaignId, StandingView]
    failures: Sequence[FailureReason]
    minutes: Sequence[tuple[datetime, int]]
    since: datetime
    until: datetime
    setup: Setup

    @property
    def workers_alive(self) -> int:
        """How many have said so lately."""
        return sum(worker.silent_for < ALIVE_FOR for worker in self.stats.workers)

    @property
    def rate_per_minute(self) -> float:
        """Posts of the last 60 seconds."""
        return sum(standing.progress.rate_per_minute for standing in self.standings.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part of the page; the key changes when it has to be shown anew."""

    name: str
    key: str
    html: Markup


@router.get("/", **open_to(Role.VIEWER))
async def show_overview(visitor: Visiting) -> Response:
    """The whole page."""
    parts = _make_parts(visitor, await _read(visitor))
    return visitor.render(
        "overview/page.html", parts={part.name: part for part in parts}, keys=_join_keys(parts)
    )


@router.get("/overview/parts", **open_to(Role.VIEWER))
async def show_parts(
    visitor: Visiting, keys: Annotated[str, Query(max_length=LONGEST_KEYS)] = ""
) -> Response:
    """Those parts whose key is not among those that the page has."""
    parts = _make_parts(visitor, await _read(visitor))
    shown = keys.split(".")
    changed = [part for part in parts if part.key not in shown]
    return visitor.render("overview/parts.html", parts=changed, keys=_join_keys(parts))


async def _read(visitor: Visitor) -> Overview:
    rules = read_state(visitor.request.app).alert_rules
    return await visitor.read(lambda session: _read_all(session, rules))


async def _read_all(session: AsyncSession, rules: AlertRules) -> Overview:
    until = datetime.now(UTC)
    stats = await read_queue_stats(session)
    found = await list_campaigns(session, limit=MOST_CAMPAIGNS + 1, wanted=CampaignFilter(statuses=ACTIVE))
    campaigns = found[:MOST_CAMPAIGNS]
    return Overview(
        stats=stats,
        alerts=await list_alerts(session, rules),
        campaigns=campaigns,
        has_more_campaigns=len(found) > MOST_CAMPAIGNS,
        standings=await read_progress(session, [CampaignId(campaign.id) for campaign in campaigns]),
        failures=await list_recent_failures(session),
        minutes=await read_minutes(session, until - SPAN),
        since=until - SPAN,
        until=until,
        setup=await read_setup(session),
    )


def _make_parts(visitor: Visitor, overview: Overview) -> list[Part]:
    context: dict[str, Any] = {
        "overview": overview,
        "alerts": describe_alerts(visitor, overview.alerts),
        "chart": make_chart(overview.minutes, overview.since, overview.until),
        "shows_setup": not (overview.setup.facts.has_started or is_dismissed(visitor)),
    }
    return [_make_part(visitor, name, overview, context) for name in PARTS]


def _make_part(visitor: Visitor, name: str, overview: Overview, context: dict[str, Any]) -> Part:
    html = bytes(visitor.render(f"overview/{name}.html", **context).body).decode()
    # Bars move all the time, and are moved by their own stream.
    content = _describe_campaigns(overview, context) if name == "running" else html
    key = hashlib.sha256(f"{name} {content}".encode()).hexdigest()[:12]
    # Made by a template of ours, which has escaped it.
    return Part(name=name, key=key, html=Markup(html))  # noqa: S704


def _describe_campaigns(overview: Overview, context: dict[str, Any]) -> str:
    """What the list of campaigns shows beside their bars."""
    shown = [(campaign.id, campaign.name, campaign.mode) for campaign in overview.campaigns]
    return repr(
        (shown, overview.has_more_campaigns, overview.setup.facts.has_started, context["shows_setup"])
    )


def _join_keys(parts: Sequence[Part]) -> str:
    return ".".join(part.key for part in parts)
