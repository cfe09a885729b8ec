"""Posts that somebody waits for: claimed before campaign messages, sent at the account's next slot."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog
from structlog.contextvars import bind_contextvars

from vestnik.content import content_from_json
from vestnik.db.commands import PAYLOAD, ClaimedCommand, CommandLedger
from vestnik.db.leases import Lease
from vestnik.db.secrets import identify_secret
from vestnik.delivery.answers import AnswerJudge
from vestnik.delivery.failpoints import Failpoint, Failpoints
from vestnik.delivery.gate import Gate
from vestnik.delivery.recorder import Recorder
from vestnik.delivery.sending import UnsettledError, send_once
from vestnik.delivery.uploads import FileUploader, Refusal, as_refresh
from vestnik.domain.commands import (
    SETTLE_FOR,
    CommandResult,
    CommandStatus,
    finish_command,
    give_command_back,
    judge_command,
    refuse_command,
)
from vestnik.domain.errors import (
    ConfigurationError,
    DatabaseUnavailableError,
    InvalidInputError,
    SecretError,
)
from vestnik.domain.media import MediaFile
from vestnik.domain.outcomes import CONTENT_UNRENDERABLE
from vestnik.domain.pacing import Schedule
from vestnik.domain.sealing import Unsealer
from vestnik.domain.transport import Content, Transport, TransportError
from vestnik.metrics.catalogue import Origin
from vestnik.metrics.delivery import LaneMeter

log = structlog.get_logger()

LARGEST_CLAIM = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class _OpenCommand:
    """A claimed command whose payload has been read."""

    claimed: ClaimedCommand
    content: Content = field(repr=False)

    @property
    def messages(self) -> int:
        """How many it is for Telegram."""
        return max(len(self.content.files), 1)


class CommandDesk:
    """Claims an account's commands for its next slots and posts them; the dispatcher gives it its turns.

    Commands are recorded one by one and at once, because a person waits for each. `on_change` is set by the lane.
    """

    def __init__(
        self,
        ledger: CommandLedger,
        lease: Lease,
        *,
        unsealer: Unsealer,
        gate: Gate,
        transport: Callable[[], Transport | None],
        recorder: Recorder,
        judge: AnswerJudge,
        uploader: FileUploader,
        failpoints: Failpoints,
        meter: LaneMeter,
    ) -> None:
        self._ledger = ledger
        self._lease = lease
        self._unsealer = unsealer
        self._gate = gate
        self._transport = transport
        self._recorder = recorder
        self._judge = judge
        self._uploader = uploader
        self._failpoints = failpoints
        self._meter = meter
        self._waiting: deque[_OpenCommand] = deque()
        self._parked: list[_OpenCommand] = []
        """Those whose files are being uploaded."""
        self._claim: asyncio.Task[None] | None = None
        self._is_asked = False
        self.on_change: Callable[[], None] = lambda: None
        self._log = log.bind(account_id=str(lease.account_id))

    @property
    def waiting(self) -> int:
        """How many are claimed and wait for their slot."""
        return len(self._waiting)

    @property
    def messages(self) -> int:
        """Messages of the posts that wait: an album is several."""
        return sum(command.messages for command in self._waiting)

    @property
    def next_messages(self) -> int:
        """Those of the post that waits longest."""
        return self._waiting[0].messages

    @property
    def is_busy(self) -> bool:
        """Whether something is claimed or being claimed."""
        return self._is_claiming or bool(self._waiting) or bool(self._parked)

    @property
    def _is_claiming(self) -> bool:
        return self._claim is not None and not self._claim.done()

    def ask(self) -> None:
        """There may be a command that can be claimed."""
        self._is_asked = True

    async def look(self) -> bool:
        """End what cannot be carried out any more, and look for the rest; whether an address is missing."""
        is_unresolved = await self._ledger.settle(self._lease.account_id)
        self.ask()
        self.on_change()
        return is_unresolved

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
        """Start a claim if one was asked for and a slot is near; the instant at which to ask again."""
        if not self._is_asked or self._waiting or self._is_claiming:
            return float("inf")
        claim_at = schedule.command_slot - lead
        if now < claim_at:
            return claim_at
        self._is_asked = False
        self._claim = group.create_task(self._claim_next(min(1 + int(window * rate), LARGEST_CLAIM)))
        return float("inf")

    async def _claim_next(self, count: int) -> None:
        try:
            claimed = await self._ledger.claim(self._lease, count)
        except DatabaseUnavailableError as exc:
            # As with jobs: what this claim may have taken is told apart by a new epoch.
            self._log.warning("lane.claim_lost", reason=exc.message)
            self._gate.end()
            return
        if len(claimed) == count:
            self._is_asked = True
        if claimed:
            self._failpoints.hit(Failpoint.AFTER_CLAIM)
            self._open(claimed)
            self.on_change()

    def _open(self, claimed: list[ClaimedCommand]) -> None:
        for command in claimed:
            identity = identify_secret("account_commands", command.command_id, PAYLOAD)
            try:
                content = content_from_json(json.loads(self._unsealer.decrypt(command.payload, identity)))
            except (SecretError, ConfigurationError) as exc:
                self._record(refuse_command(command, "SECRET_UNREADABLE", exc.message))
                continue
            except InvalidInputError as exc:
                self._record(refuse_command(command, CONTENT_UNRENDERABLE, exc.message))
                continue
            opened = _OpenCommand(claimed=command, content=content)
            if self._uploader.are_ready(content.files):
                self._waiting.append(opened)
            else:
                self._parked.append(opened)
                self._uploader.ask()
        if not self._gate.is_open():
            self.drop()

    def list_files(self) -> Iterator[MediaFile]:
        """What has to be uploaded for commands that wait for it."""
        for command in self._parked:
            yield from command.content.files

    def note_files_changed(self) -> None:
        """Give back what waited for files that are ready now: the next claim posts it, if it is not too late."""
        parked, self._parked = self._parked, []
        for command in parked:
            if self._uploader.are_ready(command.content.files):
                self._give_back(command.claimed)
            else:
                self._parked.append(command)

    def refuse_file(self, file: MediaFile, error: TransportError) -> None:
        """End what waited for a file that cannot be uploaded."""
        parked, self._parked = self._parked, []
        for command in parked:
            if file in command.content.files:
                self._record(refuse_command(command.claimed, error.name, error.message))
            else:
                self._parked.append(command)

    def post_next(self, transport: Transport) -> Coroutine[None, None, None]:
        """The post of the command that waits longest; its slot has come."""
        return self._post(transport, self._waiting.popleft())

    async def _post(self, transport: Transport, command: _OpenCommand) -> None:
        claimed = command.claimed
        bind_contextvars(command_id=str(claimed.command_id))
        content = self._uploader.attach(command.content)
        if content is None or self._transport() is not transport:
            self._give_back(claimed)
            return
        self._failpoints.hit(Failpoint.BEFORE_SEND)
        try:
            message_ids = await send_once(
                transport,
                claimed.peer,
                content,
                claimed.random_id,
                may_send=lambda: self._transport() is transport,
                claimed_before=2 * SETTLE_FOR if claimed.was_maybe_sent else timedelta(),
                meter=self._meter,
                origin=Origin.DIRECT,
            )
        except UnsettledError:
            self._record(give_command_back(claimed, maybe_sent=True))
        except TransportError as error:
            self._failpoints.hit(Failpoint.AFTER_SEND)
            self._reject(claimed, content, error)
        else:
            self._failpoints.hit(Failpoint.AFTER_SEND)
            self._uploader.note_posted(content)
            self._judge.note_posted()
            self._record(finish_command(claimed, message_ids))

    def _reject(self, claimed: ClaimedCommand, content: Content, error: TransportError) -> None:
        """The post failed. Whether a file was renewed already counts for the file, not for this command."""
        match self._uploader.note_refused(content, error):
            case Refusal.AGAIN:
                claimed, error = replace(claimed, error_code=None), as_refresh(error)
            case Refusal.FINAL:
                claimed, error = replace(claimed, error_code=error.name), as_refresh(error)
            case Refusal.UNRELATED:
                pass
        result, verdict = judge_command(claimed, error)
        self._judge.apply(verdict, claimed.channel_id, error)
        self._record(result)

    def _record(self, result: CommandResult) -> None:
        self._log.info(
            "command.answered",
            command_id=str(result.command_id),
            status=result.status.value,
            error=result.error_code,
        )

        async def write() -> None:
            self._failpoints.hit(Failpoint.BEFORE_RECORD)
            await self._ledger.record(result)
            self._failpoints.hit(Failpoint.AFTER_RECORD)
            if result.status is CommandStatus.PENDING:
                self.ask()
                self.on_change()

        self._recorder.put_action(write)

    def _give_back(self, command: ClaimedCommand) -> None:
        self._record(give_command_back(command, maybe_sent=command.was_maybe_sent))

    def drop(self) -> None:
        """Give back unsent what waits for its slot."""
        for command in [*self._waiting, *self._parked]:
            self._give_back(command.claimed)
        self._waiting.clear()
        self._parked.clear()

    async def wait_for_claim(self) -> None:
        """Returns when no claim is under way."""
        if self._claim is not None:
            await asyncio.wait([self._claim])
