"""Parent's side of supervision: children as processes of their own, started again when they die.

A child gets a pipe as standard input and ends when that is closed, so it ends with its parent however that
dies. What it writes to standard output is one JSON object per line, {"event": "ready", …} when it can work;
what it writes to standard error is passed on. It runs in a process group of its own, so that a Ctrl+C at the
terminal reaches the parent alone, which then decides the order.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import Any, Final, Protocol, Self

from vestnik.cli.restarts import RestartDelays
from vestnik.domain.errors import VestnikError

STOP_GRACE = timedelta(seconds=10)
"""How long a child may take to finish what it does; longer than the child's own limit (see cli/child.py)."""


class ChildFailedError(VestnikError):
    """A child process ended before it was ready."""

    code = "CHILD_FAILED"


ERROR_PREFIX: Final = "vestnik: error: "
"""What begins the line by which a command says why it ends (see cli/output.py)."""


class Reporter(Protocol):
    """Is told what becomes of the children, in the parent's event loop; must not raise."""

    def on_started(self, name: str, pid: int) -> None:
        """A process of this name runs."""

    def on_died(self, name: str, exit_code: int, restart_in: timedelta, reason: str) -> None:
        """It ended although nobody asked it to; the reason is empty if it gave none."""

    def on_line(self, name: str, line: str) -> None:
        """It wrote a warning or an error."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChildSpec:
    """How to start a child, as often as needed.

    `command` gives program and arguments, `environment` the variables that this start adds.
    `on_death` runs, once the process is known to be gone, before the next start; `delays` how long before it.
    """

    name: str
    command: Callable[[], Sequence[str]]
    environment: Callable[[], Mapping[str, str]] = dict
    on_death: Callable[[], Awaitable[None]] | None = None
    delays: Callable[[], RestartDelays] = RestartDelays


class ChildProcess:
    """One run of a child.

    `ready` is what it said when it could work, `ended` its exit code, `error` the reason that it gave for ending.
    """

    def __init__(
        self, spec: ChildSpec, environment: Mapping[str, str], on_line: Callable[[str], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_line = on_line
        self.ready: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self.error = ""
        self.started_at = time.monotonic()
        self._popen = _spawn(spec.command(), {**environment, **spec.environment()})
        self.pid = self._popen.pid
        # Daemons: a grandchild that kept a pipe open must not keep the parent from ending.
        self._line_reader = threading.Thread(target=self._read_lines, daemon=True)
        self._line_reader.start()
        threading.Thread(target=self._read_events, daemon=True).start()

    def request_stop(self) -> None:
        """Close the child's standard input, which asks it to end by itself."""
        assert self._popen.stdin is not None
        with contextlib.suppress(OSError):
            self._popen.stdin.close()

    def kill(self) -> None:
        """End it at once. Harmless when it has ended."""
        with contextlib.suppress(OSError):
            self._popen.kill()

    def _read_events(self) -> None:
        assert self._popen.stdout is not None
        with self._popen.stdout as stdout:
            for raw in stdout:
                event = _parse_event(raw)
                if event is not None and event.get("event") == "ready":
                    self._post(_resolve, self.ready, event)
        exit_code = self._popen.wait()
        self.request_stop()
        self._line_reader.join(timeout=1)  # what it said last may be why it ended
        self._post(_resolve, self.ended, exit_code)

    def _read_lines(self) -> None:
        assert self._popen.stderr is not None
        with self._popen.stderr as stderr:
            for raw in stderr:
                line = raw.decode("utf-8", "replace").rstrip()
                if line:
                    self._post(self._take_line, line)

    def _take_line(self, line: str) -> None:
        if line.startswith(ERROR_PREFIX):
            self.error = line.removeprefix(ERROR_PREFIX)
        else:
            self._on_line(line)

    def _post(self, callback: Callable[..., None], *arguments: object) -> None:
        # After the loop is closed nobody listens any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *arguments)


def _resolve(future: "asyncio.Future[Any]", value: object) -> None:
    if not future.done():
        future.set_result(value)


def _parse_event(raw: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(raw)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


def own_command(*arguments: str) -> Sequence[str]:
    """The command line that runs this very Vestnik with other arguments."""
    return (sys.executable, "-m", "vestnik", *arguments)


def _spawn(command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    pipe = subprocess.PIPE
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
        return subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, creationflags=flags
        )
    return subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, start_new_session=True
    )


@dataclass(slots=True)
class _Kept:
    """A child that is to be kept running. `first_ready` is what it said when it was ready for the first time."""

    spec: ChildSpec
    process: ChildProcess
    first_ready: "asyncio.Future[dict[str, Any] | ChildFailedError]"
    delays: RestartDelays


