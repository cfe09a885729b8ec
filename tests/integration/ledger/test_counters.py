"""The counters always say what counting the jobs would say, and the jobs always add up."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from tests.support.stage import Stage, make_result
from vestnik.db import transitions
from vestnik.db.ledger import ClaimedJob, Lease
from vestnik.domain.errors import ConflictError
from vestnik.domain.ids import AccountId, CampaignId, ChannelId
from vestnik.domain.outcomes import Deactivation, JobResult
from vestnik.domain.states import CampaignStatus, JobStatus

OUTCOMES = [JobStatus.SENT, JobStatus.SENT, JobStatus.FAILED, JobStatus.QUEUED, JobStatus.QUEUED]


class Chaos:
    """Random operations on a few campaigns of one account; results arrive late, twice, and from old holders."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.rng = random.Random(seed)
        self.campaigns: list[CampaignId] = []
        self.in_hand: list[ClaimedJob] = []
        self.written: list[JobResult] = []
        self.sent: set[int] = set()

    async def begin(self) -> None:
        self.account_id: AccountId = await self.stage.add_account()
        self.channels: list[ChannelId] = await self.stage.add_channels(12)
        await self.stage.give_peers(self.account_id, self.channels[:-1])
        self.campaigns = [await self.stage.add_campaign(self.account_id) for _ in range(3)]
        self.lease: Lease = await self.stage.acquire(self.account_id)

    @property
    def operations(self) -> Sequence[Callable[[], Awaitable[object]]]:
        return (
            [self.claim] * 6
            + [self.record] * 6
            + [
                self.repeat,
                self.change_owner,
                self.return_orphans,
                self.pause_or_resume,
                self.sweep,
                self.complete,
                self.deactivate,
                self.expand,
            ]
        )

    async def claim(self) -> None:
        number = self.rng.randint(1, 4)
        self.in_hand += await self.stage.claim(self.lease, self.rng.choice(self.campaigns), number)

    async def record(self) -> None:
        self.rng.shuffle(self.in_hand)
        number = self.rng.randint(0, 4)
        jobs, self.in_hand = self.in_hand[:number], self.in_hand[number:]
        newest = {job.job_id: job for job in jobs}  # at most one result per job
        results = [self.make_result(job) for job in newest.values()]
        self.written += results
        self.sent |= {result.job_id for result in results if result.status is JobStatus.SENT}
        await self.stage.ledger.record(results)

    def make_result(self, job: ClaimedJob) -> JobResult:
        status = self.rng.choice(OUTCOMES)
        return make_result(
            job,
            status,
            maybe_sent=status is not JobStatus.SENT and self.rng.random() < 0.5,
            delay=timedelta(milliseconds=self.rng.choice([0, 0, 5])),
            attempted=status is JobStatus.FAILED,
            error_code=None if status is JobStatus.SENT else "SOME_ERROR",
            counts_against_channel=self.rng.random() < 0.2,
            deactivate=Deactivation.PAIR if status is JobStatus.FAILED and self.rng.random() < 0.2 else None,
        )

    async def repeat(self) -> None:
        if self.written:
            await self.stage.ledger.record([self.rng.choice(self.written)])

    async def change_owner(self) -> None:
        if self.rng.random() < 0.3:
            self.lease = await self.stage.acquire(self.account_id)

    async def return_orphans(self) -> None:
        await self.stage.ledger.return_orphans(self.lease)

    async def pause_or_resume(self) -> None:
        act = self.rng.choice([self.stage.pause, self.stage.resume, self.stage.resume])
        try:
            await act(self.rng.choice(self.campaigns))
        except ConflictError:
            return

    async def cancel(self) -> None:
        try:
            await self.stage.cancel(self.rng.choice(self.campaigns))
        except ConflictError:
            return

    async def sweep(self) -> None:
        await self.stage.ledger.fail_unsendable(
            self.rng.choice(self.campaigns), check_twins=self.rng.random() < 0.5
        )

    async def complete(self) -> None:
        await self.stage.ledger.complete(self.rng.choice(self.campaigns))

    async def deactivate(self) -> None:
        if self.rng.random() < 0.2:
            await self.stage.ledger.deactivate_peer(
                self.account_id, self.rng.choice(self.channels), "SOME_ERROR"
            )

    async def expand(self) -> None:
        await self.stage.ledger.expand(self.rng.choice(self.campaigns))

    async def check(self) -> None:
        for campaign_id in self.campaigns:
            counted = await self.stage.count_jobs(campaign_id)
            assert await self.stage.read_progress(campaign_id) == counted
            status = await self.stage.read_status(campaign_id)
            if CampaignStatus(status) is CampaignStatus.CANCELLED:
                assert "QUEUED" not in counted
            if CampaignStatus(status) is CampaignStatus.COMPLETED:
                assert not counted.keys() & {"QUEUED", "SENDING"}
        rows = await self.stage.execute("SELECT id FROM jobs WHERE status = 'SENT'")
        assert {row.id for row in rows} == self.sent

    async def finish(self) -> None:
        """Whatever happened, a new owner and a sweep leave nothing on its way."""
        self.lease = await self.stage.acquire(self.account_id)
        await self.stage.ledger.return_orphans(self.lease)
        for campaign_id in self.campaigns:
            assert "SENDING" not in await self.stage.count_jobs(campaign_id)
        await self.check()


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_in_whatever_order(
    stage: Stage, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transitions, "EXPANSION_CHUNK", 5)
    chaos = Chaos(stage, seed)
    await chaos.begin()
    for step in range(80):
        operations = chaos.operations if step < 60 else [*chaos.operations, chaos.cancel]
        await chaos.rng.choice(operations)()
        await chaos.check()
    await chaos.finish()


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_at_the_same_time(stage: Stage, seed: int) -> None:
    """No deadlock, no counter that is off, and nothing left queued in a cancelled campaign."""
    chaos = Chaos(stage, seed)
    await chaos.begin()

    async def act() -> None:
        for _ in range(40):
            await chaos.rng.choice(chaos.operations)()

    async def end_them_all() -> None:
        await asyncio.sleep(0)
        for _ in range(12):
            await chaos.rng.choice([chaos.record, chaos.claim, chaos.pause_or_resume])()
        for campaign_id in chaos.campaigns[:2]:
            try:
                await stage.cancel(campaign_id)
            except ConflictError:
                continue

    async with asyncio.timeout(60):
        await asyncio.gather(*(act() for _ in range(4)), end_them_all())
    await chaos.finish()
