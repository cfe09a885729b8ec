"""The guard: a process of its own session that owns the server of one data directory.

It serves all commands that hold a lock below `server/clients` and stops the server when the last lock is gone,
however its holder ended. Run as `python -P -m vestnik.db.embedded.guard DATA_DIR MAJOR FSYNC`; starts fast, so
it imports nothing heavy. Ctrl+C in a terminal does not reach it; SIGTERM only takes away the grace.

When the guard itself is killed, Linux sends the server a fast shutdown; elsewhere the server stays until the
next guard, started by a command that still lives or by the next one, clears it up.
"""

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from vestnik.db.embedded.binaries import find_binaries
from vestnik.db.embedded.cluster import check_cluster, create_cluster, remove_unfinished
from vestnik.db.embedded.layout import Layout
from vestnik.db.embedded.locks import LockFile, is_locked
from vestnik.db.embedded.postmaster import Postmaster
from vestnik.db.embedded.privileges import choose_runner
from vestnik.db.embedded.state import GuardState, Phase, remove_state, write_state
from vestnik.db.embedded.surroundings import describe_failure, limit_log, read_tail
from vestnik.domain.errors import DatabaseUnavailableError, VestnikError

_log = logging.getLogger("vestnik.guard")

_LOCK_PATIENCE = timedelta(seconds=5)
_TICK_SECONDS = 0.1
_STARTING_TICK_SECONDS = 0.005
_GRACE_SECONDS = 1.0
_RETRY_SECONDS = 0.2
_GIVE_UP = timedelta(seconds=30)
_MAX_LOG_BYTES = 8 * 1024 * 1024


class Guard:
    """The loop; the caller holds the guard's lock."""

    def __init__(self, layout: Layout, postmaster: Postmaster) -> None:
        self.layout = layout
        self.postmaster = postmaster
        self.hurry = False
        self._state = GuardState(phase=Phase.STARTING, guard_pid=os.getpid())
        self._failing_since = time.monotonic()
        self._unused_since: float | None = None

    def run(self) -> None:
        """Serve until no client is left; DatabaseUnavailableError when the server cannot be kept running."""
        try:
            self._start()
            while True:
                self._watch_server()
                if self._is_unused(time.monotonic()) and self._close_doors():
                    return
                limit_log(self.layout.server_log, _MAX_LOG_BYTES)
                is_ready = self._state.phase is Phase.READY
                if is_ready and not self.layout.state_file.exists():
                    self._publish(self._state)
                time.sleep(_TICK_SECONDS if is_ready else _STARTING_TICK_SECONDS)
        finally:
            self.postmaster.stop()

    def _start(self) -> None:
        self.postmaster.clear_leftovers()
        self.postmaster.start()

    def _watch_server(self) -> None:
        if not self.postmaster.is_running():
            self._restart()
        elif self._state.phase is not Phase.READY and self.postmaster.is_ready():
            server = self.postmaster
            self._publish(
                GuardState(
                    phase=Phase.READY,
                    guard_pid=os.getpid(),
                    server_pid=server.pid,
                    host=server.host,
                    port=server.port,
                )
            )

    def _restart(self) -> None:
        now = time.monotonic()
        log = read_tail(self.layout.server_log, self.postmaster.log_start)
        if self._state.phase is Phase.READY:
            self._failing_since = now
            _log.warning("the server process ended and is started again")
            self._publish(GuardState(phase=Phase.STARTING, guard_pid=os.getpid()))
        # Sessions of a killed server that still hold its memory are the one thing that passes with time.
        elif (
            "pre-existing shared memory block" not in log
            or now - self._failing_since > _GIVE_UP.total_seconds()
        ):
            raise DatabaseUnavailableError(describe_failure("The embedded PostgreSQL does not start", log))
        else:
            time.sleep(_RETRY_SECONDS)
        self._start()

    def _is_unused(self, now: float) -> bool:
        try:
            clients = [path for path in self.layout.clients_dir.iterdir() if is_locked(path)]
        except OSError:
            return True
        if clients:
            self._unused_since = None
            return False
        if self._unused_since is None:
            self._unused_since = now
        return self.hurry or self.layout.hurry_file.exists() or now - self._unused_since >= _GRACE_SECONDS

    def _close_doors(self) -> bool:
        """Decide to stop while nobody can join; False when somebody joined first."""
        try:
            with LockFile(self.layout.gate_lock) as gate:
                if not gate.try_acquire():
                    return False
                for path in self.layout.clients_dir.iterdir():
                    client = LockFile(path)
                    if not client.try_acquire():
                        return False
                    client.remove()
                self.layout.hurry_file.unlink(missing_ok=True)
                remove_state(self.layout.state_file)
        except FileNotFoundError:
            _log.warning("the data directory is gone")
        return True

    def _publish(self, state: GuardState) -> None:
        self._state = state
        write_state(self.layout.state_file, state)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; 0 also when another guard is already there."""
    parser = argparse.ArgumentParser(prog="vestnik.db.embedded.guard")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("major", type=int)
    parser.add_argument("fsync", choices=("on", "off"))
    options = parser.parse_args(arguments)
    report_start = _detach()
    os.umask(0o077)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    layout = Layout.of(options.data_dir)
    lock = LockFile(layout.guard_lock)
    is_first = lock.acquire(_LOCK_PATIENCE)
    report_start()
    if not is_first:
        return 0
    try:
        return _serve(layout, options.major, fsync=options.fsync == "on")
    finally:
        lock.release()


def _detach() -> Callable[[], None]:
    """Become nobody's child, so that no zombie stays in the command that started us.

    What it started waits until the result is called, and ends with 0 then, or with 1 if we end before.
    """
    if sys.platform == "win32":
        return lambda: None
    readable, writable = os.pipe()
    if os.fork() != 0:
        os.close(writable)
        os._exit(0 if os.read(readable, 1) else 1)
    os.close(readable)

    def report_start() -> None:
        os.write(writable, b"1")
        os.close(writable)

    return report_start


def _serve(layout: Layout, major: int, *, fsync: bool) -> int:
    try:
        write_state(layout.state_file, GuardState(phase=Phase.STARTING, guard_pid=os.getpid()))
        binaries = find_binaries(major)
        runner = choose_runner(layout, binaries.program("postgres"))
        if not check_cluster(layout, major):
            create_cluster(layout, binaries, runner, fsync=fsync)
        remove_unfinished(layout)
        guard = Guard(layout, Postmaster(layout=layout, binaries=binaries, runner=runner, fsync=fsync))
        _settle_signals(guard)
        guard.run()
    except VestnikError as error:
        return _report(layout, error.code, error.message)
    except Exception as error:  # noqa: BLE001 — the edge of the process
        _log.exception("guard.failed")
        return _report(
            layout, DatabaseUnavailableError.code, f"The embedded PostgreSQL cannot be run: {error!r}"
        )
    return 0


def _settle_signals(guard: Guard) -> None:
    def hurry(number: int, frame: object) -> None:  # noqa: ARG001 — the signature of handlers
        guard.hurry = True

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, hurry)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _report(layout: Layout, code: str, message: str) -> int:
    _log.error("%s: %s", code, message)
    try:
        write_state(
            layout.state_file,
            GuardState(phase=Phase.FAILED, guard_pid=os.getpid(), code=code, message=message),
        )
    except OSError as error:
        _log.error("the state could not be written: %s", error)
    return 1


if __name__ == "__main__":
    sys.exit(main())
