"""Dumps of the embedded database in pg_dump's custom format, and a dump put in the database's place.

The programs are those of the server, so neither can be of another version.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql
from sqlalchemy import URL

from vestnik.db.embedded.binaries import find_binaries
from vestnik.db.embedded.files import open_private
from vestnik.db.embedded.surroundings import describe_failure, program_environment
from vestnik.domain.errors import ConflictError, DatabaseUnavailableError, InvalidInputError

RESTORING = "vestnik_restoring"
"""The database that a dump is restored into before it takes the other's place."""
REPLACED = "vestnik_replaced"
"""What the old database is called between the exchange and its end."""
MAINTENANCE = "postgres"
_SIGNATURE = b"PGDMP"
_EXPECTED = (" TABLE public campaigns ", " TABLE public jobs ", " TABLE public alembic_version ")


def dump_database(url: URL, file: Path) -> int:
    """Write the database as it is at this moment into a new file for its owner alone; its size in bytes.

    Sending goes on meanwhile. The file has its name only once it is whole and on the disk. Raises
    InvalidInputError when it cannot be written or exists, DatabaseUnavailableError with pg_dump's last words.
    """
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        with os.fdopen(open_private(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as stream:
            _run(
                ["pg_dump", "--format=custom", "--no-owner"],
                url,
                "The backup failed",
                file.parent,
                stdout=stream,
            )
            os.fsync(stream.fileno())
            size = os.fstat(stream.fileno()).st_size
        _name_finished(unfinished, file)
    except OSError as exc:
        raise InvalidInputError(
            f"{file} cannot be written: {exc.strerror or exc}; name a file in a folder that exists and is yours",
            field="file",
        ) from exc
    finally:
        unfinished.unlink(missing_ok=True)
    return size


def check_dump(file: Path) -> None:
    """Raise InvalidInputError unless the file is a whole backup of Vestnik, as far as its contents list tells."""
    try:
        with file.open("rb") as stream:
            begins_well = stream.read(len(_SIGNATURE)) == _SIGNATURE
    except OSError as exc:
        raise InvalidInputError(f"{file} cannot be read: {exc.strerror or exc}", field="file") from exc
    if not begins_well:
        raise InvalidInputError(
            f"{file} is not a backup in pg_dump's custom format; 'vestnik backup' makes one", field="file"
        )
    contents = _run_on_file(["pg_restore", "--list", str(file)], f"{file} cannot be read as a backup")
    if not all(table in contents for table in _EXPECTED):
        raise InvalidInputError(
            f"{file} is a backup, but not of Vestnik: its tables are missing", field="file"
        )
    # The list is at the beginning; only reading all of it finds a file that was cut off.
    _run_on_file(["pg_restore", f"--file={os.devnull}", str(file)], f"{file} is damaged")


@contextmanager
def replace_database(url: URL, file: Path) -> Iterator[URL]:
    """Restore a dump into a second database, whose address the block gets; then it replaces the first.

    All or nothing: an error in the block, or a connection that somebody still has, leaves all as it was.
    Raises InvalidInputError when the dump cannot be restored, ConflictError when the database is in use.
    """
    assert url.database is not None
    beside = url.set(database=RESTORING)
    with _connect(url) as connection:
        for left in (RESTORING, REPLACED):
            _drop(connection, left)
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(RESTORING)))
        try:
            _run_on_file(
                [
                    "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner",
                    f"--dbname={RESTORING}", str(file),
                ],
                f"{file} could not be restored; the database is as it was",
                beside,
            )  # fmt: skip
            yield beside
            _exchange(connection, url.database)
        finally:
            _drop(connection, RESTORING)
        _drop(connection, REPLACED)


def list_users(url: URL) -> list[str]:
    """Names under which others are connected to the database."""
    with _connect(url) as connection:
        rows = connection.execute(
            "SELECT DISTINCT application_name FROM pg_stat_activity"
            " WHERE datname = %s AND backend_type = 'client backend' ORDER BY 1",
            [url.database],
        ).fetchall()
    return [name or "a program without a name" for (name,) in rows]


def _name_finished(unfinished: Path, file: Path) -> None:
    """Give the file its name, never over another."""
    try:
        os.link(unfinished, file)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if file.exists():
            raise FileExistsError(17, os.strerror(17)) from None
        unfinished.rename(file)


def _exchange(connection: psycopg.Connection, database: str) -> None:
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    try:
        with connection.transaction():
            connection.execute(rename.format(sql.Identifier(database), sql.Identifier(REPLACED)))
            connection.execute(rename.format(sql.Identifier(RESTORING), sql.Identifier(database)))
    except psycopg.errors.ObjectInUse as exc:
        raise ConflictError(
            "somebody uses the database, so it was not replaced; stop 'vestnik up' and every other command on this "
            "data directory, and restore again"
        ) from exc


def _drop(connection: psycopg.Connection, database: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))


def _connect(url: URL) -> psycopg.Connection:
    """To the server, outside of the database. Raises DatabaseUnavailableError."""
    parameters = {name.removeprefix("PG").lower(): value for name, value in _address(url).items()}
    try:
        return psycopg.connect(
            autocommit=True,
            dbname=MAINTENANCE,
            host=parameters["host"],
            port=parameters["port"],
            user=parameters["user"],
            password=parameters["password"],
        )
    except psycopg.OperationalError as exc:
        raise DatabaseUnavailableError(f"the database cannot be reached: {exc}") from exc


def _address(url: URL) -> dict[str, str]:
    """As PostgreSQL's programs read it from their environment: nothing of it stands in the list of processes."""
    return {
        "PGHOST": str(url.query["host"]),
        "PGPORT": str(url.query["port"]),
        "PGUSER": url.username or "",
        "PGPASSWORD": url.password or "",
        "PGDATABASE": url.database or "",
    }


def _run(command: list[str], url: URL, what: str, folder: Path, *, stdout: IO[bytes]) -> None:
    program = find_binaries().program(command[0])
    done = subprocess.run(
        [str(program), *command[1:]],
        env=program_environment() | _address(url),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise DatabaseUnavailableError(describe_failure(what, done.stderr.decode(errors="replace"), folder))


def _run_on_file(command: list[str], what: str, url: URL | None = None) -> str:
    """What pg_restore prints. Raises InvalidInputError with its last words."""
    program = find_binaries().program(command[0])
    done = subprocess.run(
        [str(program), *command[1:]],
        env=program_environment() | (_address(url) if url else {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise InvalidInputError(describe_failure(what, done.stderr.decode(errors="replace")), field="file")
    return done.stdout.decode(errors="replace")
