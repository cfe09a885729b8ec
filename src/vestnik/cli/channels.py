"""`vestnik channels`: where to post."""

from typing import TYPE_CHECKING, Annotated

import typer

from vestnik.cli.context import identify_actor, run_action
from vestnik.cli.output import JsonOption, count_of, print_invalid_lines, print_json, read_input

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from vestnik.services.channels import ImportResult

app = typer.Typer(help="Channels to post in.", no_args_is_help=True)


@app.callback()
def _keep_as_group() -> None:
    """Channels to post in."""


def read_channel_list(name: str) -> bytes:
    """The content of a list of channels. Raises InvalidInputError."""
    from vestnik.domain.channel_lists import MAX_LIST_BYTES

    return read_input(name, limit=MAX_LIST_BYTES, field="channels_file")


def describe_import(result: "ImportResult") -> str:
    """`3 imported, 2 known already, 1 named twice`."""
    parts = [f"{result.imported} imported"]
    if result.existing:
        parts.append(f"{result.existing} known already")
    if result.duplicates:
        parts.append(f"{count_of(result.duplicates, 'line')} named a channel again")
    if result.column is not None and result.column > 1:
        parts.append(f"addresses taken from column {result.column}")
    return ", ".join(parts)


@app.command("import")
def import_channels(
    context: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|-",
            help="One channel a line: @name, https://t.me/name or -100id; or CSV with named columns.",
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would happen; nothing is stored.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take over a list of channels from a file, or from standard input.

    With --dry-run 'channels' of --json are those that are known already.
    """
    from vestnik.services import channels

    data = read_channel_list(file)

    async def act(session: "AsyncSession") -> "ImportResult":
        return await channels.import_channels(session, identify_actor(), data, dry_run=dry_run)

    result = run_action(context, act)
    if as_json:
        print_json(result)
        return
    would = "nothing was stored, it would be " if dry_run else ""
    number = result.imported + result.existing
    print(f"{count_of(number, 'channel')}: {would}{describe_import(result)}.")
    print_invalid_lines(result.invalid)
    if dry_run:
        print(f"Next: vestnik channels import {file}")
    else:
        print("Next: vestnik batch create NAME --channels-file FILE")
