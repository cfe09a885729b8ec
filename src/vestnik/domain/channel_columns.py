"""Which columns of a table name channels: told by a header, or by what stands in the first rows."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vestnik.domain.channels import parse_channel_name
from vestnik.domain.errors import InvalidInputError

LOOKED_AT: Final = 50
"""Rows that a guess is made from."""

_NAME_COLUMNS: Final = frozenset({
    "username", "user_name", "channel", "link", "url", "address",
    "канал", "ссылка", "юзернейм", "имя_пользователя", "адрес",
})  # fmt: skip
_ID_COLUMNS: Final = frozenset({
    "id", "tg_id", "tgid", "telegram_id", "telegramid", "channel_id", "channelid", "chat_id", "chatid", "ид",
})  # fmt: skip
_TITLE_COLUMNS: Final = frozenset({"title", "name", "название", "заголовок", "имя"})

# By their form: an invitation link is one too, and is refused with its own words later.
_NAME: Final = re.compile(
    r"@\w|(?:https?://)?(?:www\.)?(?:t\.me|telegram\.me|telegram\.dog)/", re.IGNORECASE | re.ASCII
)
_MARKED_ID: Final = re.compile(r"-100[0-9]{5,}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Where in a row things stand; `names` in the order in which they are looked at."""

    names: Sequence[int]
    title: int | None = None


def read_header(row: Sequence[str]) -> Columns | None:
    """The columns that a header names, or None if it is no header or none of them names channels."""
    words = _read_words(row)
    names = [index for index, word in enumerate(words) if word in _NAME_COLUMNS]
    names += [index for index, word in enumerate(words) if word in _ID_COLUMNS]
    return Columns(names=names, title=_find_title(words)) if names else None


def _read_words(row: Sequence[str]) -> list[str]:
    return [re.sub(r"[\s-]+", "_", cell.strip().strip('"').strip().lower()) for cell in row]


def _find_title(words: Sequence[str]) -> int | None:
    return next((index for index, word in enumerate(words) if word in _TITLE_COLUMNS), None)


def find_columns(rows: Sequence[Sequence[str]]) -> tuple[Columns, bool]:
    """The columns of a table that begins with these rows, and whether the first of them is a header.

    Without a header that names channels: the columns that hold addresses, else the first one with words that may
    be names. Bare words may be titles and bare numbers anything, so they count only where nothing tells more.
    """
    named = read_header(rows[0])
    if named is not None:
        return named, True
    found = find_address_columns(rows)
    if found:
        title = _find_title(_read_words(rows[0]))
        is_header = title is not None and not any(map(_is_address, rows[0]))
        # A column called "name" may hold @names.
        return Columns(names=found, title=title if is_header and title not in found else None), is_header
    possible = Counter(
        index for row in rows for index, cell in enumerate(row) if cell and _may_name_channel(cell)
    )
    if not possible or possible[0]:
        return Columns(names=[0]), False
    return Columns(names=[max(sorted(possible), key=lambda index: possible[index])]), False


def _is_address(cell: str) -> bool:
    return _NAME.match(cell) is not None or _MARKED_ID.fullmatch(cell) is not None


def find_address_columns(rows: Sequence[Sequence[str]]) -> list[int]:
    """Columns of which most cells are @names, links or marked ids; those with names before those with ids."""
    filled: Counter[int] = Counter()
    names: Counter[int] = Counter()
    ids: Counter[int] = Counter()
    for row in rows:
        for index, cell in enumerate(row):
            filled[index] += bool(cell)
            names[index] += _NAME.match(cell) is not None
            ids[index] += _MARKED_ID.fullmatch(cell) is not None
    found = [index for index in sorted(filled) if 2 * (names[index] + ids[index]) > filled[index]]
    return sorted(found, key=lambda index: names[index] == 0)


def _may_name_channel(cell: str) -> bool:
    try:
        parse_channel_name(cell)
    except InvalidInputError:
        return False
    return True
