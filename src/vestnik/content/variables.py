"""Variables in texts and links: `{channel_title}`; `{{` and `}}` stand for the braces themselves."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never
from urllib.parse import quote

from vestnik.content.source import Source, clean_value
from vestnik.domain.errors import InvalidInputError


class Variable(StrEnum):
    """All that there are; what is not here is an error when a template is saved."""

    CHANNEL_TITLE = "channel_title"
    CHANNEL_USERNAME = "channel_username"
    CHANNEL_MENTION = "channel_mention"
    DATE = "date"
    TIME = "time"

    @property
    def description(self) -> str:
        """One sentence for the page that lists them."""
        return _DESCRIPTIONS[self]


_DESCRIPTIONS: Final = {
    Variable.CHANNEL_TITLE: "The channel's title.",
    Variable.CHANNEL_USERNAME: (
        "The channel's username without the @. A channel without one gets its title instead; within a link such a "
        "channel's post fails, because the link would lead nowhere."
    ),
    Variable.CHANNEL_MENTION: "@username, which readers can tap; a channel without one gets its title instead.",
    Variable.DATE: "The day, such as 09.05.2026.",
    Variable.TIME: "The time of day, such as 14:05.",
}

_BRACED: Final = re.compile(r"\{([^{}\n]{0,64})\}")
_PIECE: Final = re.compile(r"\{\{|\}\}|\{([a-z_]+)\}|[^{}]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Values:
    """What the variables stand for in one channel. `at` is an aware time in the zone that readers expect."""

    channel_title: str
    channel_username: str | None
    at: datetime

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise ValueError("a time without a zone says nothing to readers")

    def fill_text(self, variable: Variable) -> str:
        """What is written in the text; never markup, whatever it holds."""
        match variable:
            case Variable.CHANNEL_TITLE:
                return clean_value(self.channel_title)
            case Variable.CHANNEL_USERNAME:
                return clean_value(self.channel_username or self.channel_title)
            case Variable.CHANNEL_MENTION:
                return clean_value(
                    f"@{self.channel_username}" if self.channel_username else self.channel_title
                )
            case Variable.DATE:
                return f"{self.at.day:02}.{self.at.month:02}.{self.at.year:04}"
            case Variable.TIME:
                return f"{self.at.hour:02}:{self.at.minute:02}"
            case _:
                assert_never(variable)

    def fill_url(self, variable: Variable) -> str:
        """What is written in a link, percent-encoded.

        Raises InvalidInputError for a channel without a username where the link needs one.
        """
        if variable in {Variable.CHANNEL_USERNAME, Variable.CHANNEL_MENTION} and not self.channel_username:
            raise InvalidInputError(
                f"a link in the text needs {{{variable}}}, and this channel has no username; take the variable out "
                "of the link or leave the channel out",
                field="content",
            )
        return quote(self.fill_text(variable), safe="", errors="replace")


def read_brace(source: Source) -> str | Variable:
    """Read `{{`, `}}` or a variable, where a brace comes next. Raises MarkupError for anything else."""
    for brace in "{}":
        if source.startswith(brace * 2):
            source.position += 2
            return brace
    start = source.position
    match = source.take(_BRACED)
    if match is None:
        brace = source.current
        raise source.error(
            f"a single {brace} belongs to a variable such as {{channel_title}}; "
            f"for the character itself write {brace * 2}"
        )
    try:
        return Variable(match[1])
    except ValueError:
        raise source.error(
            f"there is no variable {match[0]}; the variables are {list_variables()}. "
            f"For braces themselves write {{{{ and }}}}",
            at=start,
        ) from None


def list_variables() -> str:
    """All of them for a message."""
    return ", ".join(f"{{{variable}}}" for variable in Variable)


def escape_braces(text: str) -> str:
    """The text so that `split_variables` finds no variable in it."""
    return text.replace("{", "{{").replace("}", "}}")


def split_variables(text: str) -> list[str | Variable]:
    """The pieces of a text with `{variables}` and doubled braces, such as the address of a link in a template.

    Raises InvalidInputError where it is not well formed, which no parser's result ever is.
    """
    parts: list[str | Variable] = []
    position = 0
    for match in _PIECE.finditer(text):
        if match.start() != position:
            break
        position = match.end()
        if match[1] is None:
            parts.append(match[0][0] if match[0] in {"{{", "}}"} else match[0])
        elif match[1] in _NAMES:
            parts.append(Variable(match[1]))
        else:
            break
    else:
        if position == len(text):
            return parts
    raise InvalidInputError("a stored link holds a brace that belongs to no variable", field="content")


_NAMES: Final = frozenset(Variable)
