"""`vestnik session`: session strings of Telegram."""

import codecs
from typing import Annotated

import typer

from vestnik.cli.output import JsonOption, print_fields, print_json, read_input

app = typer.Typer(help="Session strings of Telegram.", no_args_is_help=True)

_MAX_BYTES = 64 * 1024
_STANDARD_INPUT = "-"


@app.command("inspect")
def inspect_session(
    session: Annotated[
        list[str],
        typer.Argument(
            metavar="STRING|-",
            help="The string; - reads it from standard input, which leaves no trace in the shell's history.",
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Say who wrote a session string and where it leads, and never the key; nothing is connected to.

    A string that was made in a browser names a web server there; what is shown is the data centre's own address.
    """
    from vestnik.telegram.sessions import parse_session

    parsed = parse_session(_read_text(session))
    fields: dict[str, object] = {
        "layout": parsed.layout.value.lower(),
        "dc": parsed.dc_id,
        "host": parsed.host,
        "port": parsed.port,
    }
    if as_json:
        print_json(fields)
        return
    print_fields(list(fields.items()))


def _read_text(words: list[str]) -> str:
    """The string, also one that white space has cut: the command line would quote the pieces otherwise."""
    if words != [_STANDARD_INPUT]:
        return " ".join(words)
    data = read_input(_STANDARD_INPUT, limit=_MAX_BYTES, field="session")
    # PowerShell writes UTF-16 into files and pipes.
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_utf16 else "utf-8-sig", "replace")
