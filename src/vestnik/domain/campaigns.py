"""What a campaign may be told, and the status that an operator sees."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from vestnik.domain.errors import InvalidInputError
from vestnik.domain.states import AccountState, CampaignStatus, DerivedPause, Mode, PauseReason

MIN_RATE = Decimal("0.001")
MAX_RATE = Decimal(1000)
MIN_ERROR_RATE = Decimal("0.001")
MAX_RETRY_LIMIT = 20
DEFAULT_RETRY_LIMIT = 3


def _name_field(field: str) -> str:
    """As a sentence names it; settings keep their names."""
    return field.replace("_", " ") if field.islower() else field


def check_rate(value: Decimal | str, *, field: str = "rate") -> Decimal:
    """Messages per second, to three decimal places.

    Raises InvalidInputError, with what to write instead.
    """
    try:
        rate = Decimal(value)
    except (InvalidOperation, ValueError):
        hint = "; write the decimal point as a point" if "," in str(value) else ""
        raise InvalidInputError(
            f"the {_name_field(field)} {str(value)[:40]!r} is not a number of messages per second, such as 20 or "
            f"0.33{hint}",
            field=field,
        ) from None
    if not rate.is_finite() or not MIN_RATE <= rate <= MAX_RATE:
        raise InvalidInputError(
            f"the {_name_field(field)} is {str(value)[:40]}; it must be from {MIN_RATE} to {MAX_RATE} messages per "
            "second",
            field=field,
        )
    return rate.quantize(MIN_RATE)


def check_retry_limit(value: int) -> int:
    """Retries after the first attempt; raises InvalidInputError."""
    if not 0 <= value <= MAX_RETRY_LIMIT:
        raise InvalidInputError(
            f"the retry limit is {value}; it must be from 0 to {MAX_RETRY_LIMIT}", field="retry_limit"
        )
    return value


def check_error_rate(value: Decimal, *, field: str = "max_error_rate") -> Decimal:
    """The part of messages that may fail before a campaign is paused; raises InvalidInputError."""
    if not value.is_finite() or not MIN_ERROR_RATE <= value <= 1:
        raise InvalidInputError(
            f"the {_name_field(field)} is {str(value)[:40]}; it must be from {MIN_ERROR_RATE} to 1, such as 0.1 for "
            "a tenth",
            field=field,
        )
    return value.quantize(MIN_ERROR_RATE)


def parse_mode(value: str) -> Mode:
    """TEST or LIVE in any case; PRODUCTION is another word for LIVE. Raises InvalidInputError."""
    word = value.strip().upper()
    try:
        return Mode.LIVE if word == "PRODUCTION" else Mode(word)
    except ValueError:
        raise InvalidInputError(
            f"the mode {value[:40]!r} is unknown; it is TEST (rehearse, nothing leaves for Telegram) or LIVE",
            field="mode",
        ) from None


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownStatus:
    """The status as an operator sees it. `resumes_at` is set while Telegram makes the account wait."""

    status: CampaignStatus
    pause_reason: PauseReason | DerivedPause | None = None
    resumes_at: datetime | None = None


def derive_status(
    stored: CampaignStatus,
    pause_reason: PauseReason | None,
    *,
    account_state: AccountState,
    hold_until: datetime | None,
) -> ShownStatus:
    """What is shown for a stored status; `hold_until` is the end of a hold that still lasts.

    Actions judge the stored status, never this one.
    """
    if stored is not CampaignStatus.RUNNING:
        return ShownStatus(status=stored, pause_reason=pause_reason)
    if account_state is not AccountState.ACTIVE:
        return ShownStatus(status=CampaignStatus.PAUSED, pause_reason=DerivedPause.ACCOUNT_BLOCKED)
    if hold_until is not None:
        return ShownStatus(
            status=CampaignStatus.PAUSED, pause_reason=DerivedPause.FLOOD_WAIT, resumes_at=hold_until
        )
    return ShownStatus(status=stored)
