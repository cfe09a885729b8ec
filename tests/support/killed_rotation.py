"""`vestnik secrets ...` in a process that dies by kill -9 at a named point: `MODULE.NAME:before:3 rotate`.

Dies before or after the N-th call of a function.
"""

import importlib
import os
import signal
import sys
from typing import Any

from vestnik.cli.app import run_command_line
from vestnik.services import secrets

BATCH = 2
"""So that a few secrets need several transactions."""


def arm(point: str) -> None:
    """Have this process die there."""
    place, moment, count = point.split(":")
    module_name, _, name = place.rpartition(".")
    module = importlib.import_module(module_name)
    original = getattr(module, name)
    left = int(count)

    def call(*arguments: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and moment == "before":
            die()
        result = original(*arguments, **options)
        if left == 0:
            die()
        return result

    setattr(module, name, call)


def die() -> None:
    """As by kill -9: nothing is closed, flushed or rolled back by us."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    secrets.BATCH = BATCH  # type: ignore[misc]
    arm(sys.argv[1])
    sys.exit(run_command_line(["secrets", *sys.argv[2:]]))
