"""The dispatcher by itself: what happens between two turns of the event loop."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

from vestnik.content import Values, read_content
from vestnik.db.leases import Lease
from vestnik.db.ledger import CampaignClaim, Claim, ClaimedJob, Ledger, RecordedJob
from vestnik.delivery.answers import AnswerJudge
from vestnik.delivery.campaigns import CampaignBook, LaneCampaign
from vestnik.delivery.clock import read_clock
from vestnik.delivery.commands import CommandDesk
from vestnik.delivery.contents import CampaignContent
from vestnik.delivery.dispatch import Dispatcher
from vestnik.delivery.failpoints import Failpoints
from vestnik.delivery.gate import Gate
from vestnik.delivery.lease import LeaseKeeper
from vestnik.delivery.link import Link
from vestnik.delivery.options import LaneOptions
from vestnik.delivery.recorder import Recorder
from vestnik.delivery.uploads import FileUploader
from vestnik.domain.ids import AccountId, CampaignId, ChannelId, JobId
from vestnik.domain.media import MediaReference, MediaType
from vestnik.domain.outcomes import JobResult, hand_back
from vestnik.domain.pacing import Schedule
from vestnik.domain.states import AccountKind
from vestnik.domain.transport import Peer
from vestnik.metrics.delivery import WorkerMetrics

KEY = CampaignId(UUID(int=1))
LEASE = Lease(account_id=AccountId(UUID(int=9)), holder="test", epoch=1, next_slot_in=timedelta())
OPTIONS = LaneOptions()
METER = WorkerMetrics().meter(AccountKind.USER)
JOB = ClaimedJob(
    job_id=JobId(1),
    campaign_id=KEY,
    channel_id=ChannelId(UUID(int=2)),
    random_id=3,
    peer=Peer(tg_id=4, access_hash=5),
    attempts=0,
    claims=1,
    claim_epoch=1,
    was_maybe_sent=False,
    error_code=None,
    is_fresh=True,
    values=Values(channel_title="Channel", channel_username=None, at=datetime.now(UTC)),
)


@dataclass
class FakeLedger:
    """Gives out `due` once it may answer; the SQL behind it has tests of its own."""

    due: list[ClaimedJob] = field(default_factory=list)
    looked_to: dict[CampaignId, int] = field(default_factory=dict)
    claims: list[list[CampaignId]] = field(default_factory=list)
    recorded: list[JobResult] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def claim(
        self, lease: Lease, wanted: Sequence[CampaignClaim], account_next_slot_in: timedelta
    ) -> Claim:
        self.claims.append([want.campaign_id for want in wanted])
        self.asked.set()
        await self.may_answer.wait()
        return Claim(jobs=self.due, looked_to=self.looked_to)

    async def record(self, results: Sequence[JobResult]) -> list[RecordedJob]:
        self.recorded += results
        return []


@dataclass
class OpenLink:
    """Something that can be posted with, as far as the dispatcher looks."""

    transport: object = field(default_factory=object)


class EmptyDesk:
    """A desk without commands."""

    waiting = messages = 0

    def claim_if_time(
        self,
        group: asyncio.TaskGroup,
        schedule: Schedule,
        rate: float,
        *,
        now: float,
        lead: float,
        window: float,
    ) -> float:
        return float("inf")

    async def wait_for_claim(self) -> None:
        return


def make_campaign() -> LaneCampaign:
    return LaneCampaign(
        campaign_id=KEY,
        content=CampaignContent(read_content("Hello", None), UTC),
        retry_limit=3,
        rate=20.0,
        revision=1,
        queued=1,
        is_expanded=True,
    )


def make_recorder(ledger: FakeLedger) -> Recorder:
    return Recorder(cast("Ledger", ledger), OPTIONS, Failpoints(""), lambda _: None, meter=METER)


def make_dispatcher(ledger: FakeLedger, book: CampaignBook, recorder: Recorder | None = None) -> Dispatcher:
    """One whose gate is open and whose account has a rate."""
    real = cast("Ledger", ledger)
    gate = Gate(LeaseKeeper(real, LEASE, OPTIONS, asked_at=read_clock()))
    gate.note_looked()
    recorder = recorder or make_recorder(ledger)
    dispatcher = Dispatcher(
        real,
        LEASE,
        book=book,
        gate=gate,
        link=cast("Link", OpenLink()),
        recorder=recorder,
        judge=AnswerJudge(real, recorder, gate, LEASE.account_id, OPTIONS, meter=METER),
        desk=cast("CommandDesk", EmptyDesk()),
        uploader=cast("FileUploader", None),
        options=OPTIONS,
        failpoints=Failpoints(""),
        meter=METER,
    )
    now = read_clock()
    dispatcher.set_account_rate(20.0, now)
    for campaign_id, campaign in book.items():
        dispatcher.schedule.put_campaign(campaign_id, campaign.rate, now=now, first_slot=now)
    return dispatcher


async def test_a_campaign_may_end_between_the_making_of_a_claim_and_its_beginning() -> None:
    ledger, book = FakeLedger(), CampaignBook({KEY: make_campaign()})
    dispatcher = make_dispatcher(ledger, book)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(dispatcher.run(group))
        await asyncio.sleep(0)
        assert (dispatcher.claims, ledger.claims) == (1, []), "made, not begun"
        book.clear()
        dispatcher.schedule.keep_campaigns(book.keys())
        ledger.may_answer.set()
        await dispatcher.wait_for_claim()
        running.cancel()
    assert ledger.claims == [[KEY]]


async def test_a_claim_that_is_overtaken_by_content_without_its_file_goes_back_unsent() -> None:
    """Paused, corrected and resumed before the database answered: the new file is still to be fetched."""
    campaign = make_campaign()
    ledger, book = FakeLedger(due=[JOB]), CampaignBook({KEY: campaign})
    recorder = make_recorder(ledger)
    dispatcher = make_dispatcher(ledger, book, recorder)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = [group.create_task(dispatcher.run(group)), group.create_task(recorder.run())]
        await ledger.asked.wait()
        address = MediaReference(kind=MediaType.PHOTO, url="https://pictures.example/a.jpg")
        campaign.content = CampaignContent(replace(campaign.content.frozen, address=address), UTC)
        campaign.has_files = False
        ledger.may_answer.set()
        await dispatcher.wait_for_claim()
        await recorder.wait_until_empty()
        for task in running:
            task.cancel()
    assert ledger.recorded == [hand_back(JOB, maybe_sent=False)]


async def test_a_claim_that_found_nothing_in_its_part_of_the_queue_leads_to_the_next_part() -> None:
    campaign = make_campaign()
    ledger, book = FakeLedger(looked_to={KEY: 5_000}), CampaignBook({KEY: campaign})
    ledger.may_answer.set()
    dispatcher = make_dispatcher(ledger, book)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        running = group.create_task(dispatcher.run(group))
        while len(ledger.claims) < 2:
            ledger.asked.clear()
            await ledger.asked.wait()
        running.cancel()
    assert campaign.cursor == 5_000
