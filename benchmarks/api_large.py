"""How long requests keep others waiting on a large database, and what listeners cost a running campaign.

Latencies are counted at a client in another process, one request at a time over a kept connection. For each long
request (an import, a report, a deletion) others are asked all the while: how long they wait at most tells how long
the process, or a lock, kept everybody. Run it from the repository: `python -m benchmarks.api_large`.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable
from typing import Any

import httpx
import psutil
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.api_data import Figure, fill, make_figure, measure_read, measure_reads, run_api
from benchmarks.system import System, open_system
from vestnik.db.engine import make_engine, open_session
from vestnik.db.transitions import start_campaign
from vestnik.domain.ids import CampaignId

LISTENERS = 50
PACE_CHANNELS = 2_000
IMPORT_LINES = 100_000
PROBE_PAUSE = 0.005
"""Seconds between two questions beside a long request."""
STALL_LIMIT = 100.0
"""Milliseconds that others may be kept waiting by one."""
REPORT_GROWTH_LIMIT = 32.0
"""MiB that the process may grow by for a report of any length."""


async def measure_start(client: httpx.AsyncClient, ids: dict[str, str], channels: int) -> Figure:
    """One start of a large campaign."""
    begun = time.perf_counter()
    answer = await client.post(f"/api/campaigns/{ids['start']}/action", json={"action": "start"})
    took = (time.perf_counter() - begun) * 1000
    answer.raise_for_status()
    await client.post(f"/api/campaigns/{ids['start']}/action", json={"action": "cancel"})
    return make_figure(f"start of {channels} channels", [took], 3_000)


async def probe(client: httpx.AsyncClient, path: str, took: list[float]) -> None:
    """Ask something small over and over, until cancelled."""
    while True:
        begun = time.perf_counter()
        answer = await client.get(path)
        took.append((time.perf_counter() - begun) * 1000)
        answer.raise_for_status()
        await asyncio.sleep(PROBE_PAUSE)


async def measure_beside(
    client: httpx.AsyncClient, name: str, work: Awaitable[None], *, at_most: float, probed: str = "/healthz"
) -> list[Figure]:
    """How long a request takes, and how long others wait meanwhile."""
    took: list[float] = []
    probing = asyncio.create_task(probe(client, probed, took))
    begun = time.perf_counter()
    await work
    whole = (time.perf_counter() - begun) * 1000
    probing.cancel()
    others = make_figure(f"others beside {name}", took, STALL_LIMIT)
    return [make_figure(name, [whole], at_most), others]


async def import_list(client: httpx.AsyncClient, lines: str) -> None:
    """New channels, into a batch of their own."""
    answer = await client.post(
        "/api/channels/import",
        params={"batchName": "imported"},
        content=lines,
        headers={"Content-Type": "text/plain"},
    )
    answer.raise_for_status()
    assert answer.json()["batchAdded"] == IMPORT_LINES


async def download(client: httpx.AsyncClient, path: str, process: psutil.Process) -> dict[str, Any]:
    """Megabytes of a file, and the memory of the process that sends it: before, and at most meanwhile."""
    before = peak = process.memory_info().rss
    size = 0
    begun = time.perf_counter()
    async with client.stream("GET", path, timeout=None) as stream:
        stream.raise_for_status()
        async for chunk in stream.aiter_bytes():
            size += len(chunk)
            peak = max(peak, process.memory_info().rss)
    return {
        "report_mib": round(size / 2**20, 1),
        "seconds": round(time.perf_counter() - begun, 1),
        "rss_before_mib": round(before / 2**20, 1),
        "rss_peak_mib": round(peak / 2**20, 1),
    }


async def delete_large(client: httpx.AsyncClient, campaign_id: str) -> None:
    """Delete a campaign with all its jobs; a worker does the rest."""
    (await client.delete(f"/api/campaigns/{campaign_id}")).raise_for_status()


async def await_erasure(engine: AsyncEngine, campaign_id: str) -> None:
    """Until nothing is left of a deleted campaign."""
    while True:
        async with open_session(engine) as session:
            row = await session.execute(text("SELECT FROM campaigns WHERE id = :id"), {"id": campaign_id})
            if row.one_or_none() is None:
                return
        await asyncio.sleep(0.2)


GIVING_UP = """
INSERT INTO accounts (name, kind) VALUES ('press', 'USER');

INSERT INTO channel_peers (account_id, channel_id, is_active, inactive_reason) SELECT a.id, c.id, false,
'CHAT_WRITE_FORBIDDEN' FROM accounts a, channels c WHERE a.name = 'press' AND c.username NOT LIKE '%00';

