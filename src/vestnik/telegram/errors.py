"""Whatever Telethon raises, as the one `TransportError` that the engine understands."""

import re
import struct
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from telethon import errors as telethon_errors
from telethon.errors import rpcerrorlist

from vestnik.domain.transport import ErrorClass, TransportError
from vestnik.telegram.error_names import (
    NOT_EXECUTED_TRANSIENT,
    canonical_name,
    classify_code,
    classify_name,
)

UNKNOWN_WAIT = timedelta(seconds=60)
"""How long to wait when Telegram asks for it and does not say how long."""

_SHORTEST_WAIT = timedelta(seconds=1)
"""FLOOD_WAIT_0 has been seen (Telethon 1.45.0, client/users.py); knocking again at once makes waits longer."""

_TRANSPORT_FORGOTTEN_KEY = 404
_TRANSPORT_FLOOD = 429

_CLASS_NAMES: Mapping[type, str] = MappingProxyType(
    {
        error_type: canonical_name(name.replace(r"(\d+)", "0"))
        for name, error_type in (*rpcerrorlist.rpc_errors_re, *rpcerrorlist.rpc_errors_dict.items())
    }
)
"""Telegram's name by Telethon class. Errors that have a class keep only the family in ``.message``
('BAD_REQUEST'), so the name is found by inverting the two tables that chose the class
(Telethon 1.45.0, errors/rpcerrorlist.py)."""

_ITEM_IN_NAME = re.compile(r"FILE_REFERENCE_(\d{1,3})_")
_WAIT_IN_NAME = re.compile(r"WAIT_(\d+)")

_NAME_SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "API_ID_INVALID": "Telegram does not know this API id; check TELEGRAM_API_ID and TELEGRAM_API_HASH",
        "AUTH_KEY_DUPLICATED": (
            "Telegram ended this session because two connections used it at once; log in again and use "
            "the session in one place only"
        ),
        "AUTH_KEY_NOT_FOUND": "Telegram's server does not know this session's key; log in again",
        "CHANNEL_PRIVATE": "The channel is private, or this account was removed or banned from it",
        "CHAT_ADMIN_REQUIRED": "This account is not an administrator of the channel",
        "CHAT_WRITE_FORBIDDEN": "This account may not post in the channel",
        "IMAGE_PROCESS_FAILED": "Telegram could not read the picture",
        "MEDIA_CAPTION_TOO_LONG": "The text beside the file is longer than Telegram allows",
        "MESSAGE_EMPTY": "The text is empty",
        "MESSAGE_TOO_LONG": "The text is longer than Telegram allows",
        "PEER_FLOOD": "Telegram has restricted this account for sending too much; it does not say for how long",
        "PHOTO_EXT_INVALID": "Telegram does not take this kind of file as a photo",
        "PHOTO_INVALID_DIMENSIONS": "Telegram does not take a photo of this width and height",
        "SESSION_PASSWORD_NEEDED": "The login was never finished: the two-step password is missing",
        "SESSION_REVOKED": "This session was ended from another device; log in again",
        "USER_DEACTIVATED_BAN": "Telegram has deleted this account for breaking its rules",
        "USERNAME_INVALID": "No channel can have this username",
        "USERNAME_NOT_OCCUPIED": "Nobody has this username",
        "USER_MIGRATE": "The session names a data centre that is not the account's own; log in again",
    }
)

_CLASS_SENTENCES: Mapping[ErrorClass, str] = MappingProxyType(
    {
        ErrorClass.SENT: "Telegram has already accepted this message",
        ErrorClass.TRANSIENT: "Telegram could not answer just now; it is tried again later",
        ErrorClass.WAIT_ACCOUNT: "Telegram asks this account to wait {wait} s",
        ErrorClass.WAIT_CHAT: "The channel is in slow mode; the next post is possible in {wait} s",
        ErrorClass.REFRESH_MEDIA: "Telegram no longer has the uploaded file; it has to be uploaded again",
        ErrorClass.REFRESH_PEER: "Telegram does not know the channel by this id; it has to be looked up again",
        ErrorClass.CHANNEL: "This account cannot post in the channel",
        ErrorClass.CHANNEL_FOR_ALL: "The username leads to no channel",
        ErrorClass.CHANNEL_CONTENT: "The channel does not take posts of this kind",
        ErrorClass.CHANNEL_BANNED: "This account is banned in the channel",
        ErrorClass.ACCOUNT_DEAD: "Telegram no longer accepts this session; log in again",
        ErrorClass.ACCOUNT_LIMITED: "Telegram has restricted this account",
        ErrorClass.CONTENT: "Telegram refuses this content, whatever the channel",
        ErrorClass.CONTENT_RETRY: "Telegram could not process a picture or link of this content",
        ErrorClass.REJECTED: "Telegram refused the request for a reason that Vestnik does not know",
    }
)


def map_exception(error: BaseException) -> TransportError:
    """What went wrong, in our terms; `error` is whatever a call through Telethon ended with.

    An answer of Telegram is definite. Not definite are codes of 500 and above and negative ones, the
    transient names that say nothing about the request, and everything that took the connection away.
    """
    if isinstance(error, TransportError):
        return error
    if isinstance(error, telethon_errors.RPCError):
        return _map_rpc_error(error)
    if isinstance(error, (telethon_errors.InvalidBufferError, telethon_errors.AuthKeyNotFound)):
        return _map_transport_code(getattr(error, "code", _TRANSPORT_FORGOTTEN_KEY))
    if isinstance(error, TimeoutError):
        return timeout_error()
    if isinstance(error, (OSError, EOFError)):  # EOFError: asyncio.IncompleteReadError, the server hung up
        return connection_lost_error()
    return _map_local_error(error)


