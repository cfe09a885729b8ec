"""Lists of channels as people keep them: one a line, or a table (CSV) with a column that names them."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from vestnik.domain.channels import ChannelName, check_title, parse_channel_name
from vestnik.domain.csv_cells import unguard_cell
from vestnik.domain.errors import InvalidInputError

MAX_LIST_BYTES = 10 * 1024 * 1024
MAX_ROWS = 200_000
MAX_LINE_LENGTH = 300
"""Characters of a line, or of a cell of a table."""
_SHOWN_LENGTH = 60
_FIELD = "channels"

_LINE_END = re.compile(r"\r\n|\r|\n")
_SEPARATORS = ",;\t"
_NAME_COLUMNS = frozenset({
    "username", "user_name", "channel", "link", "url", "address",
    "канал", "ссылка", "юзернейм", "имя_пользователя", "адрес",
})  # fmt: skip
_ID_COLUMNS = frozenset({
    "id", "tg_id", "tgid", "telegram_id", "telegramid", "channel_id", "channelid", "chat_id", "chatid", "ид",
})  # fmt: skip
_TITLE_COLUMNS = frozenset({"title", "name", "название", "заголовок", "имя"})


class ListForm(StrEnum):
    """How a list is written. ANY is a table if its first line names the columns of one, else one a line."""

    LINES = "LINES"
    TABLE = "TABLE"
    ANY = "ANY"


@dataclass(frozen=True, kw_only=True, slots=True)
class InvalidLine:
    """A line of a list that is left out; `text` is cut to a length that can be shown."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelList:
    """A list that was read: the channels in the order of their first mention, and what was left out."""

    names: tuple[ChannelName, ...]
    titles: dict[str, str]
    """By the key of the name, for those that a table gives one."""
    repeated: tuple[InvalidLine, ...]
    """Lines that name a channel again."""
    invalid: tuple[InvalidLine, ...]

    @property
    def duplicates(self) -> int:
        """How many lines name a channel again."""
        return len(self.repeated)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry:
    """A line or row: what names the channel, its title, and what of it can be shown."""

    line: int
    name: str
    title: str = ""
    shown: str


@dataclass(frozen=True, kw_only=True, slots=True)
class _Columns:
    """Where in a row things stand; `names` in the order in which they are looked at."""

    names: Sequence[int]
    title: int | None


@dataclass(kw_only=True, slots=True)
class _Reading:
    """What is known after the lines so far."""

    names: dict[str, ChannelName] = field(default_factory=dict)
    first_lines: dict[str, int] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    repeated: list[InvalidLine] = field(default_factory=list)
    invalid: list[InvalidLine] = field(default_factory=list)

    def add(self, entry: _Entry) -> None:
        """Take a line over, or note why not."""
        try:
            name, title = _read_entry(entry)
        except InvalidInputError as exc:
            self.reject(entry.line, entry.shown, exc.message)
            return
        key = name.key
        if key in self.names:
            reason = f"names the same channel as line {self.first_lines[key]}"
            self.repeated.append(InvalidLine(line=entry.line, text=_shorten(entry.shown), reason=reason))
            return
        self.names[key] = name
        self.first_lines[key] = entry.line
        if title is not None:
            self.titles[key] = title

    def reject(self, line: int, text: str, reason: str) -> None:
        """Note a bad line."""
        self.invalid.append(InvalidLine(line=line, text=_shorten(text), reason=reason))


def parse_channel_list(data: bytes, form: ListForm = ListForm.ANY) -> ChannelList:
    """Read a list of channels; blank lines and lines that begin with # are skipped.

    UTF-8, or UTF-16 with a byte order mark. Of a table the columns are told by their names (username, channel,
    link; id; title); without such a first row the first column names the channel. Raises InvalidInputError when
    it is no text or beyond the limits; single bad lines are in the result.
    """
    if len(data) > MAX_LIST_BYTES:
        raise InvalidInputError(
            f"the list has more than {MAX_LIST_BYTES // 2**20} MiB; split it", field=_FIELD
        )
    text = _decode(data)
    _refuse_binary(text)
    reading = _Reading()
    if form is ListForm.TABLE or (form is ListForm.ANY and _has_header(text)):
        _read_table(text, reading)
    else:
        _read_lines(text, reading)
    return ChannelList(
        names=tuple(reading.names.values()),
        titles=reading.titles,
        repeated=tuple(reading.repeated),
        invalid=tuple(reading.invalid),
    )


