"""`vestnik secrets`: the keys that stored sessions and other secrets are encrypted with."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vestnik.cli.context import Result, identify_actor, read_settings
from vestnik.cli.output import (
    JsonOption,
    count_of,
    print_json,
    print_note,
    print_table,
    print_warning,
)
from vestnik.cli.typing_in import confirm

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from vestnik.db.secrets import StoredKeys
    from vestnik.services.secrets import Rotation, SecretsStatus, UnreadableSecret

ENVIRONMENT: Final = "VESTNIK_SECRET_KEY"

app = typer.Typer(help="Keys of stored sessions and other secrets.", no_args_is_help=True)


@app.command("generate")
def generate_key() -> None:
    """Print a new random key, fit for VESTNIK_SECRET_KEY. Nothing is stored, and nothing else is needed for it."""
    from vestnik.db import secrets

    print(secrets.generate_key())


@app.command("rotate")
def rotate_keys(
    context: typer.Context,
    *,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune",
            help="Make no new key, but drop the old ones that nothing needs any more; see 'status'.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Encrypt all secrets with a new key, beside running processes; repeat it if it was cut off.

    The new key comes first in the key file, and the old ones stay behind it until '--prune'. If VESTNIK_SECRET_KEY
    holds the keys, the first of them is used, which all processes have to know by then; if everything is encrypted
    with it already, what to put there is printed.
    """
    from vestnik.bootstrap import read_session_key
    from vestnik.services import secrets

    _require_known_to_all(context, yes=yes)
    change = secrets.prune_keys if prune else secrets.rotate_secrets

    async def act(engine: "AsyncEngine", keys: "StoredKeys") -> "Rotation":
        return await change(engine, identify_actor(), keys, read_key=read_session_key)

    rotation = _run(context, act)
    if as_json:
        print_json(rotation)
        return
    _print_rotation(rotation)


@app.command("status")
def show_status(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show where the keys come from, how many secrets each opens, and what none of them opens; never a key."""
    from vestnik.services import secrets

    status = _run(context, secrets.get_secrets_status)
    if as_json:
        print_json(status)
        return
    _print_status(status)


def _require_known_to_all(context: typer.Context, *, yes: bool) -> None:
    """Nobody tells running processes what is in VESTNIK_SECRET_KEY now: ask before it is needed."""
    if yes or read_settings(context).secret_key is None:
        return
    from vestnik.services import secrets

    status = _run(context, secrets.get_secrets_status)
    if any(key.secrets and not key.is_first for key in status.keys):
        question = (
            f"Encrypt everything with key {status.keys[0].key_id}? Processes that were not started anew since it is in "
            "VESTNIK_SECRET_KEY cannot post or log in then until they are"
        )
        confirm(question, yes=yes)


def _run(context: typer.Context, action: "Callable[[AsyncEngine, StoredKeys], Awaitable[Result]]") -> Result:
    from vestnik import bootstrap
    from vestnik.db.secrets import StoredKeys

    settings = read_settings(context)
    keys = StoredKeys(settings.secret_key, settings.data_dir)
    keys.read_ring()  # before a database is started for keys that cannot be used
    return bootstrap.run_with_engine(settings, lambda engine: action(engine, keys), announce=print_note)


def _print_rotation(rotation: "Rotation") -> None:
    if rotation.is_new:
        print(f"Key {rotation.first_key} is new, and the first one in {rotation.source}.")
    if rotation.is_resumed and rotation.source != ENVIRONMENT:
        print(f"Not all was encrypted with key {rotation.first_key} yet, so no other key was made.")
    print(f"re-encrypted {count_of(rotation.reencrypted, 'secret')}")
    if rotation.dropped:
        print(f"Dropped from {rotation.source}: {_list_keys(rotation.dropped)}.")
    if rotation.no_longer_needed:
        print(f"No longer needed here: {_list_keys(rotation.no_longer_needed)}.")
        print("Backups of the database from before need the old keys: keep those as long as the backups.")
        print(_tell_how_to_drop(rotation))
    if rotation.new_key is not None:
        _print_instructions(rotation.new_key)
    _print_unreadable(rotation.unreadable)


def _list_keys(key_ids: tuple[str, ...]) -> str:
    return ("key " if len(key_ids) == 1 else "keys ") + ", ".join(key_ids)


def _tell_how_to_drop(rotation: "Rotation") -> str:
    if rotation.source == ENVIRONMENT:
        return "Take them out of VESTNIK_SECRET_KEY, and start the processes anew."
    return "A minute from now 'vestnik secrets rotate --prune' takes them out of the key file."


def _print_instructions(new_key: str) -> None:
    print("All is encrypted with the first key of VESTNIK_SECRET_KEY. To change it, put a new one before it:")
    print(f"  VESTNIK_SECRET_KEY={new_key},<what is there now>")
    print(
        "Stop all processes of Vestnik (API, worker, up), start them with that, and run this with it once more."
    )
    print(
        "Where they are restarted one after the other, do that first with the new key last, then with it first."
    )


def _print_status(status: "SecretsStatus") -> None:
    print(f"keys from {status.source}: {len(status.keys)}")
    if status.keys:
        rows = [
            (
                key.key_id,
                "encrypts" if key.is_first else "only decrypts" if key.is_needed else "not needed",
                key.secrets,
            )
            for key in status.keys
        ]
        print_table(("key", "use", "secrets that it opens"), rows)
    _print_unreadable(status.unreadable)


def _print_unreadable(unreadable: "tuple[UnreadableSecret, ...]") -> None:
    if not unreadable:
        return
    print_warning(f"{count_of(len(unreadable), 'secret')} cannot be opened:")
    for secret in unreadable:
        print_warning(
            secret.reason if secret.secret in secret.reason else f"{secret.secret}: {secret.reason}"
        )
