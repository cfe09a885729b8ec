"""What a person is asked at a terminal; secrets are typed unseen, or come from a program, one a line."""

import sys
from typing import Final

import typer

from vestnik.domain.errors import InvalidInputError

_LONGEST_LINE: Final = 10_000


def is_interactive() -> bool:
    """Whether a person is there to be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def confirm(question: str, *, yes: bool) -> None:
    """Go on only with --yes or after a yes at the terminal. Raises InvalidInputError where nobody can be asked."""
    if yes:
        return
    if not is_interactive():
        raise InvalidInputError("nobody is at the terminal to confirm it; add --yes", field="yes")
    typer.confirm(question, abort=True, err=True)


def read_secret(prompt: str, *, field: str, is_new: bool = False) -> str:
    """Ask on a terminal without showing what is typed; elsewhere take the next line of standard input.

    A new secret is typed twice. Raises InvalidInputError when there is none, and never repeats what was typed.
    """
    if is_interactive():
        asked: str = typer.prompt(prompt, hide_input=True, confirmation_prompt=is_new, err=True)
        return asked
    line = b"" if sys.stdin is None else sys.stdin.buffer.readline(_LONGEST_LINE)
    try:
        given = line.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise InvalidInputError(
            "this is not valid UTF-8 text; save or type it as UTF-8", field=field
        ) from None
    if not given.strip():
        raise InvalidInputError(
            f"standard input holds no {field.replace('_', ' ')}; write it there in one line, or run this on a "
            "terminal",
            field=field,
        )
    return given
