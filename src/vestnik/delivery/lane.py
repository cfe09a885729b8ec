"""The delivery loop of one account: lease, claim, pace, send, record."""

import asyncio
from collections import Counter, defaultdict, deque
from dataclasses import replace
from datetime import timedelta

import structlog

from vestnik.db.ledger import CampaignClaim, ClaimedJob, LaneState, Ledger, RecordedJob, RunningCampaign
from vestnik.delivery.campaigns import LaneCampaign
from vestnik.delivery.clock import read_clock
from vestnik.delivery.failpoints import Failpoint, Failpoints
from vestnik.delivery.lease import LeaseKeeper
from vestnik.delivery.link import Link
from vestnik.delivery.options import LaneOptions
from vestnik.delivery.peers import PeerFinder
from vestnik.delivery.recorder import Recorder
from vestnik.delivery.sending import UnsettledError, send_once
from vestnik.delivery.waiting import back_off, wait_for_event
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.ids import CampaignId, ChannelId
from vestnik.domain.outcomes import HOLD_MARGIN, hand_back, judge_failure, judge_success
from vestnik.domain.pacing import Plan, Schedule
from vestnik.domain.states import AccountKind, AccountState, HoldScope, JobStatus, PauseReason
from vestnik.domain.transport import ErrorClass, Transport, TransportError, TransportFactory

log = structlog.get_logger()

BANS_THAT_LIMIT = 3
"""Different channels in a row that answer USER_BANNED_IN_CHANNEL before the account counts as limited."""
IN_FLIGHT_SECONDS = 2.0
"""Posts handed over but not answered: at most what the account's rate makes in this time."""