class Supervisor:
    """Keeps children running while its block runs; on leaving ends them one after another, last started first.

    `environment` is what every child gets; nothing else of the parent's reaches them but files and folders.
    """

    def __init__(
        self,
        reporter: Reporter,
        *,
        environment: Mapping[str, str] | None = None,
        stop_grace: timedelta = STOP_GRACE,
    ) -> None:
        self._reporter = reporter
        self._stop_grace = stop_grace
        self._environment = dict(os.environ if environment is None else environment)
        self._kept: dict[str, _Kept] = {}
        self._stopping = asyncio.Event()
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._stop_all()
        finally:
            for kept in self._kept.values():
                kept.process.kill()
            # An error of the block stays what it is instead of becoming part of a group; only the cancellation by
            # which the group itself ends the block must be seen by it.
            if isinstance(error, asyncio.CancelledError):
                await self._tasks.__aexit__(kind, error, trace)
            else:
                await self._tasks.__aexit__(None, None, None)

    def start(self, spec: ChildSpec) -> None:
        """Start a child and keep it running; returns at once (see `wait_ready`)."""
        kept = _Kept(
            spec, self._start_process(spec), asyncio.get_running_loop().create_future(), spec.delays()
        )
        self._kept[spec.name] = kept
        self._tasks.create_task(self._keep(kept), name=f"keep-{spec.name}")

    async def wait_ready(self, name: str, timeout: timedelta) -> dict[str, Any]:
        """What the child said when it could work for the first time.

        Raises ChildFailedError, quoting it, when it refused to start, or when it took too long.
        """
        first_ready = self._kept[name].first_ready
        await asyncio.wait({first_ready}, timeout=timeout.total_seconds())
        if not first_ready.done():
            raise ChildFailedError(f"the {name} process was not ready within {timeout.total_seconds():g} s")
        answer = first_ready.result()
        if isinstance(answer, ChildFailedError):
            raise answer
        return answer

    def list_pids(self) -> dict[str, int]:
        """The processes by name, the newest of each."""
        return {name: kept.process.pid for name, kept in self._kept.items()}

    def is_ready(self, name: str) -> bool:
        """Whether the child's newest process has said that it can work, and has not ended."""
        process = self._kept[name].process
        return process.ready.done() and not process.ended.done()

    async def _keep(self, kept: _Kept) -> None:
        """Start the child again whenever it dies, except when it refuses its very first start."""
        while True:
            process = kept.process
            either: set[asyncio.Future[Any]] = {process.ready, process.ended}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if process.ready.done():
                _resolve(kept.first_ready, process.ready.result())
            exit_code = await process.ended
            if self._stopping.is_set():
                return
            if not kept.first_ready.done() and not _was_killed(process, exit_code):
                kept.first_ready.set_result(_explain_refusal(kept.spec.name, process))
                return
            if not await self._start_again(kept, exit_code):
                return

    async def _start_again(self, kept: _Kept, exit_code: int) -> bool:
        """Wait and start; False when everything is to end instead."""
        lived = timedelta(seconds=time.monotonic() - kept.process.started_at)
        while True:
            delay = kept.delays.next(lived)
            self._reporter.on_died(kept.spec.name, exit_code, delay, kept.process.error)
            if kept.spec.on_death is not None:
                await kept.spec.on_death()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay.total_seconds())
            if self._stopping.is_set():
                return False
            try:
                kept.process = self._start_process(kept.spec)
            except OSError as exc:  # no memory or no process to be had just now
                self._reporter.on_line(kept.spec.name, f"cannot be started: {exc}")
                lived = timedelta(0)
            else:
                return True

    def _start_process(self, spec: ChildSpec) -> ChildProcess:
        process = ChildProcess(spec, self._environment, partial(self._reporter.on_line, spec.name))
        self._reporter.on_started(spec.name, process.pid)
        return process

    async def _stop_all(self) -> None:
        self._stopping.set()
        for kept in reversed(self._kept.values()):
            process = kept.process
            process.request_stop()
            await asyncio.wait({process.ended}, timeout=self._stop_grace.total_seconds())
            if not process.ended.done():
                process.kill()
                await process.ended


def _was_killed(process: ChildProcess, exit_code: int) -> bool:
    """Whether something else ended it: it did not exit by itself with a reason that it could tell."""
    return exit_code < 0 or not process.error


def _explain_refusal(name: str, process: ChildProcess) -> ChildFailedError:
    return ChildFailedError(f"the {name} process could not start: {process.error}")
