"""`vestnik batch`: named sets of channels."""

from typing import TYPE_CHECKING, Annotated

import typer

from vestnik.cli.channels import describe_import, read_channel_list
from vestnik.cli.context import identify_actor, run_action
from vestnik.cli.output import JsonOption, count_of, fields_of, print_invalid_lines, print_json

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from vestnik.services.batches import BatchView
    from vestnik.services.channels import ImportResult

app = typer.Typer(help="Batches of channels.", no_args_is_help=True)


@app.callback()
def _keep_as_group() -> None:
    """Batches of channels."""


@app.command("create")
def create_batch(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME")],
    channels_file: Annotated[
        str, typer.Option("--channels-file", metavar="FILE|-", help="One channel a line.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Make a batch of the channels in a list, in its order; unknown channels are imported."""
    from vestnik.services import batches, channels

    data = read_channel_list(channels_file)

    async def act(session: "AsyncSession") -> "tuple[BatchView, ImportResult]":
        actor = identify_actor()
        imported = await channels.import_channels(session, actor, data)
        return await batches.create_batch(session, actor, name, imported.channels), imported

    batch, imported = run_action(context, act)
    if as_json:
        print_json({**fields_of(batch), **summarize_import(imported)})
        return
    print(
        f"Batch '{batch.name}' ({batch.id}) has {count_of(batch.channels, 'channel')}: {describe_import(imported)}."
    )
    print_invalid_lines(imported.invalid)
    print(f"Next: vestnik campaign create --name NAME --batch {batch.id} --text TEXT --rate 20")


def summarize_import(imported: "ImportResult") -> dict[str, object]:
    """What became of a list, for JSON, without the channels' ids."""
    return {
        "imported": imported.imported,
        "existing": imported.existing,
        "duplicates": imported.duplicates,
        "invalid": imported.invalid,
    }
