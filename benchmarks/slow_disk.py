"""The same drain on a disk that takes longer to make a commit durable: `python -m benchmarks slow_disk`.

The disks of many servers take a millisecond where this machine may take a tenth of one: whoever commits once for
each message pays that once for each message.
"""

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.contestants import choose_contestants
from benchmarks.disks import slow_disk
from benchmarks.drain import ALONE, BATCH, drain_ours
from benchmarks.options import Options
from benchmarks.report import Measure
from benchmarks.rounds import run_rounds

JOBS, FULL_JOBS = 5_000, 10_000
EXTRA = 1.0
"""Milliseconds for each flush, beside what the disk takes itself."""


def measure(options: Options) -> Iterator[Measure]:
    """One worker with one account beside the peers that keep their messages in PostgreSQL."""
    jobs = FULL_JOBS if options.full else JOBS
    peers = {
        name: partial(_drain_slowly, partial(peer.drain, jobs))
        for name, peer in choose_contestants(options.peers).items()
        if hasattr(peer, "drain") and not peer.needs_redis
    }
    ours = partial(_drain_slowly, partial(drain_ours, ALONE, jobs))
    rounds = run_rounds(f"slow_disk.{jobs}", ours, peers, options.runs)
    yield Measure(
        name=f"slow_disk.{jobs}",
        unit="messages/s",
        ours=rounds.summarize_ours(float),
        peers=rounds.summarize_peers(float),
        settings={"jobs": jobs, "batch": BATCH, "bytes": 300, "extra_ms": EXTRA},
        failures=rounds.failures,
    )


def _drain_slowly(drain: Callable[[], float]) -> float:
    with slow_disk(EXTRA):
        return drain()
