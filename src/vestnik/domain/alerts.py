"""What needs a person, and how somebody far away is told of it. Pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

from vestnik.domain.errors import VestnikError

FIRST_RETRY: Final = timedelta(seconds=5)
LONGEST_RETRY: Final = timedelta(minutes=10)
GIVES_UP_AFTER: Final = timedelta(hours=24)
"""A message that could not be delivered for so long is no news any more."""
LANGUAGES: Final = ("ru", "en")
"""In which messages are written; the first one where nobody chose."""
SUBJECT_MARK: Final = "[Vestnik]"


class AlertKind(StrEnum):
    """What is wrong."""

    NO_WORKER = "NO_WORKER"
    WORKER_GONE = "WORKER_GONE"
    """A worker ended without saying so, others go on, and none has come in its place."""
    ACCOUNT_NEEDS_LOGIN = "ACCOUNT_NEEDS_LOGIN"
    ACCOUNT_LIMITED = "ACCOUNT_LIMITED"
    ACCOUNT_DISABLED = "ACCOUNT_DISABLED"
    ACCOUNT_HELD = "ACCOUNT_HELD"
    """Telegram makes an account wait for long."""
    ACCOUNT_SILENT = "ACCOUNT_SILENT"
    """Workers run, none speaks for an account that has something to post."""
    REHEARSAL_SILENT = "REHEARSAL_SILENT"
    """The same of a simulated account, which needs a worker beside a simulator."""
    CONTENT_ERROR = "CONTENT_ERROR"
    ERROR_RATE = "ERROR_RATE"
    RESTORED = "RESTORED"
    SCHEDULE_MISSED = "SCHEDULE_MISSED"
    CAMPAIGN_FAILED = "CAMPAIGN_FAILED"
    FAILED_SHARE = "FAILED_SHARE"
    """More of a campaign's posts fail than is usual."""
    STALLED = "STALLED"
    """A campaign has something to post and may post it, and yet nothing happens."""
    DISK_NEARLY_FULL = "DISK_NEARLY_FULL"
    DATABASE_AWAY = "DATABASE_AWAY"
    DESTINATION_FAILING = "DESTINATION_FAILING"
    """Alerts cannot be delivered to one of their destinations."""
    TEST = "TEST"
    """Nothing is wrong: somebody tries a destination."""


class AlertSubject(StrEnum):
    """What kind of thing an alert is about."""

    SYSTEM = "SYSTEM"
    WORKER = "WORKER"
    ACCOUNT = "ACCOUNT"
    CAMPAIGN = "CAMPAIGN"
    HOST = "HOST"
    DESTINATION = "DESTINATION"


class AlertState(StrEnum):
    """FIRING goes on; RESOLVED is history."""

    FIRING = "FIRING"
    RESOLVED = "RESOLVED"


class DestinationKind(StrEnum):
    """How messages get to a destination."""

    WEBHOOK = "WEBHOOK"
    EMAIL = "EMAIL"
    TELEGRAM = "TELEGRAM"


class Occasion(StrEnum):
    """Why a message is sent."""

    FIRING = "FIRING"
    REPEAT = "REPEAT"
    """It goes on, and some time has passed since it was last told."""
    RESOLVED = "RESOLVED"
    TEST = "TEST"


class NotificationStatus(StrEnum):
    """PENDING is to be sent, or may have been; DROPPED was overtaken by the end of its alert."""

    PENDING = "PENDING"
    SENT = "SENT"
    FAILED = "FAILED"
    DROPPED = "DROPPED"


