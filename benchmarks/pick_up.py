"""How soon something goes out once it is there: `python -m benchmarks pick_up`.

Ours is a campaign of five known channels from just before the COMMIT of its start to the arrival of its first
request in the simulator, with a worker that had nothing to do; a peer's is one message from its enqueueing to its
handler.
"""

import asyncio
from collections.abc import Iterator
from functools import partial
from typing import Final

from benchmarks.arrivals import pick_percentile
from benchmarks.contestants import choose_contestants
from benchmarks.options import Options
from benchmarks.pace_parts import PICK_UP_P95, time_pick_ups
from benchmarks.pace_streams import warm_up
from benchmarks.rehearsal import open_rehearsal
from benchmarks.report import Measure, Target
from benchmarks.rounds import run_rounds
from benchmarks.system import System, open_system

TIMES, FULL_TIMES = 10, 50
PERCENTILES: Final = {"p50": 0.5, "p95": 0.95}


def run_ours(times: int) -> list[float]:
    """Seconds, on a system of its own."""
    with open_system() as system, system.run_worker():
        return asyncio.run(_time(system, times))


async def _time(system: System, times: int) -> list[float]:
    async with open_rehearsal(system) as rehearsal:
        await warm_up(rehearsal, 5)
        return await time_pick_ups(rehearsal, times)


def measure(options: Options) -> Iterator[Measure]:
    """Ours and that of each peer whose workers can wait for work."""
    times = FULL_TIMES if options.full else TIMES
    peers = {
        name: partial(peer.pick_up, times)
        for name, peer in choose_contestants(options.peers).items()
        if hasattr(peer, "pick_up")
    }
    rounds = run_rounds("pick_up", partial(run_ours, times), peers, options.runs)
    for name, part in PERCENTILES.items():
        read = partial(_read, part)
        yield Measure(
            name=f"pick_up.{name}",
            unit="ms",
            ours=rounds.summarize_ours(read),
            peers=rounds.summarize_peers(read),
            targets=(Target(at_most=PICK_UP_P95),) if name == "p95" else (),
            settings={"times": times},
            failures=rounds.failures,
        )


def _read(part: float, seconds: list[float]) -> float:
    return 1000 * pick_percentile(seconds, part)
