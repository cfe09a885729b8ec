"""How posting in channels went, and what a channel is used for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import channel_health as rows
from vestnik.db.channel_health import FailedChannel, LastError, NamedBatch
from vestnik.domain.channels import unmark_id
from vestnik.domain.ids import ChannelId
from vestnik.domain.links import link_post
from vestnik.domain.states import JobStatus, Mode
from vestnik.services.channel_views import ChannelView

__all__ = ["ChannelHealth", "FailedChannel", "LastError", "NamedBatch", "PostView"]

SHOWN_POSTS: Final = 20
SHOWN_BATCHES: Final = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class PostView:
    """What became of a channel's post in one campaign. `link` leads to it; a rehearsal's posts have none."""

    campaign_id: UUID
    campaign_name: str
    mode: Mode
    account_name: str
    status: JobStatus
    error_code: str | None
    error_message: str | None
    at: datetime | None
    """When it was posted, failed or begun; None while it waits."""
    link: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelHealth:
    """How it went in one channel lately, what accounts heard last, and which batches hold it."""

    posts: Sequence[PostView]
    last_errors: Mapping[UUID, LastError]
    """By account."""
    batches: Sequence[NamedBatch]


async def get_health(session: AsyncSession, channel: ChannelView) -> ChannelHealth:
    """The latest posts first; messages of campaigns that ended long ago are purged."""
    channel_id = ChannelId(channel.id)
    return ChannelHealth(
        posts=[_view(post, channel) for post in await rows.list_posts(session, channel_id, SHOWN_POSTS)],
        last_errors=await rows.find_last_errors(session, channel_id),
        batches=await rows.list_batches_of(session, channel_id, SHOWN_BATCHES),
    )


def _view(post: rows.ChannelPost, channel: ChannelView) -> PostView:
    job, mode = post.job, Mode(post.mode)
    link = None
    if job.message_ids and mode is Mode.LIVE:
        tg_id = None if channel.tg_id is None else unmark_id(channel.tg_id)
        link = link_post(channel.username, tg_id, job.message_ids[0])
    return PostView(
        campaign_id=job.campaign_id,
        campaign_name=post.campaign_name,
        mode=mode,
        account_name=post.account_name,
        status=JobStatus(job.status),
        error_code=job.error_code,
        error_message=job.error_message,
        at=job.sent_at or job.failed_at or job.started_at,
        link=link,
    )


async def find_failed(session: AsyncSession, channels: Sequence[ChannelView]) -> dict[UUID, FailedChannel]:
    """Those of a page's channels that the last posts of a real account failed in, by id."""
    return await rows.find_failed(session, [channel.id for channel in channels])


async def list_reasons(session: AsyncSession) -> list[str]:
    """Why channels are stopped, each reason once: OPERATOR, or an error of Telegram."""
    return await rows.list_reasons(session)
