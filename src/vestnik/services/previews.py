"""What a text would look like in a channel, before anything is saved or posted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.content import (
    MAX_ENTITIES,
    Buttons,
    EntityType,
    FormattedText,
    Limit,
    MessageEntity,
    Template,
    Values,
    Variable,
    check_length,
    check_template,
    compile_template,
    count_units,
    find_first_link,
    read_buttons,
    read_parse_mode,
    render,
    render_preview_html,
)
from vestnik.db.models import Channel
from vestnik.db.templates import get_template
from vestnik.domain.albums import choose_media_ids
from vestnik.domain.errors import InvalidInputError, NotFoundError
from vestnik.domain.ids import TemplateId
from vestnik.domain.media import MediaReference, check_media
from vestnik.domain.posting import PostOptions, pick_options
from vestnik.services.send_contents import make_values
from vestnik.services.template_files import check_files, find_kind
from vestnik.services.templates import TemplateDraft, find_limit

SAMPLE_TITLE: Final = "Channel title"
SAMPLE_USERNAME: Final = "channel_name"


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """A text as Telegram would get it; `html` shows it and is safe in a page. Lengths are UTF-16 units."""

    text: str
    entities: tuple[MessageEntity, ...]
    html: str
    length: int
    limit: int
    overflow: int
    variables: tuple[Variable, ...]
    buttons: Buttons
    link: str | None
    """The address of which Telegram would show a preview, if it finds the page."""
    warnings: tuple[str, ...]
    """What would keep the text from being saved or posted, or from looking like this."""


async def preview_draft(
    session: AsyncSession,
    draft: TemplateDraft,
    *,
    at: datetime,
    channel_id: UUID | None = None,
    title: str | None = None,
    username: str | None = None,
) -> Preview:
    """In a channel of ours, or in one of such a title and username.

    Raises MarkupError, InvalidInputError, NotFoundError. What is only too long or not allowed is a warning.
    """
    values = await _choose_values(session, at, channel_id, title, username)
    mode = read_parse_mode(draft.parse_mode, field="parse_mode")
    ids = choose_media_ids(draft.media_id, draft.media_ids)
    media = check_media(draft.media_type, draft.media_url, ids[0] if ids else None)
    options = pick_options(draft)
    buttons = read_buttons(draft.buttons)
    template = compile_template(draft.content, mode)
    limit = find_limit(media)
    formatted = render(template, values)
    warnings = _list_warnings(template, formatted, limit)
    if media is None:
        warnings += _list_option_warnings(options, formatted)
    else:
        warnings += await _list_media_warnings(session, media, ids)
    if buttons and len(ids) > 1:
        warnings.append("an album has no buttons in Telegram; take them out, or post one file")
    length = count_units(formatted.text)
    return Preview(
        text=formatted.text,
        entities=formatted.entities,
        html=render_preview_html(formatted),
        length=length,
        limit=limit.units,
        overflow=max(length - limit.units, 0),
        variables=tuple(sorted(template.variables)),
        buttons=buttons,
        link=find_first_link(formatted.text, formatted.entities)
        if options.link_preview and media is None
        else None,
        warnings=tuple(warnings),
    )


async def preview_template(
    session: AsyncSession,
    template_id: TemplateId,
    *,
    at: datetime,
    channel_id: UUID | None = None,
    title: str | None = None,
    username: str | None = None,
) -> Preview:
    """As `preview_draft`, of a template that is saved."""
    template = await get_template(session, template_id)
    if template is None:
        raise NotFoundError(f"there is no template {template_id}", field="template")
    draft = TemplateDraft(**{field: getattr(template, field) for field in TemplateDraft.__dataclass_fields__})
    return await preview_draft(session, draft, at=at, channel_id=channel_id, title=title, username=username)


async def _choose_values(
    session: AsyncSession, at: datetime, channel_id: UUID | None, title: str | None, username: str | None
) -> Values:
    if channel_id is not None and (title is not None or username is not None):
        raise InvalidInputError("give either a channel or values, not both", field="channel_id")
    if channel_id is None:
        if title is None and username is None:
            username = SAMPLE_USERNAME
        return Values(channel_title=title or SAMPLE_TITLE, channel_username=username or None, at=at)
    channel = await session.get(Channel, channel_id)
    if channel is None or channel.deleted_at is not None:
        raise NotFoundError(f"there is no channel {channel_id}", field="channel_id")
    return make_values(channel, at)


async def _list_media_warnings(
    session: AsyncSession, media: MediaReference, media_ids: Sequence[UUID]
) -> list[str]:
    try:
        await find_kind(session, media)
        await check_files(session, media_ids)
    except InvalidInputError as exc:
        return [exc.message]
    if media.url is not None:
        return ["the file is fetched when a campaign begins to post; what is wrong with it shows then"]
    return []


def _list_option_warnings(options: PostOptions, formatted: FormattedText) -> list[str]:
    if not options.link_preview or options.link_preview_size is None:
        return []
    if find_first_link(formatted.text, formatted.entities) is not None:
        return []
    return ["the size of the link's preview needs an address that begins with https:// in the text"]


def _list_warnings(template: Template, formatted: FormattedText, limit: Limit) -> list[str]:
    warnings = []
    try:
        check_template(template, limit)
        check_length(formatted, limit)
    except InvalidInputError as exc:
        warnings.append(exc.message)
    if len(formatted.entities) <= MAX_ENTITIES and any(
        entity.type is EntityType.CUSTOM_EMOJI for entity in formatted.entities
    ):
        warnings.append("custom emoji need an account with Telegram Premium; others post the plain emoji")
    return warnings
