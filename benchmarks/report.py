"""What a benchmark says: our median beside those of others from the same run, and whether its targets are met."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

DIGITS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """Several runs of the same work."""

    median: float
    least: float
    most: float
    runs: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Summary":
        """Of at least one value."""
        return cls(
            median=_round(statistics.median(values)),
            least=_round(min(values)),
            most=_round(max(values)),
            runs=len(values),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What a figure is to be: `of` names the peer whose ratio is meant, None our own median."""

    of: str | None = None
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """One measure. A ratio is our median divided by a peer's."""

    name: str
    unit: str
    ours: Summary
    peers: Mapping[str, Summary] = field(default_factory=dict)
    targets: Sequence[Target] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for: jobs, rate, versions and the like."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Peers that were not measured, and why."""

    @property
    def ratio(self) -> dict[str, float]:
        """By the peer's name, without those that took no time at all."""
        return {
            name: _round(self.ours.median / peer.median) for name, peer in self.peers.items() if peer.median
        }

    def is_met(self, target: Target) -> bool | None:
        """None when the peer that it speaks of was not measured."""
        value = self.ours.median if target.of is None else self.ratio.get(target.of)
        if value is None:
            return None
        return (target.at_least is None or value >= target.at_least) and (
            target.at_most is None or value <= target.at_most
        )

    def to_json(self, run: Mapping[str, Any] | None = None) -> str:
        """One line; `run` says when and where it was measured."""
        return json.dumps(
            {
                "name": self.name,
                "unit": self.unit,
                "ours": asdict(self.ours),
                "peers": {name: asdict(peer) for name, peer in self.peers.items()},
                "ratio": self.ratio,
                "targets": [{**asdict(target), "met": self.is_met(target)} for target in self.targets],
                "settings": dict(self.settings),
                "failures": dict(self.failures),
                "run": dict(run or {}),
            }
        )

    @classmethod
    def from_json(cls, line: str) -> "Measure":
        """The inverse of `to_json`; raises KeyError, TypeError or ValueError for what is no measure."""
        given = json.loads(line)
        return cls(
            name=given["name"],
            unit=given["unit"],
            ours=Summary(**given["ours"]),
            peers={name: Summary(**peer) for name, peer in given["peers"].items()},
            targets=[
                Target(of=target["of"], at_least=target["at_least"], at_most=target["at_most"])
                for target in given["targets"]
            ],
            settings=given["settings"],
            failures=given["failures"],
        )


def _round(value: float) -> float:
    """To as many digits as a noisy machine allows to tell."""
    return float(f"{value:.{DIGITS + 1}g}")
