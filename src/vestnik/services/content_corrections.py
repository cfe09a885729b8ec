"""What a campaign posts, and its correction while the campaign is paused."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.content import (
    FrozenContent,
    ParseMode,
    Variable,
    frozen_from_json,
    measure_least,
    read_content,
    read_parse_mode,
)
from vestnik.db import campaign_content as rows
from vestnik.db.audit import record_audit
from vestnik.db.models import Campaign
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConflictError, InvalidInputError, NotFoundError, StaleRevisionError
from vestnik.domain.ids import CampaignId
from vestnik.domain.limits import MAX_TEXT_UTF16
from vestnik.domain.states import CampaignStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignContentView:
    """What a started campaign posts where it has not posted yet. `id` and `revision` are the campaign's."""

    id: UUID
    content: str
    parse_mode: ParseMode | None
    link_preview: bool
    length: int
    limit: int
    variables: tuple[Variable, ...]
    revision: int


async def get_content(session: AsyncSession, campaign_id: CampaignId) -> CampaignContentView:
    """Raises NotFoundError; ConflictError for a campaign that has not started and so has only its template."""
    campaign = await session.get(Campaign, campaign_id)
    if campaign is None:
        raise _unknown(campaign_id)
    if campaign.content is None:
        raise ConflictError(
            f"campaign '{campaign.name}' has not started; what it will post is its template", field="status"
        )
    return _view(campaign, frozen_from_json(campaign.content))


async def correct_content(
    session: AsyncSession,
    actor: Actor,
    campaign_id: CampaignId,
    content: str,
    *,
    parse_mode: str | None = None,
    link_preview: bool = True,
    expected_revision: int | None = None,
) -> CampaignContentView:
    """Replace what a paused campaign posts; channels that have the old post keep it.

    Raises NotFoundError, StaleRevisionError, MarkupError, InvalidInputError; ConflictError unless the campaign has
    started and is PAUSED.
    """
    mode = read_parse_mode(parse_mode, field="parse_mode")
    corrected = read_content(content, mode, link_preview=link_preview)
    campaign = await rows.lock_campaign(session, campaign_id)
    if campaign is None:
        raise _unknown(campaign_id)
    if expected_revision is not None and campaign.revision != expected_revision:
        raise StaleRevisionError(
            f"campaign '{campaign.name}' was changed meanwhile; read it again and repeat the correction"
        )
    if campaign.status != CampaignStatus.PAUSED:
        raise ConflictError(
            f"campaign '{campaign.name}' is {campaign.status}; its content can be corrected only while it is PAUSED",
            field="status",
        )
    if campaign.started_at is None or campaign.content is None:
        raise ConflictError(
            f"campaign '{campaign.name}' has not started; change its template instead", field="status"
        )
    before = _describe_stored(campaign.content)
    await rows.store_content(session, campaign, corrected)
    await record_audit(
        session,
        actor,
        "campaign.content_corrected",
        "campaign",
        campaign_id,
        before=before,
        after=_describe(corrected),
    )
    return _view(campaign, corrected)


def _unknown(campaign_id: CampaignId) -> NotFoundError:
    return NotFoundError(f"there is no campaign {campaign_id}", field="campaign")


def _describe_stored(data: dict[str, Any]) -> dict[str, Any]:
    """For the audit log; what cannot be read any more is exactly what is corrected."""
    try:
        return _describe(frozen_from_json(data))
    except InvalidInputError:
        return {"stored": data}


def _describe(content: FrozenContent) -> dict[str, Any]:
    return {
        "content": content.source,
        "parse_mode": content.parse_mode,
        "link_preview": content.link_preview,
    }


def _view(campaign: Campaign, content: FrozenContent) -> CampaignContentView:
    return CampaignContentView(
        id=campaign.id,
        content=content.source,
        parse_mode=content.parse_mode,
        link_preview=content.link_preview,
        length=measure_least(content.template),
        limit=MAX_TEXT_UTF16,
        variables=tuple(sorted(content.template.variables)),
        revision=campaign.revision,
    )