def _refuse_binary(text: str) -> None:
    at = text.find("\0")
    if at >= 0:
        line = len(_LINE_END.split(text[:at]))
        raise InvalidInputError(
            f"line {line} holds NUL characters: this is not a text file; give one channel a line",
            field=_FIELD,
        )


def _read_entry(entry: _Entry) -> tuple[ChannelName, str | None]:
    if max(len(entry.name), len(entry.title)) > MAX_LINE_LENGTH:
        raise InvalidInputError(f"longer than {MAX_LINE_LENGTH} characters; give one channel a line")
    if entry.name.startswith("="):
        raise InvalidInputError("a formula, not a channel")
    return parse_channel_name(entry.name), check_title(entry.title)


def _read_lines(text: str, reading: _Reading) -> None:
    rows = 0
    for number, raw in enumerate(_LINE_END.split(text), 1):
        line = raw.strip()
        if line and not line.startswith("#"):
            rows += 1
            _check_rows(rows)
            reading.add(_Entry(line=number, name=line, shown=line))


def _check_rows(rows: int) -> None:
    if rows > MAX_ROWS:
        raise InvalidInputError(f"the list has more than {MAX_ROWS:,} lines; split it", field=_FIELD)


# -- tables -------------------------------------------------------------------------------------------------


def _has_header(text: str) -> bool:
    """Whether the first line names columns; a lone word may as well be a channel's name."""
    line = _find_first_line(text)
    separator = _guess_separator(line)
    if separator is None:
        return False
    return _read_declared_separator(line) is not None or _find_columns(line.split(separator)) is not None


def _find_first_line(text: str) -> str:
    lines = (line.strip("\r\n") for line in io.StringIO(text, newline=""))
    return next((line for line in lines if line.strip()), "")


def _guess_separator(line: str) -> str | None:
    declared = _read_declared_separator(line)
    if declared is not None:
        return declared
    found = max(_SEPARATORS, key=line.count)
    return found if found in line else None


def _read_declared_separator(line: str) -> str | None:
    """Excel's own first line, `sep=;`."""
    return line[4] if len(line) == 5 and line.lower().startswith("sep=") and line[4] in _SEPARATORS else None


def _find_columns(row: Sequence[str]) -> _Columns | None:
    """The columns that a header names, or None if it is no header."""
    words = [re.sub(r"[\s-]+", "_", cell.strip().strip('"').strip().lower()) for cell in row]
    names = [index for index, word in enumerate(words) if word in _NAME_COLUMNS]
    names += [index for index, word in enumerate(words) if word in _ID_COLUMNS]
    if not names:
        return None
    title = next((index for index, word in enumerate(words) if word in _TITLE_COLUMNS), None)
    return _Columns(names=names, title=title)


def _read_table(text: str, reading: _Reading) -> None:
    columns: _Columns | None = None
    rows = 0
    for number, row in _split_rows(text, reading):
        cells = [unguard_cell(cell.strip()) for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if columns is None:
            found = _find_columns(cells)
            columns = found or _Columns(names=[0], title=None)
            if found is not None:
                continue
        rows += 1
        _check_rows(rows)
        reading.add(_pick(number, cells, columns))


def _pick(number: int, cells: Sequence[str], columns: _Columns) -> _Entry:
    name = next((cells[index] for index in columns.names if index < len(cells) and cells[index]), "")
    title = cells[columns.title] if columns.title is not None and columns.title < len(cells) else ""
    return _Entry(line=number, name=name, title=title, shown=name or " ".join(cells))


def _split_rows(text: str, reading: _Reading) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of the line on which they begin; those with misplaced quotes are noted as bad."""
    first = _find_first_line(text)
    lines = io.StringIO(text, newline="")
    skipped = 0
    if _read_declared_separator(first) is not None:
        while lines.readline().strip("\r\n") != first:
            skipped += 1
        skipped += 1
    reader = csv.reader(lines, delimiter=_guess_separator(first) or ",", strict=True)
    while True:
        number = skipped + reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            if skipped + reader.line_num > number or "end of data" in str(exc):
                raise InvalidInputError(
                    f"line {number} has a quoted cell that does not end; close its quotes", field=_FIELD
                ) from None
            is_long = "field limit" in str(exc)
            reason = f"longer than {MAX_LINE_LENGTH} characters" if is_long else "misplaced quotes"
            reading.reject(number, "", reason)
            continue
        yield number, row


# -- text ---------------------------------------------------------------------------------------------------


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
            field=_FIELD,
        ) from None
