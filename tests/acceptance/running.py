"""Vestnik's commands as processes of their own, with everything that belongs to them."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import psutil

from vestnik.db.embedded.layout import Layout
from vestnik.db.embedded.state import read_state

DEADLINE = 60.0
"""Seconds that any wait may take; it only shows when a test fails."""


class Running:
    """A command that prints one JSON object a line. `lines` are those that have been read so far."""

    def __init__(self, *arguments: str, folder: Path, variables: Mapping[str, str] | None = None) -> None:
        self.lines: list[dict[str, Any]] = []
        self._unread: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._errors: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vestnik", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=folder,
            env={**os.environ, **(variables or {})},
        )
        self._readers = [
            threading.Thread(target=self._read_lines, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read_lines(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            for line in stdout:
                self._unread.put(json.loads(line))
        self._unread.put(None)

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stderr:
            self._errors.extend(stderr)

    @property
    def errors(self) -> str:
        """What it has written to standard error."""
        return "".join(self._errors)

    def wait_for(self, event: str) -> dict[str, Any]:
        """The next event of this name."""
        deadline = time.monotonic() + DEADLINE
        while True:
            line = self._unread.get(timeout=max(deadline - time.monotonic(), 0.001))
            assert line is not None, f"ended before {event!r}: {self.lines} {self.errors}"
            self.lines.append(line)
            if line.get("event") == event:
                return line

    def finish(self) -> int:
        """Wait for its end and read the rest; the exit code."""
        code = self.process.wait(DEADLINE)
        for reader in self._readers:
            reader.join(DEADLINE)
        while (line := self._unread.get_nowait()) is not None:
            self.lines.append(line)
        return code

    def find_processes(self, data_dir: Path) -> list[psutil.Process]:
        """Its children, and the embedded database's guard and server, which are nobody's children."""
        state = read_state(Layout.of(data_dir).state_file)
        assert state is not None
        database = [psutil.Process(state.guard_pid), psutil.Process(state.server_pid)]
        found = psutil.Process(self.process.pid).children(recursive=True)
        return [*found, *database, *(child for process in database for child in process.children())]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
            self.process.kill()
            self.process.wait(DEADLINE)
        for reader in self._readers:
            reader.join(DEADLINE)


def run(*arguments: str, folder: Path, variables: Mapping[str, str] | None = None) -> Running:
    """Run a command to its end."""
    with Running(*arguments, folder=folder, variables=variables) as running:
        running.finish()
        return running


def wait_until_gone(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that are still there after that time."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [process for process in alive if _is_running(process)]


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def iterate_until(deadline: float) -> Iterator[None]:
    """Go round, with a short rest, until a moment of the monotonic clock; then fail."""
    while time.monotonic() < deadline:
        yield
        time.sleep(0.1)
    raise TimeoutError
