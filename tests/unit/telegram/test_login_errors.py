"""Refusals of logins, as Telethon hands them over."""

from datetime import timedelta

import pytest
from telethon.errors import rpc_message_to_error, rpcerrorlist
from telethon.tl import types
from telethon.tl.functions.auth import SendCodeRequest
from telethon.tl.types import CodeSettings, RpcError

from vestnik.domain.telegram_login import CodeKind, LoginError
from vestnik.domain.transport import TransportError
from vestnik.telegram.error_names import canonical_name
from vestnik.telegram.errors import (
    connect_failed_error,
    connection_lost_error,
    map_exception,
    timeout_error,
)
from vestnik.telegram.login_codes import read_sent_code
from vestnik.telegram.login_errors import DEAD_SESSION, SAME_AS, SENTENCES, refuse, translate

REQUEST = SendCodeRequest("15550001111", 1, "hash", CodeSettings())
OURS = {"AUTH_KEY_NOT_FOUND", "CODE_PAYMENT_REQUIRED", "EMAIL_SETUP_REQUIRED", "PASSWORD_NOT_ASKABLE"}
TELETHONS = {
    *(canonical_name(name) for name in rpcerrorlist.rpc_errors_dict),
    *(canonical_name(pattern.replace(r"(\d+)", "0")) for pattern, _ in rpcerrorlist.rpc_errors_re),
}


def answer(code: int, name: str, field: str | None = None) -> LoginError | None:
    """What a call ends with when Telegram answers with this error."""
    return translate(map_exception(rpc_message_to_error(RpcError(code, name), REQUEST)), field)


def test_every_name_is_one_of_telegrams_or_ours() -> None:
    assert (set(SENTENCES) | set(SAME_AS)) - TELETHONS == OURS
    assert set(SAME_AS.values()) <= set(SENTENCES)
    assert not set(SAME_AS) & set(SENTENCES)
    assert set(SENTENCES) >= DEAD_SESSION


@pytest.mark.parametrize("name", sorted(set(SENTENCES) - OURS - {"FLOOD_WAIT"}))
@pytest.mark.parametrize("code", [400, 401, 403, 406, 500])
def test_a_name_is_known_whatever_its_code(name: str, code: int) -> None:
    error = answer(code, name)
    assert error is not None
    assert (error.name, error.message) == (name, f"{SENTENCES[name]} ({name}).")


@pytest.mark.parametrize(("name", "shown"), sorted(SAME_AS.items()))
def test_names_that_mean_the_same_are_shown_as_one(name: str, shown: str) -> None:
    error = answer(420 if shown == "FLOOD_WAIT" else 400, f"{name}_3" if shown == "FLOOD_WAIT" else name)
    assert error is not None
    assert error.name == shown


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("FLOOD_WAIT_17", 17), ("FLOOD_PREMIUM_WAIT_8", 8), ("FLOOD_TEST_PHONE_WAIT_5", 5), ("FLOOD_ODD", 60)],
)
def test_a_wait_is_a_wait_under_every_name(text: str, seconds: int) -> None:
    error = answer(420, text, "phone")
    assert error is not None
    assert (error.name, error.wait, error.can_retry) == ("FLOOD_WAIT", timedelta(seconds=seconds), True)
    assert error.field == "phone"
    assert f"wait {seconds} s" in error.message


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("API_ID_INVALID", "apiId"),
        ("ACCESS_TOKEN_INVALID", "token"),
        ("AUTH_KEY_UNREGISTERED", "session"),
        ("SESSION_REVOKED", "session"),
        ("PHONE_CODE_INVALID", "code"),
        ("PHONE_NUMBER_BANNED", "phone"),
        ("PASSWORD_HASH_INVALID", "password"),
        ("SRP_PASSWORD_CHANGED", "password"),
        ("USER_DEACTIVATED", None),
    ],
)
def test_the_field_at_fault_follows_from_the_name(name: str, field: str | None) -> None:
    assert refuse(name).field == field
    assert refuse(name, "other").field == (field or "other")


@pytest.mark.parametrize(
    "error",
    [
        timeout_error(),
        connection_lost_error(),
        connect_failed_error("localhost", 1, "refused"),
        map_exception(rpc_message_to_error(RpcError(500, "RPC_CALL_FAIL"), REQUEST)),
        map_exception(rpc_message_to_error(RpcError(-503, "Timeout"), REQUEST)),
    ],
    ids=lambda error: error.name,
)
def test_what_says_nothing_of_the_login_is_no_refusal(error: TransportError) -> None:
    assert translate(error, "phone") is None


HASH = "0123456789abcdef01"
sent_types = types.auth


@pytest.mark.parametrize(
    ("kind", "code_type", "length"),
    [
        (CodeKind.APP, sent_types.SentCodeTypeApp(5), 5),
        (CodeKind.SMS, sent_types.SentCodeTypeSms(6), 6),
        (CodeKind.SMS, sent_types.SentCodeTypeFirebaseSms(5), 5),
        (CodeKind.SMS_TEXT, sent_types.SentCodeTypeSmsWord(), None),
        (CodeKind.SMS_TEXT, sent_types.SentCodeTypeSmsPhrase(), None),
        (CodeKind.CALL, sent_types.SentCodeTypeCall(5), 5),
        (CodeKind.FLASH_CALL, sent_types.SentCodeTypeFlashCall("*"), None),
        (CodeKind.MISSED_CALL, sent_types.SentCodeTypeMissedCall("+1", 4), 4),
        (CodeKind.EMAIL, sent_types.SentCodeTypeEmailCode("a***@b", 6), 6),
        (CodeKind.FRAGMENT, sent_types.SentCodeTypeFragmentSms("https://fragment.com", 5), 5),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_way_of_sending_a_code_is_known(kind: CodeKind, code_type: object, length: int | None) -> None:
    sent = read_sent_code(types.auth.SentCode(code_type, HASH))
    assert (sent.kind, sent.length, sent.next_kind, sent.resend_after) == (kind, length, None, None)


@pytest.mark.parametrize(
    ("kind", "code_type"),
    [
        (CodeKind.SMS, types.auth.CodeTypeSms()),
        (CodeKind.CALL, types.auth.CodeTypeCall()),
        (CodeKind.FLASH_CALL, types.auth.CodeTypeFlashCall()),
        (CodeKind.MISSED_CALL, types.auth.CodeTypeMissedCall()),
        (CodeKind.FRAGMENT, types.auth.CodeTypeFragmentSms()),
    ],
    ids=str,
)
def test_every_next_way_is_known(kind: CodeKind, code_type: object) -> None:
    sent = read_sent_code(types.auth.SentCode(types.auth.SentCodeTypeApp(5), HASH, code_type, 90))
    assert (sent.next_kind, sent.resend_after) == (kind, timedelta(seconds=90))


def test_a_way_that_is_newer_than_this_version_is_another_one() -> None:
    sent = read_sent_code(types.auth.SentCode(types.CodeSettings(), HASH, types.CodeSettings(), None))
    assert (sent.kind, sent.next_kind) == (CodeKind.OTHER, CodeKind.OTHER)


def test_an_answer_that_is_no_code_is_refused_by_name() -> None:
    with pytest.raises(LoginError) as caught:
        read_sent_code(types.auth.SentCodeSuccess(types.auth.AuthorizationSignUpRequired()))
    assert (caught.value.name, caught.value.field) == ("UNEXPECTED_ANSWER", "phone")
