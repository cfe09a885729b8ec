"""References to media: what is taken and what is refused."""

import pytest

from vestnik.domain.errors import InvalidInputError
from vestnik.domain.media import LONGEST_URL, MediaType, check_media

URL = "https://news.example/picture.jpg?size=1"


@pytest.mark.parametrize("kind", list(MediaType))
def test_every_kind_of_media_is_taken_with_its_address(kind: MediaType) -> None:
    assert check_media(kind.value, URL) == (kind, URL)


def test_no_media_is_fine() -> None:
    assert check_media(None, None) is None


@pytest.mark.parametrize(
    ("kind", "url", "field", "words"),
    [
        (None, URL, "media_type", "without its type"),
        ("photo", None, "media_url", "needs its address"),
        ("sticker", URL, "media_type", "one of photo, video"),
        ("photo", "ftp://news.example/x", "media_url", "must begin with https://"),
        ("photo", "javascript:alert(1)", "media_url", "must begin with https://"),
        ("photo", "https:///x", "media_url", "name a host"),
        ("photo", "https://me:secret@news.example/x", "media_url", "user name or password"),
        ("photo", "https://me@news.example/x", "media_url", "user name or password"),
        ("photo", "https://news.example/a b", "media_url", "blank"),
        ("photo", "https://news.example/\n", "media_url", "blank"),
        ("photo", "https://[news.example/", "media_url", "cannot be read"),
        ("photo", "https://news.example:99999/", "media_url", "cannot be read"),
        ("photo", "https://news.example/" + "x" * LONGEST_URL, "media_url", "is the most"),
        ("photo", "", "media_url", "must begin with"),
    ],
)
def test_other_references_are_refused_with_the_field(
    kind: str | None, url: str | None, field: str, words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        check_media(kind, url)
    assert caught.value.field == field
    assert "secret" not in caught.value.message
