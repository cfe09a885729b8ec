"""Files of media, small and made by hand, with exactly the bytes that tell what they are."""

import os
import struct
import zlib


def make_jpeg(width: int = 640, height: int = 480, *, size: int = 0) -> bytes:
    """A JPEG up to its frame header; `size` fills it up with bytes that no compression makes smaller."""
    app0 = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
    table = b"\xff\xdb" + struct.pack(">H", 67) + bytes(65)
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    head = b"\xff\xd8" + app0 + table + frame + b"\xff\xda"
    return head + os.urandom(max(size - len(head) - 2, 16)) + b"\xff\xd9"


def make_png(width: int = 640, height: int = 480) -> bytes:
    """A PNG of one chunk."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def make_gif(width: int = 64, height: int = 48) -> bytes:
    """A GIF's screen descriptor and its end."""
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0;"


def make_webp(width: int = 640, height: int = 480, *, form: str = "VP8X", flags: int = 0) -> bytes:
    """A WebP of one of its three forms."""
    if form == "VP8X":
        body = (
            bytes([flags, 0, 0, 0]) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        )
    elif form == "VP8L":
        body = b"\x2f" + (width - 1 | (height - 1) << 14).to_bytes(4, "little")
    else:
        body = b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    chunk = form.ljust(4).encode() + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
