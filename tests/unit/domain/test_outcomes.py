"""The whole table of error classes, and what a failure may never do."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestnik.domain.ids import JobId
from vestnik.domain.outcomes import (
    CONTENT_RETRY_DELAY,
    HOLD_MARGIN,
    LOST_CONNECTION_DELAY,
    MAX_BACKOFF,
    Deactivation,
    Verdict,
    compute_backoff,
    hand_back,
    judge_failure,
    judge_success,
)
from vestnik.domain.states import AccountState, JobStatus
from vestnik.domain.transport import ErrorClass, TransportError

BASE = timedelta(seconds=5)
SEVENTH = JobId(7)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A claimed job as the rules see it."""

    job_id: JobId = SEVENTH
    claim_epoch: int = 3
    claims: int = 1
    attempts: int = 0
    error_code: str | None = None
    was_maybe_sent: bool = False


def judge(
    error_class: ErrorClass,
    job: Job = Job(),
    *,
    name: str = "SOME_ERROR",
    wait: timedelta | None = None,
    definite: bool = True,
    disconnected: bool = False,
    retry_limit: int = 3,
) -> Verdict:
    error = TransportError(
        name, error_class, "What went wrong.", wait=wait, definite=definite, disconnected=disconnected
    )
    return judge_failure(job, error, retry_limit=retry_limit, retry_base=BASE)


@pytest.mark.parametrize(("base", "delays"), [(5, [5, 10, 20, 40, 80, 160, 300, 300]), (1, [1, 2, 4, 8, 16])])
def test_the_wait_doubles_up_to_five_minutes(base: int, delays: list[int]) -> None:
    waits = [compute_backoff(attempts, timedelta(seconds=base)) for attempts in range(1, len(delays) + 1)]
    assert waits == [timedelta(seconds=delay) for delay in delays]


@given(attempts=st.integers(1, 32_767), base=st.floats(0.1, 60))
def test_the_wait_is_never_longer_than_five_minutes(attempts: int, base: float) -> None:
    assert timedelta() < compute_backoff(attempts, timedelta(seconds=base)) <= MAX_BACKOFF


@pytest.mark.parametrize("error_class", [ErrorClass.TRANSIENT, ErrorClass.SENT])
def test_a_transient_error_is_tried_again_until_the_retry_limit(error_class: ErrorClass) -> None:
    results = [judge(error_class, Job(attempts=attempts)).result for attempts in range(4)]
    assert [result.status for result in results] == [JobStatus.QUEUED] * 3 + [JobStatus.FAILED]
    assert [result.delay.total_seconds() for result in results] == [5, 10, 20, 0]
    assert all(result.attempted for result in results)
    assert [result.counts_against_channel for result in results] == [False, False, False, True]
    assert results[-1].error_code == "SOME_ERROR"
    assert results[-1].error_message == "What went wrong."


def test_without_retries_the_first_failure_is_the_last() -> None:
    assert judge(ErrorClass.TRANSIENT, retry_limit=0).result.status is JobStatus.FAILED


@pytest.mark.parametrize("attempts", [0, 3, 100])
def test_a_lost_connection_is_no_attempt(attempts: int) -> None:
    verdict = judge(ErrorClass.TRANSIENT, Job(attempts=attempts), definite=False, disconnected=True)
    assert verdict.result.status is JobStatus.QUEUED
    assert not verdict.result.attempted
    assert verdict.result.maybe_sent
    assert verdict.result.delay == LOST_CONNECTION_DELAY


def test_a_connection_that_was_gone_before_leaves_no_doubt() -> None:
    assert not judge(ErrorClass.TRANSIENT, definite=True, disconnected=True).result.maybe_sent


def test_a_flood_wait_holds_the_account_a_second_longer_than_asked() -> None:
    verdict = judge(ErrorClass.WAIT_ACCOUNT, name="FLOOD_WAIT", wait=timedelta(seconds=6))
    assert verdict.hold_account == timedelta(seconds=6) + HOLD_MARGIN
    assert (verdict.result.status, verdict.result.attempted) == (JobStatus.QUEUED, False)
    assert verdict.result.error_code is None
    assert verdict.result.channel_hold is None


def test_slow_mode_holds_the_channel_alone() -> None:
    verdict = judge(ErrorClass.WAIT_CHAT, wait=timedelta(seconds=9))
    assert verdict.hold_account is None
    assert verdict.result.channel_hold == verdict.result.delay == timedelta(seconds=9) + HOLD_MARGIN
    assert (verdict.result.status, verdict.result.attempted) == (JobStatus.QUEUED, False)


@pytest.mark.parametrize("error_class", [ErrorClass.WAIT_ACCOUNT, ErrorClass.WAIT_CHAT])
def test_a_wait_without_a_time_is_a_minute(error_class: ErrorClass) -> None:
    verdict = judge(error_class)
    assert (verdict.hold_account or verdict.result.channel_hold) == timedelta(seconds=60) + HOLD_MARGIN


