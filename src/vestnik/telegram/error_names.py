"""What each error name of Telegram means for us: data only, read by `telegram.errors`.

Go by the name, never by the code: CHANNEL_PRIVATE comes as 406 or 400, CHAT_ADMIN_REQUIRED as 403 or 400,
PEER_ID_INVALID as 400, 404 or 406. Sources of the names: Telegram's method pages for messages.sendMessage,
sendMedia and sendMultiMedia (layer 214), the error database of mtcute 0.30.3, Telethon 1.45.0's list of errors,
TDLib's handling. Which class a name belongs to is our judgement.

Names are canonical here: the numbers that Telegram puts into them are taken out (`canonical_name`), so
FLOOD_WAIT_17 is FLOOD_WAIT and FILE_REFERENCE_0_EXPIRED is FILE_REFERENCE_EXPIRED.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from vestnik.domain.transport import ErrorClass

_NUMBER = re.compile(r"_\d+(?=_|$)")
_NOT_A_NAME = re.compile(r"[^A-Z0-9]+")
_MAX_NAME = 64

_NAMES: dict[ErrorClass, str] = {
    ErrorClass.SENT: "RANDOM_ID_DUPLICATE",
    ErrorClass.TRANSIENT: """
        RPC_CALL_FAIL RPC_MCGET_FAIL INTERDC_CALL_ERROR INTERDC_CALL_RICH_ERROR WORKER_BUSY_TOO_LONG_RETRY
        MSG_WAIT_FAILED MSG_WAIT_TIMEOUT POSTPONED_TIMEOUT STORAGE_CHECK_FAILED TIMEOUT TIMEDOUT
        NO_WORKERS_RUNNING MSGID_DECREASE_RETRY PERSISTENT_TIMESTAMP_OUTDATED AUTH_KEY_UNSYNCHRONIZED
        FLOOD_SKIP_FAILED_WAIT PHOTO_SAVE_FILE_INVALID
    """,
    ErrorClass.WAIT_ACCOUNT: "FLOOD_WAIT FLOOD_PREMIUM_WAIT",
    ErrorClass.WAIT_CHAT: "SLOWMODE_WAIT",
    ErrorClass.REFRESH_MEDIA: """
        FILE_REFERENCE_EXPIRED FILE_REFERENCE_EMPTY FILE_REFERENCE_INVALID FILE_PART_MISSING
        FILE_PARTS_INVALID FILE_PART_SIZE_CHANGED MD5_CHECKSUM_INVALID INPUT_FILE_INVALID
    """,
    ErrorClass.REFRESH_PEER: "CHANNEL_INVALID PEER_ID_INVALID CHAT_ID_INVALID",
    ErrorClass.CHANNEL: """
        CHANNEL_PRIVATE CHAT_ADMIN_REQUIRED CHAT_WRITE_FORBIDDEN CHAT_RESTRICTED CHAT_FORBIDDEN
        CHAT_GUEST_SEND_FORBIDDEN CHANNEL_PUBLIC_GROUP_NA CHANNEL_MONOFORUM_UNSUPPORTED ALLOW_PAYMENT_REQUIRED
        PAYMENT_UNSUPPORTED TOPIC_CLOSED TOPIC_DELETED SEND_AS_PEER_INVALID SCHEDULE_TOO_MUCH
        CHAT_FORWARDS_RESTRICTED REPLY_MESSAGE_ID_INVALID MSG_ID_INVALID SUGGESTED_POST_PEER_INVALID
        USER_IS_BLOCKED YOU_BLOCKED_USER INPUT_USER_DEACTIVATED USER_IS_BOT PRIVACY_PREMIUM_REQUIRED
        VOICE_MESSAGES_FORBIDDEN PEER_BLOCKED
    """,
    ErrorClass.CHANNEL_FOR_ALL: "USERNAME_NOT_OCCUPIED USERNAME_INVALID",
    ErrorClass.CHANNEL_CONTENT: """
        CHAT_SEND_PLAIN_FORBIDDEN CHAT_SEND_MEDIA_FORBIDDEN CHAT_SEND_PHOTOS_FORBIDDEN
        CHAT_SEND_VIDEOS_FORBIDDEN CHAT_SEND_ROUNDVIDEOS_FORBIDDEN CHAT_SEND_GIFS_FORBIDDEN
        CHAT_SEND_STICKERS_FORBIDDEN CHAT_SEND_AUDIOS_FORBIDDEN CHAT_SEND_VOICES_FORBIDDEN
        CHAT_SEND_DOCS_FORBIDDEN CHAT_SEND_POLL_FORBIDDEN CHAT_SEND_GAME_FORBIDDEN
    """,
    ErrorClass.CHANNEL_BANNED: "USER_BANNED_IN_CHANNEL",
    ErrorClass.ACCOUNT_DEAD: """
        AUTH_KEY_UNREGISTERED AUTH_KEY_INVALID AUTH_KEY_PERM_EMPTY AUTH_KEY_DUPLICATED AUTH_KEY_NOT_FOUND
        SESSION_REVOKED SESSION_EXPIRED SESSION_PASSWORD_NEEDED USER_DEACTIVATED USER_DEACTIVATED_BAN
        ACTIVE_USER_REQUIRED API_ID_INVALID API_ID_PUBLISHED_FLOOD
    """,
    ErrorClass.ACCOUNT_LIMITED: """
        PEER_FLOOD FROZEN_METHOD_INVALID FROZEN_PARTICIPANT_MISSING USER_RESTRICTED BALANCE_TOO_LOW
    """,
    ErrorClass.CONTENT: """
        MESSAGE_EMPTY MESSAGE_TOO_LONG MEDIA_CAPTION_TOO_LONG MEDIA_EMPTY MEDIA_INVALID MULTI_MEDIA_TOO_LONG
        ENTITIES_TOO_LONG PHOTO_EXT_INVALID PHOTO_INVALID_DIMENSIONS VIDEO_CONTENT_TYPE_INVALID
        DOCUMENT_INVALID EXTERNAL_URL_INVALID TTL_MEDIA_INVALID FILE_PART_EMPTY FILE_PART_INVALID
        FILE_PART_LENGTH_INVALID FILE_PART_SIZE_INVALID FILE_PART_TOO_BIG EFFECT_ID_INVALID
        PREMIUM_ACCOUNT_REQUIRED QUOTE_TEXT_INVALID RANDOM_ID_EMPTY RANDOM_ID_INVALID
    """,
    ErrorClass.CONTENT_RETRY: "IMAGE_PROCESS_FAILED WEBPAGE_CURL_FAILED",
}

NAME_CLASSES: Mapping[str, ErrorClass] = MappingProxyType(
    {name: error_class for error_class, names in _NAMES.items() for name in names.split()}
)
"""Every name of its own; it wins over the families below."""

NAME_FAMILIES: tuple[tuple[re.Pattern[str], ErrorClass], ...] = tuple(
    (re.compile(pattern), error_class)
    for pattern, error_class in (
        (r"(?:[A-Z]+_)+MIGRATE", ErrorClass.TRANSIENT),
        (r"USERNAME_.+", ErrorClass.CHANNEL_FOR_ALL),
        (r"CHAT_SEND_.+_FORBIDDEN", ErrorClass.CHANNEL_CONTENT),
        (r"(?:ENTITY|BUTTON|REPLY_MARKUP|POLL|QUIZ|WEBDOCUMENT|WEBPAGE)_.+", ErrorClass.CONTENT),
        (r"(?:EXTENDED_MEDIA|REPLY_TO|SCHEDULE_DATE|BOT)_.+", ErrorClass.CONTENT),
        (r"(?:PAYMENT|INVOICE|CURRENCY|STARS|PROVIDER)_.+", ErrorClass.CONTENT),
    )
)
"""Families of names, tried in this order after `NAME_CLASSES`; each must match the whole name."""

NOT_EXECUTED_TRANSIENT = re.compile(
    r"(?:[A-Z]+_)+MIGRATE|MSG_WAIT_(?:FAILED|TIMEOUT)|PHOTO_SAVE_FILE_INVALID"
)
"""TRANSIENT names that say the request was not carried out: it was for another data centre, it waited for a
request that failed, or its file was refused. About the others we know nothing."""


def canonical_name(message: str) -> str:
    """An error message of Telegram as a name: capitals, no spaces, without the numbers put into it."""
    name = _NOT_A_NAME.sub("_", message.upper()).strip("_")
    return _NUMBER.sub("", name)[:_MAX_NAME] or "UNKNOWN"


def classify_name(name: str) -> ErrorClass | None:
    """The class of a canonical name, None for a name that is in no table."""
    if known := NAME_CLASSES.get(name):
        return known
    return next((error_class for pattern, error_class in NAME_FAMILIES if pattern.fullmatch(name)), None)


def classify_code(code: int) -> ErrorClass:
    """The class of an error whose name nobody knows.

    404 and 406 are refusals as 400 is (https://core.telegram.org/api/errors: 406 is "similar to 400").
    """
    match code:
        case 401:
            return ErrorClass.ACCOUNT_DEAD
        case 403:
            return ErrorClass.CHANNEL
        case 420:
            return ErrorClass.WAIT_ACCOUNT
        case 400 | 404 | 406:
            return ErrorClass.REJECTED
        case _:
            return ErrorClass.TRANSIENT
