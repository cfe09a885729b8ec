"""What instants of arrival say about a pace. Pure; instants and durations are in seconds."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from vestnik.simulator.posts import count_most_in_window

HELD_FOR = 1.0
"""A pace holds when the second that begins then has as many arrivals as it should."""


def pick_percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that is not exceeded by this part (0 to 1) of all."""
    return sorted(values)[max(math.ceil(part * len(values)) - 1, 0)]


def measure_lateness(arrivals: Sequence[float], rate: float) -> list[float]:
    """How late each came against an even grid that begins with the first; negative when that one was late."""
    return [at - (arrivals[0] + number / rate) for number, at in enumerate(arrivals)]


def measure_slot_lateness(arrivals: Sequence[float], rate: float) -> list[float]:
    """How late each came against the even grid on which the earliest hundredth are on time.

    The first one may itself have been late, and then all others would look early; and whoever sends in bursts is
    late by this grid with the last of each burst.
    """
    late = measure_lateness(arrivals, rate)
    earliest = pick_percentile(late, 0.01)
    return [each - earliest for each in late]


@dataclass(frozen=True, kw_only=True, slots=True)
class Evenness:
    """How near arrivals are to an even pace. Seconds; arrivals in a second; percent."""

    p50: float
    p99: float
    longest: float
    busiest: int
    emptiest: int
    over_ideal: float
    """By how much the way from the first to the last is longer than it should be, gaps between parts left out."""


def judge_evenness(parts: Sequence[Sequence[float]], rate: float) -> Evenness:
    """Of parts of a stream between which nothing was to be sent, each with at least two arrivals.

    Each part has a grid of its own, but the busiest second is looked for across them: what was held up must not
    come in a burst.
    """
    late = [each for part in parts for each in measure_slot_lateness(part, rate)]
    ideal = sum(len(part) - 1 for part in parts) / rate
    taken = sum(part[-1] - part[0] for part in parts)
    long_parts = [part for part in parts if part[-1] - part[0] >= 1.0]
    return Evenness(
        p50=pick_percentile(late, 0.5),
        p99=pick_percentile(late, 0.99),
        longest=max(late),
        busiest=count_most_in_window([at for part in parts for at in part]),
        emptiest=min((count_fewest_in_window(part) for part in long_parts), default=0),
        over_ideal=100 * (taken / ideal - 1),
    )


def split_at(arrivals: Sequence[float], instants: Sequence[float]) -> list[list[float]]:
    """The parts of a stream before, between and after some instants."""
    bounds = [0, *(bisect_left(arrivals, at) for at in instants), len(arrivals)]
    return [list(arrivals[begin:end]) for begin, end in pairwise(bounds)]


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
