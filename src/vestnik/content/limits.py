"""What Telegram takes: 1 to 4096 UTF-16 units of text, 0 to 1024 of caption, 100 entities.

The lengths are the Bot API's (sendMessage, sendPhoto), counted after the markup is read. Of more than 100 entities
the server keeps 100 and drops the others silently (TDLib, MAX_USER_ENTITY_COUNT), so more are refused here.
"""

from dataclasses import dataclass
from typing import Final

from vestnik.content.entities import FormattedText
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.limits import MAX_CAPTION_UTF16, MAX_TEXT_UTF16
from vestnik.domain.limits import count_utf16 as count_units
from vestnik.domain.templates import is_blank

__all__ = [
    "CAPTION",
    "MAX_ENTITIES",
    "TEXT",
    "Limit",
    "check_entities",
    "check_length",
    "check_units",
    "count_units",
]

MAX_ENTITIES: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """How long a text may be, in UTF-16 units, and whether there must be one."""

    name: str
    units: int
    may_be_empty: bool


TEXT: Final = Limit(name="text", units=MAX_TEXT_UTF16, may_be_empty=False)
CAPTION: Final = Limit(name="caption", units=MAX_CAPTION_UTF16, may_be_empty=True)


def check_length(formatted: FormattedText, limit: Limit = TEXT, *, field: str = "content") -> None:
    """Raises InvalidInputError for what Telegram would refuse, cut or post without some of its formatting."""
    if not limit.may_be_empty and is_blank(formatted.text):
        raise InvalidInputError(
            f"the {limit.name} is empty or only blanks: there is nothing to post", field=field
        )
    check_units(count_units(formatted.text), limit, field=field)
    check_entities(len(formatted.entities), field=field)


def check_units(units: int, limit: Limit, *, field: str = "content") -> None:
    """Raises InvalidInputError with the exact overflow."""
    if units > limit.units:
        raise InvalidInputError(
            f"the {limit.name} is too long: {units:,} of {limit.units:,} UTF-16 units: {units - limit.units:,} too "
            "many (most emoji count two)",
            field=field,
        )


def check_entities(count: int, *, field: str = "content") -> None:
    """Raises InvalidInputError for more than Telegram keeps."""
    if count > MAX_ENTITIES:
        raise InvalidInputError(
            f"the text has {count:,} pieces of formatting and Telegram keeps {MAX_ENTITIES}: "
            f"take {count - MAX_ENTITIES:,} out",
            field=field,
        )
