"""The cluster on disk: checks before use, and making one in a single step.

A new cluster is made beside its place, with role, password and database, and renamed when complete: a kill at
any moment leaves either none or a whole one.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from vestnik.db.embedded.binaries import Binaries
from vestnik.db.embedded.files import make_folder, write_private
from vestnik.db.embedded.layout import Layout
from vestnik.db.embedded.privileges import Runner, choose_initdb_runner, describe_owner
from vestnik.db.embedded.surroundings import describe_failure, program_environment
from vestnik.domain.errors import ConfigurationError, DatabaseUnavailableError

ROLE = "vestnik"
DATABASE = "vestnik"

_PROGRAM_TIMEOUT = timedelta(minutes=2)
_BUILTIN_LOCALES_SINCE = 17


def prepare_folders(layout: Layout) -> None:
    """Make the data directory and our folder in it; ConfigurationError says what stands in the way."""
    # Root's server runs under another number, which has to pass these two; what they hold is closed to it.
    as_root = sys.platform != "win32" and os.geteuid() == 0
    mode = 0o711 if as_root else 0o700
    try:
        layout.data_dir.parent.mkdir(parents=True, exist_ok=True)
        make_folder(layout.data_dir, mode)
        make_folder(layout.server_dir, mode)
        make_folder(layout.clients_dir, 0o700)
        probe = layout.clients_dir / f"probe-{secrets.token_hex(8)}"
        probe.touch(mode=0o600)
        probe.unlink()
    except (FileExistsError, NotADirectoryError) as error:
        raise ConfigurationError(
            f"The data directory {layout.data_dir} cannot be used: {error.filename} is not a folder. Name another one "
            "with VESTNIK_DATA_DIR.",
            field="VESTNIK_DATA_DIR",
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"The data directory {layout.data_dir} cannot be written: {error.strerror} ({error.filename}). Correct its "
            "permissions or name another one with VESTNIK_DATA_DIR.",
            field="VESTNIK_DATA_DIR",
        ) from error


def check_cluster(layout: Layout, major: int) -> bool:
    """Whether there is a cluster; ConfigurationError when it is not one that this version can use."""
    cluster = layout.cluster
    try:
        if not cluster.exists():
            return False
        if not cluster.is_dir():
            raise _unusable(cluster, "is not a folder")
        _check_owner(cluster)
        if not (cluster / "PG_VERSION").exists():
            raise _unusable(cluster, "is not a PostgreSQL database")
        found = (cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        if not layout.password_file.exists():
            raise _unusable(cluster, f"was not made by Vestnik (it has no {layout.password_file.name})")
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(cluster, f"cannot be read ({error})") from error
    if found != str(major):
        raise ConfigurationError(
            f"The database in {cluster} is of PostgreSQL {found}, this program uses PostgreSQL {major}. Nothing was "
            "changed. Go back to the version of Vestnik that made it and dump it there, or start with an empty "
            "data directory (VESTNIK_DATA_DIR).",
            field="VESTNIK_DATA_DIR",
        )
    return True


def read_password(layout: Layout) -> str:
    """The password of the role; DatabaseUnavailableError when its file cannot be read."""
    try:
        return layout.password_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DatabaseUnavailableError(f"The embedded database's password cannot be read: {error}") from error


def create_cluster(layout: Layout, binaries: Binaries, runner: Runner, *, fsync: bool) -> None:
    """Run initdb, add the database and put the cluster in its place. The caller holds the guard's lock.

    Raises DatabaseUnavailableError with the last words of the program that failed.
    """
    remove_unfinished(layout)
    initdb_runner = choose_initdb_runner(runner)
    fresh = layout.data_dir / f"postgres.new-{secrets.token_hex(8)}"
    fresh.mkdir(mode=0o700)
    try:
        password = fresh.with_suffix(".password")
        write_private(password, secrets.token_urlsafe(32) + "\n")
        initdb_runner.own(fresh)
        initdb_runner.own(password)
        _run(initdb_runner, _initdb_command(binaries, fresh, password, fsync=fsync))
        _run(
            initdb_runner,
            [
                str(binaries.program("postgres")),
                "--single",
                *([] if fsync else ["-F"]),
                "-D",
                str(fresh),
                "postgres",
            ],
            feed=f"CREATE DATABASE {DATABASE}\n",
        )
        os.replace(password, fresh / layout.password_file.name)
        runner.own(fresh)
        if fsync:
            _sync_folder(fresh)
        os.rename(fresh, layout.cluster)
        if fsync:
            _sync_folder(layout.data_dir)
    except OSError as error:
        raise DatabaseUnavailableError(
            f"The database could not be created in {layout.data_dir}: {error}"
        ) from error
    finally:
        remove_unfinished(layout)


def remove_unfinished(layout: Layout) -> None:
    """Delete what an interrupted creation left behind."""
    for leftover in layout.data_dir.glob("postgres.new-*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def _check_owner(cluster: Path) -> None:
    if sys.platform == "win32" or os.geteuid() == 0 or os.stat(cluster).st_uid == os.geteuid():
        return
    raise _unusable(cluster, f"belongs to user {describe_owner(cluster)}, who alone can use it")


def _unusable(cluster: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"{cluster} {why}. Nothing was changed. Move it away or name another data directory with VESTNIK_DATA_DIR.",
        field="VESTNIK_DATA_DIR",
    )


def _initdb_command(binaries: Binaries, folder: Path, password: Path, *, fsync: bool) -> list[str]:
    command = [str(binaries.program("initdb")), "-D", str(folder), "-U", ROLE, "--auth=scram-sha-256"]
    command += [f"--pwfile={password}", "--encoding=UTF8", "--locale=C", "--no-instructions"]
    if binaries.major >= _BUILTIN_LOCALES_SINCE:
        # Byte order for sorting as in C, but lower() and ILIKE know Cyrillic; the same on all systems.
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return command if fsync else [*command, "--no-sync"]


def _run(runner: Runner, command: list[str], *, feed: str = "") -> None:
    try:
        result = subprocess.run(
            command,
            input=feed.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=Path(command[0]).anchor,
            env=program_environment(),
            preexec_fn=runner.preparation(signal.SIGTERM),
            timeout=_PROGRAM_TIMEOUT.total_seconds(),
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise DatabaseUnavailableError(f"{Path(command[0]).name} could not be run: {error}") from error
    output = result.stdout.decode(errors="replace")
    # Single-user mode goes on after an error and ends with 0.
    if result.returncode != 0 or "ERROR:" in output or "FATAL:" in output:
        raise DatabaseUnavailableError(describe_failure(f"{Path(command[0]).name} failed", output))


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
