"""How a post is announced and shown."""

from typing import Any

import pytest

from vestnik.domain.errors import InvalidInputError
from vestnik.domain.posting import (
    USUAL,
    PostOptions,
    PreviewPosition,
    PreviewSize,
    read_options,
    write_options,
)


def test_what_is_written_is_read_again() -> None:
    options = PostOptions(
        link_preview=False,
        link_preview_position=PreviewPosition.ABOVE,
        link_preview_size=PreviewSize.SMALL,
        silent=True,
        protect_content=True,
    )
    assert read_options(write_options(options)) == options


def test_what_is_not_named_stays() -> None:
    base = read_options({"silent": True, "link_preview_size": "large"})
    assert read_options({"link_preview_position": " Above "}, base) == PostOptions(
        silent=True,
        link_preview_size=PreviewSize.LARGE,
        link_preview_position=PreviewPosition.ABOVE,
    )
    assert read_options({"link_preview_size": None}, base).link_preview_size is None
    assert read_options({}) == USUAL


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"link_preview_position": "left"}, "above or below"),
        ({"link_preview_position": 1}, "above or below"),
        ({"link_preview_size": "huge"}, "large or small"),
    ],
)
def test_other_choices_are_refused_with_those_there_are(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        read_options(given)
    assert caught.value.field == next(iter(given))
