"""How people write channels down: usernames, links, ids."""

import re
import unicodedata
from dataclasses import dataclass

from vestnik.domain.errors import InvalidInputError

MAX_TITLE_LENGTH = 255

_USERNAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}")
_LINK = re.compile(
    r"(?:https?://)?(?:www\.)?(?:t\.me|telegram\.me|telegram\.dog)(?:/(?P<path>[^?#]*))?(?:[?#].*)?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"-?[0-9]+")
# First words of links that lead to something else than a channel.
_NOT_CHANNELS = frozenset({
    "addemoji", "addlist", "addstickers", "addtheme", "bg", "boost", "confirmphone", "contact",
    "giftcode", "invoice", "iv", "login", "nft", "proxy", "setlanguage", "share", "socks",
})  # fmt: skip
_INVISIBLE_EDGES = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"

# A channel's id as bots and most tools write it is -10^12 minus the id proper (core.telegram.org/api/bots/ids).
_MARK = 10**12
_MAX_ID = 997_852_516_352
_MIN_ID = 1_000_000
"""Real ids are far greater; the numbers of a list's rows are not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelName:
    """What names a channel: its username without the @, or its id without the mark -100."""

    username: str | None = None
    tg_id: int | None = None

    @property
    def key(self) -> str:
        """Equal for two spellings of one name: usernames ignore case."""
        return self.username.lower() if self.username is not None else str(self.tg_id)

    def __str__(self) -> str:
        return f"@{self.username}" if self.username is not None else str(mark_id(self.tg_id or 0))


def is_username(text: str) -> bool:
    """Whether it can be a username; without the @."""
    return _USERNAME.fullmatch(text) is not None


def mark_id(tg_id: int) -> int:
    """A channel's id as bots and most tools write it: -100 and the id proper."""
    return -_MARK - tg_id


def unmark_id(marked: int) -> int:
    """The id proper."""
    return -_MARK - marked


def parse_channel_name(text: str) -> ChannelName:
    """Read @name, name, t.me/name, t.me/s/name, t.me/c/id, -100id or id.

    Raises InvalidInputError saying what is wrong with it.
    """
    word = text.strip().strip(_INVISIBLE_EDGES).strip()
    if not word.isascii() and any(letter.isdigit() and not letter.isascii() for letter in word):
        raise InvalidInputError("digits other than 0 to 9; type the address with those", field="channel")
    if _NUMBER.fullmatch(word):
        return _read_number(word)
    link = _LINK.fullmatch(word)
    if link is not None:
        return _read_path(link["path"] or "")
    if "://" in word or "/" in word:
        raise InvalidInputError("not a link to a channel (https://t.me/name)", field="channel")
    return _read_username(word.removeprefix("@"))


def _read_username(word: str) -> ChannelName:
    if not _USERNAME.fullmatch(word):
        raise InvalidInputError(
            "not a username: those have 4 to 32 Latin letters, digits and underscores and begin with a letter",
            field="channel",
        )
    return ChannelName(username=word)


def _read_path(path: str) -> ChannelName:
    parts = [part for part in path.split("/") if part]
    if not parts:
        raise InvalidInputError("a link without a channel's name", field="channel")
    first = parts[0].lower()
    if first.startswith("+") or first == "joinchat":
        raise InvalidInputError(
            "a private invitation link, which cannot be posted to; use the channel's id (-100…)",
            field="channel",
        )
    if first == "c" and len(parts) > 1 and parts[1].isascii() and parts[1].isdigit():
        return _read_number(parts[1])
    if first == "s" and len(parts) > 1:
        return _read_username(parts[1])
    if first in _NOT_CHANNELS:
        raise InvalidInputError(f"a t.me/{first} link does not lead to a channel", field="channel")
    return _read_username(parts[0].removeprefix("@"))


def _read_number(word: str) -> ChannelName:
    # Longer numbers are no ids, and Python refuses to convert endless ones.
    number = int(word) if len(word) <= 15 else 0
    if number < 0:
        number = -number - _MARK
        if -_MARK < number <= 0:
            raise InvalidInputError(
                "the id of a basic group or a damaged one: a channel's begins with -100", field="channel"
            )
    if not _MIN_ID <= number <= _MAX_ID:
        raise InvalidInputError(
            "not a channel's id, which is like -1001234567890 or 1234567890", field="channel"
        )
    return ChannelName(tg_id=number)


def check_title(value: str) -> str | None:
    """A channel's title on one line, None when nothing is left of it.

    Raises InvalidInputError for one that is too long.
    """
    if not value.isprintable():
        value = "".join(
            " " if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} else character
            for character in value
        )
    title = " ".join(value.split())
    if len(title) > MAX_TITLE_LENGTH:
        raise InvalidInputError(
            f"the title has {len(title)} characters; {MAX_TITLE_LENGTH} is the most", field="title"
        )
    return title or None