UPDATE channels SET is_active = false, inactive_reason = 'OPERATOR' WHERE username LIKE '%00' AND username NOT LIKE
'%0000'
"""


async def give_channels_up(engine: AsyncEngine) -> None:
    """Nearly all channels become inactive, most of them because the only real account may not post there."""
    async with open_session(engine) as session:
        for statement in GIVING_UP.split(";"):
            await session.execute(text(statement))
    async with engine.connect() as connection:
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(
            text("VACUUM ANALYZE channels, channel_peers")
        )


async def listen(client: httpx.AsyncClient, campaign_id: str, seen: Counter[str]) -> None:
    """Follow one campaign and count its events."""
    async with client.stream("GET", f"/api/campaigns/{campaign_id}/events", timeout=None) as stream:
        async for line in stream.aiter_lines():
            seen["events"] += line.startswith("data:")


async def run_campaign(system: System, client: httpx.AsyncClient, listeners: int) -> dict[str, Any]:
    """Seconds of a campaign at 200/s of which the first listener sees the end, with so many listeners."""
    engine = make_engine(system.url, name="benchmark")
    try:
        async with open_session(engine) as session:
            await session.execute(text("UPDATE accounts SET rate = 200"))
            row = await session.execute(
                text(
                    "INSERT INTO campaigns (name, account_id, account_kind, batch_id, template_id, delivery_rate)"
                    " SELECT 'pace', a.id, a.kind, b.id, t.id, 200 FROM accounts a, batches b, templates t"
                    " WHERE b.name = 'few' RETURNING id"
                )
            )
            campaign_id = CampaignId(row.scalar_one())
            await start_campaign(session, campaign_id)
        seen: Counter[str] = Counter()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(listen(client, str(campaign_id), seen)) for _ in range(listeners)]
            begun = time.monotonic()
            while (await _read_status(engine, campaign_id)) != "COMPLETED":  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.05)
            took = time.monotonic() - begun
            for task in tasks:
                task.cancel()
        return {"listeners": listeners, "seconds": round(took, 2), "events": seen["events"]}
    finally:
        await engine.dispose()


async def _read_status(engine: AsyncEngine, campaign_id: CampaignId) -> str:
    async with open_session(engine) as session:
        row = await session.execute(text("SELECT status FROM campaigns WHERE id = :id"), {"id": campaign_id})
        return str(row.scalar_one())


async def run(
    system: System, url: str, pid: int, *, channels: int, jobs: int
) -> tuple[list[Figure], list[dict[str, Any]]]:
    """All of it against an API that runs."""
    engine = make_engine(system.url, name="benchmark")
    try:
        ids = await fill(engine, channels=channels, jobs=jobs)
        async with open_session(engine) as session:
            await session.execute(text("INSERT INTO batches (name) VALUES ('few')"))
            await session.execute(
                text(
                    "INSERT INTO batch_channels (batch_id, channel_id) SELECT b.id, c.id FROM batches b,"
                    " (SELECT id FROM channels ORDER BY created_at LIMIT :n) c WHERE b.name = 'few'"
                ),
                {"n": PACE_CHANNELS},
            )
    finally:
        await engine.dispose()
    headers = {"Authorization": f"Bearer {ids['token']}"}
    limits = httpx.Limits(max_connections=LISTENERS + 10)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, limits=limits) as client:
        figures = await measure_reads(client, ids)
        figures.append(await measure_start(client, ids, channels))
        with system.run_worker():
            await run_campaign(system, client, 0)  # addresses become known
            order = (0, LISTENERS, 0, LISTENERS)
            paces = [await run_campaign(system, client, listeners) for listeners in order]
        further, memory = await measure_long_requests(system, client, ids, pid)
    return figures + further, [*paces, memory]


async def measure_long_requests(
    system: System, client: httpx.AsyncClient, ids: dict[str, str], pid: int
) -> tuple[list[Figure], dict[str, Any]]:
    """An import, a report, a deletion, and a list with few hits: what they take, and what from others."""
    engine = make_engine(system.url, name="benchmark")
    campaign = f"/api/campaigns/{ids['large']}"
    try:
        lines = "".join(f"@imported_{number}\n" for number in range(IMPORT_LINES))
        importing = import_list(client, lines)
        figures = await measure_beside(client, f"import of {IMPORT_LINES} lines", importing, at_most=20_000)
        memory = await download(client, f"{campaign}/report.csv", psutil.Process(pid))
        growth = memory["rss_peak_mib"] - memory["rss_before_mib"]
        memory["is_met"] = growth <= REPORT_GROWTH_LIMIT
        deleting = delete_large(client, ids["large"])
        figures += await measure_beside(client, "deletion of a large campaign", deleting, at_most=1_000)
        with system.run_worker():
            erasing = await_erasure(engine, ids["large"])
            figures += await measure_beside(
                client,
                "end of that deletion",
                erasing,
                at_most=600_000,
                probed=f"/api/campaigns/{ids['start']}/progress",
            )
        await give_channels_up(engine)
        few = "/api/channels?limit=100&active=true"
        figures.append(await measure_read(client, "few active of many channels", few, at_most=100))
    finally:
        await engine.dispose()
    return figures, memory


def main() -> None:
    """Run once; the exit code is 1 when a latency is above its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--channels", type=int, default=100_000, help="channels of the campaign that is started"
    )
    parser.add_argument(
        "--jobs", type=int, default=1_000_000, help="jobs of the large campaign, and channels"
    )
    options = parser.parse_args()
    with open_system() as system, run_api(system) as (url, pid):
        figures, paces = asyncio.run(run(system, url, pid, channels=options.channels, jobs=options.jobs))
    for figure in figures:
        mark = "" if figure.is_met else "  <- above the limit"
        print(
            f"{figure.name:32} p50 {figure.p50:8.1f} ms   p95 {figure.p95:8.1f} ms   at most "
            f"{figure.at_most:g} ms{mark}"
        )
    for pace in paces:
        print(json.dumps(pace))
    sys.exit(not (all(figure.is_met for figure in figures) and paces[-1]["is_met"]))


if __name__ == "__main__":
    main()
