"""Buttons with links: what Telegram takes, and which one is wrong."""

from typing import Any

import pytest

from vestnik.content import read_buttons, read_content, write_buttons
from vestnik.content.frozen import content_from_json, content_to_json, frozen_from_json, frozen_to_json
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.posting import LinkButton, require_means
from vestnik.domain.states import AccountKind

URL = "https://news.example/1"
ROW = [{"text": "Read", "url": URL}, {"text": " Subscribe \n now ", "url": "tg://resolve?domain=news"}]
READ = ((LinkButton(text="Read", url=URL), LinkButton(text="Subscribe now", url="tg://resolve?domain=news")),)


def test_what_is_written_is_read_again_and_empty_rows_are_left_out() -> None:
    assert read_buttons([[], ROW, []]) == READ
    assert read_buttons(write_buttons(READ)) == read_buttons(READ) == READ


def test_buttons_are_frozen_with_the_content() -> None:
    frozen = read_content("x", None, buttons=READ)
    assert frozen_from_json(frozen_to_json(frozen)).buttons == READ
    content = frozen.render(None)
    assert (content.buttons, content_from_json(content_to_json(content))) == (READ, content)
    assert "buttons" not in frozen_to_json(read_content("x", None))


@pytest.mark.parametrize(
    ("button", "words"),
    [
        ({"text": "", "url": URL}, "button 2 of row 1 has no text"),
        ({"text": "\u200b", "url": URL}, "no text that can be seen"),
        ({"text": "x" * 65, "url": URL}, "65 UTF-16 units; 64 is the most"),
        ({"text": "x", "url": ""}, "button 2 of row 1: the link has no address"),
        ({"text": "x", "url": "news.example"}, "must begin with"),
        ({"text": "x", "url": "javascript:alert(1)"}, "not allowed"),
        ({"text": "x", "url": "mailto:a@b.example"}, "https://, http:// and tg:// only"),
        ({"text": "x", "url": "https://"}, "needs a host"),
        ({"text": "x", "url": "https://x.example/" + "a" * 2048}, "2,048 is the most"),
        ({"text": "x"}, "needs a text and an address"),
    ],
)
def test_a_button_that_telegram_would_refuse_is_named(button: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_buttons([[{"text": "Read", "url": URL}, button]])
    assert (words in caught.value.message, caught.value.field) == (True, "buttons")


@pytest.mark.parametrize(
    ("rows", "words"), [([ROW * 5], "10 buttons and Telegram takes 8"), ([ROW * 4] * 13, "104 buttons")]
)
def test_more_than_telegram_takes_is_refused(rows: list[Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        read_buttons(rows)


@pytest.mark.parametrize("stored", [5, [5], [[5]], [["x"]]])
def test_stored_buttons_that_nobody_wrote_are_refused(stored: object) -> None:
    with pytest.raises(InvalidInputError):
        frozen_from_json(frozen_to_json(read_content("x", None)) | {"buttons": stored})


@pytest.mark.parametrize(("has_buttons", "is_protected"), [(True, False), (False, True)])
def test_only_bots_and_rehearsals_have_buttons_and_protection(has_buttons: bool, is_protected: bool) -> None:
    def require(kind: AccountKind, account: str) -> None:
        require_means(kind, account, has_buttons=has_buttons, is_protected=is_protected)

    require(AccountKind.BOT, "news bot")
    require(AccountKind.SIMULATED, "rehearsal")
    with pytest.raises(InvalidInputError, match="'editor' is a person's"):
        require(AccountKind.USER, "editor")


def test_a_person_posts_everything_else() -> None:
    require_means(AccountKind.USER, "editor", has_buttons=False, is_protected=False)
