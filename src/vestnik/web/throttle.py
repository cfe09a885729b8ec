"""How often one token or browser may ask; kept in memory, because it protects this process alone."""

import time
from collections.abc import Callable
from uuid import UUID

from vestnik.domain.errors import TooManyRequestsError

_FORGET_ABOVE = 10_000


class Throttle:
    """A bucket for each key: `burst` requests at once, `rate` a second in the long run."""

    def __init__(self, rate: float, burst: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._monotonic = monotonic
        self._empty_at: dict[UUID, float] = {}

    def take(self, key: UUID) -> None:
        """Count a request. Raises TooManyRequestsError with the seconds to wait."""
        now = self._monotonic()
        if len(self._empty_at) > _FORGET_ABOVE:
            self._empty_at = {known: at for known, at in self._empty_at.items() if at > now}
        at = max(self._empty_at.get(key, now), now) + 1 / self._rate
        wait = at - now - self._burst / self._rate
        if wait > 0:
            raise TooManyRequestsError(
                f"too many requests: at most {self._rate:g} a second in the long run", retry_after=wait
            )
        self._empty_at[key] = at
