"""What a campaign posts, and its correction while the campaign is paused."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.content import (
    Buttons,
    FrozenContent,
    ParseMode,
    Variable,
    frozen_from_json,
    measure_least,
    read_buttons,
    read_content,
    read_parse_mode,
    write_buttons,
)
from vestnik.content.frozen import FILES
from vestnik.db import campaign_content as rows
from vestnik.db.audit import record_audit
from vestnik.db.media import describe_file
from vestnik.db.models import Account, Campaign
from vestnik.domain.actors import Actor
from vestnik.domain.albums import choose_media_ids
from vestnik.domain.errors import ConflictError, InvalidInputError, NotFoundError, StaleRevisionError
from vestnik.domain.ids import CampaignId
from vestnik.domain.media import MediaFile, MediaReference, MediaType
from vestnik.domain.posting import (
    USUAL,
    LinkButton,
    PostOptions,
    PreviewPosition,
    PreviewSize,
    read_options,
    require_means,
    write_options,
)
from vestnik.domain.states import AccountKind, CampaignStatus
from vestnik.services.template_files import check_files


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
    buttons: Buttons
    media_type: MediaType | None
    media_id: UUID | None
    media_ids: tuple[UUID, ...]
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
    buttons: Sequence[Sequence[LinkButton | Mapping[str, Any]]] | Kept = KEPT,
    media_id: UUID | Kept | None = KEPT,
    media_ids: Sequence[UUID] | Kept = KEPT,
    expected_revision: int | None = None,
) -> CampaignContentView:
    """Replace what a paused campaign posts; channels that have the old post keep it.

    Without files given its own stay; None and an empty list take them away. `options` are those of PostOptions
    that change beside `link_preview`, by name; the others stay. Raises NotFoundError, StaleRevisionError,
    MarkupError, InvalidInputError; ConflictError unless the campaign has started and is PAUSED, and for an album
    that may not grow any more.
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
    files, address = await _choose_files(session, campaign, _name_files(media_id, media_ids))
    chosen = read_options({**options, "link_preview": link_preview}, _read_stored_options(campaign.content))
    rows_of_buttons = _choose_buttons(campaign, buttons)
    account = await session.get_one(Account, campaign.account_id)
    has_buttons = bool(rows_of_buttons) and not isinstance(buttons, Kept)
    require_means(
        AccountKind(account.kind),
        account.name,
        has_buttons=has_buttons,
        is_protected=chosen.protect_content,
    )
    corrected = read_content(
        content, mode, options=chosen, buttons=rows_of_buttons, files=files, address=address
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


def _name_files(media_id: UUID | Kept | None, media_ids: Sequence[UUID] | Kept) -> tuple[UUID, ...] | Kept:
    if isinstance(media_ids, Kept):
        if isinstance(media_id, Kept):
            return KEPT
        media_ids = ()
    return choose_media_ids(None if isinstance(media_id, Kept) else media_id, media_ids)


async def _choose_files(
    session: AsyncSession, campaign: Campaign, media_ids: tuple[UUID, ...] | Kept
) -> tuple[tuple[MediaFile, ...], MediaReference | None]:
    stored = campaign.content or {}
    if isinstance(media_ids, Kept):
        return _read_stored_files(stored)
    files = tuple(describe_file(media) for media in await check_files(session, media_ids))
    await _require_no_more(session, campaign, len(files), len(stored.get(FILES) or ()))
    return files, None


async def _require_no_more(session: AsyncSession, campaign: Campaign, files: int, before: int) -> None:
    """Raises ConflictError where an album would grow of which some posts may be out already.

    Those are settled by their random_ids: Telegram would know the messages that it has, and post the further ones.
    """
    if files <= max(before, 1) or not await rows.may_be_out(session, CampaignId(campaign.id)):
        return
    raise ConflictError(
        f"some posts of campaign '{campaign.name}' may be in their channels without Telegram's answer; until that is "
        f"known the post can have {max(before, 1)} files at most",
        field="media_ids",
    )


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


def _choose_buttons(
    campaign: Campaign,
    given: Sequence[Sequence[LinkButton | Mapping[str, Any]]] | Kept,
) -> Buttons:
    if isinstance(given, Kept):
        try:
            return frozen_from_json(campaign.content or {}).buttons
        except InvalidInputError:
            return ()
    return read_buttons(given)


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
        **({"buttons": write_buttons(content.buttons)} if content.buttons else {}),
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
        buttons=content.buttons,
        media_type=getattr(file or content.address, "kind", None),
        media_id=None if file is None else file.media_id,
        media_ids=tuple(file.media_id for file in content.files),
        media_url=None if content.address is None else content.address.url,
        length=measure_least(content.template),
        limit=content.limit.units,
        variables=tuple(sorted(content.template.variables)),
        revision=campaign.revision,
    )
