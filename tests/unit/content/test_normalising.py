"""Blanks, as Telegram treats them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.content.strategies import formatted_texts
from vestnik.content import EntityType, FormattedText, MessageEntity, normalise, parse_html, render
from vestnik.content.normalising import Units


def covered(source: str) -> tuple[str, list[str]]:
    formatted = render(parse_html(source))
    units = Units(formatted.text)
    return formatted.text, [units.cut(each.offset, each.end) for each in formatted.entities]


@pytest.mark.parametrize(
    ("source", "text", "pieces"),
    [
        ("  <b> a </b>\n", "a", ["a"]),
        ("x<b> a </b>y", "x a y", ["a"]),
        ("\n\n😀 <i>😀 </i> z", "😀 😀  z", ["😀"]),
        ("a<b> </b>b", "a b", []),
        ("a<u></u>b", "ab", []),
        ("x\n<pre>  a\n    b\n</pre>", "x\n  a\n    b", ["  a\n    b"]),
        ("x<pre>\n  a\n</pre>y", "x\n  a\ny", ["  a"]),
        ("x <code> a </code> y", "x  a  y", ["a"]),
        ("<b>a </b><b>b</b>", "a b", ["a b"]),
        (" \u00a0<b>\u3000a</b>", "a", ["a"]),
    ],
)
def test_formatting_neither_begins_nor_ends_with_blanks(source: str, text: str, pieces: list[str]) -> None:
    assert covered(source) == (text, pieces)


@given(formatted_texts(), st.text(" \n\u00a0", max_size=5), st.text(" \n\u00a0", max_size=5))
def test_blanks_around_a_text_change_nothing(formatted: FormattedText, before: str, after: str) -> None:
    moved = [
        MessageEntity(
            type=each.type,
            offset=each.offset + len(before),
            length=each.length,
            url=each.url,
            language=each.language,
            user_id=each.user_id,
            custom_emoji_id=each.custom_emoji_id,
        )
        for each in formatted.entities
    ]
    assert normalise(before + formatted.text + after, moved) == formatted


def test_formatting_beyond_the_text_is_cut() -> None:
    entity = MessageEntity(type=EntityType.BOLD, offset=1, length=9)
    assert normalise("ab", [entity]).entities == (MessageEntity(type=EntityType.BOLD, offset=1, length=1),)
    assert normalise("a", [entity]).entities == ()
