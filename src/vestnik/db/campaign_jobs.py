"""Jobs of one campaign, a page at a time, however many there are and whatever is asked for.

Every read is bounded: it follows an index that holds what is asked for and little else, or it looks at a limited
number of the campaign's jobs and says where to go on.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.job_parts import IS_FAILED, IS_FRESH, IS_RETURNED, OPEN_ID, has_status, select_sending
from vestnik.db.models import Channel, ChannelPeer, Job
from vestnik.domain.ids import AccountId, CampaignId, JobId
from vestnik.domain.states import JobStatus

WINDOW: Final = 20_000
"""Ids looked through in one statement where no index knows the answer: some 10 ms."""
SEARCH_WINDOW: Final = 4_000
"""The same where the channel of each has to be looked at."""
LOOK_FOR_SECONDS: Final = 0.04
"""After that a page is handed out as it is, and the next one goes on from there."""
FEW_RETURNED: Final = 5_000
"""Jobs waiting for a retry that may be sorted for one page."""
BEFORE_ALL: Final = JobId(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class JobFilter:
    """Which jobs of a campaign; an error code means failed ones. `search` is a part of a channel's name."""

    status: JobStatus | None = None
    error_code: str | None = None
    search: str | None = None
    tg_id: int | None = None
    """What is searched for, if it is the number of a channel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRow:
    """A job with its channel, as the account of the campaign sees it."""

    job: Job
    username: str | None
    title: str | None
    tg_id: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class JobPart:
    """Some jobs in the order of their ids; there may be more beyond `next_after`, or none if it is None."""

    rows: Sequence[JobRow]
    next_after: JobId | None


async def list_jobs(
    session: AsyncSession,
    campaign_id: CampaignId,
    account_id: AccountId,
    wanted: JobFilter,
    *,
    after: JobId = BEFORE_ALL,
    limit: int,
) -> JobPart:
    """The next jobs; a part may be short or empty and still have a `next_after`."""
    ids: Sequence[int] | None = None
    if wanted.error_code is None and wanted.search is None:
        ids = await _find_by_index(session, campaign_id, status=wanted.status, after=after, limit=limit + 1)
    if ids is None:
        ids, next_after = await _look_through(session, campaign_id, wanted, after, limit + 1)
    else:
        next_after = None
    if len(ids) > limit:
        ids, next_after = ids[:limit], JobId(ids[limit - 1])
    return JobPart(rows=await _read_rows(session, account_id, ids), next_after=next_after)


async def _read_rows(session: AsyncSession, account_id: AccountId, ids: Sequence[int]) -> list[JobRow]:
    if not ids:
        return []
    rows = await session.execute(
        select(Job, Channel.username, Channel.title, func.coalesce(Channel.tg_id, ChannelPeer.tg_id))
        .join(Channel, Channel.id == Job.channel_id)
        .outerjoin(
            ChannelPeer, and_(ChannelPeer.account_id == account_id, ChannelPeer.channel_id == Job.channel_id)
        )
        .where(Job.id.in_(ids))
        .order_by(Job.id)
        .execution_options(populate_existing=True)
    )
    return [
        JobRow(job=job, username=username, title=title, tg_id=tg_id) for job, username, title, tg_id in rows
    ]


async def _find_by_index(
    session: AsyncSession,
    campaign_id: CampaignId,
    *,
    status: JobStatus | None,
    after: JobId,
    limit: int,
) -> Sequence[int] | None:
    """Ids from an index that holds these jobs and few others; None where there is no such index."""
    match status:
        case None:
            query = select_all(campaign_id, after, limit)
        case JobStatus.FAILED:
            query = select_failed(campaign_id, after, limit)
        case JobStatus.SENDING:
            query = select_being_sent(campaign_id, after, limit)
        case JobStatus.QUEUED:
            return await _find_queued(session, campaign_id, after, limit)
        case JobStatus.SENT | JobStatus.CANCELLED:
            return None
    return (await session.scalars(query)).all()


async def _find_queued(
    session: AsyncSession, campaign_id: CampaignId, after: JobId, limit: int
) -> Sequence[int] | None:
    if await session.scalar(_count_returned(campaign_id)) == FEW_RETURNED:
        return None  # so many that looking through all jobs finds them soon
    fresh = (await session.scalars(select_fresh(campaign_id, after, limit))).all()
    returned = (await session.scalars(select_returned(campaign_id, after, limit))).all()
    return sorted([*fresh, *returned])[:limit]


def select_all(campaign_id: CampaignId, after: JobId, limit: int) -> Select[int]:
    """Ids of all jobs beyond one."""
    query = select(Job.id).where(_follows(campaign_id, after))
    return query.order_by(Job.campaign_id, Job.id).limit(limit)


def _follows(campaign_id: CampaignId, after: int) -> ColumnElement[bool]:
    """A campaign's jobs beyond one, as a range of (campaign_id, id).

    Were it `campaign_id = …`, that part of the order would be known, and the planner would rather walk the primary
    key past the jobs of all other campaigns.
    """
    return and_(tuple_(Job.campaign_id, Job.id) > tuple_(campaign_id, after), Job.campaign_id <= campaign_id)


def select_failed(campaign_id: CampaignId, after: JobId, limit: int) -> Select[int]:
    """Ids of failed jobs beyond one."""
    return select_all(campaign_id, after, limit).where(IS_FAILED)


def select_being_sent(campaign_id: CampaignId, after: JobId, limit: int) -> Select[int]:
    """Ids of the jobs that are being sent; there are few of them at any time."""
    sending = select_sending()
    query = select(sending.c.id).where(sending.c.campaign_id == campaign_id, sending.c.id > after)
    return query.order_by(sending.c.id).limit(limit)


def select_fresh(campaign_id: CampaignId, after: JobId, limit: int) -> Select[int]:
    """Ids of queued jobs that were never claimed."""
    query = select(Job.id).where(
        Job.campaign_id == campaign_id,
        IS_FRESH,
        after < OPEN_ID,
    )
    return query.order_by(OPEN_ID).limit(limit)


def select_returned(campaign_id: CampaignId, after: JobId, limit: int) -> Select[int]:
    """Ids of queued jobs that wait for another attempt."""
    returned = (
        select(Job.id)
        .where(Job.campaign_id == campaign_id, IS_RETURNED)
        .cte("returned")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    return select(returned.c.id).where(returned.c.id > after).order_by(returned.c.id).limit(limit)


def _count_returned(campaign_id: CampaignId) -> Select[int]:
    few = select(Job.id).where(Job.campaign_id == campaign_id, IS_RETURNED).limit(FEW_RETURNED).subquery()
    return select(func.count()).select_from(few)


async def _look_through(
    session: AsyncSession, campaign_id: CampaignId, wanted: JobFilter, after: JobId, limit: int
) -> tuple[list[int], JobId | None]:
    """Ids found by looking at jobs in their order, and where to go on; None at the end."""
    if wanted.search is not None:
        await _prefer_lookups(session)
    size = WINDOW if wanted.search is None else SEARCH_WINDOW
    started_at = time.monotonic()
    found: list[int] = []
    first = await session.scalar(select_next(campaign_id, wanted, after))
    while first is not None:
        last = first + size - 1
        found += await session.scalars(select_window(campaign_id, wanted, first, last, limit - len(found)))
        if len(found) >= limit:
            break
        first = await session.scalar(select_next(campaign_id, wanted, last))
        if first is not None and time.monotonic() - started_at > LOOK_FOR_SECONDS:
            return found, JobId(first - 1)
    return found, None


async def _prefer_lookups(session: AsyncSession) -> None:
    """For the rest of the transaction: the channels of some thousand jobs, not all that there are."""
    settings = ("enable_hashjoin", "enable_mergejoin", "enable_seqscan")
    await session.execute(select(*(func.set_config(name, "off", True) for name in settings)))


def select_next(campaign_id: CampaignId, wanted: JobFilter, after: int) -> Select[int]:
    """The first job beyond one that is worth looking at, so that gaps between ids cost nothing."""
    query = select(Job.id).where(_follows(campaign_id, after))
    if _is_about_failures(wanted):
        query = query.where(IS_FAILED)
    return query.order_by(Job.campaign_id, Job.id).limit(1)


def select_window(
    campaign_id: CampaignId, wanted: JobFilter, first: int, last: int, limit: int
) -> Select[int]:
    """Those that match, from one id to another."""
    query = select(Job.id).where(Job.campaign_id == campaign_id, Job.id.between(first, last))
    if _is_about_failures(wanted):
        query = query.where(IS_FAILED)
    elif wanted.status is not None:
        query = query.where(has_status(wanted.status))
    if wanted.error_code is not None:
        query = query.where(Job.error_code == wanted.error_code)
    if wanted.search is not None:
        query = query.join(Channel, Channel.id == Job.channel_id).where(_matches(wanted))
    return query.order_by(Job.campaign_id, Job.id).limit(limit)


def _is_about_failures(wanted: JobFilter) -> bool:
    return wanted.status is JobStatus.FAILED or (wanted.status is None and wanted.error_code is not None)


def _matches(wanted: JobFilter) -> ColumnElement[bool]:
    assert wanted.search is not None
    found = or_(
        Channel.username.icontains(wanted.search, autoescape=True),
        Channel.title.icontains(wanted.search, autoescape=True),
    )
    return found if wanted.tg_id is None else or_(found, Channel.tg_id == wanted.tg_id)
