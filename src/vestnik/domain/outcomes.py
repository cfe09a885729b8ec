"""What the answer to one send means: for the job, its channel, its campaign and its account. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol, assert_never

from vestnik.domain.ids import JobId
from vestnik.domain.states import AccountState, JobStatus
from vestnik.domain.transport import ErrorClass, TransportError

HOLD_MARGIN = timedelta(seconds=1)
"""Added to every wait that Telegram names: knocking a moment early makes the next wait longer."""
MAX_BACKOFF = timedelta(minutes=5)
LOST_CONNECTION_DELAY = timedelta(seconds=1)
CONTENT_RETRY_DELAY = timedelta(seconds=2)
CONTENT_UNRENDERABLE = "CONTENT_UNRENDERABLE"
"""The campaign's content cannot be posted in this one channel: too long with its title, say."""


class Deactivation(StrEnum):
    """PAIR: this account stops posting to the channel. CHANNEL: every account does."""

    PAIR = "PAIR"
    CHANNEL = "CHANNEL"


@dataclass(frozen=True, kw_only=True, slots=True)
class JobResult:
    """What is recorded for a claimed job. QUEUED gives it back, due after `delay`.

    `claim_epoch` and `claims` say which of the job's claims it belongs to: of a holder's own claims too, because a
    write is repeated when its answer got lost, and by then the job may have been claimed again.
    `maybe_sent` says whether the post may be out although nothing confirmed it; an error answer, however
    definite, speaks of its own call only and settles no earlier one. `attempted` counts an answered failure
    against the retry limit.
    """

    job_id: JobId
    claim_epoch: int
    claims: int
    status: JobStatus
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """A job's result and what follows from it beyond the job."""

    result: JobResult
    hold_account: timedelta | None = None
    block_account: AccountState | None = None
    pause_campaign: bool = False
    reports_ban: bool = False
    """Three different channels in a row with this mean that the account is limited."""


class Attempt(Protocol):
    """What the rules need to know of the job that failed."""

    @property
    def job_id(self) -> JobId: ...  # noqa: D102
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


def compute_backoff(attempts: int, base: timedelta) -> timedelta:
    """The wait after the `attempts`-th failed attempt (from 1): base x 2^(attempts - 1), at most 5 min."""
    factor: int = 2 ** min(attempts - 1, 20)
    return min(base * factor, MAX_BACKOFF)


def judge_success(attempt: Attempt, message_ids: tuple[int, ...]) -> JobResult:
    """The post is out."""
    return JobResult(
        job_id=attempt.job_id,
        claim_epoch=attempt.claim_epoch,
        claims=attempt.claims,
        status=JobStatus.SENT,
        message_ids=message_ids,
    )


def hand_back(attempt: Attempt, *, maybe_sent: bool) -> JobResult:
    """A claimed job that was not handed to Telegram in this claim."""
    return JobResult(
        job_id=attempt.job_id,
        claim_epoch=attempt.claim_epoch,
        claims=attempt.claims,
        status=JobStatus.QUEUED,
        maybe_sent=maybe_sent,
    )


def refuse_job(attempt: Attempt, code: str, message: str) -> JobResult:
    """A claimed job that ends without being handed to Telegram; an earlier claim may have posted it even so."""
    return JobResult(
        job_id=attempt.job_id,
        claim_epoch=attempt.claim_epoch,
        claims=attempt.claims,
        status=JobStatus.FAILED,
        error_code=code,
        error_message=message,
        maybe_sent=attempt.was_maybe_sent,
    )


