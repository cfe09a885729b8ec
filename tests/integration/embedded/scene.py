"""Servers of these tests: in folders of their own, ended by the numbers that the tests know, none left behind."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import psycopg

from vestnik.db.embedded import EmbeddedPostgres, is_running
from vestnik.db.embedded.layout import Layout
from vestnik.db.embedded.state import GuardState, Phase, read_state

DEADLINE_SECONDS = 60.0

_CLIENT = """
import sys
from vestnik.db.embedded import EmbeddedPostgres, attach
folder, kind = sys.argv[1:3]
try:
    server = attach(folder) if kind == "attach" else EmbeddedPostgres(
        folder, fsync=False, stop_on_exit=kind == "hurry")
    with server:
        print(server.dsn, flush=True)
        sys.stdin.read()
except Exception as error:
    print(f"{type(error).__name__}: {error}", flush=True)
    sys.exit(1)
"""


def wait_until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Poll until the condition holds; fails the test after the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.01)


class Client:
    """A command of its own: a process that holds a place at the server until told to leave or killed."""

    def __init__(self, folder: Path, kind: str, prefix: Sequence[str]) -> None:
        self.process: subprocess.Popen[str] = subprocess.Popen(
            [*prefix, sys.executable, "-c", _CLIENT, str(folder), kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read_line(self) -> str:
        """The address, or the error."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def leave(self) -> int:
        """Let it end by itself; its exit code."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        return self.process.wait(DEADLINE_SECONDS)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)

    def dispose(self) -> None:
        """Leave no process and no pipe."""
        if self.process.poll() is None:
            self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


class Scene:
    """A data directory, who uses it, and what runs on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layout = Layout.of(folder)
        self._clients: list[Client] = []

    def start_client(self, kind: str = "open", prefix: Sequence[str] = ()) -> Client:
        """Start a command; does not wait for it. `prefix` is a program that becomes it."""
        client = Client(self.folder, kind, prefix)
        self._clients.append(client)
        return client

    def open(self, **options: object) -> EmbeddedPostgres:
        """A place of this process."""
        return EmbeddedPostgres(self.folder, **{"fsync": False, "stop_on_exit": True, **options})  # type: ignore[arg-type]

    def state(self) -> GuardState:
        """What a living guard says; fails the test if none does."""
        found = read_state(self.layout.state_file)
        assert found is not None
        assert is_running(self.folder)
        return found

    def kill_guard(self) -> None:
        """kill -9, after making sure that it is the guard of this folder."""
        pid = self.state().guard_pid
        assert str(self.folder) in psutil.Process(pid).cmdline()
        os.kill(pid, signal.SIGKILL)

    def kill_server(self, pid: int | None = None) -> None:
        """kill -9, after making sure that it is the server of this folder."""
        pid = pid or self.state().server_pid
        assert pid in self.find_processes()
        os.kill(pid, signal.SIGKILL)

    def wait_for_new_server(self, old: GuardState) -> None:
        """Wait until another server process than the old one accepts connections."""

        def is_there() -> bool:
            state = read_state(self.layout.state_file)
            return state is not None and state.phase is Phase.READY and state.server_pid != old.server_pid

        wait_until(is_there, "a new server")

    def find_processes(self) -> list[int]:
        """Numbers of the guard, the server and its children, recognised by command line and title."""
        return [process.pid for process in psutil.process_iter() if self._belongs(process)]

    def count_guards(self) -> int:
        """Those of the processes that are Python's; others come and go beside them."""
        return sum("python" in name for name in map(_read_name, self.find_processes()))

    def wait_until_nothing_runs(self, seconds: float = DEADLINE_SECONDS) -> None:
        """Wait until guard and server are gone."""
        wait_until(lambda: not self.find_processes(), f"no process on {self.folder}", seconds)

    def dispose(self) -> None:
        """End what is left, by its numbers; a test that left something fails."""
        for client in self._clients:
            client.dispose()
        if self.find_processes():
            with contextlib.suppress(OSError):
                self.layout.hurry_file.touch()
        try:
            self.wait_until_nothing_runs()
        finally:
            for pid in self.find_processes():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)

    def _belongs(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if process.pid == os.getpid() or process.pid in {client.process.pid for client in self._clients}:
                return False
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            ours = {str(self.layout.data_dir), str(self.layout.cluster)}
            return bool(ours & set(command)) or self.layout.cluster_name in " ".join(command)
        return False


def _read_name(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except psutil.NoSuchProcess:
        return ""  # a child of the server that has done its work


def ask(dsn: str, statement: str = "SELECT 1") -> object:
    """One value from the server."""
    with psycopg.connect(dsn, connect_timeout=5, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None


def keep_answer(dsn: str) -> None:
    """Commit something that must still be there later."""
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        connection.execute("DROP TABLE IF EXISTS kept")
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")


def has_answer(dsn: str) -> bool:
    """Whether it is."""
    return ask(dsn, "SELECT answer FROM kept") == 42


def copy_data(source: Path, target: Path) -> None:
    """Copy a stopped data directory with owners and modes."""
    shutil.copytree(source, target, symlinks=True)
    for folder, folders, files in os.walk(source):
        for name in (".", *folders, *files):
            original = Path(folder, name)
            if hasattr(os, "lchown"):
                status = os.lstat(original)
                os.lchown(target / original.relative_to(source), status.st_uid, status.st_gid)
