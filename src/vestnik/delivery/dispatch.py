"""Claiming jobs ahead of their slots and handing each over at its slot."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog
from structlog.contextvars import bind_contextvars

from vestnik.db.leases import Lease
from vestnik.db.ledger import CampaignClaim, Claim, ClaimedJob, Ledger
from vestnik.delivery.answers import LONGEST_MESSAGE, AnswerJudge
from vestnik.delivery.campaigns import CampaignBook, LaneCampaign
from vestnik.delivery.clock import read_clock
from vestnik.delivery.commands import CommandDesk
from vestnik.delivery.failpoints import Failpoint, Failpoints
from vestnik.delivery.gate import Gate
from vestnik.delivery.link import Link
from vestnik.delivery.options import LaneOptions
from vestnik.delivery.recorder import Recorder
from vestnik.delivery.sending import UnsettledError, send_once
from vestnik.delivery.uploads import FileUploader, Refusal, as_refresh
from vestnik.delivery.waiting import wait_for_event
from vestnik.domain.errors import DatabaseUnavailableError, InvalidInputError
from vestnik.domain.ids import CampaignId
from vestnik.domain.outcomes import CONTENT_UNRENDERABLE, hand_back, refuse_job
from vestnik.domain.pacing import Plan, Schedule
from vestnik.domain.transport import Content, Transport, TransportError
from vestnik.metrics.catalogue import Origin
from vestnik.metrics.delivery import LaneMeter

IN_FLIGHT_SECONDS = 2.0
"""Posts handed over but not answered: at most what the account's rate makes in this time, or LEAST_IN_FLIGHT."""
LEAST_IN_FLIGHT = 20.0
CLAIM_LEAD = 0.03
"""Seconds by which a claim should be answered before its first slot."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadyJob:
    """A claimed job with what is posted for it, and when it was looked for (seconds of the engine's clock)."""

    job: ClaimedJob
    content: Content
    wanted_at: float

    @property
    def campaign_id(self) -> CampaignId:
        """Whose job it is."""
        return self.job.campaign_id


class Dispatcher:
    """The inner loop of a lane.

    Claims are made for the slots of the next 250 ms (or two database round trips); claimed jobs wait in a backlog
    in the order of their slots, and each becomes a task of its own at its slot, so that answers are not waited
    for. Commands go first, each in the account's next slot. Whatever forbids sending empties the backlog and the
    desk: jobs and commands go back unsent.
    """

    def __init__(
        self,
        ledger: Ledger,
        lease: Lease,
        *,
        book: CampaignBook,
        gate: Gate,
        link: Link,
        recorder: Recorder,
        judge: AnswerJudge,
        desk: CommandDesk,
        uploader: FileUploader,
        options: LaneOptions,
        failpoints: Failpoints,
        meter: LaneMeter,
    ) -> None:
        self._ledger = ledger
        self._lease = lease
        self._book = book
        self._gate = gate
        self._link = link
        self._recorder = recorder
        self._judge = judge
        self._desk = desk
        self._uploader = uploader
        self._options = options
        self._failpoints = failpoints
        self._meter = meter
        # Until the first look at the database nothing is claimed, so this rate is never used.
        self._first_slot = read_clock() + lease.next_slot_in.total_seconds()
        self.schedule = Schedule(1.0, self._first_slot)
        self._account_rate = 0.0
        self._backlog: deque[ReadyJob] = deque()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._claim: asyncio.Task[None] | None = None
        self.claims = 0
        """Counts the claims made."""
        self._claim_at = 0.0
        self._round_trip = 0.01
        self._turn = asyncio.Event()
        self._log = structlog.get_logger().bind(account_id=str(lease.account_id))

    def set_account_rate(self, rate: float, now: float) -> None:
        """At the first look at the database, and whenever it changes."""
        if self._account_rate == 0.0:
            self.schedule = Schedule(
                rate, self._first_slot
            )  # the slot that the holder before us stored, as it is
        elif rate != self._account_rate:
            self.schedule.set_rate(rate, now)
            self.drop_backlog()  # its slots were given out by the old rate
        self._account_rate = rate

    @property
    def is_claiming(self) -> bool:
        """Whether a claim is under way."""
        return self._claim is not None and not self._claim.done()

    def kick(self) -> None:
        """Something changed: look again now, and plan anew."""
        self._claim_at = 0.0
        self._turn.set()

    def usable_transport(self) -> Transport | None:
        """The connection, if anything may go out on it at this moment."""
        return self._link.transport if self._gate.is_open() else None

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Claim and launch until cancelled; posts and claims are tasks of `group`."""
        while True:
            await wait_for_event(self._turn, self._step(group))

    def _step(self, group: asyncio.TaskGroup) -> float:
        """Launch what is due, claim if it is time to; the seconds until there is something to do again."""
        poll = self._options.poll.total_seconds()
        now = read_clock()
        if now < self._gate.held_until:
            return min(self._gate.held_until - now, poll)
        if self.usable_transport() is None:
            self.drop_backlog()
            return poll
        next_slot = self._launch_due(group)
        next_desk = self._claim_commands_if_time(group, read_clock())
        next_claim = self._claim_if_time(group, read_clock())
        return max(min(next_slot, next_desk, next_claim) - read_clock(), 0.0)

    # -- launching ------------------------------------------------------------------------------------------

    def _launch_due(self, group: asyncio.TaskGroup) -> float:
        """Hand over every claimed command and job whose slot has come; the instant of the next one."""
        limit = max(LEAST_IN_FLIGHT, self._account_rate * IN_FLIGHT_SECONDS)
        while self._desk.waiting or self._backlog:
            now = read_clock()
            if len(self._in_flight) >= limit:
                return now + self._options.poll.total_seconds()  # an answer wakes
            slot = (
                self.schedule.command_slot
                if self._desk.waiting
                else self.schedule.slot_of(self._backlog[0].campaign_id)
            )
            if slot > now:
                return slot
            transport = self.usable_transport()
            if transport is None:
                return now
            task = group.create_task(self._take_next(transport, now))
            self._in_flight.add(task)
            task.add_done_callback(self._note_answered)
        return float("inf")

    def _take_next(self, transport: Transport, now: float) -> Coroutine[None, None, None]:
        """The next post, whose slot it takes."""
        if self._desk.waiting:
            self.schedule.launched_command(now, self._desk.next_messages)
            return self._desk.post_next(transport)
        ready = self._backlog.popleft()
        # A slot that came while there was nothing to post was missed by nobody.
        self._meter.note_launch(now - max(self.schedule.slot_of(ready.campaign_id), ready.wanted_at))
        self.schedule.launched(ready.campaign_id, now)
        return self._post(transport, ready, self._book[ready.campaign_id])

    def _note_answered(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._turn.set()

    async def _post(self, transport: Transport, ready: ReadyJob, campaign: LaneCampaign) -> None:
        job = ready.job
        # Whatever is logged on the way, by whichever part, says whose post it is about.
        bind_contextvars(campaign_id=str(job.campaign_id), job_id=job.job_id)
        content = self._uploader.attach(ready.content)
        if content is None or self.usable_transport() is not transport:
            self._give_back(job)
            return
        self._failpoints.hit(Failpoint.BEFORE_SEND)
        try:
            message_ids = await send_once(
                transport,
                job.peer,
                content,
                job.random_id,
                may_send=lambda: self.usable_transport() is transport,
                claimed_before=timedelta(days=1) if job.was_maybe_sent else timedelta(),
                meter=self._meter,
                origin=Origin.CAMPAIGN,
            )
        except UnsettledError:
            self._recorder.put(hand_back(job, maybe_sent=True))
        except TransportError as error:
            self._failpoints.hit(Failpoint.AFTER_SEND)
            self._reject(job, campaign, content, error)
        else:
            self._failpoints.hit(Failpoint.AFTER_SEND)
            self._uploader.note_posted(content)
            self._judge.accept(job, message_ids)

    def _reject(
        self, job: ClaimedJob, campaign: LaneCampaign, content: Content, error: TransportError
    ) -> None:
        """The post failed. Whether a file was renewed already counts for the file, not for this one job."""
        match self._uploader.note_refused(content, error):
            case Refusal.AGAIN:
                self._judge.reject(replace(job, error_code=None), campaign, as_refresh(error))
            case Refusal.FINAL:
                self._judge.reject(replace(job, error_code=error.name), campaign, as_refresh(error))
            case Refusal.UNRELATED:
                self._judge.reject(job, campaign, error)

    # -- claiming -------------------------------------------------------------------------------------------

    @property
    def _lead(self) -> float:
        return CLAIM_LEAD + 1.5 * self._round_trip

    @property
    def _window(self) -> float:
        return max(self._options.claim_window.total_seconds(), 2 * self._round_trip)

    def _claim_commands_if_time(self, group: asyncio.TaskGroup, now: float) -> float:
        return self._desk.claim_if_time(
            group, self.schedule, self._account_rate, now=now, lead=self._lead, window=self._window
        )

    def _claim_if_time(self, group: asyncio.TaskGroup, now: float) -> float:
        """Start a claim for the next slots if they are near; the instant at which to ask again."""
        far = now + self._options.poll.total_seconds()
        if self.is_claiming:
            return far  # its end kicks
        if now < self._claim_at:
            return self._claim_at
        lead = self._lead
        plan = self.schedule.plan(
            now,
            lead=lead,
            window=self._window,
            pending=[ready.campaign_id for ready in self._backlog],
            active=[key for key, campaign in self._book.items() if campaign.is_claimable(now)],
            commands=self._desk.messages,
        )
        if plan.order:
            self.claims += 1
            self._claim = group.create_task(self._claim_slots(plan, self._list_wanted(plan, now), now))
            return far
        resting = [campaign.dry_until for campaign in self._book.values() if campaign.dry_until > now]
        first = [] if plan.first_slot is None else [plan.first_slot - lead]
        self._claim_at = min([far, *first, *resting])
        return self._claim_at

    def _list_wanted(self, plan: Plan, now: float) -> list[CampaignClaim]:
        return [
            CampaignClaim(
                campaign_id=campaign_id,
                count=count,
                cursor=self._book[campaign_id].cursor,
                next_slot_in=_until(plan.next_slots[campaign_id], now),
            )
            for campaign_id, count in Counter(plan.order).items()
        ]

    async def _claim_slots(self, plan: Plan, wanted: list[CampaignClaim], now: float) -> None:
        """Campaigns may end at any turn of the event loop, the one before this begins included."""
        try:
            claim = await self._ledger.claim(self._lease, wanted, _until(plan.account_next_slot, now))
        except DatabaseUnavailableError as exc:
            # The claim may have been committed without our learning of it. A new epoch tells those jobs apart.
            self._log.warning("lane.claim_lost", reason=exc.message)
            self._gate.end()
            return
        answered_at = read_clock()
        self._note_round_trip(min(answered_at - now, 2.0))
        self._meter.note_claim(answered_at - now, len(claim.jobs))
        self._failpoints.hit(Failpoint.AFTER_CLAIM)
        self._queue_up(plan, claim, answered_at, wanted_at=now)
        self.kick()

    def _note_round_trip(self, seconds: float) -> None:
        """Rises at once and falls slowly: with a far database the first claims of a lane would come late."""
        self._round_trip = max(seconds, self._round_trip + 0.2 * (seconds - self._round_trip))

    def _queue_up(self, plan: Plan, claim: Claim, now: float, *, wanted_at: float) -> None:
        """Append claimed jobs in the order of their slots; what may not go any more goes back at once."""
        by_campaign: dict[CampaignId, list[ClaimedJob]] = defaultdict(list)
        for job in claim.jobs:
            if job.campaign_id in self._book:
                by_campaign[job.campaign_id].append(job)
            else:
                self._give_back(job)
        ready: dict[CampaignId, deque[ReadyJob]] = defaultdict(deque)
        for campaign_id, count in Counter(plan.order).items():
            if (campaign := self._book.get(campaign_id)) is not None:
                looked_to = claim.looked_to.get(campaign_id)
                campaign.note_claim(count, by_campaign[campaign_id], now, looked_to)
                ready[campaign_id].extend(self._make_ready(campaign, by_campaign[campaign_id], wanted_at))
        for campaign_id in plan.order:
            if ready[campaign_id]:
                self._backlog.append(ready[campaign_id].popleft())
        if not self._gate.is_open():
            self.drop_backlog()

    def _make_ready(
        self, campaign: LaneCampaign, jobs: list[ClaimedJob], wanted_at: float
    ) -> Iterator[ReadyJob]:
        """Render their posts; a job whose post cannot be ends here, alone and without taking a slot."""
        for job in jobs:
            if not campaign.has_files:  # corrected while the claim was under way
                self._give_back(job)
                continue
            try:
                content = campaign.content.render(job.values)
            except InvalidInputError as exc:
                self._log.info("job.unrenderable", job_id=job.job_id, reason=exc.message)
                self._recorder.put(refuse_job(job, CONTENT_UNRENDERABLE, exc.message[:LONGEST_MESSAGE]))
            else:
                yield ReadyJob(job=job, content=content, wanted_at=wanted_at)

    # -- stopping -------------------------------------------------------------------------------------------

    def drop_backlog(self, campaign_id: CampaignId | None = None) -> None:
        """Give claimed jobs back unsent: all of them and the commands, or those of one campaign."""
        if campaign_id is None:
            self._desk.drop()
        kept: deque[ReadyJob] = deque()
        for ready in self._backlog:
            if campaign_id is None or ready.campaign_id == campaign_id:
                self._give_back(ready.job)
            else:
                kept.append(ready)
        self._backlog = kept

    def _give_back(self, job: ClaimedJob) -> None:
        self._recorder.put(hand_back(job, maybe_sent=job.was_maybe_sent))

    async def wait_for_claim(self) -> None:
        """Returns when no claim is under way."""
        if self._claim is not None:
            await asyncio.wait([self._claim])
        await self._desk.wait_for_claim()

    async def wait_for_answers(self, timeout: timedelta | None = None) -> None:
        """Returns when every post that was handed over has been answered, or after `timeout`."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=timeout.total_seconds() if timeout else None)


def _until(instant: float, now: float) -> timedelta:
    return timedelta(seconds=max(instant - now, 0.0))
