"""The arithmetic of single measures."""

from array import array
from uuid import UUID

import pytest

from benchmarks.chain import WorkerWatch, judge_chain
from benchmarks.growth import Growth, Shape, compare_costs, judge_drains
from benchmarks.ledger import Drain, compare_ends, share_out
from benchmarks.pace_measures import describe_disturbed
from benchmarks.pace_streams import Stream
from benchmarks.pause import Pause, describe
from benchmarks.rounds import Rounds
from benchmarks.start import Start
from benchmarks.start import describe as describe_start
from vestnik.domain.ids import CampaignId
from vestnik.simulator.posts import Summary as Posts

MIB = 2**20


def make_growth(cost: float) -> Growth:
    return Growth(cost=cost, claim=1, memory=0, row=500, database=10)


def test_a_claim_goes_round_the_campaigns_and_the_next_one_goes_on_there() -> None:
    one, two, three = (CampaignId(UUID(int=number)) for number in range(3))
    assert share_out([one, two, three], 0, 4) == {one: 2, two: 1, three: 1}
    assert share_out([one, two, three], 4, 4) == {two: 2, three: 1, one: 1}
    assert share_out([one], 7, 50) == {one: 50}


def test_the_first_and_the_last_twentieth_are_compared() -> None:
    assert compare_ends([1.0, 2.0, *[9.0] * 36, 4.0, 6.0]) == (1.5, 5.0)
    assert compare_ends([3.0]) == (3.0, 3.0)


def test_what_a_message_costs_is_counted_over_all_drains() -> None:
    memory = array("q", [100 * MIB] * 20 + [103 * MIB] * 20)
    drains = [
        Drain(claims=array("d", [0.01] * 40), records=array("d", [0.02] * 40), memory=memory, jobs=1_000)
        for _ in range(2)
    ]
    found = judge_drains(drains, row=500, database=10)
    assert found.cost == pytest.approx(1_200)
    assert found.claim == pytest.approx(10)
    assert found.memory == pytest.approx(3)


def test_costs_are_compared_run_by_run() -> None:
    small, large = Shape(jobs=1_000), Shape(jobs=10_000, campaigns=10)
    growths = {small: [make_growth(10), make_growth(20)], large: [make_growth(11), make_growth(26)]}
    found = compare_costs(large, small, growths)
    assert found.name == "growth.10_campaigns.cost_ratio"
    assert found.ours.median == pytest.approx(1.2)
    assert [found.is_met(target) for target in found.targets] == [True]


def make_watch(samples: list[tuple[int, int]]) -> WorkerWatch:
    watch = WorkerWatch.__new__(WorkerWatch)
    watch.samples = samples
    watch.cpu = 2.0
    return watch


def make_posts(posts: int, doubled: int = 0) -> Posts:
    return Posts(
        posts=posts,
        distinct_posts=posts - doubled,
        duplicate_posts=doubled,
        by_channel={},
        arrivals=[100 + number / 500 for number in range(posts)],
        absorbed_repeats=0,
        calls={},
        rejected={},
        fault_hits=0,
        max_connections_per_account={},
        uploaded_bytes=0,
    )


def test_a_chain_is_judged_from_its_first_to_its_last_post() -> None:
    samples = [(0, 50 * MIB), (100, 80 * MIB), (300, 90 * MIB), (1000, 92 * MIB)]
    chain = judge_chain(make_posts(1000), make_watch(samples), 1000)
    assert chain.rate == pytest.approx(500)
    assert chain.cpu == pytest.approx(2_000)
    assert chain.memory_growth == pytest.approx(2)


@pytest.mark.parametrize("posts", [make_posts(999), make_posts(1000, doubled=1)])
def test_a_chain_that_loses_or_doubles_has_no_rate(posts: Posts) -> None:
    with pytest.raises(SystemExit, match="1000 posts were asked for"):
        judge_chain(posts, make_watch([(1000, 1)]), 1000)


def test_starts_of_a_million_have_both_targets_and_small_ones_none() -> None:
    found = {measure.name: measure for measure in describe_start(1_000_000, [Start(waited=2, whole=20)])}
    assert found["start.1000000"].ours.median == 50_000
    assert all(m.is_met(target) for m in found.values() for target in m.targets)
    assert sum(len(measure.targets) for measure in found.values()) == 2
    assert not any(measure.targets for measure in describe_start(1_000, [Start(waited=2, whole=20)]))


def test_of_several_pauses_the_worst_counts() -> None:
    rounds = Rounds(
        ours=[[Pause(silence=0.02, rows=2, changed_jobs=40), Pause(silence=0.12, rows=3, changed_jobs=60)]],
        peers={"a": [[Pause(silence=1.2, rows=1000)]]},
    )
    found = {measure.name.removeprefix("pause.1000."): measure for measure in describe(1000, 2, rounds)}
    assert found["silence_max"].ours.median == pytest.approx(120)
    assert found["silence_max"].ratio == {"a": 0.1}
    assert [found["silence_max"].is_met(target) for target in found["silence_max"].targets] == [False]
    assert (found["rows"].ours.median, found["rows"].peers["a"].median) == (3, 1000)
    assert found["jobs_changed_until_quiet"].ours.median == 60


def test_a_takeover_says_how_long_nothing_went_out() -> None:
    parts = [[number / 20 for number in range(41)], [8 + number / 20 for number in range(41)]]
    stream = Stream(parts=parts, missing=0, doubled=1, stalls=[])
    found = {
        measure.name.removeprefix("pace.20.takeover."): measure
        for measure in describe_disturbed("takeover", 20.0, 4, [stream])
    }
    assert found["silence"].ours.median == pytest.approx(6)
    assert [found["doubled"].is_met(target) for target in found["doubled"].targets] == [False]
    assert found["lateness_p99"].ours.median == pytest.approx(0, abs=1e-6)
