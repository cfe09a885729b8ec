"""The closed sets of states; the database repeats each as a CHECK constraint."""

from enum import StrEnum


class CampaignStatus(StrEnum):
    """The stored status. What an operator sees may derive PAUSED from a hold of the account."""

    DRAFT = "DRAFT"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"

    @property
    def is_final(self) -> bool:
        """Whether nothing more is sent for a campaign in this status."""
        return self in {CampaignStatus.COMPLETED, CampaignStatus.CANCELLED, CampaignStatus.FAILED}


class PauseReason(StrEnum):
    """Why a campaign is stored as PAUSED."""

    OPERATOR = "OPERATOR"
    CONTENT_ERROR = "CONTENT_ERROR"
    ERROR_RATE = "ERROR_RATE"
    RESTORED = "RESTORED"


class DerivedPause(StrEnum):
    """Why a campaign stored as RUNNING stands still and is shown as PAUSED."""

    FLOOD_WAIT = "FLOOD_WAIT"
    ACCOUNT_BLOCKED = "ACCOUNT_BLOCKED"


class JobStatus(StrEnum):
    """The state of one campaign x channel."""

    QUEUED = "QUEUED"
    SENDING = "SENDING"
    SENT = "SENT"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Mode(StrEnum):
    """TEST rehearses against the simulator; LIVE goes to the server of the account's session."""

    TEST = "TEST"
    LIVE = "LIVE"


class PreflightVerdict(StrEnum):
    """What a preflight says of a channel; those of which it says nothing are ready."""

    FAILS = "FAILS"
    WAITS = "WAITS"
    """Not found out yet: its address is still to be looked up."""
    WARNS = "WARNS"
    """The post would go out; something about it is worth knowing."""


class AccountKind(StrEnum):
    """What an account is towards Telegram; SIMULATED ones only ever meet the simulator."""

    USER = "USER"
    BOT = "BOT"
    SIMULATED = "SIMULATED"


class AccountState(StrEnum):
    """ACTIVE sends; the others hold back every campaign of the account."""

    ACTIVE = "ACTIVE"
    NEEDS_LOGIN = "NEEDS_LOGIN"
    LIMITED = "LIMITED"
    DISABLED = "DISABLED"


class HoldScope(StrEnum):
    """SEND holds everything of an account, RESOLVE only its username look-ups."""

    SEND = "SEND"
    RESOLVE = "RESOLVE"
