"""Pictures told by their bytes: what is a photo for Telegram, and what is said about what is not."""

import io
import struct

import pytest

from tests.support.pictures import make_gif, make_jpeg, make_png, make_webp
from vestnik.content.images import Image, read_image
from vestnik.content.media import check_file, check_size
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.media import LARGEST_PHOTO, MediaFacts, MediaType


def look(data: bytes) -> Image | None:
    return read_image(io.BytesIO(data))


def check_photo(data: bytes) -> MediaFacts:
    return check_file(io.BytesIO(data), len(data), MediaType.PHOTO, "a.jpg")


@pytest.mark.parametrize(
    ("data", "mime_type"),
    [
        (make_jpeg(800, 600), "image/jpeg"),
        (make_png(800, 600), "image/png"),
        (make_webp(800, 600, form="VP8X"), "image/webp"),
        (make_webp(800, 600, form="VP8L"), "image/webp"),
        (make_webp(800, 600, form="VP8"), "image/webp"),
    ],
    ids=["jpeg", "png", "webp", "webp-lossless", "webp-lossy"],
)
def test_photos_are_told_by_their_bytes_with_their_size(data: bytes, mime_type: str) -> None:
    assert check_photo(data) == MediaFacts(mime_type=mime_type, width=800, height=600)


def test_a_jpeg_with_a_long_preface_and_filling_bytes_is_measured() -> None:
    data = make_jpeg(1200, 900)
    exif = b"\xff\xe1" + struct.pack(">H", 60_002) + b"\xff\xc0" * 30_000  # looks like a frame, is none
    assert check_photo(data[:2] + exif + b"\xff\xff" + data[2:]).width == 1200


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0" + b"\0" * 10,
        make_jpeg()[:40],
        make_png()[:18],
        make_webp()[:20],
        make_png(0, 10),
        b"RIFF\0\0\0\0WAVEfmt " + bytes(20),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<html><script>alert(1)</script>",
        b"%PDF-1.7 " + bytes(40),
        make_gif(),
        make_webp(flags=0x02),
    ],
    ids=[
        "empty",
        "jpeg-head",
        "jpeg-zeros",
        "jpeg-cut",
        "png-cut",
        "webp-cut",
        "png-zero",
        "wav",
        "svg",
        "html",
        "pdf",
        "gif",
        "webp-animated",
    ],
)
def test_what_is_no_photo_is_refused_by_its_field(data: bytes) -> None:
    with pytest.raises(InvalidInputError, match=r"no JPEG, PNG or still WebP|empty") as caught:
        check_photo(data)
    assert caught.value.field == "file"


def test_every_prefix_of_a_picture_is_judged_without_a_crash() -> None:
    for data in (make_jpeg(), make_png(), make_gif(), *(make_webp(form=f) for f in ("VP8X", "VP8L", "VP8"))):
        for length in range(len(data)):
            look(data[:length])


@pytest.mark.parametrize(
    ("width", "height", "words"),
    [
        (5000, 5001, "width and height together may be 10,000"),
        (10_000, 1, "width and height together"),
        (2100, 100, "20 times the other"),
        (100, 2001, "20 times the other"),
    ],
)
def test_pictures_that_telegram_refuses_are_refused_with_their_size(
    width: int, height: int, words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        check_photo(make_jpeg(width, height))
    assert f"{width:,} × {height:,}" in caught.value.message


@pytest.mark.parametrize(("width", "height"), [(5000, 5000), (2000, 100), (1, 1)])
def test_the_limits_themselves_are_allowed(width: int, height: int) -> None:
    assert check_photo(make_jpeg(width, height)).width == width


def test_sizes_are_refused_with_the_most_that_is_allowed() -> None:
    check_size(LARGEST_PHOTO, MediaType.PHOTO)
    for size in (LARGEST_PHOTO + 1, None):
        with pytest.raises(InvalidInputError, match=r"too large for a photo: 10\.0 MiB is the most"):
            check_size(size, MediaType.PHOTO)
    with pytest.raises(InvalidInputError, match="the file is empty"):
        check_size(0, MediaType.PHOTO)
    check_size(LARGEST_PHOTO + 1, MediaType.DOCUMENT)
