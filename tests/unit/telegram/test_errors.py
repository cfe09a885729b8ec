import asyncio
import struct
from datetime import timedelta

import pytest
from telethon import errors as telethon_errors
from telethon.errors import rpc_message_to_error
from telethon.tl.functions.messages import SendMessageRequest
from telethon.tl.types import InputPeerEmpty, RpcError

from vestnik.domain.transport import ErrorClass, TransportError
from vestnik.telegram.error_names import NAME_CLASSES, canonical_name
from vestnik.telegram.errors import map_exception

REQUEST = SendMessageRequest(InputPeerEmpty(), "text", random_id=1)


def answer(code: int, message: str) -> TransportError:
    """What a call ends with when Telegram answers with this error."""
    return map_exception(rpc_message_to_error(RpcError(code, message), REQUEST))


C = ErrorClass
# Written out from the table of decisions, independent of the code: (class, code as Telegram sends it, names).
TABLE: list[tuple[ErrorClass, int, str]] = [
    (C.SENT, 500, "RANDOM_ID_DUPLICATE"),
    (
        C.TRANSIENT,
        500,
        """RPC_CALL_FAIL RPC_MCGET_FAIL INTERDC_2_CALL_ERROR INTERDC_4_CALL_RICH_ERROR
        WORKER_BUSY_TOO_LONG_RETRY POSTPONED_TIMEOUT STORAGE_CHECK_FAILED MSGID_DECREASE_RETRY
        PERSISTENT_TIMESTAMP_OUTDATED AUTH_KEY_UNSYNCHRONIZED FLOOD_SKIP_FAILED_WAIT MSG_WAIT_TIMEOUT""",
    ),
    (C.TRANSIENT, -503, "Timeout Timedout TIMEOUT"),
    (C.TRANSIENT, 400, "MSG_WAIT_FAILED PHOTO_SAVE_FILE_INVALID"),
    (C.TRANSIENT, 303, "FILE_MIGRATE_2 PHONE_MIGRATE_3 NETWORK_MIGRATE_4 USER_MIGRATE_5 STATS_MIGRATE_1"),
    (C.WAIT_ACCOUNT, 420, "FLOOD_WAIT_17 FLOOD_PREMIUM_WAIT_17"),
    (C.WAIT_CHAT, 420, "SLOWMODE_WAIT_17"),
    (
        C.REFRESH_MEDIA,
        400,
        """FILE_REFERENCE_EXPIRED FILE_REFERENCE_EMPTY FILE_REFERENCE_INVALID FILE_REFERENCE_0_EXPIRED
        FILE_REFERENCE_1_EMPTY FILE_REFERENCE_9_INVALID FILE_PART_7_MISSING FILE_PARTS_INVALID
        FILE_PART_SIZE_CHANGED MD5_CHECKSUM_INVALID INPUT_FILE_INVALID""",
    ),
    (C.REFRESH_PEER, 400, "CHANNEL_INVALID PEER_ID_INVALID CHAT_ID_INVALID"),
    (C.REFRESH_PEER, 404, "PEER_ID_INVALID"),
    (C.REFRESH_PEER, 406, "PEER_ID_INVALID"),
    (
        C.CHANNEL,
        400,
        """CHANNEL_PRIVATE CHAT_ADMIN_REQUIRED CHAT_RESTRICTED CHAT_FORBIDDEN CHANNEL_PUBLIC_GROUP_NA
        CHANNEL_MONOFORUM_UNSUPPORTED PAYMENT_UNSUPPORTED TOPIC_CLOSED TOPIC_DELETED SEND_AS_PEER_INVALID
        SCHEDULE_TOO_MUCH REPLY_MESSAGE_ID_INVALID MSG_ID_INVALID SUGGESTED_POST_PEER_INVALID YOU_BLOCKED_USER
        INPUT_USER_DEACTIVATED USER_IS_BOT VOICE_MESSAGES_FORBIDDEN PEER_BLOCKED USER_IS_BLOCKED""",
    ),
    (
        C.CHANNEL,
        403,
        """CHAT_ADMIN_REQUIRED CHAT_WRITE_FORBIDDEN CHAT_GUEST_SEND_FORBIDDEN USER_IS_BLOCKED
        PRIVACY_PREMIUM_REQUIRED ALLOW_PAYMENT_REQUIRED ALLOW_PAYMENT_REQUIRED_10""",
    ),
    (C.CHANNEL, 406, "CHANNEL_PRIVATE CHAT_FORWARDS_RESTRICTED TOPIC_CLOSED"),
    (C.CHANNEL_FOR_ALL, 400, "USERNAME_NOT_OCCUPIED USERNAME_INVALID"),
    (
        C.CHANNEL_CONTENT,
        403,
        """CHAT_SEND_PLAIN_FORBIDDEN CHAT_SEND_MEDIA_FORBIDDEN CHAT_SEND_PHOTOS_FORBIDDEN
        CHAT_SEND_VIDEOS_FORBIDDEN CHAT_SEND_ROUNDVIDEOS_FORBIDDEN CHAT_SEND_GIFS_FORBIDDEN
        CHAT_SEND_STICKERS_FORBIDDEN CHAT_SEND_AUDIOS_FORBIDDEN CHAT_SEND_VOICES_FORBIDDEN
        CHAT_SEND_DOCS_FORBIDDEN CHAT_SEND_POLL_FORBIDDEN CHAT_SEND_GAME_FORBIDDEN""",
    ),
    (C.CHANNEL_BANNED, 400, "USER_BANNED_IN_CHANNEL"),
    (
        C.ACCOUNT_DEAD,
        401,
        """AUTH_KEY_UNREGISTERED AUTH_KEY_INVALID AUTH_KEY_PERM_EMPTY SESSION_REVOKED SESSION_EXPIRED
        SESSION_PASSWORD_NEEDED USER_DEACTIVATED USER_DEACTIVATED_BAN ACTIVE_USER_REQUIRED""",
    ),
    (C.ACCOUNT_DEAD, 406, "AUTH_KEY_DUPLICATED"),
    (C.ACCOUNT_DEAD, 400, "API_ID_INVALID API_ID_PUBLISHED_FLOOD"),
    (C.ACCOUNT_LIMITED, 400, "PEER_FLOOD FROZEN_PARTICIPANT_MISSING BALANCE_TOO_LOW"),
    (C.ACCOUNT_LIMITED, 403, "USER_RESTRICTED"),
    (C.ACCOUNT_LIMITED, 420, "FROZEN_METHOD_INVALID"),
    (
        C.CONTENT,
        400,
        """MESSAGE_EMPTY MESSAGE_TOO_LONG MEDIA_CAPTION_TOO_LONG MEDIA_EMPTY MEDIA_INVALID MULTI_MEDIA_TOO_LONG
        ENTITIES_TOO_LONG ENTITY_BOUNDS_INVALID ENTITY_MENTION_USER_INVALID BUTTON_DATA_INVALID
        BUTTON_URL_INVALID BUTTON_TYPE_INVALID REPLY_MARKUP_INVALID REPLY_MARKUP_TOO_LONG POLL_ANSWERS_INVALID
        POLL_OPTION_DUPLICATE QUIZ_CORRECT_ANSWERS_EMPTY QUIZ_MULTIPLE_INVALID PHOTO_EXT_INVALID
        PHOTO_INVALID_DIMENSIONS VIDEO_CONTENT_TYPE_INVALID DOCUMENT_INVALID WEBDOCUMENT_INVALID
        WEBDOCUMENT_URL_INVALID WEBPAGE_MEDIA_EMPTY WEBPAGE_NOT_FOUND WEBPAGE_URL_INVALID EXTERNAL_URL_INVALID
        TTL_MEDIA_INVALID FILE_PART_EMPTY FILE_PART_INVALID FILE_PART_LENGTH_INVALID FILE_PART_SIZE_INVALID
        FILE_PART_TOO_BIG EXTENDED_MEDIA_INVALID EXTENDED_MEDIA_TYPE_INVALID EFFECT_ID_INVALID
        QUOTE_TEXT_INVALID REPLY_TO_INVALID REPLY_TO_MONOFORUM_PEER_INVALID SCHEDULE_DATE_TOO_LATE
        SCHEDULE_DATE_INVALID RANDOM_ID_EMPTY RANDOM_ID_INVALID BOT_DOMAIN_INVALID BOT_GAMES_DISABLED
        PAYMENT_PROVIDER_INVALID INVOICE_PAYLOAD_INVALID CURRENCY_TOTAL_AMOUNT_INVALID STARS_INVOICE_INVALID""",
    ),
    (C.CONTENT, 403, "PREMIUM_ACCOUNT_REQUIRED"),
    (C.CONTENT_RETRY, 400, "IMAGE_PROCESS_FAILED WEBPAGE_CURL_FAILED"),
]
CASES = [(error_class, code, name) for error_class, code, names in TABLE for name in names.split()]


