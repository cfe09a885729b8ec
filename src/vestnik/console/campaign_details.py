"""What the page of one campaign shows, part by part: each part can be asked for alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.campaign_plans import read_slowing
from vestnik.console.forms import Form
from vestnik.console.marking import mark
from vestnik.console.pages import LONGEST_SEARCH
from vestnik.console.post_previews import ShownPost, show_post
from vestnik.console.rate_charts import make_chart
from vestnik.console.visitors import Visitor
from vestnik.domain.errors import ConflictError, InvalidInputError
from vestnik.domain.ids import AccountId, BatchId, CampaignId, JobId, TemplateId
from vestnik.domain.lifecycle import CampaignAction, campaign_sources
from vestnik.domain.states import CampaignStatus, JobStatus
from vestnik.services.accounts import is_worker_alive
from vestnik.services.audit import AuditFilter, list_entries
from vestnik.services.batches import BatchDetail, get_batch
from vestnik.services.campaign_jobs import BEFORE_ALL, JobPage, list_jobs, make_job_filter
from vestnik.services.campaign_views import CampaignView
from vestnik.services.campaigns import count_failures, get_campaign
from vestnik.services.content_corrections import get_content
from vestnik.services.lookups import find_lookup_wait
from vestnik.services.preflights import find_preflight
from vestnik.services.rates import read_campaign_minutes
from vestnik.services.templates import TemplateDraft, get_template
from vestnik.web.cursors import decode_cursor, encode_cursor

POSTS_PAGE: Final = 50
HISTORY: Final = 20
CHART_SPAN: Final = timedelta(hours=24)
"""A chart shows the last of a longer campaign."""
UNKNOWN_OUTCOME: Final = "UNKNOWN_OUTCOME"
NO_CODE: Final = "UNKNOWN"
"""What failures without a code are counted under; nothing can be asked of them by it."""
_LONGEST_CODE: Final = 100
UNREADABLE: Final = mark(
    "Another version of Vestnik has stored this post, and this one cannot read it. Write the post anew to go on."
)
UNREADABLE_FOR_GOOD: Final = mark(
    "Another version of Vestnik has stored this post, and this one cannot show it. What was posted stays as it is."
)
_NOTHING: Final = TemplateDraft(name="", content="")


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownPosts:
    """Some channels of a campaign with what became of each; `page_url` is the whole page that shows the same."""

    page: JobPage
    result: JobStatus | None
    reason: str
    search: str
    page_url: str
    part_url: str
    next_url: str | None
    first_url: str | None
    is_followed: bool
    """The first page of what an index finds at once."""
    is_refreshed: bool
    """Every few seconds, as posts go out; else only when the campaign has changed."""

    @property
    def is_filtered(self) -> bool:
        """Whether something was asked for."""
        return bool(self.result or self.reason or self.search)


async def read_around(session: AsyncSession, campaign_id: CampaignId) -> dict[str, Any]:
    """What can be done with a campaign now. Raises NotFoundError."""
    campaign = await get_campaign(session, campaign_id)
    has_worker = True
    if campaign.stored_status is CampaignStatus.RUNNING:
        has_worker = await is_worker_alive(session)
    return {
        "campaign": campaign,
        "seen": await describe_seen(session, campaign),
        "allowed": list_allowed(campaign),
        "shown_marks": " ".join(sorted(mark_parts(campaign))),
        "has_worker": has_worker,
        "slowing": await read_slowing(session, campaign),
        "lookup_wait": await find_lookup_wait(session, campaign_id),
        "batch": await _read_batch(session, campaign),
        "form": Form.start(),
    }


def is_moving(campaign: CampaignView) -> bool:
    """Whether posts can go out, or be taken out of the queue, without anybody doing anything."""
    left = campaign.progress.sending
    if campaign.stored_status.is_final:
        left += campaign.progress.queued
    return campaign.stored_status is CampaignStatus.RUNNING or left > 0


def mark_parts(campaign: CampaignView) -> frozenset[str]:
    """What the parts of the page show that are not asked for again by themselves: `name-mark` of each.

    One is replaced, whole and with what is typed into it, only once its mark is another.
    """
    started, ended = campaign.started_at is not None, campaign.ended_at is not None
    purged = campaign.purged_at is not None
    state = f"{campaign.stored_status}-{campaign.revision}-{started:d}{ended:d}{purged:d}"
    can_schedule = CampaignAction.SCHEDULE in list_allowed(campaign)
    return frozenset(
        {
            f"schedule-{can_schedule:d}{campaign.scheduled_at is not None:d}",
            f"facts-{state}",
            f"tools-{started:d}{purged:d}",
            f"history-{state}",
        }
    )


async def read_replaced(
    session: AsyncSession, visitor: Visitor, campaign_id: CampaignId, shown: str
) -> dict[str, Any]:
    """What can be done now, and those other parts that show something else than the marks `shown`."""
    context = await read_around(session, campaign_id)
    known = set(shown.split())
    replaced = sorted(name.partition("-")[0] for name in mark_parts(context["campaign"]) if name not in known)
    context["replaced"] = replaced if known else []
    if not context["replaced"]:
        return context
    context |= await read_failures(session, campaign_id) or {}
    context |= await read_history(session, visitor, campaign_id)
    return context | await read_posts(session, campaign_id, {}) | {"results": list(JobStatus)}


async def describe_seen(session: AsyncSession, campaign: CampaignView) -> str:
    """What a person who looks at an unstarted campaign sees of it; another text once any of it has changed."""
    if campaign.stored_status not in campaign_sources(CampaignAction.START):
        return ""
    template = await get_template(session, TemplateId(campaign.template_id))
    return f"{campaign.revision}.{template.revision}"


async def read_preflight(session: AsyncSession, campaign: CampaignView) -> dict[str, Any]:
    """What was found out about its channels; only before a start."""
    can_start = campaign.stored_status in campaign_sources(CampaignAction.START)
    found = await find_preflight(session, CampaignId(campaign.id)) if can_start else None
    return {"preflight": found, "can_check": can_start}


async def _read_batch(session: AsyncSession, campaign: CampaignView) -> BatchDetail | None:
    """For the question before a start; later the number of channels is settled."""
    if campaign.stored_status not in campaign_sources(CampaignAction.START):
        return None
    return await get_batch(session, BatchId(campaign.batch_id), account_id=AccountId(campaign.account_id))


def list_allowed(campaign: CampaignView) -> frozenset[str]:
    """What the stored status allows, whoever asks; the service has the last word."""
    allowed = {
        action.value for action in CampaignAction if campaign.stored_status in campaign_sources(action)
    }
    is_over = campaign.stored_status.is_final and campaign.ended_at is not None
    if campaign.stored_status in campaign_sources(CampaignAction.START) or is_over:
        allowed.add("delete")
    if campaign.purged_at is not None:
        allowed.discard(CampaignAction.RETRY_FAILED)
    if campaign.stored_status is CampaignStatus.PAUSED and campaign.started_at is not None:
        allowed.add("correct")
    return frozenset(allowed)


async def read_failures(
    session: AsyncSession, campaign_id: CampaignId, known: str | None = None
) -> dict[str, Any] | None:
    """Why posts failed; None if `known` is what a page shows already. Raises NotFoundError."""
    campaign = await get_campaign(session, campaign_id)
    allowed = list_allowed(campaign)
    mark = f"{campaign.progress.failed}-{CampaignAction.RETRY_FAILED in allowed:d}-{campaign.purged_at is None:d}"
    if known == mark:
        return None
    codes: Mapping[str, int] = {}
    if campaign.progress.failed and campaign.purged_at is None:
        codes = await count_failures(session, campaign_id)
    return {
        "campaign": campaign,
        "failures": codes,
        "failures_mark": mark,
        "can_retry": CampaignAction.RETRY_FAILED in allowed,
        "retried_by_itself": sum(count for code, count in codes.items() if code != UNKNOWN_OUTCOME),
        "unknown_outcome": UNKNOWN_OUTCOME,
        "no_code": NO_CODE,
    }


async def read_rates(session: AsyncSession, campaign_id: CampaignId) -> dict[str, Any]:
    """Posts per minute since the start, or in the last hours of it. Raises NotFoundError."""
    campaign = await get_campaign(session, campaign_id)
    chart = None
    if campaign.started_at is not None and campaign.purged_at is None:
        until = campaign.ended_at or datetime.now(UTC)
        since = max(campaign.started_at, until - CHART_SPAN)
        minutes = await read_campaign_minutes(session, campaign_id, since.replace(second=0, microsecond=0))
        # Posts that were on their way at the end are recorded after it.
        if minutes:
            until = max(until, minutes[-1][0])
        chart = make_chart(minutes, since, until)
    return {"campaign": campaign, "chart": chart, "is_moving": is_moving(campaign)}


async def read_posts(
    session: AsyncSession, campaign_id: CampaignId, asked: Mapping[str, str]
) -> dict[str, Any]:
    """The channels that an address asks for; what it cannot mean is left out. Raises NotFoundError."""
    result = _read_result(asked.get("result", ""))
    reason = asked.get("reason", "").replace("\0", "").strip()[:_LONGEST_CODE]
    search = asked.get("search", "").replace("\0", "").strip()[:LONGEST_SEARCH]
    after = _read_after(asked.get("cursor", ""))
    campaign = await get_campaign(session, campaign_id)
    wanted = make_job_filter(result, reason or None, search)
    page = await list_jobs(session, campaign_id, wanted, after=after, limit=POSTS_PAGE)
    query = {"result": result or "", "reason": reason, "search": search}
    query = {name: value for name, value in query.items() if value}
    path = f"/campaigns/{campaign_id}"
    next_query = None if page.next_after is None else query | {"cursor": encode_cursor([page.next_after])}
    return {
        "campaign_id": campaign_id,
        "posts": ShownPosts(
            page=page,
            result=result,
            reason=reason,
            search=search,
            page_url=_address(path, query | ({"cursor": asked["cursor"]} if after else {})),
            part_url=_address(f"{path}/posts", query),
            next_url=None if next_query is None else f"{_address(path, next_query)}#posts",
            first_url=f"{_address(path, query)}#posts" if after else None,
            is_followed=not (after or search or reason),
            is_refreshed=not (after or search or reason) and is_moving(campaign),
        ),
    }


def _read_result(text: str) -> JobStatus | None:
    try:
        return JobStatus(text)
    except ValueError:
        return None


def _read_after(cursor: str) -> JobId:
    try:
        (after,) = decode_cursor(cursor, [int])
    except InvalidInputError:
        return BEFORE_ALL
    assert isinstance(after, int)
    return JobId(after)


def _address(path: str, query: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


async def read_history(session: AsyncSession, visitor: Visitor, campaign_id: CampaignId) -> dict[str, Any]:
    """The last of what was done with it."""
    wanted = AuditFilter(entity_type="campaign", entity_id=str(campaign_id))
    found = await list_entries(session, wanted, limit=HISTORY + 1, role=visitor.identity.role)
    return {"history": list(found), "has_more_history": len(found) > HISTORY, "history_limit": HISTORY}


async def show_detail(
    visitor: Visitor,
    campaign_id: CampaignId,
    form: Form | None = None,
    status: int = HTTPStatus.OK,
) -> Response:
    """The whole page; with a form, what was wrong with what was asked for on it. Raises NotFoundError."""

    async def read(session: AsyncSession) -> dict[str, Any]:
        context = await read_around(session, campaign_id)
        context |= await read_preflight(session, context["campaign"])
        context |= await read_failures(session, campaign_id) or {}
        context |= await read_rates(session, campaign_id)
        context |= await read_history(session, visitor, campaign_id)
        # The last: searching tells the planner things for the rest of the transaction.
        return context | await read_posts(session, campaign_id, visitor.request.query_params)

    context = await visitor.read(read)
    campaign = context["campaign"]
    if form is not None:
        context["form"] = form
    return visitor.render(
        "campaigns/detail.html",
        status=status,
        **context,
        standing=campaign,
        shown=await show_content(visitor, campaign),
        results=list(JobStatus),
        skipped=_read_number(visitor.request.query_params.get("skipped", "")),
    )


def _read_number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


async def read_frozen(session: AsyncSession, campaign_id: CampaignId) -> TemplateDraft | None:
    """What a campaign froze at its start, as the previews take it; None before.

    Raises InvalidInputError for what another version froze and this one cannot read.
    """
    try:
        frozen = await get_content(session, campaign_id)
    except ConflictError:
        return None
    return TemplateDraft(
        name="",
        content=frozen.content,
        parse_mode=frozen.parse_mode,
        link_preview=frozen.link_preview,
        link_preview_position=frozen.link_preview_position,
        link_preview_size=frozen.link_preview_size,
        silent=frozen.silent,
        protect_content=frozen.protect_content,
        buttons=frozen.buttons,
        media_type=frozen.media_type,
        media_url=frozen.media_url,
        media_id=frozen.media_id,
        media_ids=frozen.media_ids,
    )


async def show_content(visitor: Visitor, campaign: CampaignView) -> ShownPost:
    """What it posts: the frozen post, or before the start that of its template."""

    async def read(session: AsyncSession) -> TemplateDraft:
        frozen = await read_frozen(session, CampaignId(campaign.id))
        if frozen is not None:
            return frozen
        template = await get_template(session, TemplateId(campaign.template_id))
        return TemplateDraft(**{name: getattr(template, name) for name in TemplateDraft.__dataclass_fields__})

    try:
        return await show_post(visitor, await visitor.read(read))
    except InvalidInputError:
        said = UNREADABLE if "correct" in list_allowed(campaign) else UNREADABLE_FOR_GOOD
        return replace(await show_post(visitor, _NOTHING), problem=visitor.language.gettext(said))
