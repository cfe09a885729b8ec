"""Encodings in which people send texts."""

import codecs
import re
from typing import Final

from vestnik.domain.errors import InvalidInputError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,39}")
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_ACCEPTED: Final = frozenset({
    "ascii", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be",
    *(f"cp{number}" for number in range(1250, 1259)), "cp866", "koi8-r", "koi8-u", "mac-cyrillic", "mac-roman",
    *(f"iso8859-{number}" for number in range(1, 17) if number != 12),
    "gb2312", "gbk", "gb18030", "big5", "shift_jis", "cp932", "euc_jp", "euc_kr", "cp949",
})  # fmt: skip
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)


def find_encoding(charset: str) -> str | None:
    """Python's name of an encoding that a charset parameter names, or None if it is none for texts."""
    if _NAME.fullmatch(charset) is None:
        return None
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        return None
    return name if name in _ACCEPTED else None


def decode_text(data: bytes, encoding: str | None, *, field: str) -> str:
    """The text, in the encoding that its mark tells, else in the named one, else in UTF-8.

    Raises InvalidInputError that names the first bad line and the cure.
    """
    codec, name = next(
        ((codec, name) for mark, codec, name in _MARKS if data.startswith(mark)),
        ("utf-8", "UTF-8") if encoding is None else (encoding, encoding),
    )
    try:
        return data.decode(codec)
    except UnicodeDecodeError as exc:
        line = len(_LINE_END.split(data[: exc.start].decode(codec, "ignore")))
        cure = "save the list as plain text in UTF-8, one channel a line"
        if encoding is not None:
            cure += ", or name the encoding that it is in"
        raise InvalidInputError(f"line {line} is not {name} text; {cure}", field=field) from None
