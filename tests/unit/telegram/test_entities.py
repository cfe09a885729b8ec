"""Formatting as it goes out: each of our kinds as Telegram's own type, with the same UTF-16 offsets."""

import pytest
from telethon.tl import types
from telethon.tl.functions.messages import SendMessageRequest

from vestnik.content import parse_html, render
from vestnik.domain.entities import EntityType, MessageEntity
from vestnik.telegram.entities import make_entities

SOURCE = (
    "👋 <b>b</b> <i>i</i> <u>u</u> <s>s</s> <tg-spoiler>h</tg-spoiler> <code>c</code> "
    '<pre><code class="language-python">p</code></pre> <pre>q</pre> <a href="https://x.example/">l</a> '
    '<tg-emoji emoji-id="5368324170671202286">👍</tg-emoji> <blockquote>z</blockquote>'
    "<blockquote expandable>e</blockquote>"
)


def test_every_kind_of_formatting_has_its_type_of_telegrams() -> None:
    formatted = render(parse_html(SOURCE))
    made = make_entities(formatted.entities)
    assert made is not None
    assert {type(entity) for entity in made} == {
        types.MessageEntityBold,
        types.MessageEntityItalic,
        types.MessageEntityUnderline,
        types.MessageEntityStrike,
        types.MessageEntitySpoiler,
        types.MessageEntityCode,
        types.MessageEntityPre,
        types.MessageEntityTextUrl,
        types.MessageEntityCustomEmoji,
        types.MessageEntityBlockquote,
    }
    units = formatted.text.encode("utf-16-le")
    shown = [units[2 * e.offset : 2 * (e.offset + e.length)].decode("utf-16-le") for e in made]
    assert [text.strip() for text in shown] == ["b", "i", "u", "s", "h", "c", "p", "q", "l", "👍", "z", "e"]
    assert [e.language for e in made if isinstance(e, types.MessageEntityPre)] == ["python", ""]
    assert [bool(e.collapsed) for e in made if isinstance(e, types.MessageEntityBlockquote)] == [False, True]
    assert next(e.url for e in made if isinstance(e, types.MessageEntityTextUrl)) == "https://x.example/"
    emoji = next(e for e in made if isinstance(e, types.MessageEntityCustomEmoji))
    assert emoji.document_id == 5368324170671202286


def test_what_is_made_can_be_written_on_the_wire() -> None:
    entities = make_entities(render(parse_html(SOURCE)).entities)
    request = SendMessageRequest(types.InputPeerSelf(), "text", entities=entities, random_id=1)
    assert bytes(request)


def test_a_text_without_formatting_has_no_list_of_it() -> None:
    assert make_entities(()) is None


def test_a_person_is_never_mentioned_by_number() -> None:
    with pytest.raises(ValueError, match="number"):
        make_entities([MessageEntity(type=EntityType.TEXT_MENTION, offset=0, length=1, user_id=7)])
