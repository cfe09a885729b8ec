"""What a demo lets go wrong."""

from collections import Counter

import pytest

from vestnik.cli.demo_faults import plan_faults
from vestnik.cli.demo_options import FaultLevel
from vestnik.simulator.faults import Fault, FaultKind


def names(count: int) -> list[str]:
    return [f"demo_news_{number}" for number in range(count)]


def closed(faults: list[Fault]) -> list[Fault]:
    return [fault for fault in faults if fault.name == "CHANNEL_PRIVATE"]


def test_without_faults_nothing_goes_wrong() -> None:
    assert plan_faults(FaultLevel.NONE, names(100)) == []


@pytest.mark.parametrize("level", [FaultLevel.MILD, FaultLevel.STORM])
@pytest.mark.parametrize("count", [1, 2, 7, 19, 20, 100, 2000])
def test_a_channel_has_one_fault_at_most_and_few_are_closed(level: FaultLevel, count: int) -> None:
    faults = plan_faults(level, names(count))
    hit = [fault.channel for fault in faults]
    assert len(hit) == len(set(hit)) <= count
    assert len(closed(faults)) < count / 10
    assert faults == plan_faults(level, names(count)), "every run is the same"


@pytest.mark.parametrize("level", [FaultLevel.MILD, FaultLevel.STORM])
def test_everything_that_is_promised_happens(level: FaultLevel) -> None:
    faults = plan_faults(level, names(100))
    kinds = Counter(fault.kind for fault in faults)
    waits = {str(fault.name).rsplit("_", 1)[0] for fault in faults if fault.code == 420}
    assert kinds[FaultKind.DROP_BEFORE] >= 1
    assert kinds[FaultKind.DROP_AFTER] >= 1
    assert waits == {"FLOOD_WAIT", "SLOWMODE_WAIT"}
    assert all(fault.count is None for fault in closed(faults))
    assert closed(faults)


def test_a_storm_is_worse_than_mild() -> None:
    mild, storm = (plan_faults(level, names(200)) for level in (FaultLevel.MILD, FaultLevel.STORM))
    assert len(storm) > 3 * len(mild)
    assert len(closed(storm)) > len(closed(mild))
