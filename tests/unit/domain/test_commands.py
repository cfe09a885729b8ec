"""What answers mean for a command: the rules of jobs, but nobody waits for what takes long."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestnik.domain.commands import (
    RETRY_LIMIT,
    CommandStatus,
    explain_error,
    finish_command,
    give_command_back,
    judge_command,
    refuse_command,
)
from vestnik.domain.ids import CommandId
from vestnik.domain.outcomes import Deactivation
from vestnik.domain.states import AccountState
from vestnik.domain.transport import ErrorClass, TransportError

ID = CommandId(UUID(int=7))


@dataclass(frozen=True, kw_only=True)
class Command:
    """A claimed command as the rules see it."""

    command_id: CommandId = ID
    claim_epoch: int = 3
    claims: int = 2
    attempts: int = 0
    error_code: str | None = None
    was_maybe_sent: bool = False


def fail(
    error_class: ErrorClass,
    name: str = "NAME",
    *,
    wait: timedelta | None = None,
    definite: bool = True,
    disconnected: bool = False,
) -> TransportError:
    return TransportError(
        name, error_class, "in words", wait=wait, definite=definite, disconnected=disconnected
    )


@pytest.mark.parametrize(
    ("error_class", "status"),
    [
        (ErrorClass.SENT, CommandStatus.PENDING),
        (ErrorClass.TRANSIENT, CommandStatus.PENDING),
        (ErrorClass.WAIT_ACCOUNT, CommandStatus.PENDING),
        (ErrorClass.WAIT_CHAT, CommandStatus.FAILED),
        (ErrorClass.REFRESH_MEDIA, CommandStatus.PENDING),
        (ErrorClass.REFRESH_PEER, CommandStatus.PENDING),
        (ErrorClass.CHANNEL, CommandStatus.FAILED),
        (ErrorClass.CHANNEL_FOR_ALL, CommandStatus.FAILED),
        (ErrorClass.CHANNEL_CONTENT, CommandStatus.FAILED),
        (ErrorClass.CHANNEL_BANNED, CommandStatus.FAILED),
        (ErrorClass.ACCOUNT_DEAD, CommandStatus.FAILED),
        (ErrorClass.ACCOUNT_LIMITED, CommandStatus.FAILED),
        (ErrorClass.CONTENT, CommandStatus.FAILED),
        (ErrorClass.CONTENT_RETRY, CommandStatus.PENDING),
        (ErrorClass.REJECTED, CommandStatus.FAILED),
    ],
)
def test_each_class_ends_a_command_or_gives_it_back(error_class: ErrorClass, status: CommandStatus) -> None:
    result, _ = judge_command(Command(), fail(error_class))
    assert (result.status, result.error_code, result.error_message) == (status, "NAME", "in words")
    assert (result.command_id, result.claim_epoch, result.claims) == (ID, 3, 2)


def test_the_table_has_every_class() -> None:
    cases = test_each_class_ends_a_command_or_gives_it_back.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {case[0] for case in cases} == set(ErrorClass)


@pytest.mark.parametrize(
    "error_class", [ErrorClass.REFRESH_PEER, ErrorClass.REFRESH_MEDIA, ErrorClass.CONTENT_RETRY]
)
def test_what_is_tried_once_more_ends_at_the_second_time(error_class: ErrorClass) -> None:
    result, _ = judge_command(Command(error_code="NAME"), fail(error_class))
    assert result.status is CommandStatus.FAILED


def test_a_passing_error_is_retried_up_to_the_limit() -> None:
    for attempts in range(RETRY_LIMIT):
        result, _ = judge_command(Command(attempts=attempts), fail(ErrorClass.TRANSIENT))
        assert (result.status, result.attempted) == (CommandStatus.PENDING, True)
        assert result.delay == timedelta(seconds=2**attempts)
    result, _ = judge_command(Command(attempts=RETRY_LIMIT), fail(ErrorClass.TRANSIENT))
    assert (result.status, result.counts_against_channel) == (CommandStatus.FAILED, True)


def test_what_concerns_account_and_channel_is_handed_on() -> None:
    wait = timedelta(seconds=30)
    _, verdict = judge_command(Command(), fail(ErrorClass.WAIT_ACCOUNT, wait=wait))
    assert verdict.hold_account == timedelta(seconds=31)
    result, verdict = judge_command(Command(), fail(ErrorClass.WAIT_CHAT, wait=wait))
    assert (result.channel_hold, verdict.hold_account) == (timedelta(seconds=31), None)
    _, verdict = judge_command(Command(), fail(ErrorClass.ACCOUNT_DEAD))
    assert verdict.block_account is AccountState.NEEDS_LOGIN
    result, verdict = judge_command(Command(), fail(ErrorClass.CHANNEL_BANNED))
    assert (result.deactivate, verdict.reports_ban) == (Deactivation.PAIR, True)
    result, _ = judge_command(Command(), fail(ErrorClass.REFRESH_PEER))
    assert result.forget_peer


@given(
    error_class=st.sampled_from(list(ErrorClass)),
    was_maybe_sent=st.booleans(),
    definite=st.booleans(),
    disconnected=st.booleans(),
    attempts=st.integers(0, 5),
)
def test_doubt_is_never_forgotten(
    error_class: ErrorClass, was_maybe_sent: bool, definite: bool, disconnected: bool, attempts: int
) -> None:
    """Whatever is answered: what may have been out before, or whose fate this call left open, may be out."""
    command = Command(was_maybe_sent=was_maybe_sent, attempts=attempts)
    result, _ = judge_command(command, fail(error_class, definite=definite, disconnected=disconnected))
    assert result.maybe_sent == (was_maybe_sent or not definite)
    assert result.status in {CommandStatus.PENDING, CommandStatus.FAILED}


def test_a_post_settles_everything() -> None:
    result = finish_command(Command(was_maybe_sent=True), (5,))
    assert (result.status, result.message_ids, result.maybe_sent) == (CommandStatus.DONE, (5,), False)


def test_giving_back_and_refusing_keep_the_doubt() -> None:
    assert give_command_back(Command(), maybe_sent=True).maybe_sent
    refused = refuse_command(Command(was_maybe_sent=True), "SECRET_UNREADABLE", "no key")
    assert (refused.status, refused.maybe_sent) == (CommandStatus.FAILED, True)


def test_only_our_own_errors_have_words_of_ours() -> None:
    assert "may be in the channel" in (explain_error("UNKNOWN_OUTCOME") or "")
    assert explain_error("CHAT_WRITE_FORBIDDEN") is None
    assert [status for status in CommandStatus if not status.is_final] == ["PENDING", "STARTED"]
