"""Named points in the engine at which a test can have the process die as by kill -9."""

import os
import signal
import sys
from enum import StrEnum

from vestnik.domain.errors import ConfigurationError


class Failpoint(StrEnum):
    """Where a process may be told to die."""

    AFTER_ACQUIRE = "after_acquire"
    AFTER_CLAIM = "after_claim"
    BEFORE_SEND = "before_send"
    AFTER_SEND = "after_send"
    BEFORE_RECORD = "before_record"
    AFTER_RECORD = "after_record"


class Failpoints:
    """Parsed from `name` or `name:N` (at the N-th pass), separated by commas; empty in production."""

    def __init__(self, specification: str) -> None:
        self._left: dict[Failpoint, int] = {}
        for part in filter(None, (item.strip() for item in specification.split(","))):
            name, _, count = part.partition(":")
            try:
                self._left[Failpoint(name)] = int(count or "1")
            except ValueError as exc:
                raise ConfigurationError(
                    f"VESTNIK_FAILPOINTS: '{part}' is none of {', '.join(Failpoint)}",
                    field="VESTNIK_FAILPOINTS",
                ) from exc

    def hit(self, point: Failpoint) -> None:
        """Die here if this is the pass that was asked for."""
        left = self._left.get(point)
        if left is None:
            return
        self._left[point] = left - 1
        if left == 1:
            if sys.platform == "win32":
                os._exit(137)
            os.kill(os.getpid(), signal.SIGKILL)
