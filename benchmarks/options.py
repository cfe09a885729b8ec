"""What a run of the benchmarks was asked for."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MEASURES: Final = {
    "drain": "benchmarks.drain",
    "slow_disk": "benchmarks.slow_disk",
    "start": "benchmarks.start",
    "pace": "benchmarks.pace_measures",
    "pick_up": "benchmarks.pick_up",
    "pause": "benchmarks.pause",
    "client": "benchmarks.client",
    "growth": "benchmarks.growth",
    "api": "benchmarks.api",
}
"""Each measure's module, which has `measure(options)`, in the order in which they run."""

FULL_RUNS: Final = 5
MOST_RUNS: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """`full` is the long profile, `runs` how often each thing is measured, `peers` who else is, by name."""

    full: bool = False
    runs: int = 1
    peers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A command line. Without `runs` and `peers` the profile decides, and what is installed."""

    measures: tuple[str, ...]
    full: bool
    as_json: bool
    runs: int
    peers: tuple[str, ...] | None
    """None: all that are installed."""


def parse_request(arguments: Sequence[str] | None = None) -> Request:
    """Read a command line; ends the program with a sentence for one that makes no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Vestnik, and others beside it in the same run.",
        epilog="The exit code is 1 when a target was missed and 2 when something could not be measured.",
    )
    parser.add_argument(
        "measures", nargs="*", metavar="MEASURE", help=f"all of them, or any of {', '.join(MEASURES)}"
    )
    parser.add_argument("--full", action="store_true", help="the long profile, up to a million messages")
    parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object a line")
    parser.add_argument(
        "--runs", type=parse_runs, help=f"medians of so many (1; {FULL_RUNS} in the long profile)"
    )
    peers = parser.add_mutually_exclusive_group()
    peers.add_argument("--peers", type=split_names, help="such as pg-boss,bullmq; all that are installed")
    peers.add_argument("--no-peers", action="store_const", const=(), dest="peers", help="Vestnik alone")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.measures if name not in MEASURES]
    if unknown:
        parser.error(f"there is no measure {unknown[0]!r}; there are {', '.join(MEASURES)}")
    return Request(
        measures=tuple(name for name in MEASURES if name in given.measures or not given.measures),
        full=given.full,
        as_json=given.as_json,
        runs=given.runs or (FULL_RUNS if given.full else 1),
        peers=given.peers,
    )


def parse_runs(text: str) -> int:
    """Raises ArgumentTypeError."""
    if not text.isdecimal() or not 1 <= int(text) <= MOST_RUNS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of runs from 1 to {MOST_RUNS}")
    return int(text)


def split_names(text: str) -> tuple[str, ...]:
    """Names between commas, each once; raises ArgumentTypeError without any."""
    names = tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))
    if not names:
        raise argparse.ArgumentTypeError("name at least one, or say --no-peers")
    return names