SUBJECTS: Final = {
    AlertKind.NO_WORKER: AlertSubject.SYSTEM,
    AlertKind.DATABASE_AWAY: AlertSubject.HOST,
    AlertKind.WORKER_GONE: AlertSubject.WORKER,
    AlertKind.ACCOUNT_NEEDS_LOGIN: AlertSubject.ACCOUNT,
    AlertKind.ACCOUNT_LIMITED: AlertSubject.ACCOUNT,
    AlertKind.ACCOUNT_DISABLED: AlertSubject.ACCOUNT,
    AlertKind.ACCOUNT_HELD: AlertSubject.ACCOUNT,
    AlertKind.ACCOUNT_SILENT: AlertSubject.ACCOUNT,
    AlertKind.REHEARSAL_SILENT: AlertSubject.ACCOUNT,
    AlertKind.CONTENT_ERROR: AlertSubject.CAMPAIGN,
    AlertKind.ERROR_RATE: AlertSubject.CAMPAIGN,
    AlertKind.RESTORED: AlertSubject.CAMPAIGN,
    AlertKind.SCHEDULE_MISSED: AlertSubject.CAMPAIGN,
    AlertKind.CAMPAIGN_FAILED: AlertSubject.CAMPAIGN,
    AlertKind.FAILED_SHARE: AlertSubject.CAMPAIGN,
    AlertKind.STALLED: AlertSubject.CAMPAIGN,
    AlertKind.DISK_NEARLY_FULL: AlertSubject.HOST,
    AlertKind.DESTINATION_FAILING: AlertSubject.DESTINATION,
    AlertKind.TEST: AlertSubject.SYSTEM,
}
"""What each kind is about."""
MACHINES: Final = frozenset({AlertSubject.WORKER, AlertSubject.HOST})
"""Things whose names and details tell on which machines Vestnik runs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One thing that is wrong, and with which account, campaign or other thing."""

    kind: AlertKind
    is_urgent: bool
    """Posts wait for it."""
    id: UUID | None = None
    name: str = ""
    detail: str | None = None
    is_news: bool = True
    """Worth a message; what an operator did himself is only shown."""
    is_certain: bool = True
    """Not only a moment between two others, such as that in which a worker is started anew."""

    @property
    def subject(self) -> AlertSubject:
        """What kind of thing it is about."""
        return SUBJECTS[self.kind]

    @property
    def key(self) -> str:
        """The same as long as the same is wrong with the same thing."""
        return f"{self.kind}:{self.id or self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertRules:
    """From when on something is wrong, and how often it is told."""

    failed_share: float = 0.1
    """Of a campaign's results."""
    stalled_after: timedelta = timedelta(minutes=5)
    held_for: timedelta = timedelta(minutes=10)
    """Shorter waits of an account are everyday life."""
    least_free: int = 1024 * 1024 * 1024
    """Bytes of the disk with the data directory; 0 does not look."""
    repeat_every: timedelta = timedelta(hours=12)
    """Zero tells each thing once."""
    settles_after: timedelta = timedelta(seconds=20)
    """What has been over for so long is over: what comes and goes is not told each time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertText:
    """An alert in one language, for people."""

    title: str
    """What is wrong."""
    detail: str | None
    """The reason, if one is known."""
    cure: str
    """What to do; empty where nothing is to be done any more."""
    lead: str = ""
    """Says before the title that it still is so, or is over."""
    times: str = ""
    """Since when, and until when."""

    @property
    def subject(self) -> str:
        """One line."""
        return " ".join(f"{SUBJECT_MARK} {self.lead} {self.title}".split())

    @property
    def rest(self) -> str:
        """What stands below the subject, a paragraph each."""
        return "\n\n".join(part for part in (self.detail, self.cure, self.times) if part)


class AlertWriter(Protocol):
    """Writes an alert in a language. May take its time at the first call, so it is called in a thread."""

    def __call__(  # noqa: D102 - see the class
        self,
        alert: Alert,
        language: str,
        *,
        occasion: Occasion = Occasion.FIRING,
        since: datetime | None = None,
        resolved_at: datetime | None = None,
    ) -> AlertText: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What is told to one destination. `id` is the same each time the same message is tried."""

    id: str
    occasion: Occasion
    alert: Alert
    text: AlertText
    since: datetime
    resolved_at: datetime | None = None
    attempts: int = 0
    """Those that failed before."""

    @property
    def event(self) -> str:
        """Its name for programs."""
        return f"alert.{self.occasion.lower()}"


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhookRoute:
    """Where a message is posted, and the key that signs it. The address may hold a secret, too."""

    url: str = field(repr=False)
    signing_key: str = field(repr=False)


class MailSecurity(StrEnum):
    """How the way to a mail server is kept from listeners."""

    TLS = "TLS"
    STARTTLS = "STARTTLS"
    NONE = "NONE"


@dataclass(frozen=True, kw_only=True, slots=True)
class MailRoute:
    """A mail server, and who writes to whom."""

    host: str
    port: int
    security: MailSecurity
    sender: str
    recipients: tuple[str, ...]
    username: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class TelegramRoute:
    """One of our accounts, and a channel in which it posts."""

    account_id: UUID
    channel_id: UUID


Route = WebhookRoute | MailRoute | TelegramRoute


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenDestination:
    """A destination with its secrets: for the moment of a delivery, and never to be shown."""

    id: UUID
    name: str
    kind: DestinationKind
    language: str
    route: Route = field(repr=False)


class DeliveryError(VestnikError):
    """A message could not be delivered; the sentence holds no secret.

    `is_open` says that this attempt may still come through, so that it is to be asked for again and not repeated;
    `is_partial` that somebody got it, who is not to get it again.
    """

    code = "ALERT_NOT_DELIVERED"

    def __init__(self, message: str, *, is_open: bool = False, is_partial: bool = False) -> None:
        super().__init__(message)
        self.is_open = is_open
        self.is_partial = is_partial
