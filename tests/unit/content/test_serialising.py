"""What is stored with a campaign can be read for as long as the campaign is kept."""

import pytest

from vestnik.content import (
    EntityType,
    FormattedText,
    MessageEntity,
    formatted_from_json,
    formatted_to_json,
    parse_html,
    render,
)
from vestnik.domain.errors import InvalidInputError


def test_the_stored_form_is_the_one_that_version_1_has() -> None:
    source = (
        '<b>😀</b> <a href="https://x.y">a</a> <pre><code class="language-c">b</code></pre>'
        '<tg-emoji emoji-id="5368324170671202286">👍</tg-emoji><a href="tg://user?id=7">c</a>'
    )
    assert formatted_to_json(render(parse_html(source))) == {
        "version": 1,
        "text": "😀 a b👍c",
        "entities": [
            {"type": "bold", "offset": 0, "length": 2},
            {"type": "text_link", "offset": 3, "length": 1, "url": "https://x.y"},
            {"type": "pre", "offset": 5, "length": 1, "language": "c"},
            {"type": "custom_emoji", "offset": 6, "length": 2, "custom_emoji_id": "5368324170671202286"},
            {"type": "text_mention", "offset": 8, "length": 1, "user_id": 7},
        ],
    }


@pytest.mark.parametrize(("offset", "length"), [(1, 1), (0, 1), (0, 4), (3, 1)])
def test_formatting_that_parts_a_character_or_leaves_the_text_is_refused(offset: int, length: int) -> None:
    stored = {"version": 1, "text": "😀a", "entities": [{"type": "bold", "offset": offset, "length": length}]}
    with pytest.raises(InvalidInputError, match="stored content"):
        formatted_from_json(stored)


def test_formatting_that_ends_between_characters_is_read() -> None:
    stored = {"version": 1, "text": "😀a", "entities": [{"type": "bold", "offset": 0, "length": 2}]}
    bold = MessageEntity(type=EntityType.BOLD, offset=0, length=2)
    assert formatted_from_json(stored) == FormattedText(text="😀a", entities=(bold,))
