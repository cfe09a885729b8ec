"""Lists of channels as people keep them: one a line, or a table (CSV) with a column that names them."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, islice

from vestnik.domain.channel_columns import (
    LOOKED_AT,
    Columns,
    find_address_columns,
    find_columns,
    read_header,
)
from vestnik.domain.channels import ChannelName, check_title, parse_channel_name
from vestnik.domain.csv_cells import unguard_cell
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.text_encodings import decode_text

MAX_LIST_BYTES = 10 * 1024 * 1024
MAX_ROWS = 200_000
MAX_LINE_LENGTH = 300
"""Characters of a line, or of a cell of a table."""
_SHOWN_LENGTH = 60
_FIELD = "channels"

_LINE_END = re.compile(r"\r\n|\r|\n")
_SEPARATORS = ",;\t"


class ListForm(StrEnum):
    """How a list is written. ANY is a table if its first line names the columns of one, or if its first lines
    have as many cells each and addresses in one of them; else one a line."""

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
    column: int | None = None
    """Of a table: where the addresses stood, counted from 1."""

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


@dataclass(kw_only=True, slots=True)
class _Reading:
    """What is known after the lines so far."""

    names: dict[str, ChannelName] = field(default_factory=dict)
    first_lines: dict[str, int] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    repeated: list[InvalidLine] = field(default_factory=list)
    invalid: list[InvalidLine] = field(default_factory=list)
    column: int | None = None

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


def parse_channel_list(
    data: bytes, form: ListForm = ListForm.ANY, *, encoding: str | None = None
) -> ChannelList:
    """Read a list of channels; blank lines and lines that begin with # are skipped.

    In the named encoding (see domain.text_encodings) or UTF-8; a byte order mark tells it as well. Of a table the
    columns are told by their names (username, channel, link; id; title), or by where addresses stand in its first
    rows. Raises InvalidInputError when it is no text or beyond the limits; single bad lines are in the result.
    """
    if len(data) > MAX_LIST_BYTES:
        raise InvalidInputError(
            f"the list has more than {MAX_LIST_BYTES // 2**20} MiB; split it", field=_FIELD
        )
    text = decode_text(data, encoding, field=_FIELD)
    _refuse_binary(text)
    reading = _Reading()
    if form is ListForm.TABLE or (form is ListForm.ANY and _is_table(text)):
        _read_table(text, reading)
    else:
        _read_lines(text, reading)
    return ChannelList(
        names=tuple(reading.names.values()),
        titles=reading.titles,
        repeated=tuple(reading.repeated),
        # Rows are read ahead of what is found in them, so that the last faults may be noted first.
        invalid=tuple(sorted(reading.invalid, key=lambda bad: bad.line)),
        column=reading.column,
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


def _is_table(text: str) -> bool:
    """Whether the first line names columns, or the first lines hold addresses beside something else.

    A lone word in the first line may as well be a channel's name.
    """
    line = _find_first_line(text)
    separator = _guess_separator(line)
    if separator is None:
        return False
    if _read_declared_separator(line) is not None or read_header(line.split(separator)) is not None:
        return True
    rows = _sample_rows(text, separator)
    # More columns of addresses than one may be a list with several channels a line.
    return len({len(row) for row in rows}) == 1 and len(find_address_columns(rows)) == 1


def _sample_rows(text: str, separator: str) -> list[list[str]]:
    """The first rows, as far as they can be split."""
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            cells = _clean(row)
            if any(cells) and not _is_comment(cells):
                rows.append(cells)
            if len(rows) == LOOKED_AT:
                break
    except csv.Error:
        return []
    return rows


def _clean(row: Sequence[str]) -> list[str]:
    return [unguard_cell(cell.strip()) for cell in row]


def _is_comment(cells: Sequence[str]) -> bool:
    """A lone # may be the name of the column of numbers."""
    return cells[0].startswith("#") and (cells[0] != "#" or not any(cells[1:]))


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


def _read_table(text: str, reading: _Reading) -> None:
    rows = _read_cells(text, reading)
    first = list(islice(rows, LOOKED_AT))
    if not first:
        return
    columns, has_header = find_columns([cells for _, cells in first])
    reading.column = columns.names[0] + 1
    for count, (number, cells) in enumerate(chain(first[has_header:], rows), 1):
        _check_rows(count)
        reading.add(_pick(number, cells, columns))


def _read_cells(text: str, reading: _Reading) -> Iterator[tuple[int, list[str]]]:
    """Rows that hold anything, with their numbers."""
    for number, row in _split_rows(text, reading):
        cells = _clean(row)
        if any(cells) and not _is_comment(cells):
            yield number, cells


def _pick(number: int, cells: Sequence[str], columns: Columns) -> _Entry:
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
