"""The dispatcher by itself: what happens between two turns of the event loop."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import cast
from uuid import UUID

from vestnik.content import read_content
from vestnik.db.leases import Lease
from vestnik.db.ledger import CampaignClaim, ClaimedJob, Ledger
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
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.domain.pacing import Schedule

KEY = CampaignId(UUID(int=1))
LEASE = Lease(account_id=AccountId(UUID(int=9)), holder="test", epoch=1, next_slot_in=timedelta())
OPTIONS = LaneOptions()


@dataclass
class FakeLedger:
    """Has nothing that is due; the SQL behind it has tests of its own."""

    claims: list[list[CampaignId]] = field(default_factory=list)

    async def claim(
        self, lease: Lease, wanted: Sequence[CampaignClaim], account_next_slot_in: timedelta
    ) -> list[ClaimedJob]:
        self.claims.append([want.campaign_id for want in wanted])
        return []


@dataclass
class OpenLink:
    """Something that can be posted with, as far as the dispatcher looks."""

    transport: object = field(default_factory=object)


class EmptyDesk:
    """A desk without commands."""

    waiting = 0

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
        content=CampaignContent(read_content("Hello", None, link_preview=True), UTC),
        retry_limit=3,
        rate=20.0,
        revision=1,
        queued=1,
        is_expanded=True,
    )


def make_dispatcher(ledger: FakeLedger, book: CampaignBook) -> Dispatcher:
    """One whose gate is open and whose account has a rate."""
    real = cast("Ledger", ledger)
    gate = Gate(LeaseKeeper(real, LEASE, OPTIONS, asked_at=read_clock()))
    gate.note_looked()
    recorder = Recorder(real, OPTIONS, Failpoints(""), lambda _: None)
    dispatcher = Dispatcher(
        real,
        LEASE,
        book=book,
        gate=gate,
        link=cast("Link", OpenLink()),
        recorder=recorder,
        judge=AnswerJudge(real, recorder, gate, LEASE.account_id, OPTIONS),
        desk=cast("CommandDesk", EmptyDesk()),
        uploader=cast("FileUploader", None),
        options=OPTIONS,
        failpoints=Failpoints(""),
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
        await dispatcher.wait_for_claim()
        running.cancel()
    assert ledger.claims == [[KEY]]
