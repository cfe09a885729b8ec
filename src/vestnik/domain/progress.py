"""Figures that an operator reads off a campaign's counters. Pure."""

from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)


def compute_rate_per_minute(
    *, now: datetime, minute_started_at: datetime | None, minute_sent: int, previous_minute_sent: int
) -> float:
    """Posts in the last 60 s, from the counts of the last two minutes by the clock.

    The part of the earlier minute that is still within the last 60 s counts in proportion.
    """
    if minute_started_at is None:
        return 0.0
    age = now - minute_started_at
    if age < timedelta():
        return float(minute_sent)
    if age < MINUTE:
        return minute_sent + previous_minute_sent * (1 - age / MINUTE)
    return minute_sent * max(1 - (age - MINUTE) / MINUTE, 0.0)


def estimate_seconds_left(
    *,
    now: datetime,
    remaining: int,
    rate: float,
    account_rate: float,
    account_demand: float,
    hold_until: datetime | None,
    last_return_at: datetime | None,
) -> float:
    """How long a running campaign with so many `remaining` messages still takes if nothing else goes wrong.

    The campaign's part of the account's rate is proportional to its own rate (messages per second); the end of a
    hold comes first, and the last retry that waits cannot come earlier than it is due.
    """
    if remaining == 0:
        return 0.0
    scale = min(1.0, account_rate / account_demand) if account_demand > 0 else 1.0
    pause = max((hold_until - now).total_seconds(), 0.0) if hold_until is not None else 0.0
    sending = remaining / max(min(rate * scale, account_rate), 1e-9)
    last = max((last_return_at - now).total_seconds(), 0.0) if last_return_at is not None else 0.0
    return max(pause + sending, last)
