"""What the states and codes of the system are called in the language of the person who reads them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from vestnik.console.audit_words import ACTIONS
from vestnik.console.error_codes import find_meaning
from vestnik.console.languages import Language
from vestnik.console.marking import mark
from vestnik.domain.commands import CommandStatus
from vestnik.domain.states import (
    AccountKind,
    AccountState,
    CampaignStatus,
    DerivedPause,
    HoldScope,
    JobStatus,
    Mode,
    PauseReason,
    PreflightVerdict,
)
from vestnik.domain.users import Role, TokenScope

TEXTS: Final[Mapping[type[StrEnum], Mapping[str, str]]] = {
    CampaignStatus: {
        CampaignStatus.DRAFT: mark("Draft"),
        CampaignStatus.SCHEDULED: mark("Scheduled"),
        CampaignStatus.RUNNING: mark("Running"),
        CampaignStatus.PAUSED: mark("Paused"),
        CampaignStatus.COMPLETED: mark("Completed"),
        CampaignStatus.CANCELLED: mark("Cancelled"),
        CampaignStatus.FAILED: mark("Failed"),
    },
    PauseReason: {
        PauseReason.OPERATOR: mark("Somebody paused it."),
        PauseReason.CONTENT_ERROR: mark(
            "Telegram refuses this post in every channel. Correct it, then resume."
        ),
        PauseReason.ERROR_RATE: mark(
            "Too many posts failed, so it paused itself. Look at the reasons, then resume."
        ),
        PauseReason.RESTORED: mark(
            "The database was restored from a backup. Check what was posted, then resume."
        ),
    },
    DerivedPause: {
        DerivedPause.FLOOD_WAIT: mark("Telegram asked this account to wait. It goes on by itself."),
        DerivedPause.ACCOUNT_BLOCKED: mark(
            "The account cannot post now. It goes on once the account is back."
        ),
    },
    JobStatus: {
        JobStatus.QUEUED: mark("Waiting"),
        JobStatus.SENDING: mark("Being sent"),
        JobStatus.SENT: mark("Posted"),
        JobStatus.FAILED: mark("Failed"),
        JobStatus.CANCELLED: mark("Cancelled"),
    },
    CommandStatus: {
        CommandStatus.PENDING: mark("Waiting"),
        CommandStatus.STARTED: mark("Being sent"),
        CommandStatus.DONE: mark("Posted"),
        CommandStatus.FAILED: mark("Failed"),
        CommandStatus.EXPIRED: mark("Not posted in time"),
    },
    Mode: {Mode.TEST: mark("Rehearsal"), Mode.LIVE: mark("Live")},
    AccountKind: {
        AccountKind.USER: mark("Person"),
        AccountKind.BOT: mark("Bot"),
        AccountKind.SIMULATED: mark("Simulated"),
    },
    AccountState: {
        AccountState.ACTIVE: mark("Active"),
        AccountState.NEEDS_LOGIN: mark("Needs a login"),
        AccountState.LIMITED: mark("Restricted by Telegram"),
        AccountState.DISABLED: mark("Disabled"),
    },
    PreflightVerdict: {
        PreflightVerdict.FAILS: mark("Would fail"),
        PreflightVerdict.WAITS: mark("Not found out"),
        PreflightVerdict.WARNS: mark("Ready, but"),
    },
    HoldScope: {HoldScope.SEND: mark("All posts"), HoldScope.RESOLVE: mark("Looking up names")},
    Role: {Role.VIEWER: mark("Viewer"), Role.OPERATOR: mark("Operator"), Role.ADMIN: mark("Administrator")},
    TokenScope: {TokenScope.READ: mark("Read only"), TokenScope.FULL: mark("Everything its owner may do")},
}
"""Every state that a page shows; a test asks for each member."""

TONES: Final[Mapping[str, str]] = {
    "DRAFT": "quiet",
    "SCHEDULED": "info",
    "RUNNING": "busy",
    "PAUSED": "warn",
    "COMPLETED": "good",
    "CANCELLED": "quiet",
    "FAILED": "bad",
    "QUEUED": "quiet",
    "SENDING": "busy",
    "SENT": "good",
    "PENDING": "quiet",
    "STARTED": "busy",
    "DONE": "good",
    "EXPIRED": "bad",
    "ACTIVE": "good",
    "NEEDS_LOGIN": "bad",
    "LIMITED": "bad",
    "DISABLED": "quiet",
    "FAILS": "bad",
    "WAITS": "quiet",
    "WARNS": "warn",
}
"""The colour of a state; the text always says the same."""


class Labels:
    """The names of one language."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def state(self, member: StrEnum) -> str:
        """The name of a state, as its own type has it."""
        return self._language.gettext(TEXTS[type(member)][member])

    def tone(self, member: StrEnum) -> str:
        """The colour of a state."""
        return TONES.get(member, "quiet")

    def error(self, code: str | None) -> str:
        """What an error code of a post means, or the code itself where Telegram has names that nobody lists."""
        if code is None:
            return ""
        known = find_meaning(code)
        return code if known is None else self._language.gettext(known)

    def action(self, action: str) -> str:
        """What an entry of the audit log says."""
        known = ACTIONS.get(action)
        return action if known is None else self._language.gettext(known)

    @staticmethod
    def list_changes(
        before: Mapping[str, object] | None, after: Mapping[str, object] | None
    ) -> list[tuple[str, object, object]]:
        """The fields of an entry with their old and new values."""
        old, new = before or {}, after or {}
        return [(name, old.get(name), new.get(name)) for name in sorted({*old, *new})]
