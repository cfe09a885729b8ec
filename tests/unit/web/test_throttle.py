"""How often one token may ask."""

from uuid import UUID

import pytest

from vestnik.domain.errors import TooManyRequestsError
from vestnik.web.throttle import Throttle

ONE, OTHER = UUID(int=1), UUID(int=2)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_let_through_and_then_the_rate_counts() -> None:
    clock = Clock()
    throttle = Throttle(2, burst=4, monotonic=clock)
    for _ in range(4):
        throttle.take(ONE)
    with pytest.raises(TooManyRequestsError) as caught:
        throttle.take(ONE)
    assert caught.value.retry_after == pytest.approx(0.5)
    throttle.take(OTHER)
    clock.now += 0.5
    throttle.take(ONE)
    with pytest.raises(TooManyRequestsError):
        throttle.take(ONE)


def test_a_refused_request_costs_nothing() -> None:
    clock = Clock()
    throttle = Throttle(1, burst=1, monotonic=clock)
    throttle.take(ONE)
    for _ in range(50):
        with pytest.raises(TooManyRequestsError):
            throttle.take(ONE)
    clock.now += 1
    throttle.take(ONE)
