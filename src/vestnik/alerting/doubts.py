"""What may be over in a moment is not told yet."""

import time
from collections.abc import Callable
from typing import Final

from vestnik.domain.alerts import Alert, AlertKind

DOUBTED_FOR: Final = 8.0
"""Seconds in which a worker that is started, or finds the database again, says that it lives, takes its accounts
and posts."""
SLOW_AFTER: Final = 5.0
"""A look that takes so many seconds waited for the database, and what it read is of before that. Workers count as
dead when they have been silent for longer, so that a shorter wait alone makes none look dead."""
_OF_WORKERS: Final = frozenset({AlertKind.NO_WORKER, AlertKind.WORKER_GONE})


class Doubts:
    """Holds back what is so for a moment only: while a worker starts, takes over, or finds the database again.

    What is uncertain is told when it has been found for a while. A worker that died is told of at once, but not as
    long as this process is new itself, or has just got the database back: then the others have as well.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._began = self._looked_at = monotonic()
        self._since: dict[str, float] = {}
        self._asked: set[str] = set()
        self._is_slow = self._was_slow = False

    def start_over(self) -> None:
        """The database was away: what is found next is of before that."""
        self._began = self._monotonic()
        self._since.clear()

    def begin_look(self) -> None:
        """From here on it is asked about what is found."""
        self._looked_at = self._monotonic()
        self._asked.clear()
        self._was_slow, self._is_slow = self._is_slow, False

    def holds_back(self, alert: Alert) -> bool:
        """Whether it may be over in a moment."""
        now = self._monotonic()
        if now - self._looked_at > SLOW_AFTER and not self._is_slow:
            self._is_slow = True
            if not self._was_slow:  # a database that stays slow must not keep everything from being told
                self.start_over()
        if alert.is_certain:
            return alert.kind in _OF_WORKERS and now - self._began < DOUBTED_FOR
        self._asked.add(alert.key)
        return now - self._since.setdefault(alert.key, now) < DOUBTED_FOR

    def end_look(self) -> None:
        """What was not found in this look is over."""
        for key in self._since.keys() - self._asked:
            del self._since[key]
