"""`vestnik backup` and `vestnik restore`: the embedded database as one file, and back."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vestnik.cli.context import read_settings
from vestnik.cli.output import JsonOption, count_of, print_json, print_warning
from vestnik.cli.restored import print_restored, settle_restored, warn_of_secrets
from vestnik.cli.typing_in import confirm
from vestnik.domain.errors import ConfigurationError, ConflictError

if TYPE_CHECKING:
    from vestnik.bootstrap import Database
    from vestnik.db.restore import AfterRestore

FOLDER = "backups"
NOT_IN_IT = (
    "Not in it: the files of templates ({data_dir}/media) and the key that sessions are encrypted with "
    "({data_dir}/secret.key, or VESTNIK_SECRET_KEY). Keep copies of both, the key apart from the backup."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class BackupMade:
    """What `vestnik backup --json` prints."""

    file: Path
    bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """What `vestnik restore --json` prints; `before` is a backup of what the data directory held until then."""

    file: Path
    before: Path | None
    after_restore: "AfterRestore"
    unreadable_secrets: int
    """Sessions and the like that the keys of the data directory do not open."""


def make_backup(
    context: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(
            help="A new file, or a folder; without it a file named by the time, in DATA_DIR/backups."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the embedded database into one file, while everything goes on.

    The file is in pg_dump's custom format. Sessions in it stay encrypted; it holds everything else in the clear.
    """
    from rich.filesize import decimal

    from vestnik import bootstrap
    from vestnik.db.embedded.backups import dump_database

    with _open_embedded(context) as database:
        bootstrap.prepare_schema(database)
        target = _choose_file(file, database.data_dir)
        made = BackupMade(file=target, bytes=dump_database(database.url, target))
    if as_json:
        print_json(made)
        return
    print(f"The database is in {made.file} ({decimal(made.bytes)}).")
    print(NOT_IN_IT.format(data_dir=database.data_dir))
    print(f"Next, when it is needed: vestnik restore {made.file}")


def restore_backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file that `vestnik backup` made.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Put a backup in the place of the embedded database; nothing goes out by itself afterwards.

    What the data directory holds until then is backed up first. All is replaced or nothing. Campaigns that were
    running or scheduled are paused (RESTORED), as after `vestnik db after-restore`.
    """
    from vestnik.db.embedded.backups import check_dump, dump_database, list_users, replace_database
    from vestnik.db.schema import find_differences, read_schema_state, upgrade_schema

    check_dump(file)
    with _open_embedded(context) as database:
        if users := list_users(database.url):
            raise ConflictError(
                f"the database is in use ({', '.join(users)}); stop 'vestnik up' and every other command on "
                f"{database.data_dir} first"
            )
        confirm(f"Replace the database of {database.data_dir} with {file}?", yes=yes)
        before = None
        if read_schema_state(database.url).current is not None:
            before = _choose_file(None, database.data_dir, name="before-restore")
            dump_database(database.url, before)
        with replace_database(database.url, file) as fresh:
            upgrade_schema(fresh)
            differences = find_differences(fresh)
            settled = settle_restored(fresh, read_settings(context))
    _warn_of_differences(differences)
    warn_of_secrets(settled)
    if as_json:
        done = settled.after_restore
        print_json(
            Restored(
                file=file, before=before, after_restore=done, unreadable_secrets=settled.unreadable_secrets
            )
        )
        return
    print(f"The database is that of {file}." + (f" What was there before is in {before}." if before else ""))
    print_restored(settled.after_restore)


def _warn_of_differences(differences: Sequence[str]) -> None:
    """A dump has no checksum: a damaged statement of it may have run all the same."""
    if differences:
        print_warning(
            f"the restored database differs from the schema in {count_of(len(differences), 'place')}, the first: "
            f"{differences[0]}; the file is damaged, or somebody changed the database by hand"
        )


@contextmanager
def _open_embedded(context: typer.Context) -> "Iterator[Database]":
    from vestnik import bootstrap

    settings = read_settings(context)
    if settings.database_url is not None:
        raise ConfigurationError(
            "DATABASE_URL (or SUPABASE_DIRECT_URL) names a server of your own; use its backups or pg_dump, and "
            "'vestnik db after-restore' once one was restored (docs/how-to/backup.md)",
            field="DATABASE_URL",
        )
    with bootstrap.open_database(settings, start_embedded=True) as database:
        yield database


def _choose_file(asked: Path | None, data_dir: Path, name: str = "vestnik") -> Path:
    """The file asked for, else one of our own names in the folder asked for or in the data directory's."""
    from vestnik.db.embedded.files import make_folder

    if asked is not None and not asked.is_dir():
        return asked
    folder = asked
    if folder is None:
        folder = data_dir / FOLDER
        make_folder(folder, 0o700)
    return folder / f"{name}-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}.dump"
