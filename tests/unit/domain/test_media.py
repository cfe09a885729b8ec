"""References to media: what is taken and what is refused."""

from uuid import uuid4

import pytest

from vestnik.domain.errors import InvalidInputError
from vestnik.domain.ids import MediaId
from vestnik.domain.media import (
    LONGEST_URL,
    MediaReference,
    MediaType,
    check_file_name,
    check_media,
    describe_size,
)

URL = "https://news.example/picture.jpg?size=1"


@pytest.mark.parametrize("kind", list(MediaType))
def test_every_kind_of_media_is_taken_with_its_address(kind: MediaType) -> None:
    assert check_media(kind.value, URL) == MediaReference(kind=kind, url=URL)


def test_a_stored_file_needs_no_type() -> None:
    media_id = MediaId(uuid4())
    assert check_media(None, None, media_id) == MediaReference(kind=None, media_id=media_id)
    assert check_media("photo", None, media_id) == MediaReference(kind=MediaType.PHOTO, media_id=media_id)


def test_a_stored_file_and_an_address_are_one_too_many() -> None:
    with pytest.raises(InvalidInputError, match="both given") as caught:
        check_media("photo", URL, uuid4())
    assert caught.value.field == "media_id"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a.jpg", "a.jpg"),
        ("C:\\Users\\me\\утро 1.jpg", "утро 1.jpg"),
        ("../../etc/passwd", "passwd"),
        (" b ", "b"),
    ],
)
def test_of_a_name_only_the_last_part_is_kept(name: str, kept: str) -> None:
    assert check_file_name(name) == kept


@pytest.mark.parametrize("name", ["", "/", "..", "a/..", "a\nb", "\x00", "\ud800", "x" * 256])
def test_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_file_name(name)
    assert caught.value.field == "name"


def test_sizes_are_told_in_words() -> None:
    assert [describe_size(size) for size in (0, 1, 99_999, 10 * 2**20)] == [
        "0 bytes", "1 bytes", "99,999 bytes", "10.0 MiB",
    ]  # fmt: skip


def test_no_media_is_fine() -> None:
    assert check_media(None, None) is None


@pytest.mark.parametrize(
    ("kind", "url", "field", "words"),
    [
        (None, URL, "media_type", "without its type"),
        ("photo", None, "media_id", "needs a stored file or an address"),
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
