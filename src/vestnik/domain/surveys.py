"""Commands that only look at channels: what Telegram shows of them, and what a start would do."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, Self

EXPIRES_AFTER: Final = timedelta(minutes=10)
"""What has not begun by then never does; whoever wants it asks again."""
DETAILS_FRESH_FOR: Final = timedelta(days=1)
"""Members and slow mode are asked for channel by channel, so not with every sync."""


class SyncPhase(StrEnum):
    """How far a sync has come."""

    DIALOGS = "DIALOGS"
    """The account's dialogs are being read."""
    CHANNELS = "CHANNELS"
    """What was read is being stored."""
    DETAILS = "DETAILS"
    """The channels are all there; members and slow modes are still being asked for, one by one."""
    DONE = "DONE"


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncReport:
    """What a sync has found so far. Channels are counted once; the first three with the right to post."""

    phase: SyncPhase = SyncPhase.DIALOGS
    seen: int = 0
    """Channels and groups among the dialogs."""
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    without_right: int = 0
    """The account may not post there; those that we did not have are not added."""
    left_out: int = 0
    """Somebody deleted them here; a sync does not bring them back."""
    gone: int = 0
    """Of ours: were among the dialogs before and are not any more."""
    details: int = 0
    details_wanted: int = 0

    def to_json(self) -> dict[str, Any]:
        """For storing."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any] | None) -> Self:
        """What another version stored and this one does not know is left out."""
        known = {name: value for name, value in (data or {}).items() if name in cls.__dataclass_fields__}
        if "phase" in known:
            known["phase"] = SyncPhase(known["phase"])
        return cls(**known)
