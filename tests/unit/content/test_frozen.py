"""What campaigns and direct sends keep of a text, and get back from the database."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from tests.unit.content.strategies import formatted_texts
from tests.unit.content.test_templates import AT
from vestnik.content import (
    FormattedText,
    ParseMode,
    Values,
    content_from_json,
    content_to_json,
    frozen_from_json,
    frozen_to_json,
    make_content,
    read_content,
)
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.transport import Content

SOURCE = "👋 <b>{channel_title}</b> {{x}}"
VALUES = Values(channel_title="Daily & Co", channel_username="daily", at=AT)


def through_json(data: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(json.dumps(data))
    return result


def test_what_is_kept_comes_back_with_its_source() -> None:
    frozen = read_content(SOURCE, ParseMode.HTML, link_preview=False)
    again = frozen_from_json(through_json(frozen_to_json(frozen)))
    assert again == frozen
    assert (again.source, again.parse_mode, again.link_preview) == (SOURCE, ParseMode.HTML, False)
    content = again.render(VALUES)
    assert (content.text, content.link_preview) == ("👋 Daily & Co {x}", False)
    assert [(entity.offset, entity.length) for entity in content.entities] == [(3, 10)]


def test_campaigns_of_before_there_was_formatting_post_their_text_as_it_is() -> None:
    frozen = frozen_from_json({"text": "<b>not bold</b> {date}", "link_preview": True})
    assert not frozen.is_personal
    assert frozen.render(None) == Content(text="<b>not bold</b> {date}")
    assert read_content(frozen.source, None, link_preview=True).render(None) == frozen.render(None)


@pytest.mark.parametrize(
    "data", [{}, {"text": 5}, {"template": {}, "source": "x"}, {"template": None}, {"source": "x"}]
)
def test_what_nobody_wrote_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        frozen_from_json(data)


@given(formatted_texts())
def test_a_rendered_post_comes_back(formatted: FormattedText) -> None:
    content = make_content(formatted, link_preview=True)
    assert content_from_json(through_json(content_to_json(content))) == content


def test_posts_asked_for_before_there_was_formatting_can_be_read() -> None:
    assert content_from_json({"text": "x", "link_preview": False}) == Content(text="x", link_preview=False)


def test_a_text_is_checked_with_its_values() -> None:
    frozen = read_content("x" * 4090 + "{channel_title}", None, link_preview=True)
    assert len(frozen.render(replace(VALUES, channel_title="short!")).text) == 4096
    with pytest.raises(InvalidInputError, match="1 too many"):
        frozen.render(replace(VALUES, channel_title="longer!"))


@pytest.mark.parametrize(
    ("source", "mode"),
    [('<a href="tg://user?id=7">x</a>', ParseMode.HTML), ("[x](tg://user?id=7)", ParseMode.MARKDOWN)],
)
def test_a_mention_by_number_is_refused_when_it_is_saved(source: str, mode: ParseMode) -> None:
    with pytest.raises(InvalidInputError, match="write @username instead"):
        read_content(source, mode, link_preview=True)
