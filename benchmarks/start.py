"""How quickly channels become queued jobs: `python -m benchmarks start`.

A campaign is started as the API does it, in one transaction with its audit entry, and what does not fit into that
is expanded as a lane does it, with nothing sent beside it. Constraints, foreign keys and triggers are those of
every installation; all channels have an address, which is the slower case.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.filling import (
    add_campaign,
    forget_campaigns,
    prepare_channels,
)
from benchmarks.options import Options
from benchmarks.rehearsal import ACTOR
from benchmarks.report import Measure, Summary, Target
from benchmarks.rounds import say
from benchmarks.system import open_database
from vestnik.db.engine import make_engine, open_session
from vestnik.db.ledger import Ledger
from vestnik.db.transitions import EXPANSION_CHUNK, LANE_CHUNK
from vestnik.domain.ids import AccountId
from vestnik.services.campaigns import start_campaign

SIZES = (1_000, 10_000, 100_000)
FULL_SIZES = (*SIZES, 1_000_000)
JOBS_PER_SECOND = 50_000
MILLION_SECONDS = 25
WARM_UP = 100
RATED_FROM = 10_000
"""Jobs from which the rate is the statement's, not that of one commit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """Seconds that whoever starts waits, and until all is queued."""

    waited: float
    whole: float


async def time_start(engine: AsyncEngine, account_id: AccountId, batch_id: UUID, jobs: int) -> Start:
    """One campaign, on an empty ledger."""
    await forget_campaigns(engine)
    async with open_session(engine) as session:
        campaign_id = await add_campaign(session, "start", account_id, batch_id, rate=20)
    ledger = Ledger(engine)
    begun = time.perf_counter()
    async with open_session(engine) as session:
        await start_campaign(session, ACTOR, campaign_id)
    answered = time.perf_counter()
    while not (await ledger.read_lane(account_id)).campaigns[0].is_expanded:
        await ledger.expand(campaign_id)
    ended = time.perf_counter()
    async with open_session(engine) as session:
        queued = await session.scalar(text("SELECT count(*) FROM jobs WHERE status = 'QUEUED'"))
    if queued != jobs:
        raise SystemExit(f"{queued} jobs are queued of {jobs}")
    return Start(waited=answered - begun, whole=ended - begun)


def describe(jobs: int, starts: list[Start]) -> Iterator[Measure]:
    """The figures of one size."""
    settings = {"jobs": jobs, "start_chunk": EXPANSION_CHUNK, "lane_chunk": LANE_CHUNK}
    rated = (Target(at_least=JOBS_PER_SECOND),) if jobs >= RATED_FROM else ()
    yield Measure(
        name=f"start.{jobs}",
        unit="jobs/s",
        ours=Summary.of([jobs / start.whole for start in starts]),
        targets=rated,
        settings=settings,
    )
    yield Measure(
        name=f"start.{jobs}.until_queued",
        unit="s",
        ours=Summary.of([start.whole for start in starts]),
        targets=(Target(at_most=MILLION_SECONDS),) if jobs == FULL_SIZES[-1] else (),
        settings=settings,
    )
    yield Measure(
        name=f"start.{jobs}.until_answered",
        unit="s",
        ours=Summary.of([start.waited for start in starts]),
        settings=settings,
    )


async def time_starts(url: URL, sizes: Sequence[int], runs: int) -> dict[int, list[Start]]:
    """So many starts of each size, one after the other."""
    engine = make_engine(url, name="benchmark", pool_size=1)
    try:
        account_id, batch_ids = await prepare_channels(engine, [WARM_UP, *sizes])
        await time_start(
            engine, account_id, batch_ids[WARM_UP], WARM_UP
        )  # statements are compiled, caches filled
        starts: dict[int, list[Start]] = {}
        for jobs in sizes:
            say(f"start: {jobs} channels")
            starts[jobs] = [await time_start(engine, account_id, batch_ids[jobs], jobs) for _ in range(runs)]
        return starts
    finally:
        await engine.dispose()


def measure(options: Options) -> Iterator[Measure]:
    """Each size on the same database, with the channels of the largest."""
    with open_database() as (_, url):
        found = asyncio.run(time_starts(url, FULL_SIZES if options.full else SIZES, options.runs))
    for jobs, starts in found.items():
        yield from describe(jobs, starts)
