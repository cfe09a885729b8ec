"""How exact the pace is, and how quickly a start, a pause, a new rate and a FLOOD_WAIT take effect.

Worker, simulator and PostgreSQL are processes of their own, Telethon talks to the simulator over TCP, and all
figures are counted in the simulator. Run it from the repository: `python -m benchmarks.pace`, `--quick` for a run
of about a minute.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

import psutil

from benchmarks.pace_parts import (
    QUICK,
    Figure,
    Profile,
    measure_floods,
    measure_pace,
    measure_pauses,
    measure_pick_up,
    measure_rate_changes,
)
from benchmarks.pace_streams import FAST, SLOW, warm_up
from benchmarks.rehearsal import Rehearsal, open_rehearsal
from benchmarks.system import System, open_system
from vestnik.cli.output import print_table
from vestnik.domain.errors import VestnikError

SLOW_ROUND_TRIP = 0.1
TELEGRAM_LATENCY = 0.05


Measure = Callable[[Rehearsal, Profile], Awaitable[list[Figure]]]


async def measure_both_paces(rehearsal: Rehearsal, profile: Profile) -> list[Figure]:
    """20/s and 200/s."""
    return [
        *await measure_pace(rehearsal, SLOW, profile.slow_seconds, "pace"),
        *await measure_pace(rehearsal, FAST, profile.fast_seconds, "pace"),
    ]


async def measure_slow_paces(rehearsal: Rehearsal, profile: Profile) -> list[Figure]:
    """The same, by another name."""
    name = f"pace, database {SLOW_ROUND_TRIP * 1000:.0f} ms away,"
    return [
        *await measure_pace(rehearsal, SLOW, profile.slow_seconds, name),
        *await measure_pace(rehearsal, FAST, profile.fast_seconds, name),
    ]


async def measure_all_floods(rehearsal: Rehearsal, profile: Profile) -> list[Figure]:
    """With answers at once, and with answers as far away as Telegram's are."""
    return [
        *await measure_floods(rehearsal, profile),
        *await measure_floods(rehearsal, profile, latency=TELEGRAM_LATENCY),
    ]


PARTS: dict[str, tuple[str, Measure, float]] = {
    "a": ("pace", measure_both_paces, 0.0),
    "b": ("pace with a slow database", measure_slow_paces, SLOW_ROUND_TRIP),
    "c": ("pick-up", measure_pick_up, 0.0),
    "d": ("pause and resume", measure_pauses, 0.0),
    "e": ("rate change", measure_rate_changes, 0.0),
    "f": ("FLOOD_WAIT", measure_all_floods, 0.0),
}
"""What each part is called, what measures it, and the seconds added to every round trip to the database."""


class Report:
    """Says each part's figures as soon as they are there."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.missed = 0

    def say(self, figures: list[Figure], load: tuple[float, float]) -> None:
        """`load` is the machine's of the last minute, before and after."""
        self.missed += sum(figure.is_met is False for figure in figures)
        if self._as_json:
            for figure in figures:
                print(json.dumps(_describe(figure, load)), flush=True)
            return
        rows = [(figure.name, _format(figure), _format_target(figure), _judge(figure)) for figure in figures]
        print_table(("figure", "value", "target", ""), rows)
        print(f"load of the machine {load[0]:.2f} before, {load[1]:.2f} after\n", flush=True)


def _describe(figure: Figure, load: tuple[float, float]) -> dict[str, object]:
    return {
        "name": figure.name,
        "ours": round(figure.value, 2),
        "unit": figure.unit,
        "at_most": figure.at_most,
        "at_least": figure.at_least,
        "met": figure.is_met,
        "load": [round(each, 2) for each in load],
    }


def _format(figure: Figure) -> str:
    digits = 1 if figure.unit == "ms" else 2 if figure.unit else 0
    return f"{figure.value:.{digits}f} {figure.unit}".strip()


def _format_target(figure: Figure) -> str:
    limits = (("at most", figure.at_most), ("at least", figure.at_least))
    return ", ".join(f"{word} {limit:g}" for word, limit in limits if limit is not None)


def _judge(figure: Figure) -> str:
    return {None: "", True: "met", False: "MISSED"}[figure.is_met]


async def measure_parts(system: System, letters: list[str], profile: Profile, report: Report) -> None:
    """With a worker that is ready and an account that knows its channels."""
    async with open_rehearsal(system) as rehearsal:
        print("warming up", file=sys.stderr, flush=True)
        await warm_up(rehearsal, profile.channels)
        for letter in letters:
            name, measure, _ = PARTS[letter]
            print(f"{letter}: {name}", file=sys.stderr, flush=True)
            before = psutil.getloadavg()[0]
            figures = await measure(rehearsal, profile)
            report.say(figures, (before, psutil.getloadavg()[0]))


def run(letters: list[str], profile: Profile, report: Report) -> None:
    """Each part with the worker that it needs."""
    with open_system() as system:
        near = [letter for letter in letters if not PARTS[letter][2]]
        far = [letter for letter in letters if PARTS[letter][2]]
        if near:
            with system.run_worker():
                asyncio.run(measure_parts(system, near, profile, report))
        if far:
            with system.slow_database(SLOW_ROUND_TRIP) as url, system.run_worker(url=url):
                asyncio.run(measure_parts(system, far, profile, report))


def parse_letters(text: str) -> list[str]:
    """Raises ArgumentTypeError naming what there is."""
    letters = sorted({letter.strip() for letter in text.split(",")})
    if unknown := [letter for letter in letters if letter not in PARTS]:
        known = ", ".join(f"{letter} ({PARTS[letter][0]})" for letter in PARTS)
        raise argparse.ArgumentTypeError(f"there is no part {unknown[0]!r}; the parts are {known}")
    return letters


def main() -> int:
    """Run once; the exit code is 1 when a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = ", ".join(f"{letter} {name}" for letter, (name, *_) in PARTS.items())
    parser.add_argument("--only", type=parse_letters, default=list(PARTS), help=f"such as a,c; {known}")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: under 90 seconds")
    parser.add_argument("--json", action="store_true", help="one JSON object a line for each figure")
    options = parser.parse_args()
    report = Report(as_json=options.json)
    try:
        run(options.only, QUICK if options.quick else Profile(), report)
    except VestnikError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
