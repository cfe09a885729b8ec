"""What a message costs as the ledger grows: `python -m benchmarks growth`.

Ledgers of 10^3, 10^4, … jobs are drained whole, claims of 50, by one campaign and by 10 and 100 at once; nothing
is sent in between, so all that is measured is the ledger. That a worker's memory stays level is measured on a real
one, which sends through Telethon to a simulator.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.chain import run_chain
from benchmarks.filling import add_batch, forget_campaigns, prepare_channels
from benchmarks.ledger import BATCH, Drain, compare_ends, drain, queue_campaign, take_lease
from benchmarks.options import Options
from benchmarks.report import Measure, Summary, Target
from benchmarks.rounds import say
from benchmarks.system import open_database, open_system
from vestnik.db.engine import make_engine, open_session
from vestnik.db.leases import Lease
from vestnik.db.ledger import Ledger

SIZES = (1_000, 10_000)
FULL_SIZES = (1_000, 10_000, 100_000, 1_000_000)
CAMPAIGNS = (10, 100)
LEAST_JOBS = 10_000
"""A smaller ledger is filled and drained again and again until it was so many: one is over in a moment."""
SHARED_JOBS, FULL_SHARED_JOBS = 10_000, 100_000
"""Jobs that several campaigns have together."""
WARM_UP = 500
COST_RATIO = 1.2
MEMORY_MIB = 8
WORKER_POSTS, FULL_WORKER_POSTS = 3_000, 50_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Growth:
    """Of one ledger: microseconds a message, milliseconds a claim at the end, MiB that the process grew by
    meanwhile, bytes a job, MiB of the database."""

    cost: float
    claim: float
    memory: float
    row: float
    database: float


def judge_drains(drains: Sequence[Drain], *, row: float, database: float) -> Growth:
    """Costs over all of them, the end and the growth of the last one."""
    jobs = sum(each.jobs for each in drains)
    seconds = sum(sum(each.claims) + sum(each.records) for each in drains)
    first, last = compare_ends(drains[-1].memory)
    return Growth(
        cost=1e6 * seconds / jobs,
        claim=1000 * compare_ends(drains[-1].claims)[1],
        memory=(last - first) / 2**20,
        row=row,
        database=database,
    )


async def grow(url: URL, jobs: int, campaigns: int, runs: int) -> list[Growth]:
    """One size, so many times, each beginning with an empty ledger."""
    engine = make_engine(url, name="benchmark")
    try:
        account_id, batch_id = await prepare_channels(engine, jobs // campaigns)
        async with open_session(engine) as session:
            few = await add_batch(session, "few", limit=WARM_UP)
        lease = await take_lease(Ledger(engine), account_id)
        await fill_and_drain(engine, lease, [few])
        return [await grow_once(engine, lease, [batch_id] * campaigns, jobs) for _ in range(runs)]
    finally:
        await engine.dispose()


async def grow_once(engine: AsyncEngine, lease: Lease, batch_ids: Sequence[UUID], jobs: int) -> Growth:
    """A small ledger is filled and drained until it was enough to be told apart from noise."""
    drains = [await fill_and_drain(engine, lease, batch_ids) for _ in range(max(LEAST_JOBS // jobs, 1))]
    async with open_session(engine) as session:
        sizes = text(
            "SELECT pg_total_relation_size('jobs') AS jobs, pg_database_size(current_database()) AS whole"
        )
        row = (await session.execute(sizes)).one()
    return judge_drains(drains, row=row.jobs / drains[-1].jobs, database=row.whole / 2**20)


async def fill_and_drain(engine: AsyncEngine, lease: Lease, batch_ids: Sequence[UUID]) -> Drain:
    """A campaign for each batch, all of them running at once."""
    await forget_campaigns(engine)
    campaign_ids = [
        await queue_campaign(engine, lease.account_id, f"bench {number}", batch_id)
        for number, batch_id in enumerate(batch_ids)
    ]
    return await drain(Ledger(engine), lease, campaign_ids, BATCH)


def describe(name: str, growths: Sequence[Growth], settings: dict[str, Any]) -> Iterator[Measure]:
    """The figures of one ledger."""

    def make(part: str, unit: str, values: list[float], *targets: Target) -> Measure:
        return Measure(
            name=f"growth.{name}.{part}",
            unit=unit,
            ours=Summary.of(values),
            targets=targets,
            settings=settings,
        )

    yield make("cost", "µs/message", [each.cost for each in growths])
    yield make("claim", "ms", [each.claim for each in growths])
    if settings["jobs"] >= LEAST_JOBS:
        yield make("memory", "MiB", [each.memory for each in growths], Target(at_most=MEMORY_MIB))
    yield make("row", "bytes/job", [each.row for each in growths])
    yield make("database", "MiB", [each.database for each in growths])


def compare_costs(
    name: str, few: Sequence[Growth], many: Sequence[Growth], settings: dict[str, Any]
) -> Measure:
    """What a message costs in the larger ledger, in parts of what it costs in the smaller one."""
    ratios = [after.cost / before.cost for before, after in zip(few, many, strict=True)]
    return Measure(
        name=f"growth.{name}.cost_ratio",
        unit="×",
        ours=Summary.of(ratios),
        targets=(Target(at_most=COST_RATIO),),
        settings=settings,
    )


def run_growth(jobs: int, campaigns: int, runs: int) -> list[Growth]:
    """On a database of its own."""
    say(f"growth: {jobs} jobs of {campaigns} campaigns")
    with open_database() as (_, url):
        return asyncio.run(grow(url, jobs, campaigns, runs))


def measure(options: Options) -> Iterator[Measure]:
    """By size, by the number of campaigns, and a worker's memory."""
    sizes = FULL_SIZES if options.full else SIZES
    shared = FULL_SHARED_JOBS if options.full else SHARED_JOBS
    by_size: dict[int, list[Growth]] = {}
    for jobs in sizes:
        settings = {"jobs": jobs, "campaigns": 1, "batch": BATCH}
        by_size[jobs] = run_growth(jobs, 1, options.runs)
        yield from describe(f"{jobs}", by_size[jobs], settings)
        if jobs > sizes[0]:
            yield compare_costs(f"{jobs}", by_size[sizes[0]], by_size[jobs], settings | {"against": sizes[0]})
    for campaigns in CAMPAIGNS:
        settings = {"jobs": shared, "campaigns": campaigns, "batch": BATCH}
        growths = run_growth(shared, campaigns, options.runs)
        yield from describe(f"{campaigns}_campaigns", growths, settings)
        yield compare_costs(
            f"{campaigns}_campaigns", by_size[shared], growths, settings | {"against": "one campaign"}
        )
    yield measure_worker(FULL_WORKER_POSTS if options.full else WORKER_POSTS)


def measure_worker(posts: int) -> Measure:
    """A real one, at more than a rate that Telegram would bear; once, because it takes long enough to tell."""
    say(f"growth: a worker that sends {posts} posts")
    with open_system() as system:
        chain = asyncio.run(run_chain(system, posts))
    return Measure(
        name="growth.worker.memory",
        unit="MiB",
        ours=Summary.of([chain.memory_growth]),
        targets=(Target(at_most=MEMORY_MIB),),
        settings={"posts": posts, "accounts": chain.accounts},
    )
