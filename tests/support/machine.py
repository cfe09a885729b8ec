"""How long the machine kept this process from running while a test looked at the clock."""

import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final

import pytest

LOOK_EVERY: Final = 0.01
PUNCTUAL_WITHIN: Final = 0.01
"""Seconds; our own code may be late by less, because threads take turns."""
TIMES: Final = 3
"""How often a test of times is run again whose assertion failed on a machine that stood still."""
STOOD_STILL_FOR: Final = 0.1
"""Seconds in all from which a measured time says something about the machine instead of Vestnik."""

LEASES_END_AFTER: Final = 1.0
"""Seconds at once after which a worker of a test may have lost its lease, as it must."""


class MachineStoodStillError(Exception):
    """An assertion about times failed, but the machine did not let the test run: it has to be run again."""


def require(found: object, expected: object) -> None:
    """As `assert found == expected`, for what no machine excuses, such as a lost or a doubled post."""
    if found != expected:
        pytest.fail(f"{found} instead of {expected}")


class MachineWatch:
    """Adds up by how much this process was too late, from entering to leaving.

    Where the system tells it (Linux), also for how long this process was ready and waited for a processor, and for
    how long the host of this machine gave its processors to others: both slow a test down without a visible pause.
    """

    def __init__(self) -> None:
        self._late = 0.0
        self._longest = 0.0
        self._waited = _read_waited()
        self._given_away = _read_given_away()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "MachineWatch":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    @property
    def stood_still(self) -> float:
        """Seconds, by the measure that shows the most."""
        return max(self._late, _read_waited() - self._waited, _read_given_away() - self._given_away)

    def check_stall(self, error: Exception) -> None:
        """Raise `MachineStoodStillError` if the machine once stood still for as long as leases of tests last."""
        if self._longest >= LEASES_END_AFTER:
            raise MachineStoodStillError(
                f"the machine stood still for {self._longest:.2f} s at once during the test; {error}"
            ) from error

    def check(self, error: AssertionError) -> None:
        """Raise `MachineStoodStillError` if the failed assertion proves nothing."""
        if self.stood_still >= STOOD_STILL_FOR:
            raise MachineStoodStillError(
                f"the machine stood still for {self.stood_still:.2f} s during the test; {error}"
            ) from error

    def _look(self) -> None:
        while not self._done.is_set():
            before = time.monotonic()
            self._done.wait(LOOK_EVERY)
            late = time.monotonic() - before - LOOK_EVERY
            self._late += late if late > PUNCTUAL_WITHIN else 0.0
            self._longest = max(self._longest, late)


def _read_waited() -> float:
    """Seconds that the main thread was ready to run and did not (schedstat of proc(5))."""
    return _read_field("/proc/self/schedstat", 1) / 1e9


def _read_given_away() -> float:
    """Seconds of all processors that the host gave to other machines (steal in /proc/stat of proc(5))."""
    ticks = _read_field("/proc/stat", 8)
    return ticks / os.sysconf("SC_CLK_TCK") if ticks else 0.0


def _read_field(path: str, index: int) -> int:
    """A number of the file's first line; 0 where the system has no such file."""
    try:
        return int(Path(path).read_text(encoding="ascii").partition("\n")[0].split()[index])
    except FileNotFoundError:
        return 0
