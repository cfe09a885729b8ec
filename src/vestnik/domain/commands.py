"""Commands to the process that speaks for an account, and what Telegram's answers mean for them. Pure.

A command is a single request that somebody waits for, such as one direct post. The rules for accounts and channels
are those of campaigns (`domain.outcomes`); what differs is that nobody is served by a command that waits for long:
what a job would sit out (slow mode, a wrong content, a blocked account) is a command's end.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, Protocol

from vestnik.domain.ids import CommandId, JobId
from vestnik.domain.outcomes import Deactivation, Verdict, judge_failure
from vestnik.domain.states import JobStatus
from vestnik.domain.transport import ErrorClass, TransportError

EXPIRES_AFTER: Final = timedelta(seconds=30)
"""A command that has not started by then never does."""
SETTLE_FOR: Final = timedelta(minutes=10)
"""How long after its end one that may have been posted is still asked about."""
MOST_CLAIMS: Final = 10
RETRY_LIMIT: Final = 3
RETRY_BASE: Final = timedelta(seconds=1)
UNKNOWN_OUTCOME: Final = "UNKNOWN_OUTCOME"

_ENDING_CLASSES: Final = frozenset({
    ErrorClass.WAIT_CHAT, ErrorClass.ACCOUNT_DEAD, ErrorClass.ACCOUNT_LIMITED,
})  # fmt: skip

_EXPLANATIONS: Final = {
    UNKNOWN_OUTCOME: "Telegram never confirmed whether this post went out; it may be in the channel.",
    "EXPIRED": "Its turn did not come in time; nothing was posted.",
    "ACCOUNT_BLOCKED": "The account was stopped before the post's turn came; nothing was posted.",
    "ACCOUNT_HELD": "Telegram made the account wait for longer than the request lasts; nothing was posted.",
    "NO_WORKER": "The process that delivers for the account went away; nothing was posted.",
    "CHANNEL_UNRESOLVED": "The channel's address on Telegram could not be found in time; nothing was posted.",
    "CHANNEL_HELD": "The channel is in slow mode for longer than the request lasts; nothing was posted.",
    "CHANNEL_INACTIVE": "The channel was deactivated before the post's turn came; nothing was posted.",
    "PEER_NOT_FOUND": "The channel has no username and the account is not in it; nothing was posted.",
}


class CommandKind(StrEnum):
    """What is asked for."""

    SEND = "SEND"
    """Post one text in one channel."""
    LOGIN = "LOGIN"
    """Begin a login: with the phone number or the bot's token as its payload."""
    CODE = "CODE"
    PASSWORD = "PASSWORD"  # noqa: S105 - a kind
    RESEND = "RESEND"
    """Have the login code sent once more."""
    LOG_OUT = "LOG_OUT"
    """End the session at Telegram."""
    SYNC = "SYNC"
    """Bring our channels up to what the account's dialogs show."""
    PREFLIGHT = "PREFLIGHT"
    """Find out what would become of a campaign if it started."""


LOGIN_KINDS: Final = (
    CommandKind.LOGIN,
    CommandKind.CODE,
    CommandKind.PASSWORD,
    CommandKind.RESEND,
    CommandKind.LOG_OUT,
)
"""Those that belong to a login, or to a log-out, and to nothing else."""


class CommandStatus(StrEnum):
    """PENDING was never handed to Telegram, STARTED may have been."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    DONE = "DONE"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens by itself."""
        return self not in {CommandStatus.PENDING, CommandStatus.STARTED}


@dataclass(frozen=True, kw_only=True, slots=True)
class CommandResult:
    """What is recorded for a claimed command; PENDING gives it back, due after `delay`. See `JobResult`."""

    command_id: CommandId
    claim_epoch: int
    claims: int
    status: CommandStatus
    message_ids: tuple[int, ...] = ()
    error_code: str | None = None
    error_message: str | None = None
    delay: timedelta = timedelta()
    attempted: bool = False
    maybe_sent: bool = False
    counts_against_channel: bool = False
    deactivate: Deactivation | None = None
    channel_hold: timedelta | None = None
    forget_peer: bool = False


class CommandAttempt(Protocol):
    """What the rules need to know of the command that failed."""

    @property
    def command_id(self) -> CommandId: ...  # noqa: D102
    @property
    def claim_epoch(self) -> int: ...  # noqa: D102
    @property
    def claims(self) -> int: ...  # noqa: D102
    @property
    def attempts(self) -> int: ...  # noqa: D102
    @property
    def error_code(self) -> str | None: ...  # noqa: D102
    @property
    def was_maybe_sent(self) -> bool: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True, slots=True)
class _AsJob:
    """A command in the eyes of the rules for jobs."""

    claim_epoch: int
    claims: int
    attempts: int
    error_code: str | None
    was_maybe_sent: bool
    job_id: JobId


def finish_command(attempt: CommandAttempt, message_ids: tuple[int, ...]) -> CommandResult:
    """The post is out."""
    return CommandResult(
        command_id=attempt.command_id,
        claim_epoch=attempt.claim_epoch,
        claims=attempt.claims,
        status=CommandStatus.DONE,
        message_ids=message_ids,
    )


def give_command_back(attempt: CommandAttempt, *, maybe_sent: bool) -> CommandResult:
    """It was not handed to Telegram in this claim, or its fate is still open."""
    return CommandResult(
        command_id=attempt.command_id,
        claim_epoch=attempt.claim_epoch,
        claims=attempt.claims,
        status=CommandStatus.PENDING,
        maybe_sent=maybe_sent,
    )


def refuse_command(attempt: CommandAttempt, code: str, message: str) -> CommandResult:
    """It cannot be carried out, and Telegram was not even asked."""
    return CommandResult(
        command_id=attempt.command_id,
        claim_epoch=attempt.claim_epoch,
        claims=attempt.claims,
        status=CommandStatus.FAILED,
        error_code=code,
        error_message=message,
        maybe_sent=attempt.was_maybe_sent,
    )


def judge_command(attempt: CommandAttempt, error: TransportError) -> tuple[CommandResult, Verdict]:
    """The command's result, and the verdict for what follows beyond it (account, bans)."""
    as_job = _AsJob(
        job_id=JobId(0),
        claim_epoch=attempt.claim_epoch,
        claims=attempt.claims,
        attempts=attempt.attempts,
        error_code=attempt.error_code,
        was_maybe_sent=attempt.was_maybe_sent,
    )
    verdict = judge_failure(as_job, error, retry_limit=RETRY_LIMIT, retry_base=RETRY_BASE)
    job = verdict.result
    ends = job.status is JobStatus.FAILED or verdict.pause_campaign or error.error_class in _ENDING_CLASSES
    result = CommandResult(
        command_id=attempt.command_id,
        claim_epoch=attempt.claim_epoch,
        claims=attempt.claims,
        status=CommandStatus.FAILED if ends else CommandStatus.PENDING,
        error_code=error.name,
        error_message=error.message,
        delay=timedelta() if ends else job.delay,
        attempted=job.attempted,
        maybe_sent=job.maybe_sent,
        counts_against_channel=job.counts_against_channel,
        deactivate=job.deactivate,
        channel_hold=job.channel_hold,
        forget_peer=job.forget_peer,
    )
    return result, verdict


def explain_error(code: str) -> str | None:
    """Our own words for an error that has none of Telegram's."""
    return _EXPLANATIONS.get(code)
