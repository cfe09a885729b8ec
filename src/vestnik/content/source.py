"""A cursor over what an operator wrote, which knows lines and columns when something is wrong."""

import re
from typing import Final

from vestnik.content.errors import MarkupError
from vestnik.domain.errors import InvalidInputError

MAX_SOURCE_LENGTH: Final = 65_536
"""Characters; 16 times the longest text, so markup has room and no input can keep a process busy."""
SHOWN_LENGTH: Final = 40

# All controls but tab and line feed, and halves of surrogate pairs.
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
# Direction marks that nobody sees; TDLib removes the whole range U+2028 to U+202E (misc.cpp, clean_input_string).
# The two that end lines become what they mean instead.
_CLEAN: Final = {ord("\t"): " ", 0x2028: "\n", 0x2029: "\n"} | dict.fromkeys(range(0x202A, 0x202F))


def clean_text(text: str) -> str:
    """The text as TDLib hands it to Telegram: a tab is a space, direction marks are left out."""
    return text.translate(_CLEAN)


def clean_value(value: str) -> str:
    """A channel's title or the like, which is clean on Telegram; what is not becomes a blank and fails no post."""
    return clean_text(_FORBIDDEN.sub(" ", value))


def unify_line_ends(text: str) -> str:
    """The text with LF at its line ends."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_forbidden(character: str) -> bool:
    """Whether it is a control character or half a surrogate pair, which no text may hold."""
    return _FORBIDDEN.fullmatch(character) is not None


def quote_source(text: str) -> str:
    """A piece of the source for a message: short and on one line."""
    line = text.replace("\n", " ")
    return line if len(line) <= SHOWN_LENGTH else line[:SHOWN_LENGTH] + "…"


def _explain_forbidden(character: str) -> str:
    if "\ud800" <= character <= "\udfff":
        return "this is not valid UTF-8 text; save or type it as UTF-8"
    return f"the character U+{ord(character):04X} cannot be posted; remove it"


class Source:
    """The source with LF at its line ends; `position` is where reading goes on.

    Raises InvalidInputError for one that is too long, MarkupError for a character that no text may hold.
    """

    def __init__(self, text: str, *, field: str) -> None:
        self.field = field
        self.position = 0
        if len(text) > MAX_SOURCE_LENGTH:
            raise InvalidInputError(
                f"the {field} has {len(text):,} characters with its markup; {MAX_SOURCE_LENGTH:,} is the most",
                field=field,
            )
        self.text = unify_line_ends(text.removeprefix("\ufeff"))
        if (found := _FORBIDDEN.search(self.text)) is not None:
            raise self.error(_explain_forbidden(found[0]), at=found.start())

    @property
    def is_at_end(self) -> bool:
        """Whether all is read."""
        return self.position >= len(self.text)

    @property
    def current(self) -> str:
        """The character that comes next; empty at the end."""
        return self.text[self.position : self.position + 1]

    def startswith(self, prefix: str, *, ahead: int = 0) -> bool:
        """Whether this comes next, or after so many characters."""
        return self.text.startswith(prefix, self.position + ahead)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Read what matches here; nothing is read if it does not."""
        match = pattern.match(self.text, self.position)
        if match is not None:
            self.position = match.end()
        return match

    def locate(self, at: int) -> tuple[int, int]:
        """Line and column, from 1."""
        return self.text.count("\n", 0, at) + 1, at - self.text.rfind("\n", 0, at)

    def error(self, problem: str, *, at: int | None = None) -> MarkupError:
        """What to raise: the problem here, or at another position."""
        line, column = self.locate(self.position if at is None else at)
        return MarkupError(problem, line=line, column=column, field=self.field)
