"""How long the machine kept this process from running while a test looked at the clock."""

import threading
import time
from types import TracebackType
from typing import Final

import pytest

LOOK_EVERY: Final = 0.01
PUNCTUAL_WITHIN: Final = 0.03
"""Seconds; our own code may be late by less, because threads take turns."""
TIMES: Final = 3
"""How often a test of times is run again whose assertion failed on a machine that stood still."""
STOOD_STILL_FOR: Final = 0.1
"""Seconds in all from which a measured time says something about the machine instead of Vestnik."""


class MachineStoodStillError(Exception):
    """An assertion about times failed, but the machine did not let the test run: it has to be run again."""


def require(found: object, expected: object) -> None:
    """As `assert found == expected`, for what no machine excuses, such as a lost or a doubled post."""
    if found != expected:
        pytest.fail(f"{found} instead of {expected}")


class MachineWatch:
    """Adds up by how much this process was too late, from entering to leaving."""

    def __init__(self) -> None:
        self.stood_still = 0.0
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
            self.stood_still += late if late > PUNCTUAL_WITHIN else 0.0
