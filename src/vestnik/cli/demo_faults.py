"""What goes wrong in a demo with `--faults`: chosen per channel, so that every run has the same share of it."""

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from math import ceil

from vestnik.cli.demo_options import FaultLevel
from vestnik.simulator.faults import Fault, FaultKind

_SEND = "messages.sendMessage"
_SEED = 20
_FEWEST_FOR_CLOSED = 20
"""Below this a single closed channel would be more than a twentieth of all."""


def plan_faults(level: FaultLevel, usernames: Sequence[str]) -> list[Fault]:
    """At most one fault a channel, and fewer than a tenth of the channels closed for good."""
    if level is FaultLevel.NONE:
        return []
    victims = iter(random.Random(_SEED).sample(usernames, len(usernames)))  # noqa: S311 - repeatable, not secret
    total = len(usernames)
    is_storm = level is FaultLevel.STORM
    closed = 0 if total < _FEWEST_FOR_CLOSED else total // 20 if is_storm else 1
    # Closed since the account last looked, so only the post finds out; otherwise every one of them would be looked
    # up by name, which has a slow pace of its own.
    faults = list(_hit(victims, closed, FaultKind.ERROR, 400, "CHANNEL_PRIVATE", is_lasting=True))
    faults.extend(_mix_storm(victims, total) if is_storm else _mix_mild(victims, total))
    return faults


def _mix_mild(victims: Iterator[str], total: int) -> Iterator[Fault]:
    few = ceil(total / 50)
    yield from _hit(victims, 1 if total < _FEWEST_FOR_CLOSED else 2, FaultKind.ERROR, 420, "FLOOD_WAIT_3")
    yield from _hit(victims, few, FaultKind.ERROR, 420, "SLOWMODE_WAIT_2")
    yield from _hit(victims, few, FaultKind.ERROR, 500, "RPC_CALL_FAIL")
    yield from _hit(victims, 1, FaultKind.DROP_BEFORE)
    yield from _hit(victims, 1, FaultKind.DROP_AFTER)


def _mix_storm(victims: Iterator[str], total: int) -> Iterator[Fault]:
    some, few = ceil(total / 20), min(ceil(total / 50), 20)
    yield from _hit(victims, min(ceil(total / 25), 6), FaultKind.ERROR, 420, "FLOOD_WAIT_3")
    yield from _hit(victims, some, FaultKind.ERROR, 420, "SLOWMODE_WAIT_3")
    yield from _hit(victims, some, FaultKind.ERROR, 500, "RPC_CALL_FAIL")
    yield from _hit(victims, few, FaultKind.ERROR_AFTER, 500, "RPC_CALL_FAIL")
    yield from _hit(victims, few, FaultKind.DROP_BEFORE)
    yield from _hit(victims, few, FaultKind.DROP_AFTER)
    yield from _hit(victims, some, FaultKind.DELAY)


def _hit(
    victims: Iterator[str],
    count: int,
    kind: FaultKind,
    code: int = 500,
    name: str = "RPC_CALL_FAIL",
    *,
    is_lasting: bool = False,
) -> Iterator[Fault]:
    """The next victims, hit at their first post, or at every one."""
    for username in islice(victims, count):
        yield Fault(
            method=_SEND,
            kind=kind,
            channel=username,
            code=code,
            name=name,
            count=None if is_lasting else 1,
            delay=1.0 if kind is FaultKind.DELAY else 0.0,
        )
