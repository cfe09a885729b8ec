"""The counters always say what counting the jobs would say, and the jobs always add up, until they are purged."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from tests.support.stage import Stage, make_result
from vestnik.db import retention as rows
from vestnik.db import transitions
from vestnik.db.engine import open_session
from vestnik.db.leases import Lease
from vestnik.db.ledger import ClaimedJob
from vestnik.domain.errors import ConflictError
from vestnik.domain.ids import AccountId, CampaignId, ChannelId
from vestnik.domain.outcomes import Deactivation, JobResult
from vestnik.domain.states import CampaignStatus, JobStatus
from vestnik.services import retention

OUTCOMES = [JobStatus.SENT, JobStatus.SENT, JobStatus.FAILED, JobStatus.QUEUED, JobStatus.QUEUED]
AT_ONCE = timedelta()


@pytest.fixture(autouse=True)
def _purge_in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BATCH", 5)


class Chaos:
    """Random operations on a few campaigns of one account; results arrive late, twice, and from old holders."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.rng = random.Random(seed)
        self.campaigns: list[CampaignId] = []
        self.in_hand: list[ClaimedJob] = []
        self.written: list[JobResult] = []
        self.sent: dict[int, CampaignId] = {}

    async def begin(self) -> None:
        self.account_id: AccountId = await self.stage.add_account()
        self.channels: list[ChannelId] = await self.stage.add_channels(12)
        few = await self.stage.add_channels(3, "few")  # their campaigns complete, and run again
        await self.stage.give_peers(self.account_id, self.channels[:-1] + few)
        self.campaigns = [
            await self.stage.add_campaign(self.account_id, batch=batch)
            for batch in ("first", "first", "few", "few")
        ]
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
                self.retry_failed,
                self.retry_failed,
                self.purge,
                self.purge,
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
        self.sent |= {
            result.job_id: newest[result.job_id].campaign_id
            for result in results
            if result.status is JobStatus.SENT
        }
        await self.stage.ledger.record(results)

    def make_result(self, job: ClaimedJob) -> JobResult:
        status = self.rng.choice(OUTCOMES)
        return make_result(
            job,
            status,
            message_ids=self.rng.choice([(), (7,), (7, 8)]) if status is JobStatus.SENT else (),
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

    async def retry_failed(self, campaign_id: CampaignId | None = None) -> None:
        try:
            async with open_session(self.stage.engine) as session:
                await transitions.retry_failed(session, campaign_id or self.rng.choice(self.campaigns), None)
        except ConflictError:
            return

    async def purge(self) -> None:
        """One part of a campaign that has ended, as if its time were over."""
        if self.rng.random() < 0.5:
            await self.purge_part(self.rng.choice(self.campaigns))

    async def purge_part(self, campaign_id: CampaignId) -> None:
        async with open_session(self.stage.engine) as session:
            await retention.purge_campaign_jobs(session, campaign_id, AT_ONCE)

    async def sweep(self) -> None:
        await self.stage.ledger.fail_unsendable(self.rng.choice(self.campaigns))

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
        purged = set()
        for campaign_id in self.campaigns:
            counted = await self.stage.count_jobs(campaign_id)
            progress = await self.stage.read_progress(campaign_id)
            campaign = await self.stage.read_campaign(campaign_id)
            status = CampaignStatus(campaign.status)
            if campaign.purged_at is None:
                assert progress == counted
            else:
                purged.add(campaign_id)
                assert status.is_final
                assert all(progress[name] >= number for name, number in counted.items())
            if status is CampaignStatus.CANCELLED:
                assert "QUEUED" not in progress
            if status is CampaignStatus.COMPLETED or campaign.purged_at is not None:
                assert not progress.keys() & {"QUEUED", "SENDING"}
        left = await self.stage.execute("SELECT id, campaign_id FROM jobs WHERE status = 'SENT'")
        assert {row.id for row in left if row.campaign_id not in purged} == {
            job_id for job_id, campaign_id in self.sent.items() if campaign_id not in purged
        }

    async def finish(self) -> None:
        """Whatever happened, a new owner and a sweep leave nothing on its way; then everything can be purged."""
        self.lease = await self.stage.acquire(self.account_id)
        await self.stage.ledger.return_orphans(self.lease)
        for campaign_id in self.campaigns:
            assert "SENDING" not in await self.stage.count_jobs(campaign_id)
        await self.check()
        totals = [sum((await self.stage.read_progress(key)).values()) for key in self.campaigns]
        await asyncio.gather(
            *(self.end_and_purge(campaign_id) for campaign_id in self.campaigns),
            *(self.retry_failed(campaign_id) for campaign_id in self.campaigns),
            *(self.stage.ledger.record([result]) for result in self.written[-3:]),
        )
        assert await self.stage.execute("SELECT 1 FROM jobs") == []
        await self.check()
        assert totals == [sum((await self.stage.read_progress(key)).values()) for key in self.campaigns]

    async def end_and_purge(self, campaign_id: CampaignId) -> None:
        """Until none of its jobs is left: a retry may let it run again before the first of them is gone."""
        async with asyncio.timeout(30):
            while await self.stage.count_jobs(campaign_id):
                try:
                    await self.stage.cancel(campaign_id)
                except ConflictError:
                    await self.purge_part(campaign_id)


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
