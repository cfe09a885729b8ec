"""The whole chain as fast as it goes: a worker sends for several accounts whose rates bind nothing.

An account may have 1,000 messages a second, which no Telegram would bear; several of them together are more than
two processors carry. Worker, simulator and PostgreSQL are processes of their own, Telethon talks to the simulator
over TCP.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import psutil
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.filling import add_batch, add_campaign, add_channels, vacuum
from benchmarks.rehearsal import ACTOR, wait_for_addresses
from benchmarks.system import System
from vestnik.db.engine import make_engine, open_session
from vestnik.db.rehearsals import ensure_simulated_account
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.services.campaigns import cancel_campaign, start_campaign
from vestnik.simulator.control import SimulatorControl
from vestnik.simulator.posts import Summary

ACCOUNTS = 4
RATE = 1000
SLOWEST = 50
"""Posts a second of all accounts below which something is wrong."""
SAMPLE_EVERY = 0.1
SETTLED_AFTER = 0.2
"""Part of the posts after which whatever a worker fills once has been filled."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """Posts a second from the first to the last, microseconds of the worker's processors for each, and MiB that
    the worker grew by from the first fifth on."""

    rate: float
    cpu: float
    memory_growth: float
    accounts: int = ACCOUNTS


async def run_chain(system: System, posts: int) -> Chain:
    """So many posts, by as many campaigns as there are accounts. Raises SystemExit when they do not arrive."""
    channels = posts // ACCOUNTS
    engine = make_engine(system.url, name="benchmark", pool_size=1)
    try:
        with system.run_worker() as pid:
            async with await SimulatorControl.connect(system.endpoint) as control:
                account_ids, batch_id = await prepare(engine, channels)
                await learn_addresses(engine, account_ids, batch_id, channels)
                before = (await control.summarize(with_arrivals=False)).posts
                watch = WorkerWatch(psutil.Process(pid))
                await start_all(engine, account_ids, batch_id)
                count = channels * ACCOUNTS
                await watch.follow(system, before, count)
                summary = await control.summarize(first=before)
    finally:
        await engine.dispose()
    return judge_chain(summary, watch, count)


def judge_chain(summary: Summary, watch: "WorkerWatch", count: int) -> Chain:
    """Raises SystemExit for posts that are missing or doubled: their rate would mean nothing."""
    if summary.posts != count or summary.duplicate_posts:
        raise SystemExit(
            f"{count} posts were asked for, {summary.posts} arrived, {summary.duplicate_posts} twice"
        )
    return Chain(
        rate=(count - 1) / (max(summary.arrivals) - min(summary.arrivals)),
        cpu=1e6 * watch.cpu / count,
        memory_growth=watch.growth / 2**20,
    )


class WorkerWatch:
    """What a worker's process takes while posts arrive."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._cpu_before = self._read_cpu()
        self.cpu = 0.0
        """Seconds of processors, its own and the system's for it."""
        self.samples: list[tuple[int, int]] = []
        """Posts that had arrived, and resident bytes then."""

    async def follow(self, system: System, before: int, count: int) -> None:
        """Until so many posts more have arrived. Raises SystemExit when they take too long."""
        try:
            async with (
                asyncio.timeout(60 + count / SLOWEST),
                await SimulatorControl.connect(system.endpoint) as control,
            ):
                arrived = 0
                while arrived < count:
                    arrived = (await control.summarize(with_arrivals=False, first=before)).posts
                    self.samples.append((arrived, self._process.memory_info().rss))
                    await asyncio.sleep(SAMPLE_EVERY)
        except TimeoutError:
            raise SystemExit(f"{count} posts did not arrive in time") from None
        self.cpu = self._read_cpu() - self._cpu_before

    @property
    def growth(self) -> int:
        """Bytes from the first sample that was settled on to the last one; less than nothing when it shrank."""
        total = self.samples[-1][0]
        settled = [size for arrived, size in self.samples if arrived >= SETTLED_AFTER * total]
        return settled[-1] - settled[0]

    def _read_cpu(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


async def prepare(engine: AsyncEngine, channels: int) -> tuple[list[AccountId], UUID]:
    """Accounts at a rate that does not bind, and a batch that all of them post to."""
    async with open_session(engine) as session:
        account_ids = [
            await ensure_simulated_account(session, f"bench {number}", Decimal(RATE))
            for number in range(ACCOUNTS)
        ]
        await add_channels(session, channels)
        batch_id = await add_batch(session, "bench")
    await vacuum(engine)
    return account_ids, batch_id


async def learn_addresses(
    engine: AsyncEngine, account_ids: Sequence[AccountId], batch_id: UUID, channels: int
) -> None:
    """Let the worker list every account's dialogs, so that no look-up is measured."""
    campaign_ids = await start_all(engine, account_ids, batch_id, rate=1)
    await wait_for_addresses(engine, account_ids, channels)
    for campaign_id in campaign_ids:
        async with open_session(engine) as session:
            await cancel_campaign(session, ACTOR, campaign_id)
    await asyncio.sleep(1)
    await vacuum(engine)


async def start_all(
    engine: AsyncEngine, account_ids: Sequence[AccountId], batch_id: UUID, rate: float = RATE
) -> list[CampaignId]:
    """A campaign for each account, all in one transaction."""
    async with open_session(engine) as session:
        campaign_ids = [
            await add_campaign(session, f"{rate:g}/s, account {number}", account_id, batch_id, rate=rate)
            for number, account_id in enumerate(account_ids)
        ]
        for campaign_id in campaign_ids:
            await start_campaign(session, ACTOR, campaign_id)
    return campaign_ids
