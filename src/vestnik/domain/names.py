"""Names that people give to batches, templates and campaigns."""

import unicodedata
from collections.abc import Collection
from itertools import chain, count

from vestnik.domain.errors import InvalidInputError

MAX_NAME_LENGTH = 200


def check_name(value: str, *, field: str = "name") -> str:
    """The name without blanks around it.

    Raises InvalidInputError for an empty one, one that is too long, or one with characters that cannot be shown.
    """
    name = value.strip()
    if not name:
        raise InvalidInputError(f"the {field} is empty", field=field)
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidInputError(
            f"the {field} has {len(name)} characters; {MAX_NAME_LENGTH} is the most", field=field
        )
    for character in name:
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}:
            raise InvalidInputError(
                f"the {field} holds the control character U+{ord(character):04X}; use printable ones",
                field=field,
            )
    return name


NUMBER_ROOM = 12
"""Characters kept free at the end of a long name for a number."""


def choose_free_name(name: str, taken: Collection[str]) -> str:
    """The name itself, or `name (2)` and so on: the first that is not taken."""
    stem = name_stem(name)
    candidates = chain([name], (f"{stem} ({number})" for number in count(2)))
    return next(candidate for candidate in candidates if candidate not in taken)


def name_stem(name: str) -> str:
    """What all names begin with that `choose_free_name` may choose."""
    return name[: MAX_NAME_LENGTH - NUMBER_ROOM].rstrip()
