"""The delivery loop of one account: lease, claim, pace, send, record."""

import asyncio
from collections import Counter

import structlog

from vestnik.content import FrozenContent
from vestnik.db.commands import CommandLedger
from vestnik.db.ledger import LaneState, Ledger, RecordedJob, RunningCampaign
from vestnik.db.media import UploadLedger
from vestnik.delivery.addresses import AddressFetcher
from vestnik.delivery.answers import AnswerJudge
from vestnik.delivery.campaigns import CampaignBook, LaneCampaign
from vestnik.delivery.clock import read_clock
from vestnik.delivery.commands import CommandDesk
from vestnik.delivery.contents import CampaignContent
from vestnik.delivery.dispatch import Dispatcher
from vestnik.delivery.failpoints import Failpoint, Failpoints
from vestnik.delivery.gate import Gate
from vestnik.delivery.identity import IdentityCheck
from vestnik.delivery.lease import LeaseKeeper
from vestnik.delivery.link import Link
from vestnik.delivery.options import LaneOptions
from vestnik.delivery.peers import PeerFinder
from vestnik.delivery.preflights import check_campaign
from vestnik.delivery.recorder import Recorder
from vestnik.delivery.surveys import Surveyor
from vestnik.delivery.sync import synchronize
from vestnik.delivery.uploads import FileUploader
from vestnik.delivery.waiting import back_off, wait_for_event
from vestnik.domain.commands import CommandKind
from vestnik.domain.errors import DatabaseUnavailableError, InvalidInputError
from vestnik.domain.ids import CampaignId
from vestnik.domain.media import MediaFile
from vestnik.domain.media_store import MediaStore
from vestnik.domain.sealing import Unsealer
from vestnik.domain.states import AccountKind, AccountState, CampaignStatus, JobStatus, PauseReason
from vestnik.domain.transport import Transport, TransportError, TransportFactory
from vestnik.metrics.delivery import LaneMeter


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
        unsealer: Unsealer,
        store: MediaStore,
        options: LaneOptions,
        failpoints: Failpoints,
        meter: LaneMeter,
    ) -> None:
        self._ledger = ledger
        self._keeper = keeper
        self._account_id = keeper.lease.account_id
        self._options = options
        self._failpoints = failpoints
        self._meter = meter
        self._log = structlog.get_logger().bind(account_id=str(self._account_id), epoch=keeper.lease.epoch)
        self._book = CampaignBook()
        self._gate = Gate(keeper)
        self._recorder = Recorder(ledger, options, failpoints, self._note_recorded, meter=meter)
        self._judge = AnswerJudge(ledger, self._recorder, self._gate, self._account_id, options, meter=meter)
        self._identity = IdentityCheck(ledger, keeper.lease, gate=self._gate, recorder=self._recorder)
        self._link = Link(
            factory,
            self._account_id,
            kind,
            may_connect=self._gate.is_open,
            may_speak=lambda: keeper.is_valid,
            on_change=self._note_link_changed,
            on_error=self._judge.judge_account_error,
            accept=self._identity.accept,
            on_closed=self._identity.note_disconnected,
        )
        self._uploader = FileUploader(
            UploadLedger(ledger),
            keeper.lease,
            store,
            options,
            gate=self._gate,
            transport=self._find_transport,
            put_action=self._recorder.put_action,
            list_wanted=self._list_files,
            on_ready=self._note_file_ready,
            on_lost=self._note_file_lost,
            on_failed=self._note_file_failed,
            on_error=self._judge.judge_account_error,
        )
        self._fetcher = AddressFetcher(
            ledger,
            store,
            options,
            list_wanted=self._book.values,
            on_fetched=self._note_fetched,
            on_failed=self._judge.stop_campaign,
        )
        self._desk = CommandDesk(
            CommandLedger(ledger),
            keeper.lease,
            unsealer=unsealer,
            gate=self._gate,
            transport=self._find_transport,
            recorder=self._recorder,
            judge=self._judge,
            uploader=self._uploader,
            failpoints=failpoints,
            meter=meter,
        )
        self._dispatcher = Dispatcher(
            ledger,
            keeper.lease,
            book=self._book,
            gate=self._gate,
            link=self._link,
            recorder=self._recorder,
            judge=self._judge,
            desk=self._desk,
            uploader=self._uploader,
            options=options,
            failpoints=failpoints,
            meter=meter,
        )
        self._desk.on_change = self._dispatcher.kick
        self._peers = PeerFinder(
            ledger,
            keeper.lease,
            options,
            gate=self._gate,
            transport=self._dispatcher.usable_transport,
            on_found=self._note_peers_changed,
            on_error=self._judge.judge_account_error,
            on_hold=self._judge.hold_lookups,
        )
        self._surveyor = Surveyor(
            ledger,
            keeper.lease,
            options,
            finder=self._peers,
            transport=self._dispatcher.usable_transport,
            kinds={CommandKind.SYNC: synchronize, CommandKind.PREFLIGHT: check_campaign},
        )
        self._gate.on_close = self._note_held
        self._judge.on_disconnected = self._link.report_broken
        self._judge.on_campaign_stopped = self._forget_campaign
        self._judge.on_peer_refused = self._peers.note_refused
        self._wake = asyncio.Event()
        self._unprepared = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Whether no campaign of the account is running and no command is at hand."""
        return not self._book and not self._desk.is_busy and not self._surveyor.is_busy

    def wake(self) -> None:
        """Something changed in the database: look now instead of at the next poll."""
        self._wake.set()
        self._desk.ask()
        self._dispatcher.kick()

    def _find_transport(self) -> Transport | None:
        return self._dispatcher.usable_transport()

    def stop(self) -> None:
        """Send nothing more, record what is on its way, give the lease back."""
        self._gate.end()

    async def run(self) -> None:
        """See the class."""
        async with asyncio.TaskGroup() as group:
            recording = group.create_task(self._recorder.run())
            keeping = group.create_task(self._keep_lease())
            if await self._take_over():
                loops = [
                    group.create_task(self._refresh_for_ever()),
                    group.create_task(self._prepare_for_ever()),
                    group.create_task(self._peers.run()),
                    group.create_task(self._surveyor.run()),
                    group.create_task(self._uploader.run()),
                    group.create_task(self._fetcher.run()),
                    group.create_task(self._dispatcher.run(group)),
                ]
                linking = group.create_task(self._link.run())
                await self._gate.wait_until_over()
                await self._wind_down(loops, linking)
            # Without a database this waits for it: results in hand are facts that nobody else knows.
            await self._recorder.wait_until_empty()
            keeping.cancel()
            if self._keeper.is_valid:
                await self._keeper.give_back()
            recording.cancel()
        self._log.info("lane.ended")

    async def _keep_lease(self) -> None:
        await self._keeper.run()
        self._log.warning("lane.lease_lost")
        self._gate.end()

    async def _take_over(self) -> bool:
        """Put back what earlier holders left in SENDING; False when the lease ended first."""
        failures = 0
        while self._keeper.is_valid and not self._gate.is_over:
            try:
                returned = await self._ledger.return_orphans(self._keeper.lease)
                await self._ledger.note_lookup_limit(self._keeper.lease, self._options.resolves_per_day)
            except DatabaseUnavailableError:
                await back_off(failures)
                failures += 1
                continue
            self._failpoints.hit(Failpoint.AFTER_ACQUIRE)
            self._log.info("lane.started", returned_jobs=returned)
            return True
        return False

    async def _wind_down(self, loops: list[asyncio.Task[None]], linking: asyncio.Task[None]) -> None:
        """Give back what was not handed over, wait a moment for answers, then close the connection."""
        for task in loops:
            task.cancel()
        await asyncio.wait(loops)
        await self._dispatcher.wait_for_claim()
        self._dispatcher.drop_backlog()
        if self._keeper.is_valid:
            await self._dispatcher.wait_for_answers(self._options.stop_grace)
        linking.cancel()
        await asyncio.wait([linking])
        await self._dispatcher.wait_for_answers()

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
            facts, claims = self._gate.facts, self._dispatcher.claims
            state = await self._ledger.read_lane(self._account_id)
            contents = await self._read_contents(state)
            if facts == self._gate.facts:
                break
        # From here on nothing is awaited: what was read and what the lane learned meanwhile are one picture.
        if state.state is not AccountState.ACTIVE:
            self._log.info("lane.account_not_active", state=state.state.value)
            self._gate.end()
            return
        if self._identity.note_session(state.session_version):
            self._log.info("lane.session_replaced")
            self._gate.end()
            return
        self._take_over_account(state)
        running = [
            item
            for item in state.campaigns
            if item.campaign_id not in self._judge.being_paused
            and not (item.campaign_id in contents and contents[item.campaign_id] is None)
        ]
        for campaign_id in self._book.keys() - {item.campaign_id for item in running}:
            self._forget_campaign(campaign_id)
        counted_at_rest = claims == self._dispatcher.claims and not self._dispatcher.is_claiming
        for item in running:
            self._take_over_campaign(item, contents.get(item.campaign_id), counted_at_rest)
        self._uploader.ask()
        self._fetcher.ask()
        if self._book.needy:
            self._unprepared.set()
        self._dispatcher.kick()
        if state.has_commands:
            self._surveyor.ask()
            if await self._desk.look():
                self._peers.ask()  # a command's channel has to be found

    def _take_over_account(self, state: LaneState) -> None:
        now = read_clock()
        if state.send_hold is not None:
            self._gate.hold_until(now + state.send_hold.total_seconds())
        if state.resolve_hold is not None:
            self._peers.hold_until(now + state.resolve_hold.total_seconds())
        self._dispatcher.set_account_rate(state.rate, now)
        self._gate.note_looked()

    async def _read_contents(self, state: LaneState) -> dict[CampaignId, FrozenContent | None]:
        """What new campaigns post, and those that a person changed: paused, corrected and resumed, perhaps.

        None stands for what cannot be read: such a campaign is paused, or was deleted in this moment.
        """
        return {
            item.campaign_id: await self._read_content(item.campaign_id)
            for item in state.campaigns
            if (known := self._book.get(item.campaign_id)) is None or known.revision != item.revision
        }

    async def _read_content(self, campaign_id: CampaignId) -> FrozenContent | None:
        try:
            return await self._ledger.read_content(campaign_id)
        except InvalidInputError as exc:
            self._log.error("campaign.content_unreadable", campaign_id=str(campaign_id), reason=exc.message)
            if await self._ledger.pause(campaign_id, PauseReason.CONTENT_ERROR, exc.message):
                self._meter.note_pause(PauseReason.CONTENT_ERROR)
            return None

    def _take_over_campaign(
        self, running: RunningCampaign, frozen: FrozenContent | None, counted_at_rest: bool
    ) -> None:
        campaign = self._book.get(running.campaign_id)
        if campaign is None:
            assert frozen is not None, "read, because the campaign is new"
            campaign = LaneCampaign(
                campaign_id=running.campaign_id,
                content=CampaignContent(frozen, self._options.zone),
                retry_limit=running.retry_limit,
                rate=running.rate,
                revision=running.revision,
                queued=running.queued,
                is_expanded=running.is_expanded,
                cursor_reset_at=read_clock(),
            )
            self._book[running.campaign_id] = campaign
        now = read_clock()
        if frozen is not None and frozen != campaign.content.frozen:
            campaign.content = CampaignContent(frozen, self._options.zone)
            self._dispatcher.drop_backlog(running.campaign_id)  # rendered with the content of before
        campaign.has_files = self._has_files(campaign)
        if campaign.update(running, now, counted_at_rest=counted_at_rest):
            self._dispatcher.drop_backlog()
        self._dispatcher.schedule.put_campaign(
            running.campaign_id,
            running.rate,
            now=now,
            first_slot=now + running.next_slot_in.total_seconds(),
            size=campaign.content.frozen.message_count,
        )

    def _forget_campaign(self, campaign_id: CampaignId) -> None:
        """It is not running any more: what was claimed for it goes back."""
        self._dispatcher.drop_backlog(campaign_id)
        self._book.pop(campaign_id, None)
        self._dispatcher.schedule.keep_campaigns(self._book.keys())

    # -- beside sending -------------------------------------------------------------------------------------

    async def _prepare_for_ever(self) -> None:
        while True:
            await self._unprepared.wait()
            self._unprepared.clear()
            try:
                await self._prepare()
            except DatabaseUnavailableError:
                await asyncio.sleep(self._options.poll.total_seconds())
                self._unprepared.set()

    async def _prepare(self) -> None:
        """Expand, have addresses looked for and end what cannot be sent, for the campaigns that need it."""
        for campaign in self._book.needy:
            if campaign.needs_peers:
                campaign.needs_peers = False
                self._peers.ask_anew()
            if not campaign.is_expanded:
                await self._ledger.expand(campaign.campaign_id)
                self._wake.set()
            elif campaign.needs_sweep:
                await self._sweep(campaign)
                self._peers.ask()
        self._dispatcher.kick()

    async def _sweep(self, campaign: LaneCampaign) -> None:
        """End jobs that no claim would take; they may have been the last ones."""
        began_at = read_clock()
        failed, finished = await self._ledger.fail_unsendable(campaign.campaign_id)
        if failed:
            self._log.info("campaign.jobs_unsendable", campaign_id=str(campaign.campaign_id), jobs=failed)
        if finished or (campaign.queued == 0 and await self._ledger.complete(campaign.campaign_id)):
            self._note_ended(campaign.campaign_id, CampaignStatus.COMPLETED)
        campaign.note_swept(began_at, read_clock())

    # -- what the parts report ------------------------------------------------------------------------------

    def _note_link_changed(self) -> None:
        self._peers.ask()
        self._uploader.ask()
        self._dispatcher.kick()

    def _note_held(self) -> None:
        self._dispatcher.drop_backlog()
        self._dispatcher.kick()

    def _note_peers_changed(self) -> None:
        self._book.note_peers_changed(read_clock())
        self.wake()

    def _list_files(self) -> list[MediaFile]:
        return [*self._book.list_files(), *self._desk.list_files()]

    def _has_files(self, campaign: LaneCampaign) -> bool:
        frozen = campaign.content.frozen
        return frozen.address is None and self._uploader.are_ready(frozen.files)

    def _note_fetched(self, campaign_id: CampaignId, frozen: FrozenContent) -> None:
        if (campaign := self._book.get(campaign_id)) is not None:
            campaign.content = CampaignContent(frozen, self._options.zone)
            self._uploader.ask()

    def _note_file_ready(self, file: MediaFile) -> None:
        for campaign in self._book.list_users(file):
            campaign.has_files = self._has_files(campaign)
        self._desk.note_files_changed()
        self._dispatcher.kick()

    def _note_file_lost(self, file: MediaFile) -> None:
        """It has to be uploaded again; what was claimed meanwhile goes back unsent."""
        for campaign in self._book.list_users(file):
            campaign.has_files = False
            self._dispatcher.drop_backlog(campaign.campaign_id)

    def _note_file_failed(self, file: MediaFile, error: TransportError) -> None:
        for campaign in self._book.list_users(file):
            self._judge.stop_campaign(campaign.campaign_id, error)
        self._desk.refuse_file(file, error)

    def _note_recorded(self, recorded: list[RecordedJob]) -> None:
        returned = Counter(item.campaign_id for item in recorded if item.status is JobStatus.QUEUED)
        if returned:
            self._book.note_returned(returned.items())
            self._dispatcher.kick()
        for campaign_id, status in {item.campaign_id: item.campaign_status for item in recorded}.items():
            if status is not None:
                self._note_ended(campaign_id, status)

    def _note_ended(self, campaign_id: CampaignId, status: CampaignStatus) -> None:
        """Completed, or paused by the error-rate brake: nothing more is claimed for it."""
        self._log.info("campaign.ended", campaign_id=str(campaign_id), status=status.value)
        if status is CampaignStatus.COMPLETED:
            self._meter.note_completed()
        elif status is CampaignStatus.PAUSED:
            self._meter.note_pause(PauseReason.ERROR_RATE)
        self._forget_campaign(campaign_id)
        self._gate.facts += 1
