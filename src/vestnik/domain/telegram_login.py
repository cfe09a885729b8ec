"""Logging an account in at Telegram: the steps of it, what each answers, and what may go wrong in each."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from vestnik.domain.errors import InvalidInputError, VestnikError
from vestnik.domain.transport import Identity

_PHONE_NOISE: Final = re.compile(r"[\s().\-\u2010-\u2015\u00a0+]")
_CODE_NOISE: Final = re.compile(r"[\s\-\u2010-\u2015\u00a0]")
_DIGITS: Final = re.compile(r"[0-9]+")
_BOT_TOKEN: Final = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{10,100}")
_MIN_PHONE: Final = 5
_MAX_PHONE: Final = 32
_MAX_CODE: Final = 64
MAX_PASSWORD: Final = 1024


class CodeKind(StrEnum):
    """Where a login code went; `OTHER` is a way that Vestnik does not know."""

    APP = "APP"
    """A message in the Telegram applications in which the account is logged in."""
    SMS = "SMS"
    SMS_TEXT = "SMS_TEXT"
    """By SMS, and a word or a phrase instead of digits."""
    CALL = "CALL"
    """A call that reads the code out."""
    FLASH_CALL = "FLASH_CALL"
    MISSED_CALL = "MISSED_CALL"
    """A call that rings only: the code is the last digits of the caller's number."""
    EMAIL = "EMAIL"
    FRAGMENT = "FRAGMENT"
    """On fragment.com, for anonymous numbers."""
    OTHER = "OTHER"


@dataclass(frozen=True, kw_only=True, slots=True)
class SentCode:
    """A code is on its way. `length` is that of the code, where Telegram says it.

    With a `next_kind` another code can be asked for, in that way, once `resend_after` is over.
    """

    kind: CodeKind
    length: int | None = None
    resend_after: timedelta | None = None
    next_kind: CodeKind | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class QrCode:
    """What the picture says, until `expires_at` (about 30 s). Whoever has the address can give an account away."""

    url: str = field(repr=False)
    expires_at: datetime


class LoginError(VestnikError):
    """Telegram refused a step of a login, and this is its final answer for that step.

    `name` is Telegram's own name for it (PHONE_CODE_INVALID, FLOOD_WAIT, …) or ours (NOT_ASKED, …); `field` is
    ``phone``, ``code``, ``password``, ``token``, ``apiId`` or ``session``, if one of them is at fault. With
    `can_retry` the same step can be taken again on this connection, after `wait` if there is one; without it the
    login goes back to its first step, here or on a new connection. `is_session_over` when the session that the
    transport was made of has ended already.
    """

    code = "TELEGRAM_LOGIN"

    def __init__(
        self,
        name: str,
        message: str,
        *,
        field: str | None = None,
        can_retry: bool = False,
        wait: timedelta | None = None,
        is_session_over: bool = False,
    ) -> None:
        super().__init__(message, field=field)
        self.name = name
        self.can_retry = can_retry
        self.wait = wait
        self.is_session_over = is_session_over


