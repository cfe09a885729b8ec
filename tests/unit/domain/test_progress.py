"""Figures read off a campaign's counters."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestnik.domain.progress import compute_rate_per_minute, estimate_seconds_left

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


def _rate(seconds: float, current: int = 60, previous: int = 120) -> float:
    return compute_rate_per_minute(
        now=NOON + timedelta(seconds=seconds),
        minute_started_at=NOON,
        minute_sent=current,
        previous_minute_sent=previous,
    )


def test_the_last_sixty_seconds_mix_this_minute_and_the_one_before() -> None:
    assert _rate(0, current=0) == 120
    assert _rate(30) == 60 + 60
    assert _rate(59.99) == pytest.approx(60, abs=0.1)


def test_a_campaign_that_stands_still_comes_down_to_zero() -> None:
    assert _rate(90) == 30
    assert _rate(120) == 0
    assert _rate(3600) == 0


def test_nothing_sent_is_zero() -> None:
    assert (
        compute_rate_per_minute(now=NOON, minute_started_at=None, minute_sent=0, previous_minute_sent=0) == 0
    )


def _left(**changes: Any) -> float:
    facts: dict[str, Any] = {
        "now": NOON,
        "remaining": 100,
        "rate": 10.0,
        "account_rate": 20.0,
        "account_demand": 10.0,
        "hold_until": None,
        "last_return_at": None,
    }
    return estimate_seconds_left(**(facts | changes))


def test_the_campaigns_own_rate_decides_while_the_account_has_room() -> None:
    assert _left() == 10


def test_a_crowded_account_is_shared_in_proportion() -> None:
    assert _left(account_demand=40.0) == 20
    assert _left(rate=50.0, account_demand=50.0) == 5


def test_a_hold_comes_first_and_a_waiting_retry_last() -> None:
    assert _left(hold_until=NOON + timedelta(seconds=30)) == 40
    assert _left(last_return_at=NOON + timedelta(minutes=5)) == 300
    assert _left(last_return_at=NOON + timedelta(seconds=5)) == 10


def test_nothing_left_takes_no_time_even_during_a_hold() -> None:
    assert _left(remaining=0, hold_until=NOON + timedelta(hours=1)) == 0


@given(remaining=st.integers(0, 10**6), rate=st.floats(0.001, 1000), demand=st.floats(0, 5000))
def test_more_to_do_never_takes_less_time(remaining, rate, demand) -> None:
    less = _left(remaining=remaining, rate=rate, account_demand=demand)
    more = _left(remaining=remaining + 1, rate=rate, account_demand=demand)
    assert 0 <= less <= more
