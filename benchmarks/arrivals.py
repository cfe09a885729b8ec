"""What instants of arrival say about a pace. Pure; instants and durations are in seconds."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

HELD_FOR = 1.0
"""A pace holds when the second that begins then has as many arrivals as it should."""


def pick_percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that is not exceeded by this part (0 to 1) of all."""
    return sorted(values)[max(math.ceil(part * len(values)) - 1, 0)]


def measure_lateness(arrivals: Sequence[float], rate: float) -> list[float]:
    """How late each came against an even grid that begins with the first; negative when that one was late."""
    return [at - (arrivals[0] + number / rate) for number, at in enumerate(arrivals)]


def measure_gap_errors(arrivals: Sequence[float], rate: float) -> list[float]:
    """By how much each gap is longer or shorter than the interval."""
    return [abs(after - before - 1 / rate) for before, after in pairwise(arrivals)]


def count_fewest_in_window(arrivals: Sequence[float], seconds: float = 1.0) -> int:
    """The fewest arrivals in any window between the first and the last; 0 if those are nearer than that.

    A window has fewest when it begins just behind an arrival.
    """
    counts = [
        bisect_left(arrivals, at + seconds) - number - 1
        for number, at in enumerate(arrivals)
        if at + seconds <= arrivals[-1]
    ]
    return min(counts, default=0)


def find_pace_change(arrivals: Sequence[float], rate: float, after: float) -> float | None:
    """The first arrival after an instant from which on the pace is `rate`; None if it never is.

    From there the next gap is nearer to the interval than to half or half as much again, and the next second
    holds what the rate makes within 5 % and one.
    """
    for number, at in enumerate(arrivals[:-1]):
        gap = arrivals[number + 1] - at
        count = bisect_left(arrivals, at + HELD_FOR) - number
        if (
            at > after
            and abs(gap * rate - 1) < 0.5
            and 0.95 * rate - 1 <= count / HELD_FOR <= 1.05 * rate + 1
            and at + HELD_FOR <= arrivals[-1] + 1 / rate
        ):
            return at
    return None