def timeout_error() -> TransportError:
    """No answer within the time allowed: the request may or may not have been carried out."""
    return TransportError(
        "TIMEOUT",
        ErrorClass.TRANSIENT,
        "Telegram did not answer in time; the connection was closed (TIMEOUT).",
        definite=False,
        disconnected=True,
    )


def connection_lost_error() -> TransportError:
    """The connection ended while the request was on its way."""
    return TransportError(
        "CONNECTION_LOST",
        ErrorClass.TRANSIENT,
        "The connection to Telegram was lost (CONNECTION_LOST).",
        definite=False,
        disconnected=True,
    )


def connect_failed_error(host: str, port: int, reason: str) -> TransportError:
    """No connection came about, so nothing was sent."""
    return TransportError(
        "CONNECT_FAILED",
        ErrorClass.TRANSIENT,
        f"Cannot connect to Telegram at {host} port {port}: {reason} (CONNECT_FAILED).",
        disconnected=True,
    )


def not_connected_error() -> TransportError:
    """The request was refused here, before anything was sent."""
    return TransportError(
        "NOT_CONNECTED",
        ErrorClass.TRANSIENT,
        "There is no connection to Telegram (NOT_CONNECTED).",
        disconnected=True,
    )


def _map_rpc_error(error: telethon_errors.RPCError) -> TransportError:
    message = _CLASS_NAMES.get(type(error)) or error.message or "UNKNOWN"
    name = canonical_name(message)
    code = error.code or 0
    error_class = classify_name(name) or classify_code(code)
    wait = None
    if error_class in {ErrorClass.WAIT_ACCOUNT, ErrorClass.WAIT_CHAT}:
        wait = _read_wait(error, message)
    definite = _is_definite(name, code, error_class)
    return _build(name, error_class, wait=wait, definite=definite, item=_read_item(message))


def _read_item(message: str) -> int | None:
    """Which file of an album an error speaks of (https://core.telegram.org/api/file_reference)."""
    found = _ITEM_IN_NAME.search(message.upper())
    return int(found[1]) if found else None


def _read_wait(error: telethon_errors.RPCError, message: str) -> timedelta:
    """The time Telegram asks for; FloodError itself and unknown 420 errors carry no ``.seconds``."""
    seconds = getattr(error, "seconds", None)
    if seconds is None:
        found = _WAIT_IN_NAME.search(message.upper())
        if not found:
            return UNKNOWN_WAIT
        seconds = int(found[1])
    return max(timedelta(seconds=seconds), _SHORTEST_WAIT)


def _is_definite(name: str, code: int, error_class: ErrorClass) -> bool:
    """Whether this answer rules out that the request was carried out.

    The name decides where it can, because Telethon replaces Telegram's code by that of its class.
    """
    if error_class is ErrorClass.SENT:
        return False
    if error_class is ErrorClass.TRANSIENT:
        return NOT_EXECUTED_TRANSIENT.fullmatch(name) is not None
    return 0 <= code < 500


def _map_transport_code(code: int | None) -> TransportError:
    """Map a packet of four bytes that stands for an HTTP code (https://core.telegram.org/mtproto/mtproto-transports)."""
    if code == _TRANSPORT_FORGOTTEN_KEY:
        return _build("AUTH_KEY_NOT_FOUND", ErrorClass.ACCOUNT_DEAD, definite=False, disconnected=True)
    if code == _TRANSPORT_FLOOD:
        return _build(
            "TRANSPORT_FLOOD",
            ErrorClass.TRANSIENT,
            sentence="Telegram refuses more connections from here for now",
            definite=False,
            disconnected=True,
        )
    return connection_lost_error()


def _map_local_error(error: BaseException) -> TransportError:
    """Map what Telethon raises by itself, without an answer of Telegram."""
    if isinstance(error, telethon_errors.TypeNotFoundError):
        return _build(
            "ANSWER_NOT_UNDERSTOOD",
            ErrorClass.TRANSIENT,
            sentence="Telegram's answer could not be read, so the request may have been carried out",
            definite=False,
        )
    if isinstance(error, (telethon_errors.SecurityError, telethon_errors.InvalidChecksumError)):
        return _build(
            "SECURITY_CHECK_FAILED",
            ErrorClass.TRANSIENT,
            sentence="An answer failed the security checks, so the connection cannot be trusted",
            definite=False,
            disconnected=True,
        )
    if isinstance(error, telethon_errors.BadMessageError):
        return _build("BAD_MESSAGE", ErrorClass.TRANSIENT)
    if isinstance(error, ValueError) and "unsuccessful" in str(error):
        # TelegramClient._call after its retries: only transient errors get there (client/users.py).
        return _build("REQUEST_UNSUCCESSFUL", ErrorClass.TRANSIENT, definite=False)
    if isinstance(error, (ValueError, TypeError, OverflowError, struct.error)):
        return _build(
            "REQUEST_NOT_SENDABLE",
            ErrorClass.REJECTED,
            sentence="The request could not be put into Telegram's format and was not sent",
        )
    return _build("UNEXPECTED", ErrorClass.TRANSIENT, definite=False)


def _build(
    name: str,
    error_class: ErrorClass,
    *,
    sentence: str | None = None,
    wait: timedelta | None = None,
    definite: bool = True,
    disconnected: bool = False,
    item: int | None = None,
) -> TransportError:
    text = sentence or _NAME_SENTENCES.get(name) or _CLASS_SENTENCES[error_class]
    seconds = round(wait.total_seconds()) if wait else 0
    return TransportError(
        name,
        error_class,
        f"{text.format(wait=seconds)} ({name}).",
        wait=wait,
        definite=definite,
        disconnected=disconnected,
        item=item,
    )
