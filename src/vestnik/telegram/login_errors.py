"""What Telegram's refusals of a login mean: a sentence with the cure, the field at fault, whether to try again.

Sources of the names: Telegram's method pages of auth.sendCode, auth.resendCode, auth.signIn, auth.checkPassword,
auth.importBotAuthorization, auth.exportLoginToken and auth.importLoginToken; Telethon 1.45.0's list of errors.
"""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from vestnik.domain.telegram_login import LoginError
from vestnik.domain.transport import ErrorClass, TransportError

SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        "ACCESS_TOKEN_EXPIRED": "This bot token was replaced by another one; copy the new one from @BotFather",
        "ACCESS_TOKEN_INVALID": "Telegram knows no bot with this token; copy it whole from @BotFather",
        "API_ID_INVALID": (
            "Telegram does not know this API id, or the API hash does not go with it; copy both from "
            "https://my.telegram.org"
        ),
        "API_ID_PUBLISHED_FLOOD": (
            "This API id is publicly known and Telegram takes no logins with it; make your own at "
            "https://my.telegram.org"
        ),
        "AUTH_KEY_DUPLICATED": (
            "Telegram ended this session because two connections used it at once; log in again and use the session "
            "in one place only"
        ),
        "AUTH_KEY_NOT_FOUND": "Telegram's server does not know this session's key; log in again",
        "AUTH_KEY_UNREGISTERED": "Nobody is logged in with this session, or not any more; log in again",
        "AUTH_RESTART": "Telegram asks to begin the login anew",
        "AUTH_TOKEN_EXPIRED": "The QR code is too old; scan a new one",
        "CODE_PAYMENT_REQUIRED": (
            "Telegram wants to be paid for sending a code to this number; log in with a QR code instead"
        ),
        "EMAIL_SETUP_REQUIRED": (
            "Telegram wants this account to have an e-mail address for logins; set it up in a Telegram app, or log "
            "in with a QR code"
        ),
        "FLOOD_WAIT": "Telegram has seen too many tries and asks to wait {wait} s before the next one",
        "PASSWORD_HASH_INVALID": (
            "The two-step password is wrong; mind capitals and the keyboard's language, and try again"
        ),
        "PASSWORD_NOT_ASKABLE": (
            "Telegram asks for the two-step password in a way that this version of Vestnik does not know; update "
            "Vestnik"
        ),
        "PHONE_CODE_EMPTY": "The code is missing; type the one that Telegram sent",
        "PHONE_CODE_EXPIRED": (
            "The code counts no more: it is too old, a newer one was sent, or it was passed on in a Telegram message; "
            "ask for a new one"
        ),
        "PHONE_CODE_INVALID": "The code is wrong; type the newest one that Telegram sent",
        "PHONE_NUMBER_BANNED": (
            "Telegram has banned this phone number; if that is a mistake, write to recover@telegram.org"
        ),
        "PHONE_NUMBER_FLOOD": "A code was asked for too often with this number; try again tomorrow",
        "PHONE_NUMBER_INVALID": (
            "Telegram does not take this phone number; write it with its country code, such as +44 20 7946 0000"
        ),
        "PHONE_NUMBER_UNOCCUPIED": (
            "Nobody has a Telegram account with this number; check the number, or make the account in a Telegram app "
            "first"
        ),
        "PHONE_PASSWORD_FLOOD": (
            "Telegram has seen too many logins with a wrong password on this number; try again in some hours"
        ),
        "SEND_CODE_UNAVAILABLE": (
            "Telegram has no other way to send a code to this number; use the one that was sent, or log in with a "
            "QR code"
        ),
        "SESSION_EXPIRED": "Telegram has ended this session because it was not used for long; log in again",
        "SESSION_REVOKED": "This session was ended from another device; log in again",
        "SRP_PASSWORD_CHANGED": "The two-step password, or the question for it, has changed; type it again",
        "UPDATE_APP_TO_LOGIN": "Telegram takes no login from this version of Vestnik any more; update Vestnik",
        "USER_DEACTIVATED": "This Telegram account was deleted",
        "USER_DEACTIVATED_BAN": "Telegram has deleted this account for breaking its rules",
    }
)

