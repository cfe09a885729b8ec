"""How long a direct send takes with an idle worker: from the request's commit to the post, and to the answer.

Worker and simulator are processes of their own, as in `vestnik up`; this one is the caller. Run it from the
repository: `python -m benchmarks.direct_send --posts 100`.
"""

import argparse
import asyncio
import json
import statistics
import time
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from benchmarks.arrivals import pick_percentile
from benchmarks.system import System, open_system
from vestnik.db.engine import make_engine, open_session
from vestnik.db.secrets import KeyRing
from vestnik.domain.actors import Actor
from vestnik.domain.commands import CommandStatus
from vestnik.services.direct_send import NewSend, request_send, wait_for_results
from vestnik.simulator.control import SimulatorControl

CHANNEL = "bench_channel"
PATIENCE = timedelta(seconds=30)


async def measure(
    engine: AsyncEngine, ring: KeyRing, control: SimulatorControl, posts: int
) -> tuple[list[float], list[float]]:
    """Seconds from the commit to the arrival in the simulator, and to the answer in the caller's hands."""

    async def open_keys(_session: AsyncSession) -> KeyRing:
        return ring

    async with open_session(engine) as session:
        await session.execute(text("INSERT INTO channels (username) VALUES (:name)"), {"name": CHANNEL})
    to_post: list[float] = []
    to_answer: list[float] = []
    for number in range(posts + 1):
        async with open_session(engine) as session:
            new = NewSend(channels=[CHANNEL], text=f"post {number}")
            requested = await request_send(session, Actor.system("benchmark"), new, open_keys=open_keys)
        committed_at = time.monotonic()
        (result,) = await wait_for_results(engine, requested.ids, timeout=PATIENCE)
        answered_at = time.monotonic()
        if result.status is not CommandStatus.DONE:
            raise SystemExit(f"post {number}: {result.status} {result.error_code}")
        if number:  # the first one had to look the channel up
            (post,) = await control.list_posts(first=number, limit=1)
            to_post.append(post.arrived_monotonic - committed_at)
            to_answer.append(answered_at - committed_at)
        await asyncio.sleep(0.15)
    return to_post, to_answer


def summarize(seconds: list[float]) -> dict[str, float]:
    """In milliseconds."""
    return {
        "p50": round(statistics.median(seconds) * 1000, 1),
        "p95": round(pick_percentile(seconds, 0.95) * 1000, 1),
        "max": round(max(seconds) * 1000, 1),
    }


async def run(system: System, posts: int) -> None:
    """Wait until the worker serves the rehearsal account, then measure."""
    engine = make_engine(system.url, name="benchmark", pool_size=1)
    served = text("SELECT FROM account_leases WHERE lease_until > clock_timestamp()")
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while True:
                async with open_session(engine) as session:
                    if (await session.execute(served)).all():
                        break
                await asyncio.sleep(0.1)
        async with await SimulatorControl.connect(system.endpoint) as control:
            to_post, to_answer = await measure(engine, system.ring, control, posts)
    finally:
        await engine.dispose()
    print(
        json.dumps({"posts": posts, "to_post_ms": summarize(to_post), "to_answer_ms": summarize(to_answer)})
    )


def main() -> None:
    """The whole benchmark, on a database and a simulator of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=100)
    posts = parser.parse_args().posts
    with open_system() as system, system.run_worker():
        asyncio.run(run(system, posts))


if __name__ == "__main__":
    main()
