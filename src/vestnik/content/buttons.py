"""Buttons with links below a post (https://core.telegram.org/bots/api#inlinekeyboardmarkup)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vestnik.content.limits import count_units
from vestnik.content.urls import find_url_problem
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.posting import LinkButton
from vestnik.domain.templates import is_blank

MOST_IN_ROW: Final = 8
MOST_BUTTONS: Final = 100
LONGEST_BUTTON: Final = 64
"""UTF-16 units of a button's text: of longer ones readers see only the beginning."""
LONGEST_BUTTON_URL: Final = 2048
_SCHEMES: Final = ("http://", "https://", "tg://")

Buttons = tuple[tuple[LinkButton, ...], ...]


def read_buttons(
    rows: Sequence[Sequence[LinkButton | Mapping[str, Any]]], *, field: str = "buttons"
) -> Buttons:
    """Rows of buttons as they are posted. Raises InvalidInputError, which says which button is wrong and why."""
    read = tuple(
        tuple(
            _read_button(button, f"button {place} of row {number}", field)
            for place, button in enumerate(row, 1)
        )
        for number, row in enumerate(rows, 1)
        if row
    )
    widest = max((len(row) for row in read), default=0)
    if widest > MOST_IN_ROW:
        raise InvalidInputError(
            f"a row has {widest} buttons and Telegram takes {MOST_IN_ROW}; begin another row", field=field
        )
    count = sum(len(row) for row in read)
    if count > MOST_BUTTONS:
        raise InvalidInputError(f"these are {count} buttons and Telegram takes {MOST_BUTTONS}", field=field)
    return read


def write_buttons(buttons: Buttons) -> list[list[dict[str, str]]]:
    """For storing; `read_buttons` gives the same back."""
    return [[{"text": button.text, "url": button.url} for button in row] for row in buttons]


def _read_button(given: LinkButton | Mapping[str, Any], where: str, field: str) -> LinkButton:
    if isinstance(given, LinkButton):
        given = {"text": given.text, "url": given.url}
    text, url = given.get("text"), given.get("url")
    if not isinstance(text, str) or not isinstance(url, str):
        raise InvalidInputError(f"{where} needs a text and an address", field=field)
    text, url = " ".join(text.split()), url.strip()
    if is_blank(text):
        raise InvalidInputError(f"{where} has no text that can be seen", field=field)
    if count_units(text) > LONGEST_BUTTON:
        raise InvalidInputError(
            f"{where} has a text of {count_units(text)} UTF-16 units; {LONGEST_BUTTON} is the most",
            field=field,
        )
    problem = find_url_problem(url)
    if problem is None and not url.lower().startswith(_SCHEMES):
        problem = "buttons lead to https://, http:// and tg:// only"
    if problem is None and len(url) > LONGEST_BUTTON_URL:
        problem = f"the address has {len(url):,} characters; {LONGEST_BUTTON_URL:,} is the most"
    if problem is not None:
        raise InvalidInputError(f"{where}: {problem}", field=field)
    return LinkButton(text=text, url=url)
