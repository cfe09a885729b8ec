"""The pace as measures: ours and that of others undisturbed, then ours through what may come between."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from benchmarks.arrivals import Evenness, judge_evenness
from benchmarks.contestants import choose_contestants
from benchmarks.options import Options
from benchmarks.pace_disturbed import run_all
from benchmarks.pace_streams import FAST, SLOW, StallWatch, Stream, run_stream, warm_up
from benchmarks.rehearsal import open_rehearsal
from benchmarks.report import Measure, Summary, Target
from benchmarks.rounds import Rounds, run_rounds, say
from benchmarks.system import open_system

LATENESS_MS: Final = {SLOW: 10.0, FAST: 25.0}
WINDOWS: Final = {SLOW: (19, 21), FAST: (190, 211)}
"""Fewest and most in any second."""
OVER_IDEAL: Final = 0.5
TAKEOVER_SECONDS: Final = 7.0
"""The lease and a second."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lengths:
    """Seconds of posts at each rate; those of the disturbed streams, and the rates that are disturbed."""

    undisturbed: Mapping[float, int]
    disturbed: int
    rates: tuple[float, ...]


QUICK: Final = Lengths(undisturbed={SLOW: 4, FAST: 2}, disturbed=4, rates=(SLOW,))
FULL: Final = Lengths(undisturbed={SLOW: 30, FAST: 10}, disturbed=20, rates=(SLOW, FAST))


def run_ours(lengths: Lengths) -> dict[float, Stream]:
    """Each rate once, by a worker and a simulator of their own."""

    async def run() -> dict[float, Stream]:
        async with open_rehearsal(system) as rehearsal:
            await warm_up(
                rehearsal, max(round(rate * seconds) + 1 for rate, seconds in lengths.undisturbed.items())
            )
            return {
                rate: await run_stream(rehearsal, rate, seconds)
                for rate, seconds in lengths.undisturbed.items()
            }

    with open_system() as system, system.run_worker():
        return asyncio.run(run())


def run_peer(peer: Any, lengths: Lengths) -> dict[float, Stream]:  # noqa: ANN401 - each has what it offers
    """The same of another; raises SystemExit for one that does not send what it should."""
    streams = {}
    for rate, seconds in lengths.undisturbed.items():
        watch = StallWatch()
        with watch.watch():
            arrivals = sorted(peer.pace(rate, seconds))
        if len(arrivals) < rate * seconds / 2:
            raise SystemExit(f"{len(arrivals)} messages came in {seconds} s at {rate:g}/s")
        streams[rate] = Stream(parts=[arrivals], missing=0, doubled=0, stalls=watch.stalls)
    return streams


def measure(options: Options) -> Iterator[Measure]:
    """Everything about the pace."""
    lengths = FULL if options.full else QUICK
    peers = {
        name: partial(run_peer, peer, lengths)
        for name, peer in choose_contestants(options.peers).items()
        if hasattr(peer, "pace")
    }
    rounds = run_rounds("pace", partial(run_ours, lengths), peers, options.runs)
    for rate, seconds in lengths.undisturbed.items():
        yield from describe_pace(rounds, rate, seconds)
    disturbed: list[dict[tuple[str, float], Stream]] = []
    for number in range(options.runs):
        say(f"pace, disturbed: run {number + 1} of {options.runs}")
        with open_system() as system:
            disturbed.append(asyncio.run(run_all(system, lengths.rates, lengths.disturbed)))
    for name, rate in disturbed[0]:
        yield from describe_disturbed(name, rate, lengths.disturbed, [run[name, rate] for run in disturbed])


Read = Callable[[Evenness], float]

FIGURES: Final[Mapping[str, tuple[str, Read]]] = {
    "lateness_p50": ("ms", lambda even: 1000 * even.p50),
    "lateness_p99": ("ms", lambda even: 1000 * even.p99),
    "lateness_max": ("ms", lambda even: 1000 * even.longest),
    "busiest_second": ("posts", lambda even: even.busiest),
    "emptiest_second": ("posts", lambda even: even.emptiest),
    "over_ideal": ("%", lambda even: even.over_ideal),
}


def list_targets(rate: float) -> dict[str, tuple[Target, ...]]:
    """By figure."""
    fewest, most = WINDOWS[rate]
    return {
        "lateness_p99": (Target(at_most=LATENESS_MS[rate]),),
        "busiest_second": (Target(at_most=most),),
        "emptiest_second": (Target(at_least=fewest),),
        "over_ideal": (Target(at_most=OVER_IDEAL),) if rate == SLOW else (),
    }


def describe_pace(rounds: Rounds[dict[float, Stream]], rate: float, seconds: float) -> Iterator[Measure]:
    """All figures of one rate, and beside them how the machine behaved."""
    targets = list_targets(rate)
    settings = {"rate": rate, "seconds": seconds}
    for figure, (unit, read) in FIGURES.items():
        judge = partial(_judge, rate, read)
        yield Measure(
            name=f"pace.{rate:g}.{figure}",
            unit=unit,
            ours=rounds.summarize_ours(judge),
            peers=rounds.summarize_peers(judge),
            targets=targets.get(figure, ()),
            settings=settings,
            failures=rounds.failures,
        )
    yield Measure(
        name=f"pace.{rate:g}.machine_stalls",
        unit="over 25 ms",
        ours=rounds.summarize_ours(lambda streams: len(streams[rate].stalls)),
        peers=rounds.summarize_peers(lambda streams: len(streams[rate].stalls)),
        settings=settings,
    )


def _judge(rate: float, read: Read, streams: Mapping[float, Stream]) -> float:
    return read(judge_evenness(streams[rate].parts, rate))


def describe_disturbed(name: str, rate: float, seconds: float, streams: list[Stream]) -> Iterator[Measure]:
    """The same figures through what came between, and that nothing was lost or doubled by it."""
    evens = [judge_evenness(stream.parts, rate) for stream in streams]
    targets = list_targets(rate)
    settings = {"rate": rate, "seconds": seconds}

    def make(figure: str, unit: str, values: list[float], wanted: tuple[Target, ...] = ()) -> Measure:
        return Measure(
            name=f"pace.{rate:g}.{name}.{figure}",
            unit=unit,
            ours=Summary.of(values),
            targets=wanted,
            settings=settings,
        )

    for figure, (unit, read) in FIGURES.items():
        yield make(figure, unit, [read(even) for even in evens], targets.get(figure, ()))
    none = (Target(at_most=0),)
    yield make("missing", "posts", [stream.missing for stream in streams], none)
    yield make("doubled", "posts", [stream.doubled for stream in streams], none)
    if name == "takeover":
        gaps = [stream.longest_gap for stream in streams]
        yield make("silence", "s", gaps, (Target(at_most=TAKEOVER_SECONDS),))
    yield make("machine_stalls", "over 25 ms", [len(stream.stalls) for stream in streams])
