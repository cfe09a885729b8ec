"""Names that people give to batches, templates, campaigns, tokens and themselves."""

import re
import unicodedata
from collections.abc import Collection
from itertools import chain, count

from vestnik.domain.errors import InvalidInputError

MAX_NAME_LENGTH = 200

_JOINERS = frozenset("\u200c\u200d")
"""Format characters that scripts (Persian, Hindi) and emoji of several parts are written with."""
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
"""Flags of regions, such as Scotland's, are spelled with tag characters."""
_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
_FILLERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks by their category that nothing is seen of."""
_UNSEEN = frozenset({"Cf", "Mn", "Me", "Zs"})


def check_name(value: str, *, field: str = "name") -> str:
    """The name without blanks around it.

    Raises InvalidInputError for an empty one, one that is too long, and one with characters that are not seen:
    with those two names could look the same, or one read as another.
    """
    name = value.strip()
    if not name:
        raise InvalidInputError(f"the {field} is empty", field=field)
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidInputError(
            f"the {field} has {len(name)} characters; {MAX_NAME_LENGTH} is the most", field=field
        )
    for character in _FLAG.sub("", name):
        kind = _find_fault(character)
        if kind is not None:
            raise InvalidInputError(
                f"the {field} holds {kind} U+{ord(character):04X}, which is not seen; type the {field} anew "
                "without it",
                field=field,
            )
    if _is_unseen(name):
        raise InvalidInputError(f"nothing of the {field} can be seen; use letters or digits", field=field)
    return name


def check_person_name(value: str) -> str:
    """The same for somebody's name, which other languages do not call as they call the name of a thing."""
    name = value.strip()
    if not name:
        raise InvalidInputError("the person's name is empty", field="name")
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidInputError(
            f"the person's name has {len(name)} characters; {MAX_NAME_LENGTH} is the most", field="name"
        )
    for character in _FLAG.sub("", name):
        kind = _find_fault(character)
        if kind is not None:
            raise InvalidInputError(
                f"the person's name holds {kind} U+{ord(character):04X}, which is not seen; type it anew without "
                "it",
                field="name",
            )
    if _is_unseen(name):
        raise InvalidInputError(
            "nothing of the person's name can be seen; use letters or digits", field="name"
        )
    return name


def _is_unseen(name: str) -> bool:
    return all(unicodedata.category(character) in _UNSEEN for character in name)


def _find_fault(character: str) -> str | None:
    """What a character is that no name may hold; None for all others."""
    if character in _JOINERS:
        return None
    category = unicodedata.category(character)
    if category in _CONTROLS:
        return "the control character"
    if character in _DIRECTIONS:
        return "the writing direction mark"
    if category == "Cf" or character in _FILLERS:
        return "the invisible character"
    return None


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
