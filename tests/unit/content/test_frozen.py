"""What campaigns and direct sends keep of a text, and get back from the database."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given

from tests.unit.content.strategies import formatted_texts
from tests.unit.content.test_templates import AT
from vestnik.content import (
    CAPTION,
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
from vestnik.domain.ids import MediaId
from vestnik.domain.media import MediaFile, MediaType, check_media
from vestnik.domain.posting import PostOptions, PreviewSize
from vestnik.domain.transport import Content

SOURCE = "👋 <b>{channel_title}</b> {{x}}"
VALUES = Values(channel_title="Daily & Co", channel_username="daily", at=AT)


def through_json(data: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(json.dumps(data))
    return result


def test_what_is_kept_comes_back_with_its_source() -> None:
    frozen = read_content(SOURCE, ParseMode.HTML, options=PostOptions(link_preview=False))
    again = frozen_from_json(through_json(frozen_to_json(frozen)))
    assert again == frozen
    assert (again.source, again.parse_mode, again.options.link_preview) == (SOURCE, ParseMode.HTML, False)
    content = again.render(VALUES)
    assert (content.text, content.options.link_preview) == ("👋 Daily & Co {x}", False)
    assert [(entity.offset, entity.length) for entity in content.entities] == [(3, 10)]


def test_campaigns_of_before_there_was_formatting_post_their_text_as_it_is() -> None:
    frozen = frozen_from_json({"text": "<b>not bold</b> {date}", "link_preview": True})
    assert not frozen.is_personal
    assert frozen.render(None) == Content(text="<b>not bold</b> {date}")
    assert read_content(frozen.source, None).render(None) == frozen.render(None)


@pytest.mark.parametrize(
    "data", [{}, {"text": 5}, {"template": {}, "source": "x"}, {"template": None}, {"source": "x"}]
)
def test_what_nobody_wrote_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError):
        frozen_from_json(data)


@given(formatted_texts())
def test_a_rendered_post_comes_back(formatted: FormattedText) -> None:
    content = make_content(formatted)
    assert content_from_json(through_json(content_to_json(content))) == content


def test_posts_asked_for_before_there_was_formatting_can_be_read() -> None:
    assert content_from_json({"text": "x", "link_preview": False}) == Content(
        text="x", options=PostOptions(link_preview=False)
    )


PHOTO = MediaFile(
    media_id=MediaId(UUID(int=7)),
    kind=MediaType.PHOTO,
    sha256="ab" * 32,
    size=5,
    mime_type="image/jpeg",
    name="утро.jpg",
    width=800,
    height=600,
)


def test_files_come_back_with_a_campaign_and_with_a_direct_send() -> None:
    frozen = read_content("", ParseMode.HTML, files=(PHOTO,))
    assert frozen_from_json(through_json(frozen_to_json(frozen))) == frozen
    content = frozen.render(None)
    assert (content.text, content.files, content.uploaded) == ("", (PHOTO,), ())
    assert content_from_json(through_json(content_to_json(content))) == content


def test_an_address_of_a_file_comes_back_and_makes_the_text_a_caption() -> None:
    address = check_media("video", "https://x.example/1.mp4")
    frozen = read_content("", None, address=address)
    assert frozen_from_json(through_json(frozen_to_json(frozen))) == frozen
    assert frozen.limit == CAPTION
    with pytest.raises(InvalidInputError, match="caption is too long"):
        read_content("x" * 1025, None, address=address)


@pytest.mark.parametrize(
    "change", [{"id": "?"}, {"kind": "sticker"}, {"size": None, "name": None}, {"sha256": None}, None]
)
def test_a_stored_file_that_nobody_wrote_is_refused(change: dict[str, Any] | None) -> None:
    frozen = frozen_to_json(read_content("x", None, files=(PHOTO,)))
    (stored,) = frozen["files"]
    broken = None if change is None else {key: value for key, value in stored.items() if key not in change}
    broken = None if broken is None else broken | {k: v for k, v in (change or {}).items() if v is not None}
    with pytest.raises(InvalidInputError, match="a file that cannot be read"):
        frozen_from_json({**frozen, "files": [broken]})
    with pytest.raises(InvalidInputError, match="no address of its file"):
        frozen_from_json({**frozen, "files": [], "fetch": {"kind": "photo"}})


def test_a_caption_is_checked_with_its_values() -> None:
    frozen = read_content("x" * 1018 + "{channel_title}", None, files=(PHOTO,))
    assert len(frozen.render(replace(VALUES, channel_title="short!")).text) == 1024
    with pytest.raises(InvalidInputError, match=r"caption is too long.*1 too many"):
        frozen.render(replace(VALUES, channel_title="longer!"))


def test_a_text_is_checked_with_its_values() -> None:
    frozen = read_content("x" * 4090 + "{channel_title}", None)
    assert len(frozen.render(replace(VALUES, channel_title="short!")).text) == 4096
    with pytest.raises(InvalidInputError, match="1 too many"):
        frozen.render(replace(VALUES, channel_title="longer!"))


@pytest.mark.parametrize(
    ("source", "mode"),
    [('<a href="tg://user?id=7">x</a>', ParseMode.HTML), ("[x](tg://user?id=7)", ParseMode.MARKDOWN)],
)
def test_a_mention_by_number_is_refused_when_it_is_saved(source: str, mode: ParseMode) -> None:
    with pytest.raises(InvalidInputError, match="write @username instead"):
        read_content(source, mode)


def test_how_it_is_posted_comes_back_and_the_usual_is_stored_as_it_always_was() -> None:
    unusual = PostOptions(
        link_preview=False, link_preview_size=PreviewSize.LARGE, silent=True, protect_content=True
    )
    frozen = read_content(SOURCE, ParseMode.HTML, options=unusual)
    assert frozen_from_json(through_json(frozen_to_json(frozen))).options == unusual
    content = frozen.render(VALUES)
    assert content.options == unusual
    assert content_from_json(through_json(content_to_json(content))) == content
    usual = frozen_to_json(read_content(SOURCE, ParseMode.HTML))
    assert (usual["link_preview"], "options" in usual) == (True, False)


@pytest.mark.parametrize("stored", [[1], {"link_preview_size": "huge"}])
def test_options_that_nobody_wrote_are_refused(stored: object) -> None:
    frozen = frozen_to_json(read_content("x", None))
    with pytest.raises(InvalidInputError):
        frozen_from_json({**frozen, "options": stored})
