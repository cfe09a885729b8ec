"""Failpoints: what may be asked for, and that the process really dies at the right pass."""

import subprocess
import sys

import pytest

from vestnik.delivery.failpoints import Failpoint, Failpoints
from vestnik.domain.errors import ConfigurationError

SCRIPT = """
import sys
from vestnik.delivery.failpoints import Failpoint, Failpoints
failpoints = Failpoints(sys.argv[1])
for number in range(1, 6):
    failpoints.hit(Failpoint.AFTER_CLAIM)
    failpoints.hit(Failpoint.BEFORE_SEND)
    print(number, flush=True)
"""


@pytest.mark.parametrize("specification", ["", "  ", ",", "after_send:100, before_record:50"])
def test_points_that_are_not_reached_do_nothing(specification: str) -> None:
    failpoints = Failpoints(specification)
    for _ in range(10):
        for point in Failpoint:
            failpoints.hit(point)


@pytest.mark.parametrize("specification", ["nowhere", "after_claim:x", "after_claim:1:2", "AFTER_CLAIM"])
def test_an_unknown_point_is_an_error_that_names_all(specification: str) -> None:
    with pytest.raises(ConfigurationError, match="after_acquire, after_claim") as caught:
        Failpoints(specification)
    assert caught.value.field == "VESTNIK_FAILPOINTS"


@pytest.mark.parametrize(
    ("specification", "passes"),
    [("after_claim", 0), ("after_claim:3", 2), ("before_send:2,after_claim:4", 1)],
)
def test_the_process_dies_at_the_pass_asked_for(specification: str, passes: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, specification], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode in {-9, 137}
    assert done.stdout.split() == [str(number) for number in range(1, passes + 1)]
