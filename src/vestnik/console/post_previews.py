"""A post as Telegram would show it, beside the field where it is written."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from fastapi.responses import Response
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.marking import mark
from vestnik.console.visitors import Visitor
from vestnik.content import Variable
from vestnik.domain.albums import LARGEST_ALBUM
from vestnik.domain.channels import parse_channel_name
from vestnik.domain.errors import InvalidInputError, NotFoundError
from vestnik.domain.ids import MediaId
from vestnik.domain.posting import USUAL, PostOptions, pick_options
from vestnik.services.channel_views import ChannelQuery, ChannelView, list_channels
from vestnik.services.media import MediaView, get_media
from vestnik.services.previews import SAMPLE_USERNAME, Preview, preview_draft
from vestnik.services.templates import TemplateDraft, find_limit
from vestnik.web.state import read_state

LONGEST_CHANNEL: Final = 200
MOST_SUGGESTIONS: Final = 10
_SAMPLE_TITLE: Final = mark("Channel title")

VARIABLE_TEXTS: Final = {
    Variable.CHANNEL_TITLE: mark("the channel's title"),
    Variable.CHANNEL_USERNAME: mark("its username without the @, or the title if it has none"),
    Variable.CHANNEL_MENTION: mark("@username, which readers can tap, or the title"),
    Variable.DATE: mark("the day of the post, such as 09.05.2026"),
    Variable.TIME: mark("the time of the post, such as 14:05"),
}
"""What can be put into a text; a test asks for each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownPost:
    """What a page shows of a text. Without `preview` there is nothing to show yet, or the text cannot be read."""

    preview: Preview | None
    limit: int
    problem: str
    warnings: Sequence[str]
    channel: str
    """Whose title stands above the post."""
    is_channel_missing: bool
    """Another channel was asked for than is shown."""
    files: Sequence[MediaView]
    """The stored files, in their order."""
    link: str | None
    """The address of which Telegram would show a preview."""
    how: PostOptions
    at: datetime

    @property
    def html(self) -> str:
        """The preview's. What is a block there ends the line that the text ends after it."""
        if self.preview is None:
            return ""
        return self.preview.html.replace("</pre>\n", "</pre>").replace("</blockquote>\n", "</blockquote>")


async def show_post(visitor: Visitor, draft: TemplateDraft, *, channel: str = "") -> ShownPost:
    """The draft in a channel of this name, or in a made-up one."""
    at = datetime.now(read_state(visitor.request.app).zone)
    wanted = channel.strip()[:LONGEST_CHANNEL]
    found: list[ChannelView] = []

    async def preview(session: AsyncSession) -> Preview:
        found.extend(await _find_channel(session, wanted) if wanted else ())
        if found:
            return await preview_draft(session, draft, at=at, channel_id=found[0].id)
        title = visitor.language.gettext(_SAMPLE_TITLE)
        return await preview_draft(session, draft, at=at, title=title, username=SAMPLE_USERNAME)

    ids = draft.media_ids or ([] if draft.media_id is None else [draft.media_id])
    has_media = bool(ids) or draft.media_url is not None
    shown, problem = None, ""
    try:
        shown = await visitor.read(preview)
    except InvalidInputError as error:
        problem = visitor.say(error.message)
    if shown is not None and not draft.content.strip() and not has_media:
        shown = None
    return ShownPost(
        preview=shown,
        limit=find_limit(True if has_media else None).units,
        problem=problem,
        warnings=[visitor.say(warning) for warning in shown.warnings] if shown is not None else [],
        channel=name_channel(found[0]) if found else visitor.language.gettext(_SAMPLE_TITLE),
        is_channel_missing=bool(wanted) and not found,
        files=await find_media(visitor, ids),
        link=shown.link if shown is not None else None,
        how=_pick_how(draft),
        at=at,
    )


def render_post(visitor: Visitor, shown: ShownPost) -> Response:
    """The part of a page. A post that cannot be read leaves the last one on the screen."""
    if shown.problem:
        return visitor.render("parts/post_problem.html", shown=shown, headers={"HX-Reswap": "none"})
    return visitor.render("parts/post_part.html", shown=shown)


async def suggest_channels(visitor: Visitor, search: str) -> Response:
    """Options for a field that names a channel."""
    search = search.strip()[:LONGEST_CHANNEL]
    found = await visitor.read(
        lambda session: list_channels(session, ChannelQuery(search=search), limit=MOST_SUGGESTIONS)
    )
    options = [(write_channel(channel), name_channel(channel)) for channel in found.items]
    return visitor.render("parts/options.html", options=options)


def write_channel(channel: ChannelView) -> str:
    """As a form names it: @username, or the id of one that has none."""
    return f"@{channel.username}" if channel.username else str(channel.tg_id or channel.id)


def name_channel(channel: ChannelView) -> str:
    """As people call it."""
    return channel.title or channel.username or write_channel(channel)


async def _find_channel(session: AsyncSession, wanted: str) -> Sequence[ChannelView]:
    """The channel of that name, or the first that the words fit."""
    found = (await list_channels(session, ChannelQuery(search=wanted), limit=MOST_SUGGESTIONS)).items
    words = {wanted.casefold()}
    with suppress(InvalidInputError):  # a title, or a part of something
        words.add(parse_channel_name(wanted).key)
    exact = [
        channel
        for channel in found
        if words & {(channel.username or "").lower(), (channel.title or "").casefold()}
    ]
    return (exact or found)[:1]


async def find_media(visitor: Visitor, media_ids: Sequence[UUID]) -> list[MediaView]:
    """Those of the stored files that are there, in the order of the ids."""

    async def read(session: AsyncSession) -> list[MediaView]:
        found = []
        for media_id in media_ids[:LARGEST_ALBUM]:
            with suppress(NotFoundError):
                found.append(await get_media(session, MediaId(media_id)))
        return found

    return await visitor.read(read)


def _pick_how(draft: TemplateDraft) -> PostOptions:
    """The usual where what was sent cannot be read, which is said beside its field."""
    try:
        return pick_options(draft)
    except InvalidInputError:
        return USUAL
