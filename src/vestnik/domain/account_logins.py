"""The steps of a login as they are stored and shown, its limits, and whose session an account takes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from vestnik.domain.transport import Identity

INPUT_WITHIN: Final = timedelta(minutes=5)
"""A login for which nobody does anything for so long is over."""
COMMAND_EXPIRES_AFTER: Final = timedelta(seconds=60)
"""What was typed and not taken up by then is wiped."""
MOST_WRONG: Final = 5
"""Codes and passwords that may be wrong in one login."""
MOST_STARTS: Final = 5
STARTS_WITHIN: Final = timedelta(hours=1)
"""So many logins of one account may begin within this time."""


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


def compute_next_start(starts: Sequence[datetime], now: datetime) -> datetime | None:
    """When the next login may begin; None for now."""
    recent = sorted(start for start in starts if start > now - STARTS_WITHIN)
    return recent[-MOST_STARTS] + STARTS_WITHIN if len(recent) >= MOST_STARTS else None


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
    return f"'{name}' ({tg_id})" if name else f"user {tg_id}"
