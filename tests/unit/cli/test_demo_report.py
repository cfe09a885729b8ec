"""The figures of a demo run."""

from decimal import Decimal

import pytest

from vestnik.cli.demo_report import Arrived, DemoReport, Observed, describe_report, is_success, make_report
from vestnik.cli.demo_run import Outcome
from vestnik.domain.states import CampaignStatus
from vestnik.simulator.posts import count_most_in_window

NAMES = [f"demo_news_{number:03d}" for number in range(1, 102)]


def observe(
    posts: list[Arrived], *, names: list[str] = NAMES, failed: tuple[str, ...] = (), sent: int | None = None
) -> Observed:
    return Observed(
        usernames=names,
        posts=posts,
        sent=len(posts) if sent is None else sent,
        failed=len(failed),
        failed_usernames=failed,
        rate=Decimal(20),
        committed_at=99.875,
    )


def at_pace(names: list[str], interval: float = 0.0625) -> list[Arrived]:
    return [Arrived(username=name, at=100 + place * interval) for place, name in enumerate(names)]


def test_a_run_without_faults() -> None:
    report = make_report(observe(at_pace(NAMES, 0.0625)))
    assert report == DemoReport(
        channels=101,
        sent=101,
        failed=0,
        distinct_posts=101,
        duplicate_posts=0,
        lost=0,
        elapsed_s=6.25,
        ideal_s=5.0,
        overhead_pct=25.0,
        max_in_1s=16,
        pickup_ms=125.0,
    )
    assert is_success(report, CampaignStatus.COMPLETED)
    assert not is_success(report, CampaignStatus.PAUSED)


def test_a_crash_is_told_and_spoils_the_run_even_if_every_post_arrived() -> None:
    report = make_report(observe(at_pace(NAMES)))
    outcome = Outcome(report=report, status=CampaignStatus.COMPLETED, failures={}, detail=None)
    assert outcome.is_success
    crashed = outcome.with_crashes(1)
    assert not crashed.is_success
    assert "crashed once" in crashed.verdict
    lines = dict(describe_report(crashed.report, crashed.status, Decimal(20), {}))
    assert "crashed once" in lines["crashes"]


def test_a_channel_posted_to_twice_is_a_duplicate() -> None:
    posts = at_pace(NAMES)
    report = make_report(observe([*posts, Arrived(username=NAMES[0].upper(), at=120)], sent=101))
    assert (report.distinct_posts, report.duplicate_posts, report.lost) == (101, 1, 0)
    assert not is_success(report, CampaignStatus.COMPLETED)


def test_a_channel_without_a_post_is_lost_unless_its_failure_is_known() -> None:
    report = make_report(observe(at_pace(NAMES[:-2]), failed=(NAMES[-1],)))
    assert (report.lost, report.failed) == (1, 1)
    assert not is_success(report, CampaignStatus.COMPLETED)


def test_a_single_post_has_no_overhead() -> None:
    report = make_report(observe(at_pace(NAMES[:1]), names=NAMES[:1]))
    assert (report.ideal_s, report.overhead_pct, report.elapsed_s) == (0, None, 0)


def test_nothing_posted_at_all() -> None:
    report = make_report(observe([], names=NAMES[:1]))
    assert (report.lost, report.max_in_1s, report.pickup_ms, report.overhead_pct) == (1, 0, None, None)


def test_the_words_name_the_reasons_of_failures() -> None:
    report = make_report(observe(at_pace(NAMES[:-1]), failed=(NAMES[-1],)))
    lines = dict(describe_report(report, CampaignStatus.COMPLETED, Decimal("20.000"), {"CHANNEL_PRIVATE": 1}))
    assert lines["could not be posted"] == "1 (1 × CHANNEL_PRIVATE)"
    assert "20 a second" in lines["pace"]
    assert lines["lost"] == "none"


@pytest.mark.parametrize(
    ("arrivals", "most"),
    [([], 0), ([1.0], 1), ([0.0, 1.0], 1), ([0.0, 0.999], 2), ([2.0, 0.5, 1.25, 0.0, 1.0], 3)],
)
def test_the_sliding_second_is_half_open(arrivals: list[float], most: int) -> None:
    assert count_most_in_window(arrivals) == most
