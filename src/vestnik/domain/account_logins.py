"""The steps of a login as they are stored and shown, its limits, and whose session an account takes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from vestnik.domain.transport import Identity

INPUT_WITHIN: Final = timedelta(minutes=5)
"""A login for which nobody does anything for so long is over."""
COMMAND_EXPIRES_AFTER: Final = timedelta(seconds=60)
"""What was typed and not taken up by then is wiped."""
LONGEST_PAUSE: Final = INPUT_WITHIN - COMMAND_EXPIRES_AFTER
"""A login that Telegram makes wait for longer is over: nobody could type anything in time after that."""
MOST_WRONG: Final = 5
"""Codes and passwords that may be wrong in one login."""
MOST_STARTS: Final = 5
MOST_STARTS_OF_ALL: Final = 50
STARTS_WITHIN: Final = timedelta(hours=1)
"""So many logins of one account, and of all together, may begin within this time: accounts are quickly added."""


class LoginMethod(StrEnum):
    """How an account proves who it is; LOG_OUT is the way back."""

    PHONE = "PHONE"
    QR = "QR"
    BOT = "BOT"
    LOG_OUT = "LOG_OUT"


class LoginStep(StrEnum):
    """What happens next. CODE, PASSWORD and QR wait for a person, STARTING and CHECKING for Telegram."""

    STARTING = "STARTING"
    CODE = "CODE"
    PASSWORD = "PASSWORD"  # noqa: S105 - a step
    QR = "QR"
    CHECKING = "CHECKING"
    DONE = "DONE"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens; the next login begins anew."""
        return self in {LoginStep.DONE, LoginStep.FAILED, LoginStep.CANCELLED}


@dataclass(frozen=True, kw_only=True, slots=True)
class LoginChange:
    """What a login is to show next; everything of the step before that is not named is gone.

    `extends` gives the person five minutes from now on.
    """

    step: LoginStep
    attempts: int = 0
    hint: str | None = None
    code_kind: str | None = None
    code_length: int | None = None
    next_kind: str | None = None
    resend_after: timedelta | None = None
    qr_ciphertext: bytes | None = field(default=None, repr=False)
    qr_lasts: timedelta | None = None
    error_code: str | None = None
    error_message: str | None = None
    error_field: str | None = None
    retry_after: timedelta | None = None
    extends: bool = True


def compute_next_start(
    starts: Sequence[datetime], now: datetime, *, most: int = MOST_STARTS
) -> datetime | None:
    """When the next login may begin; None for now."""
    recent = sorted(start for start in starts if start > now - STARTS_WITHIN)
    return recent[-most] + STARTS_WITHIN if len(recent) >= most else None


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownIdentity:
    """Who an account of ours is in Telegram, as its first connection found it.

    `namesake` is another account of ours that is who asks now.
    """

    account: str
    tg_id: int | None
    tg_name: str | None
    namesake: str | None


WRONG_USER: Final = "WRONG_USER"
USER_TAKEN: Final = "USER_TAKEN"
TOO_MANY_ATTEMPTS: Final = "TOO_MANY_ATTEMPTS"
BROKEN_OFF: Final = "BROKEN_OFF"
NOT_TAKEN_UP: Final = "NOT_TAKEN_UP"
TIME_OVER: Final = "TIME_OVER"

_EXPLANATIONS: Final = {
    TOO_MANY_ATTEMPTS: "Five times it was wrong; begin the login anew, with care.",
    BROKEN_OFF: "The login was broken off, because the worker that carried it out went away; begin it anew.",
    NOT_TAKEN_UP: "No worker took the login up in time; look whether one is running, and begin it anew.",
    TIME_OVER: "Nobody did anything for five minutes; begin the login anew.",
}


def explain_login_error(code: str | None) -> str | None:
    """Our own words for an error that has none of Telegram's."""
    return None if code is None else _EXPLANATIONS.get(code)


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """Why a session is not for this account."""

    code: str
    message: str


def judge_identity(known: KnownIdentity, found: Identity) -> Refusal | None:
    """Whether a session belongs to the account: its campaigns and addresses are worth nothing to another user."""
    if known.tg_id is not None and known.tg_id != found.tg_id:
        return Refusal(
            code=WRONG_USER,
            message=f"the account '{known.account}' is {_name(known.tg_name, known.tg_id)} in Telegram, and this "
            f"session belongs to {_name(found.name, found.tg_id)}; log in as the former, or add another account for "
            "the latter",
        )
    if known.namesake is not None:
        return Refusal(
            code=USER_TAKEN,
            message=f"{_name(found.name, found.tg_id)} is the account '{known.namesake}' already, and two accounts "
            "cannot be the same Telegram user; renew the session of that one instead",
        )
    return None


def _name(name: str | None, tg_id: int) -> str:
    return f"'{name or tg_id}' ({tg_id})"
