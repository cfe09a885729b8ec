"""What may be posted as plain text."""

import unicodedata

from vestnik.domain.errors import InvalidInputError
from vestnik.domain.limits import MAX_TEXT_UTF16, count_utf16

# Controls, formats (zero width), surrogates, unassigned, separators: nothing of these can be seen.
_INVISIBLE = {"Cc", "Cf", "Cs", "Cn", "Zs", "Zl", "Zp"}


def check_text(value: str, *, field: str = "text") -> str:
    """The text with line ends as Telegram keeps them (LF), otherwise unchanged.

    Raises InvalidInputError for a text that Telegram would refuse.
    """
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    if is_blank(text):
        raise InvalidInputError(f"the {field} is empty or only blanks: there is nothing to post", field=field)
    if "\0" in text:
        raise InvalidInputError(
            f"the {field} holds a NUL character at position {text.index(chr(0)) + 1}; remove it", field=field
        )
    if any(unicodedata.category(character) == "Cs" for character in text):
        raise InvalidInputError(f"the {field} is not valid UTF-8 text; save or type it as UTF-8", field=field)
    length = count_utf16(text)
    if length > MAX_TEXT_UTF16:
        raise InvalidInputError(
            f"the {field} is {length - MAX_TEXT_UTF16} too long: it has {length} UTF-16 units (most emoji count two) "
            f"and Telegram takes {MAX_TEXT_UTF16}",
            field=field,
        )
    return text


def is_blank(text: str) -> bool:
    """Whether a reader would see nothing of it."""
    return all(unicodedata.category(character) in _INVISIBLE for character in text)
