"""How a parent learns that the delivery for an account crashed in one of its workers."""

import pytest

from vestnik.cli.crashes import describe_crashes, is_crash
from vestnik.worker import LANE_CRASHED


@pytest.mark.parametrize("line", [LANE_CRASHED, f"{LANE_CRASHED} kind=USER"])
def test_a_line_that_begins_with_the_event_is_a_crash(line: str) -> None:
    assert is_crash(line)


@pytest.mark.parametrize(
    "line", ["", "lane.crashed_not", "a lane.crashed", "Traceback (most recent call last):"]
)
def test_nothing_else_is_a_crash(line: str) -> None:
    assert not is_crash(line)


def test_the_number_is_put_into_words() -> None:
    assert "crashed once" in describe_crashes(1)
    assert "crashed 3 times" in describe_crashes(3)
