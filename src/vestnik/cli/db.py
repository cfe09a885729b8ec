"""`vestnik db`: the database's schema, and what it needs after a backup was restored."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from vestnik.cli.context import read_settings
from vestnik.cli.output import JsonOption, print_json
from vestnik.cli.typing_in import confirm
from vestnik.domain.errors import SchemaVersionError

if TYPE_CHECKING:
    from sqlalchemy import URL

app = typer.Typer(help="The database's schema, and restored backups.", no_args_is_help=True)


@contextmanager
def open_url(context: typer.Context) -> "Iterator[URL]":
    """The address of the database, whatever its schema."""
    from vestnik import bootstrap

    with (
        bootstrap.open_database(read_settings(context), start_embedded=True) as database,
        bootstrap.explain_unreachable(database),
    ):
        yield database.url


@app.command("upgrade")
def upgrade(context: typer.Context, as_json: JsonOption = False) -> None:
    """Bring the schema up to this version of Vestnik; safe to repeat."""
    from vestnik.db.schema import upgrade_schema

    with open_url(context) as url:
        before = upgrade_schema(url)
    if as_json:
        print_json({"before": before.current, "current": before.head, "changed": not before.is_current})
    elif before.is_current:
        print(f"The schema is current ({before.current}); nothing to do.")
    else:
        print(f"The schema was upgraded from {before.current or 'nothing'} to {before.head}.")


@app.command("current")
def current(context: typer.Context, as_json: JsonOption = False) -> None:
    """Show which schema the database has and which one is needed."""
    from vestnik.db.schema import read_schema_state

    with open_url(context) as url:
        state = read_schema_state(url)
    if as_json:
        print_json({"current": state.current, "head": state.head, "is_current": state.is_current})
    elif state.is_predecessors:
        print("The database holds the predecessor's tables. Next: vestnik db adopt --dry-run")
    elif state.is_current:
        newer = ", newer than this version, which works with it" if state.is_ahead else ""
        print(f"The schema is current: {state.current}{newer}.")
    else:
        print(
            f"The schema is {state.current or 'missing'}; this version needs {state.head}. Next: vestnik db upgrade"
        )


@app.command("check")
def check(context: typer.Context, as_json: JsonOption = False) -> None:
    """Compare the database with what this version of Vestnik expects; the exit code is 1 when they differ."""
    from vestnik.db.schema import find_differences, require_current_schema

    with open_url(context) as url:
        require_current_schema(url)
        differences = find_differences(url)
    if differences:
        raise SchemaVersionError(
            f"the database differs from the schema in {len(differences)} places, the first: {differences[0]}; "
            "somebody changed it by hand"
        )
    if as_json:
        print_json({"differences": []})
    else:
        print("The database is as this version of Vestnik expects it.")


@app.command("after-restore")
def after_restore(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run it once a backup was restored, before any worker starts: nothing goes out by itself then.

    Campaigns that were running or scheduled are paused (RESTORED), direct posts that were open end with an unknown
    outcome, and no worker from before the restore can send any more.
    """
    from vestnik import bootstrap
    from vestnik.cli.restored import print_restored, settle_restored, warn_of_secrets

    confirm("Pause every running and scheduled campaign, and take all accounts from their workers?", yes=yes)
    settings = read_settings(context)
    # Unlike other commands it takes no session from the environment: the key for that may be missing.
    with (
        bootstrap.open_database(settings, start_embedded=True) as database,
        bootstrap.explain_unreachable(database),
    ):
        bootstrap.prepare_schema(database)
        settled = settle_restored(database.url, settings)
    warn_of_secrets(settled)
    if as_json:
        print_json(settled.after_restore)
        return
    print_restored(settled.after_restore)
