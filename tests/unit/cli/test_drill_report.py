"""The verdict of a drill and its words."""

from dataclasses import replace

import pytest

from vestnik.cli.drill_report import DrillReport, describe_figures, describe_verdict, list_faults_found

GOOD = DrillReport(
    jobs=2000,
    distinct_posts=2000,
    duplicate_posts=0,
    lost=0,
    absorbed_repeats=50,
    kills=20,
    db_kills=1,
    db_outages=1,
    freezes=1,
    flood_waits=3,
    drops=20,
    pauses=2,
    elapsed_s=80.0,
    undisturbed_s=25.5,
    max_rate_ratio=1.1,
    sends_during_hold=0,
    sends_during_pause=0,
    two_senders_s=0.0,
    sends_after_thaw=0,
    takeovers=5,
    takeover_max_s=4.2,
    after_outage_s=0.4,
    lease_s=4.0,
    holds=3,
    failed=0,
    unplanned_deaths=0,
    crashes=0,
    seed=7,
)


def test_a_drill_in_which_nothing_was_found_has_passed() -> None:
    assert list_faults_found(GOOD) == []
    assert describe_verdict(GOOD).startswith("PASSED. Each of the 2000 posts is there exactly once")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lost": 1}, "1 posts are missing"),
        ({"duplicate_posts": 2}, "went up twice"),
        ({"sends_during_hold": 1}, "said to wait"),
        ({"sends_during_pause": 1}, "paused"),
        ({"two_senders_s": 0.2}, "two processes"),
        ({"sends_after_thaw": 1}, "thawed"),
        ({"max_rate_ratio": 1.15}, "1.15 times"),
        ({"crashes": 2}, "crashed 2 times"),
        ({"undone": ["1 of 2 pauses"]}, "1 of 2 pauses"),
    ],
)
def test_each_thing_that_must_not_be_fails_the_drill_and_is_named(
    changes: dict[str, int], words: str
) -> None:
    report = replace(GOOD, **changes)  # type: ignore[arg-type]
    assert len(list_faults_found(report)) == 1
    verdict = describe_verdict(report)
    assert verdict.startswith("FAILED")
    assert words in verdict
    assert "--seed 7" in verdict


def test_what_could_not_be_measured_is_shown_as_a_dash() -> None:
    shown = {what: value for what, value, _ in describe_figures(replace(GOOD, takeover_max_s=None))}
    assert shown["takeover from a dead worker"] == "—"
    assert shown["posts that arrived"] == "2000 of 2000"
