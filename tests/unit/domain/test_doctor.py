"""How measurements of an examination are judged."""

from datetime import timedelta

import pytest

from vestnik.domain.doctor import Verdict, describe_duration, describe_size, judge_clock, judge_space


@pytest.mark.parametrize(
    ("ahead", "uncertainty", "verdict"),
    [
        (0, 0, Verdict.OK),
        (4.9, 0, Verdict.OK),
        (-4.9, 0, Verdict.OK),
        (5, 0, Verdict.WARNING),
        (-29, 0, Verdict.WARNING),
        (30, 0, Verdict.FAULT),
        (-300, 0, Verdict.FAULT),
        # A slow way to the other clock is not held against this one.
        (6, 2, Verdict.OK),
        (31, 2, Verdict.WARNING),
        (1, 10, Verdict.OK),
    ],
)
def test_a_clock_is_judged_by_what_it_is_off_for_certain(
    ahead: float, uncertainty: float, verdict: Verdict
) -> None:
    finding = judge_clock(
        "clock", "the other", timedelta(seconds=ahead), uncertainty=timedelta(seconds=uncertainty)
    )
    assert finding.verdict is verdict
    assert (finding.cure is None) == (verdict is Verdict.OK)


@pytest.mark.parametrize(("ahead", "words"), [(300, "5.0 min ahead of X"), (-7, "7.0 s behind X")])
def test_a_wrong_clock_says_by_how_much_and_in_which_direction(ahead: float, words: str) -> None:
    assert words in judge_clock("clock", "X", timedelta(seconds=ahead), uncertainty=timedelta()).text


@pytest.mark.parametrize(
    ("free", "verdict"),
    [
        (0, Verdict.FAULT),
        (100 * 1024**2 - 1, Verdict.FAULT),
        (100 * 1024**2, Verdict.WARNING),
        (1024**3 - 1, Verdict.WARNING),
        (1024**3, Verdict.OK),
    ],
)
def test_space_is_judged_by_what_is_free(free: int, verdict: Verdict) -> None:
    assert judge_space("disk", "here", free).verdict is verdict


def test_lengths_and_sizes_come_in_units_that_fit() -> None:
    assert [describe_duration(timedelta(seconds=seconds)) for seconds in (0.25, 119, 300, 9000, 400_000)] == [
        "0.2 s",
        "119.0 s",
        "5.0 min",
        "2.5 h",
        "4.6 days",
    ]
    assert [describe_size(size) for size in (0, 2048, 5_000_000, 3 * 1024**3)] == [
        "0 bytes",
        "2.0 KiB",
        "4.8 MiB",
        "3.0 GiB",
    ]
