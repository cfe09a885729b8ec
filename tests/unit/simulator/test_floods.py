import pytest

from vestnik.simulator.failures import RpcFailure
from vestnik.simulator.floods import FloodGate, FloodLimit


def knock(gate: FloodGate, now: float) -> str | None:
    """Post, or the name of the refusal."""
    try:
        gate.check(now)
        gate.take(now)
    except RpcFailure as failure:
        return failure.name
    return None


def test_the_window_slides():
    gate = FloodGate(FloodLimit(posts=2, seconds=10, wait=5))
    assert [knock(gate, now) for now in (0, 9, 10, 19)] == [None] * 4
    assert knock(gate, 19.5) == "FLOOD_WAIT_5"


def test_a_wait_that_is_kept_ends_and_the_next_is_short_again():
    gate = FloodGate(FloodLimit(posts=1, seconds=1, wait=5))
    assert [knock(gate, now) for now in (0, 0.5, 1)] == [None, "FLOOD_WAIT_5", "FLOOD_WAIT_10"]
    assert [knock(gate, now) for now in (11, 11.5)] == [None, "FLOOD_WAIT_5"]


def test_the_wait_grows_up_to_its_limit():
    gate = FloodGate(FloodLimit(posts=0, seconds=1, wait=5, growth=10, max_wait=60))
    assert [knock(gate, 0) for _ in range(4)] == [
        "FLOOD_WAIT_5",
        "FLOOD_WAIT_50",
        "FLOOD_WAIT_60",
        "FLOOD_WAIT_60",
    ]


def test_a_wait_that_is_over_but_still_too_early_begins_again():
    gate = FloodGate(FloodLimit(posts=1, seconds=100, wait=5))
    assert [knock(gate, now) for now in (0, 1, 7)] == [None, "FLOOD_WAIT_5", "FLOOD_WAIT_5"]


@pytest.mark.parametrize("now", [0.0, 4.9])
def test_waits_are_whole_seconds_and_never_zero(now):
    gate = FloodGate(FloodLimit(posts=0, seconds=1, wait=0.2))
    assert knock(gate, now) == "FLOOD_WAIT_1"
