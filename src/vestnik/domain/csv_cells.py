"""Cells of CSV files that people open in a spreadsheet."""

from typing import Final

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def guard_cell(value: object) -> str:
    """The cell as text; one that a spreadsheet would take for a formula gets a leading apostrophe.

    None is an empty cell. Source: OWASP, CSV Injection.
    """
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def unguard_cell(text: str) -> str:
    """What was in a cell before `guard_cell`."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA_STARTS) else text
