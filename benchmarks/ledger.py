"""How claiming and recording behave as a campaign of many jobs drains: time and memory must stay level.

The jobs are claimed and recorded as a lane does it, without anything being sent in between, so the ledger is the
only cost. Run it from the repository: `python -m benchmarks.ledger --jobs 1000000`.
"""

import argparse
import asyncio
import json
import statistics
import time
from datetime import timedelta

import psutil
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.system import open_database
from vestnik.db.engine import make_engine, open_session
from vestnik.db.leases import Lease
from vestnik.db.ledger import CampaignClaim, Ledger
from vestnik.db.transitions import start_campaign
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.domain.outcomes import judge_success

LONG = timedelta(hours=5)
NOW = timedelta()


async def prepare(engine: AsyncEngine, jobs: int) -> tuple[AccountId, CampaignId]:
    """A running campaign of as many channels, all of them resolved."""
    async with open_session(engine) as session:
        account_id = (await session.execute(text("SELECT id FROM accounts"))).scalar_one()
        parameters = {"jobs": jobs, "account_id": account_id}
        for statement in (
            "INSERT INTO channels (username) SELECT 'bench_' || i FROM generate_series(1, :jobs) i",
            "INSERT INTO batches (name) VALUES ('bench')",
            "INSERT INTO batch_channels (batch_id, channel_id) SELECT b.id, c.id FROM batches b, channels c",
            "INSERT INTO templates (name, content) VALUES ('bench', 'bench')",
            """
            INSERT INTO channel_peers (account_id, channel_id, tg_id, access_hash)
            SELECT :account_id, id, row_number() OVER (), 1 FROM channels
            """,
            """
            INSERT INTO campaigns (name, account_id, account_kind, batch_id, template_id, delivery_rate)
            SELECT 'bench', :account_id, 'SIMULATED', b.id, t.id, 1000 FROM batches b, templates t
            """,
        ):
            await session.execute(text(statement), parameters if ":" in statement else {})
        campaign_id = (await session.execute(text("SELECT id FROM campaigns"))).scalar_one()
    async with open_session(engine) as session:
        await start_campaign(session, campaign_id)
    ledger = Ledger(engine)
    while not (await ledger.read_lane(account_id)).campaigns[0].is_expanded:
        await ledger.expand(campaign_id)
    return AccountId(account_id), CampaignId(campaign_id)


async def drain(
    ledger: Ledger, lease: Lease, campaign_id: CampaignId, batch: int
) -> list[tuple[float, float, int]]:
    """(seconds of the claim, seconds of the record, resident bytes) for each batch until nothing is left."""
    process = psutil.Process()
    figures: list[tuple[float, float, int]] = []
    cursor = 0
    while True:
        wanted = CampaignClaim(campaign_id=campaign_id, count=batch, cursor=cursor, next_slot_in=NOW)
        started = time.perf_counter()
        jobs = (await ledger.claim(lease, [wanted], NOW)).jobs
        claimed = time.perf_counter()
        if not jobs:
            return figures
        await ledger.record([judge_success(job, (1,)) for job in jobs])
        recorded = time.perf_counter()
        cursor = max(job.job_id for job in jobs)
        figures.append((claimed - started, recorded - claimed, process.memory_info().rss))


async def measure(url: URL, jobs: int, batch: int) -> dict[str, object]:
    """Prepare, drain, and compare the first with the last twentieth."""
    engine = make_engine(url, name="benchmark")
    try:
        account_id, campaign_id = await prepare(engine, jobs)
        ledger = Ledger(engine)
        lease = await ledger.acquire_lease(account_id, "benchmark", LONG)
        assert lease is not None
        started = time.perf_counter()
        figures = await drain(ledger, lease, campaign_id, batch)
        elapsed = time.perf_counter() - started
    finally:
        await engine.dispose()
    part = max(len(figures) // 20, 1)
    claims = [statistics.median(row[0] for row in rows) * 1000 for rows in (figures[:part], figures[-part:])]
    records = [statistics.median(row[1] for row in rows) * 1000 for rows in (figures[:part], figures[-part:])]
    return {
        "jobs": jobs,
        "batch": batch,
        "jobs_per_s": round(jobs / elapsed),
        "claim_ms_first": round(claims[0], 2),
        "claim_ms_last": round(claims[1], 2),
        "claim_ratio": round(claims[1] / claims[0], 2),
        "record_ratio": round(records[1] / records[0], 2),
        "memory_mb_first": round(figures[part - 1][2] / 2**20, 1),
        "memory_mb_last": round(figures[-1][2] / 2**20, 1),
    }


def main() -> None:
    """Run once and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument(
        "--batch", type=int, default=50, help="jobs per claim; 50 is a quarter of a second at 200/s"
    )
    options = parser.parse_args()
    with open_database() as (_, url):
        print(json.dumps(asyncio.run(measure(url, options.jobs, options.batch))))


if __name__ == "__main__":
    main()
