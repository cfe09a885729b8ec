"""What the API bears while a campaign runs: `python -m benchmarks api`.

A worker sends 20 a second all the while. Each hot read is asked one at a time over a kept connection, which gives
its latency, and then by eight clients at once, which gives requests a second; then a second campaign, of another
account, is paused and resumed by turns. The clients are one process and take a part of the same processors. What
that does to the campaign is measured in the simulator.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import httpx
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.api_data import Figure, fill, make_figure, measure_read, run_api
from benchmarks.arrivals import Evenness, judge_evenness
from benchmarks.filling import add_campaign, find_rehearsal_account
from benchmarks.options import Options
from benchmarks.pace_streams import CRAWL, SLOW
from benchmarks.rehearsal import Rehearsal, open_rehearsal, wait_for_addresses
from benchmarks.report import Measure, Summary, Target
from benchmarks.rounds import say
from benchmarks.system import System, open_system
from vestnik.db.engine import make_engine, open_session
from vestnik.db.rehearsals import ensure_simulated_account

ACTION: Final = "action"
CLIENTS = 8
RUNNING_CHANNELS: Final = 6_000
"""Of the campaign that runs: more than it sends meanwhile."""
LIST_MS, PROGRESS_MS, ACTION_MS = 100.0, 20.0, 100.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """Rows there are, questions one after the other, seconds of many at once, and actions."""

    rows: int
    passes: int
    seconds: float
    actions: int


QUICK: Final = Size(rows=20_000, passes=40, seconds=0.5, actions=20)
FULL: Final = Size(rows=1_000_000, passes=200, seconds=5.0, actions=200)


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """Of one run: latencies and requests a second by what was asked, and the pace of the campaign beside it."""

    latencies: dict[str, Figure]
    rates: dict[str, float]
    pace: Evenness


def list_reads(ids: dict[str, str]) -> dict[str, tuple[str, float]]:
    """What is asked most, and the milliseconds that 19 of 20 answers may take."""
    return {
        "campaigns": ("/api/campaigns", LIST_MS),
        "campaign": (f"/api/campaigns/{ids['running']}", PROGRESS_MS),
        "progress": (f"/api/campaigns/{ids['running']}/progress", PROGRESS_MS),
        "jobs": (f"/api/campaigns/{ids['large']}/jobs?limit=100", LIST_MS),
        "failed_jobs": (f"/api/campaigns/{ids['large']}/jobs?limit=100&status=FAILED", LIST_MS),
        "channels": ("/api/channels?limit=100", LIST_MS),
    }


async def add_running(engine: AsyncEngine, rehearsal: Rehearsal, channels: int) -> dict[str, str]:
    """Start the campaign that runs, and one of another account that hardly does; both know all their channels."""
    async with open_session(engine) as session:
        batch = await session.execute(text("SELECT id FROM batches WHERE name = 'part'"))
        batch_id = batch.scalar_one()
        account_id = await find_rehearsal_account(session)
        other_id = await ensure_simulated_account(session, "other", Decimal(str(SLOW)))
        found = {
            "running": await add_campaign(session, "running", account_id, batch_id, rate=SLOW),
            "acted": await add_campaign(session, "acted", other_id, batch_id, rate=CRAWL),
        }
    await rehearsal.set_account_rate(SLOW)
    for campaign_id in found.values():
        await rehearsal.start(campaign_id)
    await wait_for_addresses(engine, [account_id, other_id], channels)
    return {name: str(campaign_id) for name, campaign_id in found.items()} | {"account": str(account_id)}


async def count_rate(client: httpx.AsyncClient, path: str, seconds: float) -> float:
    """Answers a second to clients that ask again as soon as they are answered."""
    end = time.perf_counter() + seconds

    async def ask() -> int:
        answered = 0
        while time.perf_counter() < end:
            (await client.get(path)).raise_for_status()
            answered += 1
        return answered

    begun = time.perf_counter()
    counts = await asyncio.gather(*(ask() for _ in range(CLIENTS)))
    return sum(counts) / (time.perf_counter() - begun)


async def time_actions(client: httpx.AsyncClient, campaign_id: str, actions: int) -> Figure:
    """Pauses and resumes by turns, one at a time."""
    took = []
    for number in range(actions):
        action = "resume" if number % 2 else "pause"
        begun = time.perf_counter()
        answer = await client.post(f"/api/campaigns/{campaign_id}/action", json={"action": action})
        took.append((time.perf_counter() - begun) * 1000)
        answer.raise_for_status()
    return make_figure(ACTION, took, ACTION_MS)


async def ask_all(
    client: httpx.AsyncClient, ids: dict[str, str], size: Size
) -> tuple[dict[str, Figure], dict[str, float]]:
    """Latencies and rates."""
    latencies, rates = {}, {}
    for name, (path, limit) in list_reads(ids).items():
        latencies[name] = await measure_read(client, name, path, at_most=limit, passes=size.passes)
        rates[name] = await count_rate(client, path, size.seconds)
    begun = time.perf_counter()
    latencies[ACTION] = await time_actions(client, ids["acted"], size.actions)
    rates[ACTION] = size.actions / (time.perf_counter() - begun)
    return latencies, rates


async def run_once(system: System, url: str, size: Size) -> Load:
    """All questions, while the campaign runs from before the first to after the last."""
    engine = make_engine(system.url, name="benchmark")
    try:
        channels = min(RUNNING_CHANNELS, size.rows)
        ids = await fill(engine, channels=channels, jobs=size.rows)
        headers = {"Authorization": f"Bearer {ids['token']}"}
        with system.run_worker():
            async with (
                open_rehearsal(system) as rehearsal,
                httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client,
            ):
                ids |= await add_running(engine, rehearsal, channels)
                begun = time.monotonic()
                latencies, rates = await ask_all(client, ids, size)
                ended = time.monotonic()
                await require_running(client, ids["running"])
                await rehearsal.look()
                pace = judge_evenness([rehearsal.list_attempts(begun, ended, ids["account"])], SLOW)
    finally:
        await engine.dispose()
    return Load(latencies=latencies, rates=rates, pace=pace)


async def require_running(client: httpx.AsyncClient, campaign_id: str) -> None:
    """Raises SystemExit when it has ended: what was measured then was an idle system."""
    answer = await client.get(f"/api/campaigns/{campaign_id}")
    answer.raise_for_status()
    if answer.json()["status"] != "RUNNING":
        raise SystemExit("the campaign ended before all was measured")


def run(size: Size) -> Load:
    """On a system of its own."""
    with open_system() as system, run_api(system) as (url, _):
        return asyncio.run(run_once(system, url, size))


def measure(options: Options) -> Iterator[Measure]:
    """Each read, the actions, and the campaign that ran meanwhile."""
    size = FULL if options.full else QUICK
    loads = []
    for number in range(options.runs):
        say(f"api: run {number + 1} of {options.runs}")
        loads.append(run(size))
    settings = {"rows": size.rows, "rate": SLOW}
    for name, figure in loads[0].latencies.items():
        yield Measure(
            name=f"api.{name}.p95",
            unit="ms",
            ours=Summary.of([load.latencies[name].p95 for load in loads]),
            targets=(Target(at_most=figure.at_most),),
            settings=settings | {"clients": 1},
        )
        yield Measure(
            name=f"api.{name}.rate",
            unit="requests/s",
            ours=Summary.of([load.rates[name] for load in loads]),
            settings=settings | {"clients": 1 if name == ACTION else CLIENTS},
        )
    yield Measure(
        name="api.beside.lateness_p99",
        unit="ms",
        ours=Summary.of([1000 * load.pace.p99 for load in loads]),
        settings=settings,
    )
    yield Measure(
        name="api.beside.busiest_second",
        unit="posts",
        ours=Summary.of([load.pace.busiest for load in loads]),
        settings=settings,
    )