@pytest.mark.parametrize(("error_class", "code", "name"), CASES)
def test_every_known_name_has_its_class(error_class, code, name):
    error = answer(code, name)
    assert error.error_class is error_class
    assert error.name == canonical_name(name)
    assert error.disconnected is False
    assert (error.wait is not None) == (error_class in {C.WAIT_ACCOUNT, C.WAIT_CHAT})


@pytest.mark.parametrize("code", [400, 401, 403, 404, 406, 420, 500, -500])
def test_a_name_decides_whatever_the_code_says(code):
    assert answer(code, "CHAT_WRITE_FORBIDDEN").error_class is C.CHANNEL
    assert (
        answer(code, "ALLOW_PAYMENT_REQUIRED_5").error_class is C.CHANNEL
    )  # a name without a Telethon class


def test_the_table_above_names_everything_the_code_knows():
    tried = {canonical_name(name) for _, _, name in CASES}
    assert set(NAME_CLASSES) - tried == {"AUTH_KEY_NOT_FOUND", "NO_WORKERS_RUNNING"}  # tried below


@pytest.mark.parametrize(
    ("code", "error_class"),
    [
        (400, C.REJECTED),
        (404, C.REJECTED),
        (406, C.REJECTED),
        (401, C.ACCOUNT_DEAD),
        (403, C.CHANNEL),
        (420, C.WAIT_ACCOUNT),
        (500, C.TRANSIENT),
        (503, C.TRANSIENT),
        (-500, C.TRANSIENT),
        (-503, C.TRANSIENT),
        (-1, C.TRANSIENT),
        (303, C.TRANSIENT),
        (777, C.TRANSIENT),
    ],
)
def test_an_unknown_name_is_judged_by_its_code(code, error_class):
    error = answer(code, "SOMETHING_NEW")
    assert (error.error_class, error.name) == (error_class, "SOMETHING_NEW")


