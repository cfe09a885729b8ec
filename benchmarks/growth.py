"""What a message costs as the ledger grows: `python -m benchmarks growth`.

Ledgers of 10^3, 10^4, … jobs are drained whole, claims of 50, by one campaign and by 10 and 100 at once; nothing
is sent in between, so all that is measured is the ledger. That a worker's memory stays level is measured on a real
one, which sends through Telethon to a simulator.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.chain import run_chain
from benchmarks.filling import forget_campaigns, prepare_channels
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
WORKER_POSTS, FULL_WORKER_POSTS = 1_500, 50_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """A ledger: how many jobs, and how many campaigns have them."""

    jobs: int
    campaigns: int = 1

    @property
    def each(self) -> int:
        """Jobs of one campaign."""
        return self.jobs // self.campaigns

    @property
    def name(self) -> str:
        """What its measures are called by."""
        return f"{self.jobs}" if self.campaigns == 1 else f"{self.campaigns}_campaigns"

    @property
    def settings(self) -> dict[str, Any]:
        """What it is, in a measure."""
        return {"jobs": self.jobs, "campaigns": self.campaigns, "batch": BATCH}


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


async def grow(url: URL, ledgers: Sequence[Shape], runs: int) -> dict[Shape, list[Growth]]:
    """Each so many times, by turns, so that the machine is much the same for all; always on an empty ledger."""
    engine = make_engine(url, name="benchmark")
    try:
        account_id, batch_ids = await prepare_channels(engine, [WARM_UP, *(shape.each for shape in ledgers)])
        lease = await take_lease(Ledger(engine), account_id)
        await fill_and_drain(engine, lease, [batch_ids[WARM_UP]])
        found: dict[Shape, list[Growth]] = {shape: [] for shape in ledgers}
        for number in range(runs):
            for shape in reversed(ledgers) if number % 2 else ledgers:
                say(f"growth: {shape.jobs} jobs of {shape.campaigns} campaigns, run {number + 1} of {runs}")
                batches = [batch_ids[shape.each]] * shape.campaigns
                found[shape].append(await grow_once(engine, lease, batches, shape.jobs))
        return found
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


def describe(shape: Shape, growths: Sequence[Growth]) -> Iterator[Measure]:
    """The figures of one ledger."""

    def make(part: str, unit: str, values: list[float], *targets: Target) -> Measure:
        return Measure(
            name=f"growth.{shape.name}.{part}",
            unit=unit,
            ours=Summary.of(values),
            targets=targets,
            settings=shape.settings,
        )

    yield make("cost", "µs/message", [each.cost for each in growths])
    yield make("claim", "ms", [each.claim for each in growths])
    if shape.jobs >= LEAST_JOBS:
        yield make("memory", "MiB", [each.memory for each in growths], Target(at_most=MEMORY_MIB))
    yield make("row", "bytes/job", [each.row for each in growths])
    yield make("database", "MiB", [each.database for each in growths])


def compare_costs(shape: Shape, other: Shape, found: Mapping[Shape, Sequence[Growth]]) -> Measure:
    """What a message costs in one ledger, in parts of what it costs in another."""
    pairs = zip(found[shape], found[other], strict=True)
    return Measure(
        name=f"growth.{shape.name}.cost_ratio",
        unit="×",
        ours=Summary.of([after.cost / before.cost for after, before in pairs]),
        targets=(Target(at_most=COST_RATIO),),
        settings=shape.settings | {"against": other.name},
    )


def measure(options: Options) -> Iterator[Measure]:
    """By size, by the number of campaigns, and a worker's memory."""
    sizes = FULL_SIZES if options.full else SIZES
    alone = [Shape(jobs=jobs) for jobs in sizes]
    shared = [Shape(jobs=FULL_SHARED_JOBS if options.full else SHARED_JOBS, campaigns=n) for n in CAMPAIGNS]
    with open_database() as (_, url):
        found = asyncio.run(grow(url, [*alone, *shared], options.runs))
    for shape, growths in found.items():
        yield from describe(shape, growths)
        if shape.campaigns > 1:
            yield compare_costs(shape, Shape(jobs=shape.jobs), found)
        elif shape != alone[0]:
            yield compare_costs(shape, alone[0], found)
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
        # Of a few thousand posts most of the growth is what a worker fills once.
        targets=(Target(at_most=MEMORY_MIB),) if posts == FULL_WORKER_POSTS else (),
        settings={"posts": posts, "accounts": chain.accounts},
    )
