"""What commands use: join the server of a data directory, starting it if need be, and leave it again."""

import contextlib
import logging
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from vestnik.db.embedded.address import ServerAddress
from vestnik.db.embedded.binaries import DEFAULT_MAJOR, find_binaries
from vestnik.db.embedded.cluster import DATABASE, ROLE, check_cluster, prepare_folders, read_password
from vestnik.db.embedded.files import open_log
from vestnik.db.embedded.layout import Layout
from vestnik.db.embedded.locks import LockFile, is_locked
from vestnik.db.embedded.state import GuardState, Phase, read_state, remove_state
from vestnik.db.embedded.surroundings import describe_failure, guard_environment, limit_log, read_tail
from vestnik.domain.errors import ConfigurationError, DatabaseUnavailableError, VestnikError

_log = logging.getLogger(__name__)

START_TIMEOUT = timedelta(seconds=60)

_STOP_TIMEOUT = timedelta(seconds=20)
_POLL_SECONDS = 0.005
_WATCH_SECONDS = 0.5
_MAX_WATCH_PAUSE_SECONDS = 30.0
_MAX_GUARD_LOG_BYTES = 1024 * 1024
_CONNECT_SECONDS = 2.0
_MAX_STARTS = 3

# A console of its own, invisible: Ctrl+C and closing the terminal do not reach it.
if sys.platform == "win32":
    _CREATION_FLAGS = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
else:
    _CREATION_FLAGS = 0


