"""Thumbnails as Telegram sends them beside a channel: a JPEG without the beginning that all of them share."""

import hashlib
from collections.abc import Iterator
from typing import Final

SIDE: Final = 40
_LUMA_STEP: Final = 40
_CHROMA_STEP: Final = 43
"""The first number of either quantization table in the shared beginning (Telethon 1.45.0, utils.py)."""
_LUMA_CODES: Final = ("00", "010", "011", "100", "101", "110", "1110", "11110", "111110")
_CHROMA_CODES: Final = ("00", "01", "10", "110", "1110", "11110", "111110", "1111110", "11111110")
"""Huffman codes of a difference by its number of bits (ITU T.81, tables K.3 and K.4)."""
_LUMA_END: Final = "1010"
_CHROMA_END: Final = "00"


def make_thumbnail(number: int) -> bytes:
    """A square of one colour, the same for the same number: the marker 1, height and width, then the scan."""
    digest = hashlib.sha256(number.to_bytes(8, "big")).digest()
    levels = [_quantize(digest[0], _LUMA_STEP), *(_quantize(value, _CHROMA_STEP) for value in digest[1:3])]
    bits = "".join(_encode(levels))
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
    return bytes((1, SIDE, SIDE)) + scan


def _quantize(value: int, step: int) -> int:
    """The constant part of a block of 8 by 8 pixels of this value."""
    return round((value - 128) * 8 / step)


def _encode(levels: list[int]) -> Iterator[str]:
    """Squares of 16 by 16 pixels: four blocks of brightness, one of each colour; only the first has a colour."""
    across = -(-SIDE // 16)
    for square in range(across * across):
        luma, blue, red = levels if square == 0 else (0, 0, 0)
        for difference in (luma, 0, 0, 0):
            yield _encode_difference(difference, _LUMA_CODES) + _LUMA_END
        for difference in (blue, red):
            yield _encode_difference(difference, _CHROMA_CODES) + _CHROMA_END


def _encode_difference(value: int, codes: tuple[str, ...]) -> str:
    size = abs(value).bit_length()
    if size == 0:
        return codes[0]
    return codes[size] + format(value if value > 0 else value + (1 << size) - 1, f"0{size}b")