class Lane:
    """Delivers for one account for as long as it holds the account's lease.

    `run` returns when the lease is lost, the account may not send any more, or `stop` was called; by then nothing
    is on its way any more, all results are in the ledger, and the lease, if still held, has been given back.
    """

    def __init__(
        self,
        ledger: Ledger,
        keeper: LeaseKeeper,
        *,
        kind: AccountKind,
        factory: TransportFactory,
        options: LaneOptions,
        failpoints: Failpoints,
    ) -> None:
        self._ledger = ledger
        self._keeper = keeper
        self._account_id = keeper.lease.account_id
        self._options = options
        self._failpoints = failpoints
        self._log = log.bind(account_id=str(self._account_id), epoch=keeper.lease.epoch)
        self._recorder = Recorder(ledger, options, failpoints, self._note_recorded)
        self._link = Link(
            factory,
            self._account_id,
            kind,
            may_connect=self._may_act,
            on_change=self._kick_all,
            on_error=self._judge_account_error,
        )
        self._peers = PeerFinder(
            ledger,
            self._account_id,
            options,
            transport=self._usable_transport,
            before_storing=self._quiesce,
            on_found=self._look_at_all_jobs_again,
            on_error=self._judge_account_error,
            on_hold=self._hold_lookups,
        )
        # Until the first look at the database nothing is claimed, so this rate is never used.
        self._schedule = Schedule(1.0, read_clock() + keeper.lease.next_slot_in.total_seconds())
        self._account_rate = 0.0
        self._campaigns: dict[CampaignId, LaneCampaign] = {}
        self._being_paused: set[CampaignId] = set()
        self._backlog: deque[ClaimedJob] = deque()
        self._in_flight: set[asyncio.Task[None]] = set()
        self._claim: asyncio.Task[None] | None = None
        self._claim_at = 0.0
        self._round_trip = 0.01
        self._held_until = 0.0
        self._banned_channels: set[ChannelId] = set()
        self._facts = 0
        """Counts what the lane learned before the database did; a look begun earlier is out of date."""
        self._wake = asyncio.Event()
        self._turn = asyncio.Event()
        self._unprepared = asyncio.Event()
        self._over = asyncio.Event()

    # -- life -----------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something changed in the database: look now instead of at the next poll."""
        self._wake.set()

    def stop(self) -> None:
        """Send nothing more, record what is on its way, give the lease back."""
        self._over.set()

    async def run(self) -> None:
        """See the class."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            recorder = group.create_task(self._recorder.run())
            keeping = group.create_task(self._keep_lease())
            if await self._take_over():
                loops = [
                    group.create_task(self._refresh_for_ever()),
                    group.create_task(self._prepare_for_ever()),
                    group.create_task(self._peers.run()),
                    group.create_task(self._deliver_for_ever()),
                ]
                link = group.create_task(self._link.run())
                await self._over.wait()
                await self._wind_down(loops, link)
            # Without a database this waits for it: results in hand are facts that nobody else knows.
            await self._recorder.wait_until_empty()
            keeping.cancel()
            if self._keeper.is_valid:
                await self._keeper.give_back()
            recorder.cancel()
        self._log.info("lane.ended")

    async def _keep_lease(self) -> None:
        await self._keeper.run()
        self._log.warning("lane.lease_lost")
        self._over.set()

    async def _take_over(self) -> bool:
        """Put back what earlier holders left in SENDING; False when the lease ended first."""
        failures = 0
        while self._keeper.is_valid and not self._over.is_set():
            try:
                returned = await self._ledger.return_orphans(self._keeper.lease)
            except DatabaseUnavailableError:
                await back_off(failures)
                failures += 1
                continue
            self._failpoints.hit(Failpoint.AFTER_ACQUIRE)
            self._log.info("lane.started", returned_jobs=returned)
            return True
        return False

    async def _wind_down(self, loops: list[asyncio.Task[None]], link: asyncio.Task[None]) -> None:
        """Give back what was not handed over, wait a moment for answers, then close the connection."""
        for task in loops:
            task.cancel()
        await asyncio.wait(loops)
        if self._claim is not None:
            await asyncio.wait([self._claim])
        self._drop_backlog()
        if self._keeper.is_valid and self._in_flight:
            await asyncio.wait(self._in_flight, timeout=self._options.stop_grace.total_seconds())
        link.cancel()
        await asyncio.wait([link])
        if self._in_flight:
            await asyncio.wait(self._in_flight)

    # -- what may be done -----------------------------------------------------------------------------------

    def _may_act(self) -> bool:
        """Whether anything of this account may go out at all: lease, no end in sight, no hold."""
        return self._keeper.is_valid and not self._over.is_set() and read_clock() >= self._held_until

    def _usable_transport(self) -> Transport | None:
        return self._link.transport if self._may_act() else None

    def _kick(self) -> None:
        """Have the delivery loop look again, and plan anew."""
        self._claim_at = 0.0
        self._turn.set()

    def _kick_all(self) -> None:
        self._kick()
        if any(not campaign.is_prepared for campaign in self._campaigns.values()):
            self._unprepared.set()

    # -- looking at the database ----------------------------------------------------------------------------

    async def _refresh_for_ever(self) -> None:
        while True:
            try:
                await self._refresh()
            except DatabaseUnavailableError as exc:
                self._log.debug("lane.database_away", reason=exc.message)
            await wait_for_event(self._wake, self._options.poll.total_seconds())

    async def _refresh(self) -> None:
        while True:
            facts = self._facts
            state = await self._ledger.read_lane(self._account_id)
            if facts == self._facts:
                break
        if state.state is not AccountState.ACTIVE:
            self._log.info("lane.account_not_active", state=state.state)
            self._over.set()
            return
        now = read_clock()
        self._take_over_holds(state, now)
        changed = state.rate != self._account_rate
        self._account_rate = state.rate
        self._schedule.set_rate(state.rate, now)
        running = [item for item in state.campaigns if item.campaign_id not in self._being_paused]
        for campaign_id in self._campaigns.keys() - {item.campaign_id for item in running}:
            self._forget_campaign(campaign_id)
        for item in running:
            changed |= await self._take_over_campaign(item)
        if changed:
            # Slots were given out by the old rates.
            self._drop_backlog()
        self._kick()

    def _take_over_holds(self, state: LaneState, now: float) -> None:
        if state.send_hold is not None:
            self._hold_locally(now + state.send_hold.total_seconds())
        if state.resolve_hold is not None:
            self._peers.hold_until(now + state.resolve_hold.total_seconds())

    async def _take_over_campaign(self, running: RunningCampaign) -> bool:
        """Whether the campaign's rate changed."""
        campaign = self._campaigns.get(running.campaign_id)
        if campaign is None:
            content = await self._ledger.read_content(running.campaign_id)
            campaign = LaneCampaign(
                campaign_id=running.campaign_id,
                content=content,
                retry_limit=running.retry_limit,
                rate=running.rate,
                queued=running.queued,
                is_expanded=running.is_expanded,
                cursor_reset_at=read_clock(),
            )
            self._campaigns[running.campaign_id] = campaign
            self._unprepared.set()
        changed = campaign.rate != running.rate
        now = read_clock()
        campaign.update(running, now)
        if not campaign.is_expanded or (running.queued == 0 and running.sending == 0):
            campaign.needs_sweep = True
            self._unprepared.set()
        first_slot = now + running.next_slot_in.total_seconds()
        self._schedule.put_campaign(running.campaign_id, running.rate, now=now, first_slot=first_slot)
        return changed

    def _forget_campaign(self, campaign_id: CampaignId) -> None:
        """It is not running any more: what was claimed for it goes back."""
        self._campaigns.pop(campaign_id, None)
        self._schedule.keep_campaigns(self._campaigns.keys())
        self._drop_backlog(campaign_id)

    # -- before the first claim -----------------------------------------------------------------------------

    async def _prepare_for_ever(self) -> None:
        while True:
            await wait_for_event(self._unprepared, 10 * self._options.poll.total_seconds())
            try:
                await self._prepare()
            except DatabaseUnavailableError:
                await asyncio.sleep(self._options.poll.total_seconds())
                self._unprepared.set()

    async def _prepare(self) -> None:
        """Expand, find peers and end what cannot be sent, for the campaigns that need it."""
        needy = [
            campaign
            for campaign in self._campaigns.values()
            if campaign.needs_sweep or not campaign.is_prepared
        ]
        if not needy:
            return
        for campaign in needy:
            if not campaign.is_expanded:
                await self._ledger.expand(campaign.campaign_id)
                self._wake.set()
        if not await self._peers.take_from_dialogs():
            return  # the link kicks when it is there again
        for campaign in needy:
            failed, finished = await self._ledger.fail_unsendable(
                campaign.campaign_id, check_twins=not campaign.is_prepared
            )
            if failed:
                self._log.info("campaign.jobs_unsendable", campaign_id=str(campaign.campaign_id), jobs=failed)
            if finished or (campaign.queued == 0 and await self._ledger.complete(campaign.campaign_id)):
                self._note_completed(campaign.campaign_id)
            campaign.needs_sweep = False
            campaign.is_prepared = True
        self._peers.ask()
        self._kick()

    async def _quiesce(self) -> None:
        """Peers are about to change: no claim until the campaigns have been prepared again."""
        for campaign in self._campaigns.values():
            campaign.is_prepared = False
        if self._claim is not None:
            await asyncio.wait([self._claim])

    def _look_at_all_jobs_again(self) -> None:
        now = read_clock()
        for campaign in self._campaigns.values():
            campaign.start_over(now)
        self._unprepared.set()
        self._kick()

    # -- claiming and launching -----------------------------------------------------------------------------

    async def _deliver_for_ever(self) -> None:
        while True:
            await wait_for_event(self._turn, self._deliver_step())

    def _deliver_step(self) -> float:
        """Launch what is due, claim if it is time to; the seconds until there is something to do again."""
        poll = self._options.poll.total_seconds()
        now = read_clock()
        if now < self._held_until:
            return min(self._held_until - now, poll)
        if self._usable_transport() is None:
            self._drop_backlog()
            return poll
        next_slot = self._launch_due()
        next_claim = self._claim_if_time(read_clock())
        return max(min(next_slot, next_claim) - read_clock(), 0.0)

    def _launch_due(self) -> float:
        """Hand over every claimed job whose slot has come; the instant of the next one."""
        limit = max(20.0, self._account_rate * IN_FLIGHT_SECONDS)
        while self._backlog:
            if len(self._in_flight) >= limit:
                return read_clock() + self._options.poll.total_seconds()  # an answer kicks
            job = self._backlog[0]
            slot = self._schedule.slot_of(job.campaign_id)
            now = read_clock()
            if slot > now:
                return slot
            transport = self._usable_transport()
            if transport is None:
                return now
            self._backlog.popleft()
            self._schedule.launched(job.campaign_id, now)
            task = self._group.create_task(self._post(transport, job, self._campaigns[job.campaign_id]))
            self._in_flight.add(task)
            task.add_done_callback(self._note_answered)
        return float("inf")

    def _note_answered(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._turn.set()

    def _claim_if_time(self, now: float) -> float:
        """Start a claim for the next slots if they are near; the instant at which to ask again."""
        far = now + self._options.poll.total_seconds()
        if self._claim is not None and not self._claim.done():
            return far  # its end kicks
        if now < self._claim_at:
            return self._claim_at
        active = [key for key, campaign in self._campaigns.items() if campaign.is_claimable(now)]
        lead = 0.03 + 1.5 * self._round_trip
        plan = self._schedule.plan(
            now,
            lead=lead,
            window=max(self._options.claim_window.total_seconds(), 2 * self._round_trip),
            pending=[job.campaign_id for job in self._backlog],
            active=active,
        )
        if plan.order:
            self._claim = self._group.create_task(self._claim_slots(plan, now))
            return far
        resting = [campaign.dry_until for campaign in self._campaigns.values() if campaign.dry_until > now]
        first = [] if plan.first_slot is None else [plan.first_slot - lead]
        self._claim_at = min([far, *first, *resting])
        return self._claim_at

    async def _claim_slots(self, plan: Plan, now: float) -> None:
        counts = Counter(plan.order)
        wanted = [
            CampaignClaim(
                campaign_id=campaign_id,
                count=count,
                cursor=self._campaigns[campaign_id].cursor,
                next_slot_in=_until(plan.next_slots[campaign_id], now),
            )
            for campaign_id, count in counts.items()
        ]
        try:
            jobs = await self._ledger.claim(self._keeper.lease, wanted, _until(plan.account_next_slot, now))
        except DatabaseUnavailableError as exc:
            # The claim may have been committed without our learning of it. A new epoch tells those jobs apart.
            self._log.warning("lane.claim_lost", reason=exc.message)
            self._over.set()
            return
        answered_at = read_clock()
        self._round_trip += 0.2 * (min(answered_at - now, 2.0) - self._round_trip)
        self._failpoints.hit(Failpoint.AFTER_CLAIM)
        self._queue_up(plan, counts, jobs, answered_at)
        self._kick()

    def _queue_up(self, plan: Plan, counts: Counter[CampaignId], jobs: list[ClaimedJob], now: float) -> None:
        """Append claimed jobs in the order of their slots; what may not go any more goes back at once."""
        by_campaign: dict[CampaignId, list[ClaimedJob]] = defaultdict(list)
        for job in jobs:
            by_campaign[job.campaign_id].append(job)
        for campaign_id, count in counts.items():
            campaign = self._campaigns.get(campaign_id)
            if campaign is None:
                self._give_back(by_campaign.pop(campaign_id, []))
                continue
            campaign.note_claim(count, by_campaign[campaign_id], now)
            if campaign.needs_sweep:
                self._unprepared.set()
            by_campaign[campaign_id].reverse()
        for campaign_id in plan.order:
            if by_campaign.get(campaign_id):
                self._backlog.append(by_campaign[campaign_id].pop())
        if self._over.is_set() or now < self._held_until:
            self._drop_backlog()

    def _drop_backlog(self, campaign_id: CampaignId | None = None) -> None:
        """Give claimed jobs back unsent: all of them, or those of one campaign."""
        kept: deque[ClaimedJob] = deque()
        for job in self._backlog:
            if campaign_id is None or job.campaign_id == campaign_id:
                self._give_back([job])
            else:
                kept.append(job)
        self._backlog = kept

    def _give_back(self, jobs: list[ClaimedJob]) -> None:
        for job in jobs:
            self._recorder.put(hand_back(job, maybe_sent=job.was_maybe_sent))

    # -- posting and what comes of it -----------------------------------------------------------------------

    async def _post(self, transport: Transport, job: ClaimedJob, campaign: LaneCampaign) -> None:
        if self._usable_transport() is not transport:
            self._give_back([job])
            return
        self._failpoints.hit(Failpoint.BEFORE_SEND)
        try:
            message_ids = await send_once(
                transport,
                job.peer,
                campaign.content,
                job.random_id,
                may_send=lambda: self._usable_transport() is transport,
                claimed_before=timedelta(days=1) if job.was_maybe_sent else timedelta(),
            )
        except UnsettledError:
            self._recorder.put(hand_back(job, maybe_sent=True))
        except TransportError as error:
            self._failpoints.hit(Failpoint.AFTER_SEND)
            self._judge(job, campaign, error)
        else:
            self._failpoints.hit(Failpoint.AFTER_SEND)
            self._banned_channels.clear()
            self._recorder.put(judge_success(job, message_ids))

    def _judge(self, job: ClaimedJob, campaign: LaneCampaign, error: TransportError) -> None:
        if error.disconnected:
            self._link.report_broken()
        verdict = judge_failure(
            job, error, retry_limit=campaign.retry_limit, retry_base=self._options.retry_base
        )
        self._log.info(
            "job.not_sent",
            job_id=job.job_id,
            campaign_id=str(job.campaign_id),
            error=error.name,
            becomes=verdict.result.status,
        )
        if verdict.hold_account is not None:
            self._hold(verdict.hold_account, error.name)
        if verdict.block_account is not None:
            self._block(verdict.block_account, error)
        if verdict.pause_campaign:
            self._pause(job.campaign_id, error)
        if verdict.reports_ban:
            self._banned_channels.add(job.channel_id)
            if len(self._banned_channels) >= BANS_THAT_LIMIT:
                self._block(AccountState.LIMITED, error)
        if verdict.result.forget_peer:
            self._peers.forget(job.channel_id)
        self._recorder.put(replace(verdict.result, error_message=error.message[:500]))

    def _judge_account_error(self, error: TransportError) -> None:
        """An error that came without a job: from connecting or from looking channels up."""
        if error.disconnected:
            self._link.report_broken()
        match error.error_class:
            case ErrorClass.ACCOUNT_DEAD:
                self._block(AccountState.NEEDS_LOGIN, error)
            case ErrorClass.ACCOUNT_LIMITED:
                self._block(AccountState.LIMITED, error)
            case ErrorClass.WAIT_ACCOUNT:
                self._hold((error.wait or timedelta(seconds=60)) + HOLD_MARGIN, error.name)
            case _:
                self._log.warning("lane.telegram_error", error=error.name, detail=error.message)

    def _hold(self, duration: timedelta, reason: str) -> None:
        """Nothing more goes out from this moment on; the hold itself is stored for whoever comes after us."""
        until = read_clock() + duration.total_seconds()
        if until <= self._held_until + 0.2:
            return  # answers to posts that were on their way already
        self._hold_locally(until)
        self._facts += 1
        self._log.warning("account.held", seconds=duration.total_seconds(), reason=reason)

        async def persist() -> None:
            left = _until(until, read_clock())
            await self._ledger.hold(self._account_id, HoldScope.SEND, left, reason)

        self._recorder.put_action(persist)

    def _hold_locally(self, until: float) -> None:
        if until > self._held_until:
            self._held_until = until
            self._drop_backlog()
            self._kick()

    def _hold_lookups(self, duration: timedelta, reason: str) -> None:
        until = read_clock() + duration.total_seconds()

        async def persist() -> None:
            left = _until(until, read_clock())
            await self._ledger.hold(self._account_id, HoldScope.RESOLVE, left, reason)

        self._recorder.put_action(persist)

    def _block(self, state: AccountState, error: TransportError) -> None:
        """The account cannot send until a person acts; its campaigns stay RUNNING and wait."""
        self._facts += 1
        self._log.error("account.blocked", state=state, error=error.name, detail=error.message)
        reason = f"{error.name}: {error.message}"
        self._recorder.put_action(lambda: self._ledger.block_account(self._account_id, state, reason))
        self._over.set()

    def _pause(self, campaign_id: CampaignId, error: TransportError) -> None:
        """The content is wrong for every channel: stop at the first one."""
        if campaign_id not in self._campaigns:
            return
        self._forget_campaign(campaign_id)
        self._being_paused.add(campaign_id)
        self._log.error("campaign.content_error", campaign_id=str(campaign_id), error=error.name)
        detail = f"{error.name}: {error.message}"

        async def pause() -> None:
            await self._ledger.pause(campaign_id, PauseReason.CONTENT_ERROR, detail)
            self._being_paused.discard(campaign_id)
            self._facts += 1

        self._recorder.put_action(pause)

    def _note_recorded(self, recorded: list[RecordedJob]) -> None:
        returned = Counter(item.campaign_id for item in recorded if item.status is JobStatus.QUEUED)
        for campaign_id, count in returned.items():
            if (campaign := self._campaigns.get(campaign_id)) is not None:
                campaign.note_returned(count)
        if returned:
            self._kick()
        for campaign_id in {item.campaign_id for item in recorded if item.campaign_finished}:
            self._note_completed(campaign_id)

    def _note_completed(self, campaign_id: CampaignId) -> None:
        self._log.info("campaign.completed", campaign_id=str(campaign_id))
        self._forget_campaign(campaign_id)
        self._facts += 1


def _until(instant: float, now: float) -> timedelta:
    return timedelta(seconds=max(instant - now, 0.0))
