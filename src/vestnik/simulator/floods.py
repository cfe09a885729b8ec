"""Flood limits: how much an account may do, and what it costs not to wait."""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from vestnik.simulator.failures import refuse_with_flood_wait


class FloodScope(StrEnum):
    """What a limit counts: messages posted, or usernames looked up."""

    POST = "post"
    RESOLVE = "resolve"


@dataclass(frozen=True, kw_only=True, slots=True)
class FloodLimit:
    """At most `posts` in any `seconds`; then a wait of `wait` seconds.

    Each request during the wait is refused and starts the wait again, `growth` times as long, up to
    `max_wait`. The first post after a wait that was kept brings it back to `wait`.
    """

    posts: Annotated[int, Field(ge=0, le=1_000_000)]
    seconds: Annotated[float, Field(gt=0)]
    wait: Annotated[float, Field(gt=0)] = 5.0
    growth: Annotated[float, Field(ge=1)] = 2.0
    max_wait: Annotated[float, Field(gt=0)] = 86_400.0

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}


class FloodGate:
    """One limit at work for one account. Times are monotonic seconds, given by the caller."""

    def __init__(self, limit: FloodLimit) -> None:
        self.limit = limit
        self._taken: deque[float] = deque(maxlen=max(limit.posts, 1))
        self._wait = limit.wait
        self._until = float("-inf")

    def is_waiting(self, now: float) -> bool:
        """Whether a wait is running."""
        return now < self._until

    def check(self, now: float) -> None:
        """Refuse during a wait, and make the wait longer for the knocking."""
        if not self.is_waiting(now):
            return
        self._wait = min(self._wait * self.limit.growth, self.limit.max_wait)
        self._until = now + self._wait
        raise refuse_with_flood_wait(self._wait)

    def take(self, now: float) -> None:
        """Count one post, or begin a wait if it is one too many."""
        full = len(self._taken) == self.limit.posts
        if self.limit.posts == 0 or (full and now - self._taken[0] < self.limit.seconds):
            self._until = now + self._wait
            raise refuse_with_flood_wait(self._wait)
        self._taken.append(now)
        self._wait = self.limit.wait
