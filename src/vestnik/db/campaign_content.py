"""What campaigns keep of their templates."""

from dataclasses import replace
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.content import (
    FrozenContent,
    frozen_from_json,
    frozen_to_json,
    read_buttons,
    read_content,
    read_parse_mode,
)
from vestnik.db.media import describe_file, share_media
from vestnik.db.media_intake import ReceivedMedia, keep_media
from vestnik.db.models import Campaign, Job, Template
from vestnik.domain.actors import Actor
from vestnik.domain.albums import choose_media_ids
from vestnik.domain.ids import CampaignId, MediaId
from vestnik.domain.media import MediaFile, check_media
from vestnik.domain.posting import pick_options
from vestnik.domain.states import JobStatus


async def freeze_content(session: AsyncSession, template: Template) -> dict[str, Any]:
    """The copy of a template that a campaign keeps; its file is not deleted before the transaction ends.

    Raises InvalidInputError.
    """
    return frozen_to_json(await read_template(session, template, field="template"))


async def read_template(session: AsyncSession, template: Template, *, field: str) -> FrozenContent:
    """The template as it would be frozen now. Raises InvalidInputError, which names `field`."""
    return read_content(
        template.content,
        read_parse_mode(template.parse_mode),
        options=pick_options(template),
        buttons=read_buttons(template.buttons),
        files=await _list_files(session, template),
        address=None if template.media_url is None else check_media(template.media_type, template.media_url),
        field=field,
    )


async def _list_files(session: AsyncSession, template: Template) -> tuple[MediaFile, ...]:
    files = []
    for media_id in choose_media_ids(template.media_id, template.media_ids):
        media = await share_media(session, MediaId(media_id))
        assert media is not None, "list_users keeps it"
        files.append(describe_file(media))
    return tuple(files)


async def lock_campaign(session: AsyncSession, campaign_id: CampaignId) -> Campaign | None:
    """The campaign as it is now, its row locked; None if there is none."""
    return await session.scalar(
        select(Campaign)
        .where(Campaign.id == campaign_id, Campaign.deleted_at.is_(None))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


async def may_be_out(session: AsyncSession, campaign_id: CampaignId) -> bool:
    """Whether some post of a campaign was handed to Telegram and not settled."""
    query = select(Job.id).where(
        Job.campaign_id == campaign_id,
        Job.maybe_sent,
        Job.status.in_([JobStatus.QUEUED, JobStatus.SENDING, JobStatus.FAILED]),
    )
    return await session.scalar(query.limit(1)) is not None


async def store_content(session: AsyncSession, campaign: Campaign, content: FrozenContent) -> None:
    """Replace what a locked campaign posts; its lane reads it with the new revision."""
    campaign.content = frozen_to_json(content)
    campaign.revision += 1
    campaign.updated_at = func.clock_timestamp()
    await session.flush()


async def store_fetched(
    session: AsyncSession, campaign_id: CampaignId, wanted: FrozenContent, received: ReceivedMedia
) -> FrozenContent | None:
    """Put a fetched file into what a campaign posts, without a new revision: nobody changed anything.

    None if that is not `wanted` any more: it was corrected meanwhile, or the campaign is gone.
    """
    campaign = await lock_campaign(session, campaign_id)
    if campaign is None or campaign.content is None or frozen_from_json(campaign.content) != wanted:
        return None
    media, _ = await keep_media(session, Actor.system("engine"), received)
    found = replace(wanted, files=(describe_file(media),), address=None)
    campaign.content = frozen_to_json(found)
    await session.flush()
    return found