def judge_failure(  # noqa: C901, PLR0911, PLR0912 - one closed match over the whole table
    attempt: Attempt, error: TransportError, *, retry_limit: int, retry_base: timedelta
) -> Verdict:
    """Apply the table of error classes; see docs/reference/telegram-errors.md."""
    match error.error_class:
        case ErrorClass.SENT | ErrorClass.TRANSIENT:
            return Verdict(result=_retry(attempt, error, retry_limit=retry_limit, retry_base=retry_base))
        case ErrorClass.WAIT_ACCOUNT:
            hold = (error.wait or timedelta(seconds=60)) + HOLD_MARGIN
            return Verdict(result=_give_back(attempt, error, keep_error=False), hold_account=hold)
        case ErrorClass.WAIT_CHAT:
            hold = (error.wait or timedelta(seconds=60)) + HOLD_MARGIN
            return Verdict(result=_give_back(attempt, error, delay=hold, channel_hold=hold, keep_error=False))
        case ErrorClass.REFRESH_PEER:
            if attempt.error_code == error.name:
                return Verdict(result=_fail(attempt, error, deactivate=Deactivation.PAIR))
            return Verdict(result=_give_back(attempt, error, forget_peer=True))
        case ErrorClass.REFRESH_MEDIA | ErrorClass.CONTENT_RETRY if attempt.error_code != error.name:
            return Verdict(result=_give_back(attempt, error, delay=CONTENT_RETRY_DELAY))
        case ErrorClass.REFRESH_MEDIA | ErrorClass.CONTENT_RETRY | ErrorClass.CONTENT:
            return Verdict(result=_give_back(attempt, error), pause_campaign=True)
        case ErrorClass.CHANNEL:
            return Verdict(result=_fail(attempt, error, deactivate=Deactivation.PAIR))
        case ErrorClass.CHANNEL_BANNED:
            return Verdict(result=_fail(attempt, error, deactivate=Deactivation.PAIR), reports_ban=True)
        case ErrorClass.CHANNEL_FOR_ALL:
            return Verdict(result=_fail(attempt, error, deactivate=Deactivation.CHANNEL))
        case ErrorClass.CHANNEL_CONTENT:
            return Verdict(result=_fail(attempt, error))
        case ErrorClass.REJECTED:
            return Verdict(result=_fail(attempt, error, counts_against_channel=True))
        case ErrorClass.ACCOUNT_DEAD:
            return Verdict(result=_give_back(attempt, error), block_account=AccountState.NEEDS_LOGIN)
        case ErrorClass.ACCOUNT_LIMITED:
            return Verdict(result=_give_back(attempt, error), block_account=AccountState.LIMITED)
        case _ as unreachable:
            assert_never(unreachable)


def _retry(attempt: Attempt, error: TransportError, *, retry_limit: int, retry_base: timedelta) -> JobResult:
    if error.disconnected:
        # Nothing was answered, so nothing was attempted as far as the limit goes; ten claims are the limit here.
        return JobResult(
            job_id=attempt.job_id,
            claim_epoch=attempt.claim_epoch,
            claims=attempt.claims,
            status=JobStatus.QUEUED,
            error_code=error.name,
            error_message=error.message,
            delay=LOST_CONNECTION_DELAY,
            maybe_sent=attempt.was_maybe_sent or not error.definite,
        )
    attempts = attempt.attempts + 1
    exhausted = attempts > retry_limit
    return JobResult(
        job_id=attempt.job_id,
        claim_epoch=attempt.claim_epoch,
        claims=attempt.claims,
        status=JobStatus.FAILED if exhausted else JobStatus.QUEUED,
        error_code=error.name,
        error_message=error.message,
        delay=timedelta() if exhausted else compute_backoff(attempts, retry_base),
        attempted=True,
        maybe_sent=attempt.was_maybe_sent or not error.definite,
        counts_against_channel=exhausted,
    )


def _give_back(
    attempt: Attempt,
    error: TransportError,
    *,
    delay: timedelta = timedelta(),
    channel_hold: timedelta | None = None,
    forget_peer: bool = False,
    keep_error: bool = True,
) -> JobResult:
    return JobResult(
        job_id=attempt.job_id,
        claim_epoch=attempt.claim_epoch,
        claims=attempt.claims,
        status=JobStatus.QUEUED,
        error_code=error.name if keep_error else None,
        error_message=error.message if keep_error else None,
        delay=delay,
        maybe_sent=attempt.was_maybe_sent or not error.definite,
        channel_hold=channel_hold,
        forget_peer=forget_peer,
    )


def _fail(
    attempt: Attempt,
    error: TransportError,
    *,
    deactivate: Deactivation | None = None,
    counts_against_channel: bool = False,
) -> JobResult:
    return JobResult(
        job_id=attempt.job_id,
        claim_epoch=attempt.claim_epoch,
        claims=attempt.claims,
        status=JobStatus.FAILED,
        error_code=error.name,
        error_message=error.message,
        attempted=True,
        maybe_sent=attempt.was_maybe_sent or not error.definite,
        deactivate=deactivate,
        counts_against_channel=counts_against_channel or deactivate is not None,
    )