@pytest.mark.parametrize("code", [500, 503, 599, -1, -429, -500, -503])
def test_a_server_error_says_nothing_about_execution(code):
    assert answer(code, "SOMETHING_NEW").definite is False


@pytest.mark.parametrize("name", ["RPC_CALL_FAIL", "INTERDC_2_CALL_ERROR", "Timeout", "No workers running"])
def test_a_known_server_error_says_nothing_about_execution(name):
    error = answer(-500, name)
    assert error.definite is False
    assert error.error_class is C.TRANSIENT


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (400, "CHANNEL_PRIVATE"),
        (420, "FLOOD_WAIT_5"),
        (420, "SLOWMODE_WAIT_5"),
        (401, "SESSION_REVOKED"),
        (400, "SOMETHING_NEW"),
        (303, "USER_MIGRATE_4"),
        (400, "MSG_WAIT_FAILED"),
        (400, "PHOTO_SAVE_FILE_INVALID"),
    ],
)
def test_a_refusal_is_definite(code, name):
    assert answer(code, name).definite is True


def test_already_sent_is_settled_only_by_asking_again():
    assert answer(500, "RANDOM_ID_DUPLICATE").definite is False


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("FLOOD_WAIT_17", 17),
        ("FLOOD_WAIT_0", 1),
        ("FLOOD_WAIT_86400", 86400),
        ("FLOOD_PREMIUM_WAIT_9", 9),
        ("SLOWMODE_WAIT_3600", 3600),
        ("FLOOD_TEST_PHONE_WAIT_12", 12),
        ("SOME_NEW_WAIT_33", 33),
        ("SOME_NEW_FLOOD", 60),
        ("FLOOD_WAIT", 60),
    ],
)
def test_the_wait_is_what_telegram_says_and_a_minute_when_it_does_not_say(message, seconds):
    error = answer(420, message)
    assert error.wait == timedelta(seconds=seconds)
    assert f"{seconds} s" in error.message


def test_a_flood_error_without_seconds_is_handled():
    assert answer(420, "FROZEN_METHOD_INVALID").wait is None
    error = map_exception(telethon_errors.FloodError(REQUEST, "FLOOD", 420))
    assert (error.error_class, error.wait) == (C.WAIT_ACCOUNT, timedelta(seconds=60))


