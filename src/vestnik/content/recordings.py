"""What films and recordings say of themselves: kind by the first bytes, length and size from their tables.

Formats: ISO/IEC 14496-12 (MP4), RFC 3533 and RFC 7845 (Ogg, Opus), ISO/IEC 11172-3 and ID3v2 (MP3).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

_MOST_BOXES: Final = 1000
_LONGEST: Final = 1_000_000.0
"""Seconds; tables that say more than eleven days are wrong."""
_OPUS_RATE: Final = 48_000
"""Granule positions of Opus count samples of 48 kHz, whatever it was recorded with (RFC 7845, section 4)."""
_TAIL: Final = 128 * 1024
"""An Ogg page has at most 65,307 bytes, so this much of the end holds the head of the last one."""
_MP3_RATES: Final = (44_100, 48_000, 32_000)
_MP3_KBITS: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
"""MPEG-1, layer III."""
_MP3_KBITS_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""MPEG-2 and 2.5, layer III."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """A film or a sound. `duration` is in seconds, None where it cannot be told."""

    mime_type: str
    duration: float | None = None
    width: int | None = None
    height: int | None = None
    has_picture: bool = False
    has_sound: bool = False
    is_opus: bool = False


def read_recording(file: BinaryIO, size: int) -> Recording | None:
    """What the file is; None if it is no MP4, Ogg, MP3 or FLAC file, or one that is cut off."""
    file.seek(0)
    head = file.read(64)
    try:
        found = _read_any(file, size, head)
    except (struct.error, IndexError, ZeroDivisionError):
        return None
    if found is None or found.duration is None or 0 < found.duration < _LONGEST:
        return found
    return replace(found, duration=None)


def _read_any(file: BinaryIO, size: int, head: bytes) -> Recording | None:
    if head[4:8] == b"ftyp":
        return _read_mp4(file, size, head[8:12])
    if head.startswith(b"OggS"):
        return _read_ogg(file, size, head)
    if head.startswith(b"fLaC"):
        return _read_flac(head)
    return _read_mp3(file, size, head)


# ---- MP4 ----------------------------------------------------------------------------------------------------


def _walk_boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each box in a stretch of the file."""
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        file.seek(start)
        header = file.read(16)
        length, kind = struct.unpack(">I4s", header[:8])
        content = start + 8
        if length == 1:
            (length,) = struct.unpack(">Q", header[8:16])
            content += 8
        elif length == 0:
            length = end - start
        if length < content - start:
            return
        yield kind, content, min(start + length, end)
        start += length


def _find_box(file: BinaryIO, start: int, end: int, kind: bytes) -> tuple[int, int] | None:
    return next(
        ((first, last) for found, first, last in _walk_boxes(file, start, end) if found == kind), None
    )


def _read_mp4(file: BinaryIO, size: int, brand: bytes) -> Recording | None:
    movie = _find_box(file, 0, size, b"moov")
    if movie is None:
        return None
    width = height = None
    handlers = set()
    for kind, start, end in _walk_boxes(file, *movie):
        if kind != b"trak":
            continue
        handler = _read_handler(file, start, end)
        handlers.add(handler)
        if handler == b"vide" and width is None:
            width, height = _read_track_size(file, start, end)
    is_sound = b"vide" not in handlers
    return Recording(
        mime_type="audio/mp4" if is_sound else "video/quicktime" if brand == b"qt  " else "video/mp4",
        duration=_read_movie_length(file, movie),
        width=width,
        height=height,
        has_picture=not is_sound,
        has_sound=b"soun" in handlers,
    )


def _read_movie_length(file: BinaryIO, movie: tuple[int, int]) -> float | None:
    found = _find_box(file, *movie, b"mvhd")
    if found is None:
        return None
    file.seek(found[0])
    data = file.read(32)
    scale, length = struct.unpack(">IQ", data[20:32]) if data[0] == 1 else struct.unpack(">II", data[12:20])
    return float(length) / float(scale) if scale else None


def _read_handler(file: BinaryIO, start: int, end: int) -> bytes:
    media = _find_box(file, start, end, b"mdia")
    found = media and _find_box(file, *media, b"hdlr")
    if not found:
        return b""
    file.seek(found[0] + 8)
    return file.read(4)


def _read_track_size(file: BinaryIO, start: int, end: int) -> tuple[int | None, int | None]:
    """Width and height, as they are shown: swapped where the track is turned by a quarter."""
    found = _find_box(file, start, end, b"tkhd")
    if found is None:
        return None, None
    file.seek(found[0])
    data = file.read(96)
    matrix_at = 52 if data[0] == 1 else 40
    matrix = struct.unpack(">9i", data[matrix_at : matrix_at + 36])
    width, height = struct.unpack(">II", data[matrix_at + 36 : matrix_at + 44])
    sides = (width >> 16) or None, (height >> 16) or None
    return sides[::-1] if matrix[0] == 0 and matrix[1] != 0 else sides


# ---- sounds -------------------------------------------------------------------------------------------------


def _read_ogg(file: BinaryIO, size: int, head: bytes) -> Recording | None:
    payload = head[27 + head[26] :]
    if not payload.startswith(b"OpusHead"):
        return Recording(mime_type="audio/ogg", has_sound=True)
    (skipped,) = struct.unpack("<H", payload[10:12])
    file.seek(max(size - _TAIL, 0))
    tail = file.read(_TAIL)
    last = tail.rfind(b"OggS")
    (position,) = struct.unpack("<q", tail[last + 6 : last + 14])
    return Recording(
        mime_type="audio/ogg",
        duration=max(position - skipped, 0) / _OPUS_RATE,
        has_sound=True,
        is_opus=True,
    )


def _read_flac(head: bytes) -> Recording:
    bits = int.from_bytes(head[18:26], "big")
    rate, samples = bits >> 44, bits & (1 << 36) - 1
    return Recording(mime_type="audio/flac", duration=samples / rate or None, has_sound=True)


def _read_mp3(file: BinaryIO, size: int, head: bytes) -> Recording | None:
    start = 0
    if head.startswith(b"ID3"):
        length = 0
        for byte in head[6:10]:
            length = length << 7 | byte & 0x7F
        start = 10 + length
        file.seek(start)
        head = file.read(64)
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    kbits_at, rate_at = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer != 1 or kbits_at in {0, 15} or rate_at == 3:  # of layer III alone
        return None
    kbits = (_MP3_KBITS if version == 3 else _MP3_KBITS_2)[kbits_at]
    rate = _MP3_RATES[rate_at] >> {3: 0, 2: 1, 0: 2}[version]
    samples = 1152 if version == 3 else 576
    frames = _count_frames(head, version)
    duration = frames * samples / rate if frames else (size - start) * 8 / (kbits * 1000)
    return Recording(mime_type="audio/mpeg", duration=duration, has_sound=True)


def _count_frames(head: bytes, version: int) -> int | None:
    """Of a Xing or Info header, which files of a variable bit rate have."""
    is_mono = head[3] >> 6 == 3
    at = 4 + ((17 if is_mono else 32) if version == 3 else (9 if is_mono else 17))
    if head[at : at + 4] not in {b"Xing", b"Info"} or not head[at + 7] & 1:
        return None
    return int.from_bytes(head[at + 8 : at + 12], "big")
