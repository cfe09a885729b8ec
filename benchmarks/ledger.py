"""How claiming and recording behave as campaigns of many jobs drain: time and memory must stay level.

The jobs are claimed and recorded as a lane does it, without anything being sent in between, so the ledger is the
only cost. Run it from the repository: `python -m benchmarks.ledger --jobs 1000000`; `python -m benchmarks growth`
compares sizes.
"""

import argparse
import asyncio
import json
import statistics
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle, islice
from uuid import UUID

import psutil
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.filling import add_campaign, prepare_channels
from benchmarks.system import open_database
from vestnik.db.engine import make_engine, open_session
from vestnik.db.leases import Lease
from vestnik.db.ledger import CampaignClaim, Ledger
from vestnik.db.transitions import start_campaign
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.domain.outcomes import judge_success

LONG = timedelta(hours=5)
NOW = timedelta()
BATCH = 50
"""Jobs per claim: a quarter of a second at 200/s."""


@dataclass(kw_only=True, slots=True)
class Drain:
    """For each batch seconds of its claim and of its record, and the process's resident bytes after it."""

    claims: "array[float]" = field(default_factory=lambda: array("d"))
    records: "array[float]" = field(default_factory=lambda: array("d"))
    memory: "array[int]" = field(default_factory=lambda: array("q"))
    jobs: int = 0
    elapsed: float = 0.0


async def queue_campaign(engine: AsyncEngine, account_id: AccountId, name: str, batch_id: UUID) -> CampaignId:
    """A campaign that is running and wholly expanded."""
    async with open_session(engine) as session:
        campaign_id = await add_campaign(session, name, account_id, batch_id, rate=1000)
        await start_campaign(session, campaign_id)
    ledger = Ledger(engine)
    while any(not each.is_expanded for each in (await ledger.read_lane(account_id)).campaigns):
        await ledger.expand(campaign_id)
    return campaign_id


def share_out(campaigns: Sequence[CampaignId], turn: int, batch: int) -> Counter[CampaignId]:
    """How many jobs of which campaigns the next claim is for: all of them by turns, as a lane gives out slots."""
    return Counter(islice(cycle(campaigns), turn % len(campaigns), turn % len(campaigns) + batch))


async def drain(ledger: Ledger, lease: Lease, campaign_ids: Sequence[CampaignId], batch: int) -> Drain:
    """Claim and record until nothing is left."""
    process = psutil.Process()
    figures = Drain()
    cursors = dict.fromkeys(campaign_ids, 0)
    turn = 0
    begun = time.perf_counter()
    while cursors:
        shares = share_out(list(cursors), turn, batch)
        turn += batch
        wanted = [
            CampaignClaim(campaign_id=key, count=count, cursor=cursors[key], next_slot_in=NOW)
            for key, count in shares.items()
        ]
        started = time.perf_counter()
        claim = await ledger.claim(lease, wanted, NOW)
        claimed = time.perf_counter()
        found = Counter(job.campaign_id for job in claim.jobs)
        for job in claim.jobs:
            cursors[job.campaign_id] = max(cursors[job.campaign_id], job.job_id)
        for key, count in shares.items():
            if key in claim.looked_to:
                cursors[key] = max(cursors[key], claim.looked_to[key])
            elif found[key] < count:
                del cursors[key]
        if not claim.jobs:
            continue
        await ledger.record([judge_success(job, (1,)) for job in claim.jobs])
        figures.claims.append(claimed - started)
        figures.records.append(time.perf_counter() - claimed)
        figures.memory.append(process.memory_info().rss)
        figures.jobs += len(claim.jobs)
    figures.elapsed = time.perf_counter() - begun
    return figures


async def take_lease(ledger: Ledger, account_id: AccountId) -> Lease:
    """For longer than any benchmark lasts."""
    lease = await ledger.acquire_lease(account_id, "benchmark", LONG)
    if lease is None:
        raise SystemExit("somebody else holds the account")
    return lease


def compare_ends(values: Sequence[float]) -> tuple[float, float]:
    """The medians of the first and of the last twentieth."""
    part = max(len(values) // 20, 1)
    return statistics.median(values[:part]), statistics.median(values[-part:])


async def measure(url: URL, jobs: int, batch: int) -> dict[str, object]:
    """Prepare, drain, and compare the first with the last twentieth."""
    engine = make_engine(url, name="benchmark")
    try:
        account_id, batch_ids = await prepare_channels(engine, [jobs])
        campaign_id = await queue_campaign(engine, account_id, "bench", batch_ids[jobs])
        ledger = Ledger(engine)
        figures = await drain(ledger, await take_lease(ledger, account_id), [campaign_id], batch)
    finally:
        await engine.dispose()
    claims, records, memory = (
        compare_ends(values) for values in (figures.claims, figures.records, figures.memory)
    )
    return {
        "jobs": jobs,
        "batch": batch,
        "jobs_per_s": round(jobs / figures.elapsed),
        "claim_ms_first": round(claims[0] * 1000, 2),
        "claim_ms_last": round(claims[1] * 1000, 2),
        "claim_ratio": round(claims[1] / claims[0], 2),
        "record_ratio": round(records[1] / records[0], 2),
        "memory_mb_first": round(memory[0] / 2**20, 1),
        "memory_mb_last": round(memory[1] / 2**20, 1),
    }


def main() -> None:
    """Run once and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument(
        "--batch", type=int, default=BATCH, help="jobs per claim; 50 is a quarter of a second at 200/s"
    )
    options = parser.parse_args()
    with open_database() as (_, url):
        print(json.dumps(asyncio.run(measure(url, options.jobs, options.batch))))


if __name__ == "__main__":
    main()
