"""Cells of CSV files that people open in a spreadsheet."""

from datetime import datetime
from typing import Final

from vestnik.domain.times import format_time

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def guard_cell(value: object) -> str:
    """The cell as text; one that a spreadsheet would take for a formula gets a leading apostrophe.

    None is an empty cell, an instant ISO 8601 with a Z. Source: OWASP, CSV Injection.
    """
    if isinstance(value, datetime):
        return format_time(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def unguard_cell(text: str) -> str:
    """What was in a cell before `guard_cell`."""
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA_STARTS) else text