def test_a_peer_is_looked_up_once_more_and_then_the_channel_is_at_fault() -> None:
    first = judge(ErrorClass.REFRESH_PEER, name="CHANNEL_INVALID").result
    assert (first.status, first.forget_peer, first.error_code) == (JobStatus.QUEUED, True, "CHANNEL_INVALID")
    again = judge(ErrorClass.REFRESH_PEER, Job(error_code="CHANNEL_INVALID"), name="CHANNEL_INVALID").result
    assert (again.status, again.deactivate) == (JobStatus.FAILED, Deactivation.PAIR)


@pytest.mark.parametrize("error_class", [ErrorClass.REFRESH_MEDIA, ErrorClass.CONTENT_RETRY])
def test_content_that_may_be_better_the_second_time(error_class: ErrorClass) -> None:
    first = judge(error_class)
    assert (first.result.status, first.result.delay) == (JobStatus.QUEUED, CONTENT_RETRY_DELAY)
    assert not first.pause_campaign
    again = judge(error_class, Job(error_code="SOME_ERROR"))
    assert again.pause_campaign
    assert again.result.status is JobStatus.QUEUED


def test_wrong_content_pauses_the_campaign_and_loses_no_job() -> None:
    verdict = judge(ErrorClass.CONTENT)
    assert verdict.pause_campaign
    assert (verdict.result.status, verdict.result.attempted) == (JobStatus.QUEUED, False)


@pytest.mark.parametrize(
    ("error_class", "deactivation", "counts", "reports_ban"),
    [
        (ErrorClass.CHANNEL, Deactivation.PAIR, True, False),
        (ErrorClass.CHANNEL_BANNED, Deactivation.PAIR, True, True),
        (ErrorClass.CHANNEL_FOR_ALL, Deactivation.CHANNEL, True, False),
        (ErrorClass.CHANNEL_CONTENT, None, False, False),
        (ErrorClass.REJECTED, None, True, False),
    ],
)
def test_errors_that_end_the_job(
    error_class: ErrorClass, deactivation: Deactivation | None, counts: bool, reports_ban: bool
) -> None:
    verdict = judge(error_class)
    assert verdict.result.status is JobStatus.FAILED
    assert verdict.result.deactivate is deactivation
    assert verdict.result.counts_against_channel is counts
    assert verdict.reports_ban is reports_ban
    assert (verdict.hold_account, verdict.block_account, verdict.pause_campaign) == (None, None, False)


@pytest.mark.parametrize(
    ("error_class", "state"),
    [(ErrorClass.ACCOUNT_DEAD, AccountState.NEEDS_LOGIN), (ErrorClass.ACCOUNT_LIMITED, AccountState.LIMITED)],
)
def test_errors_that_stop_the_account_keep_its_jobs(error_class: ErrorClass, state: AccountState) -> None:
    verdict = judge(error_class)
    assert verdict.block_account is state
    assert (verdict.result.status, verdict.result.attempted) == (JobStatus.QUEUED, False)


@given(
    error_class=st.sampled_from(ErrorClass),
    attempts=st.integers(0, 5),
    error_code=st.sampled_from([None, "SOME_ERROR"]),
    disconnected=st.booleans(),
    definite=st.booleans(),
    was_maybe_sent=st.booleans(),
)
def test_no_failure_settles_an_earlier_doubt(
    error_class: ErrorClass,
    attempts: int,
    error_code: str | None,
    disconnected: bool,
    definite: bool,
    was_maybe_sent: bool,
) -> None:
    job = Job(attempts=attempts, error_code=error_code, was_maybe_sent=was_maybe_sent)
    result = judge(error_class, job, definite=definite, disconnected=disconnected).result
    assert result.maybe_sent == (was_maybe_sent or not definite)
    assert (result.job_id, result.claim_epoch) == (job.job_id, job.claim_epoch)
    assert result.status in {JobStatus.QUEUED, JobStatus.FAILED}
    assert result.message_ids == ()


def test_a_success_settles_everything() -> None:
    result = judge_success(Job(was_maybe_sent=True), (12,))
    assert (result.status, result.maybe_sent, result.message_ids) == (JobStatus.SENT, False, (12,))
    assert not result.attempted


@pytest.mark.parametrize("maybe_sent", [False, True])
def test_an_unsent_job_goes_back_as_it_came(maybe_sent: bool) -> None:
    result = hand_back(Job(), maybe_sent=maybe_sent)
    assert (result.status, result.maybe_sent, result.attempted) == (JobStatus.QUEUED, maybe_sent, False)
    assert result.error_code is None
    assert result.delay == timedelta()
