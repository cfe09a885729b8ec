"""What campaigns keep of their templates."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.content import FrozenContent, frozen_to_json, read_content, read_parse_mode
from vestnik.db.models import Campaign, Template
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.ids import CampaignId


def freeze_content(template: Template) -> dict[str, Any]:
    """The copy of a template that a campaign keeps.

    Raises InvalidInputError for media, which are not delivered yet: a text without its picture is another post.
    """
    if template.media_url is not None:
        raise InvalidInputError(
            f"template '{template.name}' has a {template.media_type}, and this version delivers text only; take the "
            "media out of the template or choose another one",
            field="template",
        )
    return frozen_to_json(read_template(template, field="template"))


def read_template(template: Template, *, field: str) -> FrozenContent:
    """The template as it would be frozen now, its media aside. Raises InvalidInputError, which names `field`."""
    mode = read_parse_mode(template.parse_mode)
    return read_content(template.content, mode, link_preview=template.link_preview, field=field)


async def lock_campaign(session: AsyncSession, campaign_id: CampaignId) -> Campaign | None:
    """The campaign as it is now, its row locked; None if there is none."""
    return await session.scalar(
        select(Campaign)
        .where(Campaign.id == campaign_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


async def store_content(session: AsyncSession, campaign: Campaign, content: FrozenContent) -> None:
    """Replace what a locked campaign posts; its lane reads it with the new revision."""
    campaign.content = frozen_to_json(content)
    campaign.revision += 1
    campaign.updated_at = func.clock_timestamp()
    await session.flush()
