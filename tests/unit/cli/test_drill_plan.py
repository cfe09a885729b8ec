"""The plan of a drill: repeatable, complete, and small enough for the posts there are."""

import re
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestnik.cli.drill_options import DrillOptions, check_drill_rate
from vestnik.cli.drill_plan import KILL_SHARE, ChannelFaultKind, DrillPlan, Interruption, make_plan
from vestnik.delivery.failpoints import Failpoint
from vestnik.domain.errors import InvalidInputError

DEFAULT = DrillOptions(
    jobs=2000,
    accounts=4,
    rate=Decimal(20),
    workers=2,
    kills=20,
    db_kills=1,
    db_outage=10,
    flood_waits=3,
    drops=20,
    pauses=2,
    seed=1,
)


def plan_for(options: DrillOptions, *, can_signal: bool = True) -> DrillPlan:
    return make_plan(options, lease=4, can_signal=can_signal)


@st.composite
def drill_options(draw: st.DrawFn, jobs: st.SearchStrategy[int]) -> DrillOptions:
    return DrillOptions(
        jobs=draw(jobs),
        accounts=draw(st.integers(1, 4)),
        rate=Decimal(draw(st.integers(10, 30))),
        workers=draw(st.integers(1, 16)),
        kills=draw(st.integers(0, 300)),
        db_kills=draw(st.integers(0, 3)),
        db_outage=draw(st.sampled_from([0.0, 0.5, 30.0])),
        flood_waits=draw(st.integers(0, 20)),
        drops=draw(st.integers(0, 50)),
        pauses=draw(st.integers(0, 5)),
        seed=draw(st.integers(0, 10**9)),
    )


@given(drill_options(st.integers(5_000, 12_000)))
def test_every_fault_that_was_asked_for_is_planned_within_the_posts(options: DrillOptions) -> None:
    plan = plan_for(options)
    assert sum(plan.jobs) == options.jobs
    assert max(plan.jobs) - min(plan.jobs) <= 1
    assert len(plan.kills) == options.kills
    # No kill can take less than one post; beyond that all of them fit into their share.
    assert sum(kill.posts for kill in plan.kills) <= options.jobs * KILL_SHARE + options.kills
    assert sum(kill.gives_back for kill in plan.kills) <= options.kills / 2
    assert all(kill.passes >= 1 and kill.posts >= 1 for kill in plan.kills)
    assert plan.count(Interruption.DB_KILL) == options.db_kills
    assert plan.count(Interruption.DB_OUTAGE) == (1 if options.db_outage else 0)
    assert plan.count(Interruption.FREEZE) == 1
    assert plan.count(Interruption.PAUSE) == options.pauses
    starts = [entry.at_posts for entry in plan.interruptions]
    assert starts == sorted(starts)
    assert all(0 <= start < options.jobs for start in starts)
    assert plan.count(ChannelFaultKind.FLOOD_WAIT) == options.flood_waits
    assert plan.count(ChannelFaultKind.DROP_BEFORE, ChannelFaultKind.DROP_AFTER) == options.drops
    places = [(fault.account, fault.channel) for fault in plan.channel_faults]
    assert len(set(places)) == len(places)
    assert all(channel < plan.jobs[account] for account, channel in places)


@given(drill_options(st.integers(1, 3_000)))
def test_a_plan_fits_or_the_number_of_posts_that_is_asked_for_helps(options: DrillOptions) -> None:
    for _ in range(5):  # accounts, kills, interruptions and channel faults may each refuse once
        error = find_refusal(options)
        if error is None:
            return
        assert "--jobs" in error.message
        needed = int(re.findall(r"at least (\d+)", error.message)[-1])
        assert needed > options.jobs
        options = replace(options, jobs=needed)
    raise AssertionError(options)


def find_refusal(options: DrillOptions) -> InvalidInputError | None:
    try:
        plan_for(options)
    except InvalidInputError as error:
        return error
    return None


def test_the_same_seed_gives_the_same_plan_and_another_one_another() -> None:
    assert plan_for(DEFAULT) == plan_for(DEFAULT)
    assert plan_for(DEFAULT) != plan_for(replace(DEFAULT, seed=2))


def test_all_ways_of_dying_come_about_equally_often() -> None:
    counts = Counter(kill.point for kill in plan_for(DEFAULT).kills)
    assert set(counts) == {*Failpoint, None}
    assert max(counts.values()) - min(counts.values()) <= 1


@given(st.integers(0, 10**6))
def test_the_first_workers_do_not_die_before_there_is_work(seed: int) -> None:
    for number in (1, 2, 20):
        kills = plan_for(replace(DEFAULT, seed=seed, kills=number)).kills
        assert Failpoint.AFTER_ACQUIRE not in {kill.point for kill in kills[: DEFAULT.workers]}


def test_half_of_the_connections_break_after_the_post_went_up() -> None:
    plan = plan_for(DEFAULT)
    assert plan.count(ChannelFaultKind.DROP_AFTER) == plan.count(ChannelFaultKind.DROP_BEFORE) == 10


def test_where_processes_cannot_be_signalled_nobody_is_frozen_and_nothing_cut_off() -> None:
    plan = plan_for(DEFAULT, can_signal=False)
    assert plan.count(Interruption.FREEZE, Interruption.DB_OUTAGE) == 0
    assert plan.count(Interruption.DB_KILL, Interruption.PAUSE) == 3


def test_the_undisturbed_plan_has_the_same_posts_and_no_faults() -> None:
    plan = plan_for(DEFAULT).without_faults()
    assert plan == DrillPlan(jobs=(500, 500, 500, 500))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (replace(DEFAULT, kills=5000), "5000 kills"),
        (replace(DEFAULT, kills=0, jobs=100), "interruptions"),
        (replace(DEFAULT, drops=2000), "flood waits and drops"),
        (replace(DEFAULT, jobs=3), "4 accounts need at least 4 posts"),
    ],
)
def test_too_many_faults_for_the_posts_are_refused(options: DrillOptions, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        plan_for(options)


@pytest.mark.parametrize("rate", ["9.9", "201", "0", "fast"])
def test_a_rate_that_a_drill_cannot_judge_is_refused(rate: str) -> None:
    with pytest.raises(InvalidInputError, match="rate"):
        check_drill_rate(rate)