def test_a_flood_wait_that_telethon_remembers_is_mapped_as_one_of_telegram():
    error = map_exception(telethon_errors.FloodWaitError(request=REQUEST, capture=6))
    assert (error.name, error.error_class, error.wait) == ("FLOOD_WAIT", C.WAIT_ACCOUNT, timedelta(seconds=6))


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("FLOOD_WAIT_17", "FLOOD_WAIT"),
        ("FILE_REFERENCE_0_EXPIRED", "FILE_REFERENCE_EXPIRED"),
        ("INTERDC_2_CALL_RICH_ERROR", "INTERDC_CALL_RICH_ERROR"),
        ("MD5_CHECKSUM_INVALID", "MD5_CHECKSUM_INVALID"),
        ("No workers running", "NO_WORKERS_RUNNING"),
        ("<b>odd</b>\n\x00", "B_ODD_B"),
        ("", "UNKNOWN"),
        ("A" * 500, "A" * 64),
    ],
)
def test_names_are_canonical(message, name):
    assert canonical_name(message) == name


def test_no_class_keeps_the_name_that_telethon_hides_behind_the_family():
    raw = rpc_message_to_error(RpcError(400, "CHANNEL_PRIVATE"), REQUEST)
    assert raw.message == "BAD_REQUEST"
    assert map_exception(raw).name == "CHANNEL_PRIVATE"


def buffer_error(code: int) -> telethon_errors.InvalidBufferError:
    return telethon_errors.InvalidBufferError(struct.pack("<i", -code))


@pytest.mark.parametrize(
    ("raised", "name", "error_class"),
    [
        (telethon_errors.AuthKeyNotFound(), "AUTH_KEY_NOT_FOUND", C.ACCOUNT_DEAD),
        (buffer_error(404), "AUTH_KEY_NOT_FOUND", C.ACCOUNT_DEAD),
        (buffer_error(429), "TRANSPORT_FLOOD", C.TRANSIENT),
        (buffer_error(444), "CONNECTION_LOST", C.TRANSIENT),
        (telethon_errors.InvalidBufferError(b"xyz"), "CONNECTION_LOST", C.TRANSIENT),
        (ConnectionError("Cannot send requests while disconnected"), "CONNECTION_LOST", C.TRANSIENT),
        (ConnectionResetError(104, "reset"), "CONNECTION_LOST", C.TRANSIENT),
        (asyncio.IncompleteReadError(b"", 8), "CONNECTION_LOST", C.TRANSIENT),
        (OSError(113, "No route to host"), "CONNECTION_LOST", C.TRANSIENT),
        (TimeoutError(), "TIMEOUT", C.TRANSIENT),
        (telethon_errors.SecurityError(), "SECURITY_CHECK_FAILED", C.TRANSIENT),
        (telethon_errors.InvalidChecksumError(1, 2), "SECURITY_CHECK_FAILED", C.TRANSIENT),
    ],
)
def test_what_takes_the_connection_away_leaves_the_outcome_open(raised, name, error_class):
    error = map_exception(raised)
    assert (error.name, error.error_class) == (name, error_class)
    assert error.definite is False
    assert error.disconnected is True


@pytest.mark.parametrize(
    ("raised", "name", "error_class", "definite"),
    [
        (
            telethon_errors.TypeNotFoundError(0xDEADBEEF, b"secret"),
            "ANSWER_NOT_UNDERSTOOD",
            C.TRANSIENT,
            False,
        ),
        (ValueError("Request was unsuccessful 1 time(s)"), "REQUEST_UNSUCCESSFUL", C.TRANSIENT, False),
        (ValueError("Request payload is too big"), "REQUEST_NOT_SENDABLE", C.REJECTED, True),
        (struct.error("required argument is not an integer"), "REQUEST_NOT_SENDABLE", C.REJECTED, True),
        (telethon_errors.BadMessageError(REQUEST, 64), "BAD_MESSAGE", C.TRANSIENT, True),
        (RuntimeError("a bug"), "UNEXPECTED", C.TRANSIENT, False),
    ],
)
def test_what_telethon_raises_by_itself_is_mapped(raised, name, error_class, definite):
    error = map_exception(raised)
    assert (error.name, error.error_class, error.definite) == (name, error_class, definite)
    assert error.disconnected is False
    assert "secret" not in error.message


def test_a_transport_error_stays_itself():
    error = answer(400, "CHANNEL_PRIVATE")
    assert map_exception(error) is error


@pytest.mark.parametrize(("error_class", "code", "name"), CASES)
def test_every_message_is_a_sentence_that_names_the_error(error_class, code, name):
    error = answer(code, name)
    assert error.message.endswith(f" ({error.name}).")
    assert error.message[0].isupper()
    assert "{" not in error.message