SAME_AS: Mapping[str, str] = MappingProxyType(
    {
        "AUTH_KEY_INVALID": "AUTH_KEY_UNREGISTERED",
        "AUTH_KEY_PERM_EMPTY": "AUTH_KEY_UNREGISTERED",
        "AUTH_TOKEN_INVALID": "AUTH_TOKEN_EXPIRED",
        "AUTH_TOKEN_INVALIDX": "AUTH_TOKEN_EXPIRED",
        "CONNECTION_API_ID_INVALID": "API_ID_INVALID",
        "FLOOD_PREMIUM_WAIT": "FLOOD_WAIT",
        "FLOOD_TEST_PHONE_WAIT": "FLOOD_WAIT",
        "INPUT_USER_DEACTIVATED": "USER_DEACTIVATED",
        "PASSWORD_EMPTY": "PASSWORD_HASH_INVALID",
        "PHONE_CODE_HASH_EMPTY": "PHONE_CODE_EXPIRED",
        "PHONE_HASH_EXPIRED": "PHONE_CODE_EXPIRED",
        "PHONE_NOT_OCCUPIED": "PHONE_NUMBER_UNOCCUPIED",
        "PHONE_NUMBER_APP_SIGNUP_FORBIDDEN": "PHONE_NUMBER_UNOCCUPIED",
        "SRP_ID_INVALID": "SRP_PASSWORD_CHANGED",
    }
)
"""Names that mean the same to whoever logs in."""

_FIELDS: Final = (
    ("API_ID_", "apiId"),
    ("ACCESS_TOKEN_", "token"),
    ("AUTH_KEY_", "session"),
    ("SESSION_", "session"),
    ("PHONE_CODE_", "code"),
    ("PHONE_", "phone"),
    ("PASSWORD_", "password"),
    ("SRP_", "password"),
)
"""The field at fault by the beginning of the name; of the others the step knows it best."""

_CAN_RETRY: Final = frozenset(
    {
        "ACCESS_TOKEN_EXPIRED",
        "ACCESS_TOKEN_INVALID",
        "AUTH_TOKEN_EXPIRED",
        "FLOOD_WAIT",
        "PASSWORD_HASH_INVALID",
        "PHONE_CODE_EMPTY",
        "PHONE_CODE_INVALID",
        "PHONE_NUMBER_INVALID",
        "SEND_CODE_UNAVAILABLE",
        "SRP_PASSWORD_CHANGED",
    }
)

DEAD_SESSION: Final = frozenset(
    {
        "AUTH_KEY_DUPLICATED",
        "AUTH_KEY_NOT_FOUND",
        "AUTH_KEY_UNREGISTERED",
        "SESSION_EXPIRED",
        "SESSION_REVOKED",
        "USER_DEACTIVATED",
        "USER_DEACTIVATED_BAN",
    }
)
"""Names that say that a session has ended already."""


def translate(error: TransportError, field: str | None = None) -> LoginError | None:
    """The refusal in terms of a login; None when there was no answer of Telegram that says anything.

    `field` is the one that the step is about.
    """
    name = SAME_AS.get(error.name, error.name)
    if error.error_class is ErrorClass.WAIT_ACCOUNT:
        name = "FLOOD_WAIT"
    if name not in SENTENCES and error.error_class is ErrorClass.TRANSIENT:
        return None
    return refuse(name, field, wait=error.wait)


def refuse(name: str, field: str | None = None, *, wait: timedelta | None = None) -> LoginError:
    """A refusal by its name, for answers of Telegram that are no errors as well."""
    seconds = round(wait.total_seconds()) if wait else 0
    text = SENTENCES.get(name) or "Telegram refused the login for a reason that Vestnik does not know"
    return LoginError(
        name,
        f"{text.format(wait=seconds)} ({name}).",
        field=next((known for start, known in _FIELDS if name.startswith(start)), field),
        can_retry=name in _CAN_RETRY,
        wait=wait,
        is_session_over=name in DEAD_SESSION,
    )