class EmbeddedPostgres:
    """A place at the embedded server of a data directory: `with EmbeddedPostgres(folder) as server: server.url`.

    While it is held the server runs; the place is an OS lock, so a kill -9 gives it back as well. A thread
    restarts the guard should somebody kill it; connections break then, the address stays.

    `fsync=False` is for tests: a crash of the machine may cost the data. It counts for who starts the server.
    With `stop_on_exit` leaving waits until the server is gone, unless others use it; without, it stops by itself
    about a second after the last one left.
    """

    def __init__(
        self,
        data_dir: Path | str,
        *,
        major: int = DEFAULT_MAJOR,
        fsync: bool = True,
        stop_on_exit: bool = False,
        timeout: timedelta = START_TIMEOUT,
    ) -> None:
        self.layout = Layout.of(data_dir)
        self.major = major
        self.fsync = fsync
        self.stop_on_exit = stop_on_exit
        self.timeout = timeout
        self._place: LockFile | None = None
        self._address: ServerAddress | None = None
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None

    @property
    def address(self) -> ServerAddress:
        """Where the server listens; the place must be held."""
        assert self._address is not None, "not open"
        return self._address

    @property
    def url(self) -> str:
        """For SQLAlchemy with psycopg."""
        return self.address.url

    @property
    def dsn(self) -> str:
        """For libpq."""
        return self.address.dsn

    def open(self) -> Self:
        """Join the server, starting it if none runs, and wait until it accepts connections.

        Raises ConfigurationError when the data directory cannot be used, DatabaseUnavailableError when the
        server does not start within the timeout; then quotes its log.
        """
        find_binaries(self.major)
        prepare_folders(self.layout)
        check_cluster(self.layout, self.major)
        self._join(may_start=True)
        return self

    def ensure(self) -> None:
        """Start a new guard if there is none any more, and wait until the server accepts connections."""
        with self._gate():
            self._start_guard_if_missing()
        self._wait_until_ready(may_start=True)

    def close(self) -> None:
        """Leave the server; does nothing when it was left already."""
        self._closing.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None
        if self._place is None:
            return
        if self.stop_on_exit:
            with contextlib.suppress(OSError):
                os.close(open_log(self.layout.hurry_file))
        self._place.remove()
        self._place = None
        if self.stop_on_exit:
            self._wait_until_stopped()

    def __enter__(self) -> Self:
        return self if self._place is not None else self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _join(self, *, may_start: bool) -> bool:
        self._closing.clear()
        try:
            with self._gate():
                if not may_start and not is_locked(self.layout.guard_lock):
                    return False
                self._take_place()
                if may_start:
                    self._start_guard_if_missing()
            joined = self._wait_until_ready(may_start=may_start)
        except BaseException:
            self._leave_failed()
            raise
        if not joined:
            self._leave_failed()
            return False
        self._watcher = threading.Thread(target=self._watch, name="vestnik-postgres-watch", daemon=True)
        self._watcher.start()
        return True

    def _leave_failed(self) -> None:
        if self._place is not None:
            self._place.remove()
            self._place = None

    def _take_place(self) -> None:
        place = LockFile(self.layout.clients_dir / f"{os.getpid()}-{secrets.token_hex(8)}.lock")
        if not place.acquire(self.timeout):
            raise DatabaseUnavailableError(f"The lock {place.path} could not be taken.")
        self._place = place

    @contextlib.contextmanager
    def _gate(self) -> Iterator[None]:
        gate = LockFile(self.layout.gate_lock)
        try:
            entered = gate.acquire(self.timeout)
        except OSError as error:
            raise ConfigurationError(
                f"The embedded database in {self.layout.data_dir} cannot be joined: {error.strerror} "
                f"({error.filename}). Run Vestnik as the user who owns it.",
                field="VESTNIK_DATA_DIR",
            ) from error
        if not entered:
            raise DatabaseUnavailableError(
                f"Another command has been starting the embedded database in {self.layout.data_dir} for more than "
                f"{self.timeout.total_seconds():.0f} s. Look for a stopped vestnik process and end it."
            )
        with gate:
            yield

    def _start_guard_if_missing(self) -> None:
        """The caller is inside the gate, so nobody else starts one and none decides to stop."""
        layout = self.layout
        deadline = time.monotonic() + self.timeout.total_seconds()
        while is_locked(layout.guard_lock):
            if not _has_failed(layout) or time.monotonic() > deadline:
                return
            time.sleep(_POLL_SECONDS)  # it is on its way out
        # Whatever it says is of a guard that lives no more.
        remove_state(layout.state_file)
        layout.hurry_file.unlink(missing_ok=True)
        limit_log(layout.guard_log, _MAX_GUARD_LOG_BYTES)
        process = _spawn_guard(layout, self.major, fsync=self.fsync)
        if sys.platform == "win32":
            while process.poll() is None and not is_locked(layout.guard_lock) and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
            if process.poll() in {None, 0}:
                return
        else:
            # This half of it ends when the other, which is nobody's child, holds the lock: no zombie stays here.
            with contextlib.suppress(subprocess.TimeoutExpired):
                if process.wait(self.timeout.total_seconds()) == 0:
                    return
            process.kill()
            process.wait()
        if not _has_failed(layout):
            raise self._describe_guard_failure("did not start")

    def _describe_guard_failure(self, what: str) -> DatabaseUnavailableError:
        log = read_tail(self.layout.guard_log)
        return DatabaseUnavailableError(
            describe_failure(f"The guard of the embedded PostgreSQL {what}", log, self.layout.data_dir)
        )

    def _wait_until_ready(self, *, may_start: bool) -> bool:
        """Wait for the server; False when it ended and may not be started, or we are being closed."""
        deadline = time.monotonic() + self.timeout.total_seconds()
        starts = 0
        while not self._closing.is_set():
            state = read_state(self.layout.state_file)
            guarded = is_locked(self.layout.guard_lock)
            if state is not None and state.phase is Phase.FAILED:
                raise _rebuild_error(state)
            if guarded and state is not None and state.phase is Phase.READY and _accepts_connections(state):
                self._address = ServerAddress(
                    host=state.host,
                    port=state.port,
                    user=ROLE,
                    password=read_password(self.layout),
                    dbname=DATABASE,
                )
                return True
            if not guarded:
                if not may_start:
                    return False
                starts += 1
                if starts > _MAX_STARTS:
                    raise self._describe_guard_failure("ended without a word")
                with self._gate():
                    self._start_guard_if_missing()
            if time.monotonic() > deadline:
                log = read_tail(self.layout.server_log)
                waited = f"{self.timeout.total_seconds():.0f} s"
                raise DatabaseUnavailableError(
                    describe_failure(
                        f"The embedded PostgreSQL did not accept connections within {waited}", log
                    )
                )
            time.sleep(_POLL_SECONDS)
        return False

    def _wait_until_stopped(self) -> None:
        deadline = time.monotonic() + _STOP_TIMEOUT.total_seconds()
        while time.monotonic() < deadline and is_locked(self.layout.guard_lock):
            with contextlib.suppress(OSError):
                if any(is_locked(path) for path in self.layout.clients_dir.iterdir()):
                    return
            time.sleep(_POLL_SECONDS)

    def _watch(self) -> None:
        pause = _WATCH_SECONDS
        while not self._closing.wait(pause):
            try:
                if not is_locked(self.layout.guard_lock):
                    _log.warning("embedded_postgres.guard_lost")
                    self.ensure()
            except (VestnikError, OSError) as error:
                pause = min(pause * 2, _MAX_WATCH_PAUSE_SECONDS)
                _log.error("embedded_postgres.restart_failed: %s", error)
            else:
                pause = _WATCH_SECONDS


