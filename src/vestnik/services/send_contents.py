"""What a direct send posts: read from a text or a template, filled in for each channel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.content import FrozenContent, Values, frozen_from_json, read_content, read_parse_mode
from vestnik.db.campaign_content import freeze_content
from vestnik.db.media import describe_file
from vestnik.db.models import Channel, Template
from vestnik.db.templates import get_template
from vestnik.domain.channels import ChannelName
from vestnik.domain.errors import InvalidInputError, NotFoundError
from vestnik.domain.ids import TemplateId
from vestnik.domain.posting import USUAL, PostOptions, write_options
from vestnik.domain.transport import Content
from vestnik.services.template_files import check_files
from vestnik.services.templates import find_template


@dataclass(frozen=True, kw_only=True, slots=True)
class SendBody:
    """The content to post. `identity` tells requests apart: a template stays the same when it is edited."""

    content: FrozenContent = field(repr=False)
    identity: tuple[Any, ...] = field(repr=False)


async def read_body(
    session: AsyncSession,
    *,
    text: str | None,
    template: str | None,
    template_id: UUID | None,
    parse_mode: str | None,
    options: PostOptions,
    media_ids: Sequence[UUID] = (),
) -> SendBody:
    """A text, or the template of a name or id, or the one of an id; exactly one of them is given.

    Raises InvalidInputError (also for a template with a file at an address), NotFoundError.
    """
    given = [item for item in (text, template, template_id) if item is not None]
    if len(given) != 1:
        problem = "are both given; give one of them" if given else "are both missing; give one"
        raise InvalidInputError(f"text and template {problem}", field="text")
    if text is not None:
        mode = read_parse_mode(parse_mode, field="parse_mode")
        files = tuple(describe_file(media) for media in await check_files(session, media_ids))
        content = read_content(text, mode, options=options, files=files, field="text")
        named = [str(file.media_id) for file in files]
        identity = ("text", text, mode, *_tell_apart(options), *([named] if named else []))
        return SendBody(content=content, identity=identity)
    if media_ids:
        raise InvalidInputError("a template has its own files; leave these out", field="media_ids")
    if parse_mode is not None:
        raise InvalidInputError(
            "a template has a parse mode of its own; leave this one out", field="parse_mode"
        )
    if replace(options, link_preview=True) != USUAL:
        raise InvalidInputError(
            "a template says itself how it is posted; leave silent, protectContent and the link's preview out",
            field="silent",
        )
    found = await _find_template(session, template, template_id)
    content = frozen_from_json(await freeze_content(session, found))
    if content.address is not None:
        raise InvalidInputError(
            f"template '{found.name}' has a {found.media_type} at an address, which only campaigns fetch; upload the "
            "file and name it in the template instead",
            field="template",
        )
    return SendBody(content=content, identity=("template", str(found.id)))


def _tell_apart(options: PostOptions) -> Iterator[Any]:
    """What tells two requests apart; the usual options add nothing, as when there were none."""
    yield options.link_preview
    if replace(options, link_preview=True) != USUAL:
        yield write_options(options)


async def _find_template(session: AsyncSession, reference: str | None, template_id: UUID | None) -> Template:
    if reference is not None:
        return await find_template(session, reference)
    assert template_id is not None
    template = await get_template(session, TemplateId(template_id))
    if template is None:
        raise NotFoundError(f"there is no template {template_id}", field="template")
    return template


def render_for(content: FrozenContent, channels: Sequence[Channel], at: datetime) -> list[Content]:
    """The post of each channel, in their order. Raises InvalidInputError, which names the channel."""
    contents = []
    for channel in channels:
        try:
            contents.append(content.render(make_values(channel, at)))
        except InvalidInputError as exc:
            name = ChannelName(username=channel.username, tg_id=channel.tg_id)
            raise InvalidInputError(f"channel {name}: {exc.message}", field="channel") from exc
    return contents


def make_values(channel: Channel, at: datetime) -> Values:
    """What variables stand for in a channel; one whose title is not known yet goes by its username."""
    return Values(
        channel_title=channel.title or channel.username or str(channel.tg_id),
        channel_username=channel.username,
        at=at,
    )
