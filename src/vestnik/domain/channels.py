"""How people write channels down: usernames, links, ids; and lists of them, one a line."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from vestnik.domain.errors import InvalidInputError

MAX_LIST_BYTES = 10 * 1024 * 1024
MAX_LINE_LENGTH = 300
_SHOWN_LENGTH = 60

_USERNAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{3,31}")
_LINK = re.compile(
    r"(?:https?://)?(?:www\.)?(?:t\.me|telegram\.me|telegram\.dog)(?:/(?P<path>[^?#]*))?(?:[?#].*)?",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"-?[0-9]+")
_LINE_END = re.compile(r"\r\n|\r|\n")
# First words of links that lead to something else than a channel.
_NOT_CHANNELS = frozenset({
    "addemoji", "addlist", "addstickers", "addtheme", "bg", "boost", "confirmphone", "contact",
    "giftcode", "invoice", "iv", "login", "nft", "proxy", "setlanguage", "share", "socks",
})  # fmt: skip
_INVISIBLE_EDGES = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"

# A channel's id as bots and most tools write it is -10^12 minus the id proper (core.telegram.org/api/bots/ids).
_MARK = 10**12
_MAX_ID = 997_852_516_352


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
        return f"@{self.username}" if self.username is not None else f"-{_MARK + (self.tg_id or 0)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class InvalidLine:
    """A line of a list that names no channel; `text` is cut to a length that can be shown."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelList:
    """A list that was read: the channels in the order of their first mention, and what was left out."""

    names: tuple[ChannelName, ...]
    duplicates: int
    invalid: tuple[InvalidLine, ...]


def parse_channel_name(text: str) -> ChannelName:
    """Read @name, name, t.me/name, t.me/s/name, t.me/c/id, -100id or id.

    Raises InvalidInputError saying what is wrong with it.
    """
    word = text.strip().strip(_INVISIBLE_EDGES).strip()
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
    if not 0 < number <= _MAX_ID:
        raise InvalidInputError(
            "not a channel's id, which is like -1001234567890 or 1234567890", field="channel"
        )
    return ChannelName(tg_id=number)


def parse_channel_list(data: bytes) -> ChannelList:
    """Read a list, one channel a line; blank lines and lines that begin with # are skipped.

    UTF-8, or UTF-16 with a byte order mark. Raises InvalidInputError when it is no text or beyond the limits;
    single bad lines are in the result.
    """
    if len(data) > MAX_LIST_BYTES:
        raise InvalidInputError(
            f"the list has more than {MAX_LIST_BYTES // 2**20} MiB; split it", field="channels"
        )
    names: dict[str, ChannelName] = {}
    invalid: list[InvalidLine] = []
    duplicates = 0
    for number, line in _number_lines(_decode(data)):
        try:
            name = _parse_line(line)
        except InvalidInputError as exc:
            invalid.append(InvalidLine(line=number, text=_shorten(line), reason=exc.message))
            continue
        if name.key in names:
            duplicates += 1
        else:
            names[name.key] = name
    return ChannelList(names=tuple(names.values()), duplicates=duplicates, invalid=tuple(invalid))


def _number_lines(text: str) -> Iterator[tuple[int, str]]:
    for number, raw in enumerate(_LINE_END.split(text), 1):
        line = raw.strip()
        if "\0" in line:
            raise InvalidInputError(
                f"line {number} holds NUL characters: this is not a text file; give one channel a line",
                field="channels",
            )
        if line and not line.startswith("#"):
            yield number, line


def _parse_line(line: str) -> ChannelName:
    if len(line) > MAX_LINE_LENGTH:
        raise InvalidInputError(f"longer than {MAX_LINE_LENGTH} characters; give one channel a line")
    return parse_channel_name(line)


def _shorten(line: str) -> str:
    shown = line if len(line) <= _SHOWN_LENGTH else line[: _SHOWN_LENGTH - 1] + "…"
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in shown
    )


def _decode(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding, name = "utf-16", "UTF-16"
    else:
        encoding, name = "utf-8-sig", "UTF-8"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as exc:
        line = len(_LINE_END.split(data[: exc.start].decode(encoding, "ignore")))
        raise InvalidInputError(
            f"line {line} is not {name} text; save the list as plain text in UTF-8, one channel a line",
            field="channels",
        ) from None
