"""Where Telethon's dialects agree with Telegram's, both parsers find the same."""

import pytest
from hypothesis import given
from telethon.extensions import html as telethon_html
from telethon.extensions import markdown as telethon_markdown
from telethon.tl import types
from telethon.tl.types import TypeMessageEntity

from tests.unit.content.strategies import formatted_texts
from tests.unit.content.writers import write_html
from vestnik.content import (
    EntityType,
    FormattedText,
    MessageEntity,
    normalise,
    parse_html,
    parse_markdown,
    render,
)

KNOWN = {
    types.MessageEntityBold: EntityType.BOLD,
    types.MessageEntityItalic: EntityType.ITALIC,
    types.MessageEntityUnderline: EntityType.UNDERLINE,
    types.MessageEntityStrike: EntityType.STRIKETHROUGH,
    types.MessageEntityCode: EntityType.CODE,
    types.MessageEntityPre: EntityType.PRE,
    types.MessageEntityTextUrl: EntityType.TEXT_LINK,
    types.MessageEntityCustomEmoji: EntityType.CUSTOM_EMOJI,
}
AGREED = (
    EntityType.BOLD, EntityType.ITALIC, EntityType.STRIKETHROUGH, EntityType.CODE, EntityType.PRE,
    EntityType.CUSTOM_EMOJI, EntityType.BLOCKQUOTE, EntityType.EXPANDABLE_BLOCKQUOTE,
)  # fmt: skip


def translate(text: str, entities: list[TypeMessageEntity]) -> FormattedText:
    found = []
    for entity in entities:
        if isinstance(entity, types.MessageEntityBlockquote):
            kind = EntityType.EXPANDABLE_BLOCKQUOTE if entity.collapsed else EntityType.BLOCKQUOTE
        else:
            kind = KNOWN[type(entity)]
        found.append(
            MessageEntity(
                type=kind,
                offset=entity.offset,
                length=entity.length,
                url=getattr(entity, "url", None),
                language=getattr(entity, "language", None) or None,
                custom_emoji_id=getattr(entity, "document_id", None),
            )
        )
    return normalise(text, found)


@given(formatted_texts(kinds=AGREED, characters="ab я\u0301<>&\"' \n😀𝒳"))
def test_telethon_reads_the_same_html_the_same_way(formatted: FormattedText) -> None:
    source = write_html(formatted)
    assert translate(*telethon_html.parse(source)) == render(parse_html(source)) == formatted


@pytest.mark.parametrize(
    "source",
    [
        "😀 `code` and `more`",
        "a [link](https://example.org/x?y=1) 😀 [other](http://x.y/)",
        "```\nx = 1\n```",
        "x ```block``` y",
    ],
)
def test_telethon_reads_the_common_markdown_the_same_way(source: str) -> None:
    assert translate(*telethon_markdown.parse(source)) == render(parse_markdown(source))


@pytest.mark.parametrize("source", ["<ins>x</ins>", "<strike>x</strike>", "<tg-spoiler>x</tg-spoiler>"])
def test_what_telethon_drops_is_kept(source: str) -> None:
    _, entities = telethon_html.parse(source)
    assert entities == []
    assert len(render(parse_html(source)).entities) == 1
