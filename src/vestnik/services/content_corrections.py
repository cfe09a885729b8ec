"""What a campaign posts, and its correction while the campaign is paused."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Final
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
from vestnik.content.frozen import FILES
from vestnik.db import campaign_content as rows
from vestnik.db.audit import record_audit
from vestnik.db.media import describe_file, share_media
from vestnik.db.models import Campaign
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConflictError, InvalidInputError, NotFoundError, StaleRevisionError
from vestnik.domain.ids import CampaignId, MediaId
from vestnik.domain.media import MediaFile, MediaReference, MediaType
from vestnik.domain.posting import (
    USUAL,
    PostOptions,
    PreviewPosition,
    PreviewSize,
    read_options,
    write_options,
)
from vestnik.domain.states import CampaignStatus


class Kept(Enum):
    """In place of a file: the one that there is."""

    KEPT = auto()


KEPT: Final = Kept.KEPT


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignContentView:
    """What a started campaign posts where it has not posted yet. `id` and `revision` are the campaign's."""

    id: UUID
    content: str
    parse_mode: ParseMode | None
    link_preview: bool
    link_preview_position: PreviewPosition
    link_preview_size: PreviewSize | None
    silent: bool
    protect_content: bool
    media_type: MediaType | None
    media_id: UUID | None
    media_url: str | None
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
    options: Mapping[str, Any] = MappingProxyType({}),
    media_id: UUID | Kept | None = KEPT,
    expected_revision: int | None = None,
) -> CampaignContentView:
    """Replace what a paused campaign posts; channels that have the old post keep it. None takes its file away.

    `options` are those of PostOptions that change beside `link_preview`, by name; the others stay.

    Raises NotFoundError, StaleRevisionError, MarkupError, InvalidInputError; ConflictError unless the campaign has
    started and is PAUSED.
    """
    mode = read_parse_mode(parse_mode, field="parse_mode")
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
    files, address = await _choose_files(session, campaign.content, media_id)
    chosen = read_options({**options, "link_preview": link_preview}, _read_stored_options(campaign.content))
    corrected = read_content(content, mode, options=chosen, files=files, address=address)
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


async def _choose_files(
    session: AsyncSession, stored: dict[str, Any], media_id: UUID | Kept | None
) -> tuple[tuple[MediaFile, ...], MediaReference | None]:
    if isinstance(media_id, Kept):
        return _read_stored_files(stored)
    if media_id is None:
        return (), None
    media = await share_media(session, MediaId(media_id))
    if media is None:
        raise InvalidInputError(f"there is no stored file {media_id}", field="media_id")
    return (describe_file(media),), None


def _read_stored_files(
    stored: dict[str, Any],
) -> tuple[tuple[MediaFile, ...], MediaReference | None]:
    """Raises InvalidInputError if some cannot be read: a text without its picture is another post."""
    try:
        frozen = frozen_from_json(stored)
    except InvalidInputError:
        if stored.get(FILES):
            raise InvalidInputError(
                "the file that goes with the text cannot be read any more; name another one, or null for none",
                field="media_id",
            ) from None
        return (), None
    return frozen.files, frozen.address


def _read_stored_options(stored: dict[str, Any]) -> PostOptions:
    try:
        return frozen_from_json(stored).options
    except InvalidInputError:
        return USUAL


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
        **write_options(content.options),
        "media": [{"id": str(file.media_id), "name": file.name} for file in content.files],
        "media_url": None if content.address is None else content.address.url,
    }


def _view(campaign: Campaign, content: FrozenContent) -> CampaignContentView:
    file = content.files[0] if content.files else None
    return CampaignContentView(
        id=campaign.id,
        content=content.source,
        parse_mode=content.parse_mode,
        **asdict(content.options),
        media_type=getattr(file or content.address, "kind", None),
        media_id=None if file is None else file.media_id,
        media_url=None if content.address is None else content.address.url,
        length=measure_least(content.template),
        limit=content.limit.units,
        variables=tuple(sorted(content.template.variables)),
        revision=campaign.revision,
    )
