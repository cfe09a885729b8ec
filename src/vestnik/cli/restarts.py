"""How long to wait before a child that died is started again."""

from datetime import timedelta

_FIRST = timedelta(seconds=0.5)
_LONGEST = timedelta(seconds=30)
_HEALTHY_AFTER = timedelta(seconds=60)


class RestartDelays:
    """Nothing the first time, then 0.5 s, 1 s, 2 s … 30 s; a life of `healthy_after` (a minute) begins anew."""

    def __init__(self, healthy_after: timedelta = _HEALTHY_AFTER) -> None:
        self._healthy_after = healthy_after
        self._failures = 0

    def next(self, lived: timedelta) -> timedelta:
        """The delay before the next start of a child that lived that long."""
        self._failures = 1 if lived >= self._healthy_after else self._failures + 1
        if self._failures == 1:
            return timedelta(0)
        # The exponent is bounded so that a night of failures does not overflow.
        doublings = min(self._failures - 2, 10)
        return min(_FIRST * (1 << doublings), _LONGEST)
