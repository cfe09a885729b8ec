"""How long a direct send takes with an idle worker: from the request's commit to the post, and to the answer.

Worker and simulator are processes of their own, as in `vestnik up`; this one is the caller. Run it from the
repository: `python -m benchmarks.direct_send --posts 100`.
"""

import argparse
import asyncio
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from vestnik.cli.child import SIMULATOR_VARIABLE
from vestnik.db.embedded import EmbeddedPostgres
from vestnik.db.engine import make_engine, open_session, parse_database_url
from vestnik.db.schema import upgrade_schema
from vestnik.db.secrets import KeyRing
from vestnik.domain.actors import Actor
from vestnik.domain.commands import CommandStatus
from vestnik.services.direct_send import NewSend, request_send, wait_for_results
from vestnik.simulator.control import SimulatorControl
from vestnik.simulator.endpoint import SimulatorEndpoint

CHANNEL = "bench_channel"
PATIENCE = timedelta(seconds=30)


@contextmanager
def run_process(*arguments: str, **variables: str) -> Iterator[dict[str, object]]:
    """A command of Vestnik's for the length of the block; what it said when it was ready."""
    environment = {**os.environ, **variables}
    with subprocess.Popen(
        [sys.executable, "-m", "vestnik", *arguments, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


async def measure(
    engine: AsyncEngine, ring: KeyRing, control: SimulatorControl, posts: int
) -> tuple[list[float], list[float]]:
    """Seconds from the commit to the arrival in the simulator, and to the answer in the caller's hands."""
    async with open_session(engine) as session:
        await session.execute(text("INSERT INTO channels (username) VALUES (:name)"), {"name": CHANNEL})
    to_post: list[float] = []
    to_answer: list[float] = []
    for number in range(posts + 1):
        async with open_session(engine) as session:
            new = NewSend(channels=[CHANNEL], text=f"post {number}")
            requested = await request_send(session, Actor.system("benchmark"), new, open_keys=lambda: ring)
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
    ordered = sorted(seconds)
    return {
        "p50": round(statistics.median(ordered) * 1000, 1),
        "p95": round(ordered[int(len(ordered) * 0.95) - 1] * 1000, 1),
        "max": round(ordered[-1] * 1000, 1),
    }


async def run(url: str, key: str, endpoint: SimulatorEndpoint, posts: int) -> None:
    """Wait until the worker serves the rehearsal account, then measure."""
    engine = make_engine(parse_database_url(url), name="benchmark", pool_size=1)
    served = text("SELECT FROM account_leases WHERE lease_until > clock_timestamp()")
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            while True:
                async with open_session(engine) as session:
                    if (await session.execute(served)).all():
                        break
                await asyncio.sleep(0.1)
        async with await SimulatorControl.connect(endpoint) as control:
            to_post, to_answer = await measure(engine, KeyRing([bytes.fromhex(key)]), control, posts)
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
    key = secrets.token_hex(32)
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as server:
        upgrade_schema(parse_database_url(server.url))
        with run_process("simulator", VESTNIK_DATA_DIR=folder) as simulator:
            endpoint = SimulatorEndpoint.from_json(json.dumps(simulator["endpoint"]))
            variables = {
                "DATABASE_URL": server.url,
                "VESTNIK_DATA_DIR": folder,
                "VESTNIK_SECRET_KEY": key,
                SIMULATOR_VARIABLE: endpoint.to_json(),
            }
            with run_process("worker", **variables):
                asyncio.run(run(server.url, key, endpoint, posts))


if __name__ == "__main__":
    main()
