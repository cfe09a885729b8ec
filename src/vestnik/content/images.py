"""What pictures say of themselves: their kind by the first bytes, and their size in pixels.

Formats: ITU T.81 (JPEG), RFC 2083 (PNG), RFC 9649 (WebP), GIF89a.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_FRAME_MARKERS: Final = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""JPEG segments that begin a frame; the three in between hold tables."""
_BARE_MARKERS: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_LONGEST_SEARCH: Final = 1000
"""Segments before the frame; real files have a few dozen."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """A picture; `is_animated` is known for WebP alone."""

    mime_type: str
    width: int
    height: int
    is_animated: bool = False


def read_image(file: BinaryIO) -> Image | None:
    """What the file is; None if it is no picture of these kinds, or one that is cut off."""
    file.seek(0)
    head = file.read(32)
    for begins, read in _FORMATS:
        if head.startswith(begins):
            try:
                found = read(file, head)
            except (struct.error, IndexError):
                return None
            return found if found is not None and found.width and found.height else None
    return None


def _read_png(_file: BinaryIO, head: bytes) -> Image | None:
    if head[12:16] != b"IHDR":
        return None
    width, height = struct.unpack(">II", head[16:24])
    return Image(mime_type="image/png", width=width, height=height)


def _read_gif(_file: BinaryIO, head: bytes) -> Image | None:
    width, height = struct.unpack("<HH", head[6:10])
    return Image(mime_type="image/gif", width=width, height=height)


def _read_webp(_file: BinaryIO, head: bytes) -> Image | None:
    if head[8:12] != b"WEBP":
        return None
    match head[12:16]:
        case b"VP8X":
            width = 1 + int.from_bytes(head[24:27], "little")
            height = 1 + int.from_bytes(head[27:30], "little")
            return Image(mime_type="image/webp", width=width, height=height, is_animated=bool(head[20] & 2))
        case b"VP8L" if head[20] == 0x2F:
            bits = int.from_bytes(head[21:25], "little")
            return Image(mime_type="image/webp", width=1 + (bits & 0x3FFF), height=1 + (bits >> 14 & 0x3FFF))
        case b"VP8 " if head[23:26] == b"\x9d\x01\x2a":
            width, height = struct.unpack("<HH", head[26:30])
            return Image(mime_type="image/webp", width=width & 0x3FFF, height=height & 0x3FFF)
        case _:
            return None


def _read_jpeg(file: BinaryIO, _head: bytes) -> Image | None:
    position = 2
    for _ in range(_LONGEST_SEARCH):
        file.seek(position)
        segment = file.read(9)
        if segment[0] != 0xFF:
            return None
        marker = segment[1]
        if marker == 0xFF:  # a filling byte
            position += 1
        elif marker in _BARE_MARKERS:
            position += 2
        elif marker in _FRAME_MARKERS:
            height, width = struct.unpack(">HH", segment[5:9])
            return Image(mime_type="image/jpeg", width=width, height=height)
        else:
            position += 2 + int(struct.unpack(">H", segment[2:4])[0])
    return None


_FORMATS: Final[tuple[tuple[bytes, Callable[[BinaryIO, bytes], Image | None]], ...]] = (
    (b"\xff\xd8\xff", _read_jpeg),
    (_PNG, _read_png),
    (b"RIFF", _read_webp),
    (b"GIF87a", _read_gif),
    (b"GIF89a", _read_gif),
)
