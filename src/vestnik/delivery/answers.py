"""What Telegram's answers do to the job, the channel, the campaign and the account."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import structlog

from vestnik.db.ledger import ClaimedJob, Ledger
from vestnik.delivery.campaigns import LaneCampaign
from vestnik.delivery.clock import read_clock
from vestnik.delivery.gate import Gate
from vestnik.delivery.options import LaneOptions
from vestnik.delivery.recorder import Recorder
from vestnik.domain.ids import AccountId, CampaignId, ChannelId
from vestnik.domain.outcomes import HOLD_MARGIN, Verdict, judge_failure, judge_success
from vestnik.domain.states import AccountState, HoldScope, PauseReason
from vestnik.domain.transport import ErrorClass, TransportError
from vestnik.metrics.delivery import LaneMeter

BANS_THAT_LIMIT = 3
"""Different channels in a row that answer USER_BANNED_IN_CHANNEL before the account counts as limited."""
LONGEST_MESSAGE = 500


class AnswerJudge:
    """Applies verdicts: in memory at once, in the database through the recorder, however long that takes.

    `on_disconnected`, `on_campaign_stopped` and `on_peer_refused` are set by the lane before it starts.
    """

    def __init__(
        self,
        ledger: Ledger,
        recorder: Recorder,
        gate: Gate,
        account_id: AccountId,
        options: LaneOptions,
        *,
        meter: LaneMeter,
    ) -> None:
        self._ledger = ledger
        self._recorder = recorder
        self._gate = gate
        self._account_id = account_id
        self._options = options
        self._meter = meter
        self._banned_channels: set[ChannelId] = set()
        self._log = structlog.get_logger().bind(account_id=str(account_id))
        self.being_paused: set[CampaignId] = set()
        """Campaigns that we stopped and whose pause is not in the database yet."""
        self.on_disconnected: Callable[[], None] = lambda: None
        self.on_campaign_stopped: Callable[[CampaignId], None] = lambda _: None
        self.on_peer_refused: Callable[[], None] = lambda: None

    def accept(self, job: ClaimedJob, message_ids: tuple[int, ...]) -> None:
        """The post is out."""
        self.note_posted()
        self._recorder.put(judge_success(job, message_ids))

    def stop_campaign(self, campaign_id: CampaignId, error: TransportError) -> None:
        """Its content can be posted nowhere, as was found out before any post."""
        self._pause(campaign_id, error)

    def note_posted(self) -> None:
        """The account may post: refusals before this are not in a row any more."""
        self._banned_channels.clear()

    def reject(self, job: ClaimedJob, campaign: LaneCampaign, error: TransportError) -> None:
        """The post failed, or it is not known whether it is out."""
        verdict = judge_failure(
            job, error, retry_limit=campaign.retry_limit, retry_base=self._options.retry_base
        )
        self._log.info(
            "job.not_sent",
            job_id=job.job_id,
            campaign_id=str(job.campaign_id),
            error=error.name,
            becomes=verdict.result.status.value,
        )
        self.apply(verdict, job.channel_id, error)
        if verdict.pause_campaign:
            self._pause(job.campaign_id, error)
        message = error.message[:LONGEST_MESSAGE] if verdict.result.error_code else None
        self._recorder.put(replace(verdict.result, error_message=message))

    def apply(self, verdict: Verdict, channel_id: ChannelId, error: TransportError) -> None:
        """What follows from an answer beyond the post itself and its campaign."""
        if error.disconnected:
            self.on_disconnected()
        if verdict.hold_account is not None:
            self._hold(verdict.hold_account, error.name)
        if verdict.block_account is not None:
            self._block(verdict.block_account, error)
        if verdict.reports_ban:
            self._note_ban(channel_id, error)
        if verdict.result.forget_peer:
            self.on_peer_refused()

    def judge_account_error(self, error: TransportError) -> None:
        """An error that came without a job: from connecting or from looking channels up."""
        if error.disconnected:
            self.on_disconnected()
        match error.error_class:
            case ErrorClass.ACCOUNT_DEAD:
                self._block(AccountState.NEEDS_LOGIN, error)
            case ErrorClass.ACCOUNT_LIMITED:
                self._block(AccountState.LIMITED, error)
            case ErrorClass.WAIT_ACCOUNT:
                self._hold((error.wait or timedelta(seconds=60)) + HOLD_MARGIN, error.name)
            case _:
                self._log.warning("account.telegram_error", error=error.name, detail=error.message)

    def hold_lookups(self, duration: timedelta, reason: str) -> None:
        """Store that usernames must not be looked up for a while; posting goes on."""
        self._meter.note_hold(HoldScope.RESOLVE, duration.total_seconds(), reason)
        self._store_hold(HoldScope.RESOLVE, read_clock() + duration.total_seconds(), reason)

    def _hold(self, duration: timedelta, reason: str) -> None:
        """Nothing more goes out from this moment on; the hold is stored for whoever comes after us."""
        until = read_clock() + duration.total_seconds()
        if until <= self._gate.held_until + 0.2:
            return  # the answers to posts that were on their way already
        self._gate.hold_until(until)
        self._meter.note_hold(HoldScope.SEND, duration.total_seconds(), reason)
        self._log.warning("account.held", seconds=duration.total_seconds(), reason=reason)
        self._store_hold(HoldScope.SEND, until, reason)

    def _store_hold(self, scope: HoldScope, until: float, reason: str) -> None:
        async def store() -> None:
            left = timedelta(seconds=max(until - read_clock(), 0.0))
            await self._ledger.hold(self._account_id, scope, left, reason)

        self._recorder.put_action(store)

    def _block(self, state: AccountState, error: TransportError) -> None:
        """The account cannot send until a person acts; its campaigns stay RUNNING and wait."""
        self._gate.end()
        self._meter.note_block(state)
        self._log.error("account.blocked", state=state.value, error=error.name, detail=error.message)
        reason = f"{error.name}: {error.message}"
        self._recorder.put_action(lambda: self._ledger.block_account(self._account_id, state, reason))

    def _note_ban(self, channel_id: ChannelId, error: TransportError) -> None:
        self._banned_channels.add(channel_id)
        if len(self._banned_channels) >= BANS_THAT_LIMIT:
            self._block(AccountState.LIMITED, error)

    def _pause(self, campaign_id: CampaignId, error: TransportError) -> None:
        """The content is wrong for every channel: stop at the first one."""
        if campaign_id in self.being_paused:
            return
        self.being_paused.add(campaign_id)
        self.on_campaign_stopped(campaign_id)
        self._log.error("campaign.content_error", campaign_id=str(campaign_id), error=error.name)

        async def pause() -> None:
            detail = f"{error.name}: {error.message}"
            if await self._ledger.pause(campaign_id, PauseReason.CONTENT_ERROR, detail):
                self._meter.note_pause(PauseReason.CONTENT_ERROR)
            self._gate.facts += 1
            self.being_paused.discard(campaign_id)

        self._recorder.put_action(pause)
