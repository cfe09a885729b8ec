"""What may be posted as a text."""

import unicodedata

# Controls, formats (zero width), surrogates, unassigned, separators: nothing of these can be seen.
_INVISIBLE = {"Cc", "Cf", "Cs", "Cn", "Zs", "Zl", "Zp"}


def is_blank(text: str) -> bool:
    """Whether a reader would see nothing of it."""
    return all(unicodedata.category(character) in _INVISIBLE for character in text)