def attach(data_dir: Path | str, *, timeout: timedelta = START_TIMEOUT) -> EmbeddedPostgres | None:
    """Join the server of a data directory only if one runs; None otherwise, also when there is no such folder.

    The result is open and must be closed (it is a context manager).
    """
    server = EmbeddedPostgres(data_dir, timeout=timeout)
    if not is_running(data_dir):
        return None
    server.major = _read_major(server.layout)
    return server if server._join(may_start=False) else None


def is_running(data_dir: Path | str) -> bool:
    """Whether a guard serves this data directory now; says nothing about the next moment."""
    layout = Layout.of(data_dir)
    try:
        return is_locked(layout.guard_lock) and not _has_failed(layout)
    except NotADirectoryError:
        return False
    except OSError as error:
        raise ConfigurationError(
            f"The data directory {layout.data_dir} cannot be read: {error.strerror}. Run Vestnik as the user who "
            "owns it.",
            field="VESTNIK_DATA_DIR",
        ) from error


def _has_failed(layout: Layout) -> bool:
    state = read_state(layout.state_file)
    return state is not None and state.phase is Phase.FAILED


def _read_major(layout: Layout) -> int:
    try:
        return int((layout.cluster / "PG_VERSION").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return DEFAULT_MAJOR


def _spawn_guard(layout: Layout, major: int, *, fsync: bool) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", "vestnik.db.embedded.guard"]
    command += [str(layout.data_dir), str(major), "on" if fsync else "off"]
    try:
        descriptor = open_log(layout.guard_log)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                cwd=layout.data_dir.anchor,
                env=guard_environment(),
                start_new_session=True,
                creationflags=_CREATION_FLAGS,
            )
        finally:
            os.close(descriptor)
    except OSError as error:
        raise DatabaseUnavailableError(
            f"The guard of the embedded PostgreSQL did not start: {error}"
        ) from error
    return process


def _accepts_connections(state: GuardState) -> bool:
    if sys.platform == "win32":
        with (
            contextlib.suppress(OSError),
            socket.create_connection((state.host, state.port), _CONNECT_SECONDS),
        ):
            return True
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_CONNECT_SECONDS)
        try:
            probe.connect(f"{state.host}/.s.PGSQL.{state.port}")
        except OSError:
            return False
        return True


def _rebuild_error(state: GuardState) -> VestnikError:
    kind = ConfigurationError if state.code == ConfigurationError.code else DatabaseUnavailableError
    return kind(state.message)
