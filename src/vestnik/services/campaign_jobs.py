"""What became of a campaign's messages, channel by channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import campaign_jobs as rows
from vestnik.db import campaigns
from vestnik.db.campaign_jobs import BEFORE_ALL, JobFilter, JobRow
from vestnik.domain.channels import ChannelName, parse_channel_name
from vestnik.domain.errors import InvalidInputError, NotFoundError
from vestnik.domain.ids import AccountId, CampaignId, JobId
from vestnik.domain.links import link_post
from vestnik.domain.states import JobStatus, Mode

__all__ = ["BEFORE_ALL", "JobFilter", "JobPage", "JobView", "list_jobs", "make_job_filter"]


@dataclass(frozen=True, kw_only=True, slots=True)
class JobView:
    """One channel of a campaign. `link` leads to the post; a rehearsal's posts have none."""

    id: int
    channel_id: UUID
    channel: str
    title: str | None
    status: JobStatus
    attempts: int
    error_code: str | None
    error_message: str | None
    message_ids: Sequence[int]
    link: str | None
    maybe_sent: bool
    not_before: datetime
    started_at: datetime | None
    sent_at: datetime | None
    failed_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class JobPage:
    """Some of a campaign's messages; there may be more beyond `next_after`. Purged ones are gone for good."""

    items: Sequence[JobView]
    next_after: JobId | None
    purged_at: datetime | None


def make_job_filter(
    status: JobStatus | None = None, error_code: str | None = None, search: str | None = None
) -> JobFilter:
    """What is searched for may be a channel's name, a part of it or of the title, its number or a link."""
    word = (search or "").strip()
    if not word:
        return JobFilter(status=status, error_code=error_code)
    try:
        name = parse_channel_name(word)
    except InvalidInputError:
        name = None
    return JobFilter(
        status=status,
        error_code=error_code,
        search=word.removeprefix("@") if name is None or name.username is None else name.username,
        tg_id=None if name is None else name.tg_id,
    )


async def list_jobs(
    session: AsyncSession,
    campaign_id: CampaignId,
    wanted: JobFilter,
    *,
    after: JobId = BEFORE_ALL,
    limit: int,
) -> JobPage:
    """Messages in the order in which they were made, those beyond `after`. Raises NotFoundError."""
    campaign = await campaigns.get_outline(session, campaign_id)
    if campaign is None:
        raise NotFoundError(f"there is no campaign {campaign_id}", field="campaign")
    part = await rows.list_jobs(
        session, campaign_id, AccountId(campaign.account_id), wanted, after=after, limit=limit
    )
    mode = Mode(campaign.mode)
    return JobPage(
        items=[_view(row, mode) for row in part.rows],
        next_after=part.next_after,
        purged_at=campaign.purged_at,
    )


def _view(row: JobRow, mode: Mode) -> JobView:
    job = row.job
    message_ids = job.message_ids or []
    link = None
    if message_ids and mode is Mode.LIVE:
        link = link_post(row.username, row.tg_id, message_ids[0])
    return JobView(
        id=job.id,
        channel_id=job.channel_id,
        channel=str(ChannelName(username=row.username, tg_id=None if row.username else row.tg_id)),
        title=row.title,
        status=JobStatus(job.status),
        attempts=job.attempts,
        error_code=job.error_code,
        error_message=job.error_message,
        message_ids=message_ids,
        link=link,
        maybe_sent=job.maybe_sent,
        not_before=job.not_before,
        started_at=job.started_at,
        sent_at=job.sent_at,
        failed_at=job.failed_at,
    )
