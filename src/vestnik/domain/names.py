"""Names that people give to batches, templates and campaigns."""

import unicodedata

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


def add_number(name: str, number: int) -> str:
    """`name (2)` and so on, within the longest name."""
    suffix = f" ({number})"
    return name[: MAX_NAME_LENGTH - len(suffix)].rstrip() + suffix