class PasswordNeededError(LoginError):
    """The code or the QR code was right, and the account has a two-step password: go on with `check_password`.

    `hint` is what its owner wrote down for himself; it may be empty, and it is nobody else's business.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__("SESSION_PASSWORD_NEEDED", message, field="password", can_retry=True)
        self.hint = hint


class LoginTransport(Protocol):
    """One connection to Telegram on which an account logs in, and its key, which nobody is behind at first.

    Moves to the data centre of the account happen inside. Every method raises `LoginError` for an answer of
    Telegram, and `TransportError` when there was none that says anything (no connection, no answer in time, a
    server in trouble). Nothing is repeated within a step; the next step opens a lost connection again, under the
    same key, for which the code that was sent still counts. One call at a time, except for `disconnect`.
    """

    async def connect(self, may_speak: Callable[[], bool] = lambda: True) -> None:
        """Open the connection, and agree on a new key unless the transport was made of a session.

        `may_speak` is as for `Transport.connect`, and goes for every connection that the login opens.
        """
        ...

    async def request_code(self, phone: str) -> SentCode:
        """Have a code sent to the owner of the number (international, digits only)."""
        ...

    async def resend_code(self) -> SentCode:
        """Have the code sent in the next way; LoginError when there is none or it is too early."""
        ...

    async def cancel_code(self) -> None:
        """Make the code that was asked for worthless; does nothing when none was."""
        ...

    async def sign_in(self, code: str) -> Identity:
        """Show the code; raises PasswordNeededError when the account has a two-step password."""
        ...

    async def check_password(self, password: str) -> Identity:
        """Prove to know the two-step password, which itself is never sent."""
        ...

    async def sign_in_bot(self, token: str) -> Identity:
        """Log a bot in by the token of BotFather."""
        ...

    async def show_qr(self) -> QrCode:
        """What to show; asked again after `expires_at`, it is a new code.

        When the former code has been scanned in the meantime it is that one, and `wait_for_scan` says who it was.
        """
        ...

    async def wait_for_scan(self, timeout: timedelta) -> Identity | None:
        """Who scanned the code; None when nobody did before it expired or the time was over.

        Raises PasswordNeededError when the account has a two-step password.
        """
        ...

    async def identify(self) -> Identity:
        """Who is behind the session that the transport was made of, or behind the login that has succeeded.

        LoginError when nobody is (any more).
        """
        ...

    async def log_out(self) -> None:
        """End the session at Telegram: its key is worth nothing afterwards, and the connection is closed.

        Does nothing more than that when Telegram has forgotten the session already.
        """
        ...

    def export_session(self) -> str:
        """The session as a string; LoginError before a sign-in or `identify` has succeeded."""
        ...

    async def disconnect(self) -> None:
        """Close the connection; returns when nothing more can go out. May be called twice."""
        ...


class LoginTransportFactory(Protocol):
    """Makes the connections on which accounts log in and out."""

    def make_login(self, *, api_id: int, api_hash: str, session: str | None = None) -> LoginTransport:
        """A new one, not yet connected: with nobody behind it, or on the key of a session string.

        The latter is for `identify` and `log_out`. Raises InvalidInputError for a string that is malformed.
        """
        ...


def clean_phone(text: str) -> str:
    """The digits of a phone number, however they are grouped; raises InvalidInputError for field ``phone``."""
    digits = _PHONE_NOISE.sub("", text)
    if not _DIGITS.fullmatch(digits) or not _MIN_PHONE <= len(digits) <= _MAX_PHONE:
        raise InvalidInputError(
            "The phone number must be international, country code first, such as +44 20 7946 0000.",
            field="phone",
        )
    return digits


def clean_code(text: str) -> str:
    """A login code without what people group it with; raises InvalidInputError for field ``code``."""
    code = _CODE_NOISE.sub("", text) if _DIGITS.fullmatch(_CODE_NOISE.sub("", text)) else text.strip()
    if not code or len(code) > _MAX_CODE:
        raise InvalidInputError("Type the code as Telegram sent it.", field="code")
    return code


def clean_bot_token(text: str) -> str:
    """A bot's token; raises InvalidInputError for field ``token`` when it cannot be one."""
    token = text.strip()
    if not _BOT_TOKEN.fullmatch(token):
        raise InvalidInputError(
            "A bot's token looks like 123456:ABC-DEF1234ghIkl; copy it whole from @BotFather.", field="token"
        )
    return token


def check_password_text(text: str) -> str:
    """A two-step password, as it is: even spaces at its ends count. Raises InvalidInputError."""
    if not text or len(text) > MAX_PASSWORD:
        raise InvalidInputError(
            f"Type the two-step password; it has at most {MAX_PASSWORD} characters.", field="password"
        )
    return text
