"""What commands print: sentences and tables for people, JSON for programs, errors on standard error."""

import dataclasses
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from typer.exceptions import TyperException

from vestnik.domain.channel_lists import InvalidLine
from vestnik.domain.errors import InvalidInputError

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON: one object, or one a line for a list.")]
_SHOWN_INVALID = 20
_GLOBAL_OPTIONS = ("--data-dir", "--traceback", "--version")


def use_safe_encoding() -> None:
    """Keep output that the terminal's encoding lacks from ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def fields_of(view: object) -> dict[str, object]:
    """A view's fields by name, to be printed with others beside them."""
    assert dataclasses.is_dataclass(view)
    return {field.name: getattr(view, field.name) for field in dataclasses.fields(view)}


def print_json(value: object) -> None:
    """One object on one line of standard output: keys as the fields are named, times as ISO 8601 in UTC."""
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "")
    print(json.dumps(value, default=_encode, ensure_ascii=encoding != "utf8"))


def _encode(value: object) -> object:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case UUID() | Path():
            return str(value)
        case _:
            return fields_of(value)


def print_note(text: str) -> None:
    """A sentence on standard error that is no error."""
    print(f"vestnik: note: {text}", file=sys.stderr)


def print_warning(text: str) -> None:
    """A sentence on standard error about something to see to."""
    print(f"vestnik: warning: {text}", file=sys.stderr)


def print_error(code: str, message: str, field: str | None, *, as_json: bool) -> None:
    """One line on standard error."""
    if as_json:
        error = {"code": code, "message": message, "field": field}
        print(json.dumps({"error": error}), file=sys.stderr)
    else:
        line = " ".join(message.split())
        shown = "".join(
            character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line
        )
        print(f"vestnik: error: {shown}", file=sys.stderr)


def print_usage_error(exc: TyperException, *, as_json: bool) -> int:
    """A command line that makes no sense; returns the exit code. No arguments at all show the help."""
    context: typer.Context | None = getattr(exc, "ctx", None)
    if type(exc).__name__ == "NoArgsIsHelpError" and context is not None:
        print(context.get_help())
        return 2
    message = exc.format_message().rstrip(".")
    option = getattr(exc, "option_name", None)
    if option in _GLOBAL_OPTIONS:
        message = f"{option} stands before the command: vestnik {option} … COMMAND"
    elif context is not None:
        message += f"; see '{context.command_path} --help'"
    print_error("USAGE", message, None, as_json=as_json)
    return exc.exit_code


def describe_unexpected(exc: Exception) -> str:
    """An error that nobody foresaw, without the values that a database driver would quote."""
    origin = getattr(exc, "orig", None)
    lines = str(origin if origin is not None else exc).strip().splitlines()
    reason = f": {lines[0]}" if lines else ""
    return f"unexpected {type(exc).__name__}{reason}; add --traceback before the command to see where"


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table; in a pipe it is as wide as its content."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else 400, highlight=False)
    console.print(table)


def print_fields(fields: Sequence[tuple[str, object]]) -> None:
    """Names and values below each other; fields without a value are left out."""
    shown = [(name, value) for name, value in fields if value not in {None, ""}]
    width = max(len(name) for name, _ in shown)
    for name, value in shown:
        print(f"{name:<{width}}  {value}")


def format_time(moment: datetime | None) -> str:
    """A time in the zone of this machine, to the second."""
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def format_rate(rate: Decimal) -> str:
    """Messages per second without idle zeros."""
    return f"{rate.normalize():f}/s"


def count_of(number: int, noun: str) -> str:
    """`1 channel`, `2 channels`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def print_invalid_lines(lines: Sequence[InvalidLine]) -> None:
    """The lines of a list that name no channel, the first of them by number."""
    if not lines:
        return
    print_warning(f"{count_of(len(lines), 'line')} left out:")
    for bad in lines[:_SHOWN_INVALID]:
        print(f"  line {bad.line}: {bad.text!r}: {bad.reason}", file=sys.stderr)
    if len(lines) > _SHOWN_INVALID:
        print(f"  and {len(lines) - _SHOWN_INVALID} more; --json lists all", file=sys.stderr)


def read_input(name: str, *, limit: int, field: str) -> bytes:
    """The bytes of a file, or of standard input for `-`; one more than `limit` at most.

    Raises InvalidInputError.
    """
    try:
        if name == "-":
            return sys.stdin.buffer.read(limit + 1)
        with open(name, "rb") as file:
            return file.read(limit + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise InvalidInputError(f"the file {name!r} cannot be read: {reason}", field=field) from exc
