"""Doing the same work by several means in turn, so that what the machine does meanwhile hits all alike."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from benchmarks.report import Summary
from vestnik.domain.errors import VestnikError

OURS: Final = "vestnik"
"""Our name among the others."""

Result = TypeVar("Result")


@dataclass(kw_only=True, slots=True)
class Rounds(Generic[Result]):
    """What came of each run, by who ran, and why some were not measured."""

    ours: list[Result] = field(default_factory=list)
    peers: dict[str, list[Result]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def summarize_ours(self, read: Callable[[Result], float]) -> Summary:
        """One figure of ours over all runs."""
        return Summary.of([read(result) for result in self.ours])

    def summarize_peers(self, read: Callable[[Result], float]) -> dict[str, Summary]:
        """The same figure of each that was measured."""
        return {
            name: Summary.of([read(result) for result in results]) for name, results in self.peers.items()
        }


def run_rounds(
    name: str, ours: Callable[[], Result], peers: Mapping[str, Callable[[], Result]], runs: int
) -> Rounds[Result]:
    """So many rounds, every other one the other way round: ours, a, b, b, a, ours, …

    A peer that fails is left out from then on, with all that it did before; ours must not.
    """
    rounds: Rounds[Result] = Rounds()
    for number in range(runs):
        order = [OURS, *peers]
        for who in reversed(order) if number % 2 else order:
            if who in rounds.failures:
                continue
            say(f"{name}: {who}, run {number + 1} of {runs}")
            if who == OURS:
                rounds.ours.append(ours())
                continue
            try:
                rounds.peers.setdefault(who, []).append(peers[who]())
            except (Exception, SystemExit) as exc:  # noqa: BLE001 - others' programs, and the run goes on without
                rounds.failures[who] = describe_failure(exc)
                rounds.peers.pop(who, None)
                say(f"{name}: {who} was not measured: {rounds.failures[who]}")
    return rounds


def describe_failure(exc: BaseException) -> str:
    """In one line: of many, as a program leaves them behind, the last one that has words."""
    text = exc.message if isinstance(exc, VestnikError) else str(exc)
    lines = [line.strip(" |") for line in text.splitlines() if any(map(str.isalnum, line))]
    return f"{type(exc).__name__}: {lines[-1]}" if lines else type(exc).__name__


def say(text: str) -> None:
    """Tell whoever waits what is being done; on standard error, so that results can be read from the other."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
