"""Every metric there is: its name, what it says, and all values that its labels can have.

Names follow Prometheus (https://prometheus.io/docs/practices/naming): base units, `_total` for what only grows.
A label has few values, all of them listed here: no campaign, channel, person or account is one, because their
number has no bound. Values that are states are written as everywhere else; `TEST` is what simulated accounts do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from vestnik.domain.alerts import AlertKind
from vestnik.domain.states import (
    AccountKind,
    AccountState,
    CampaignStatus,
    HoldScope,
    JobStatus,
    Mode,
    PauseReason,
)
from vestnik.domain.transport import ErrorClass

OTHER: Final = "OTHER"
"""In place of what is on no list."""


class Kind(StrEnum):
    """A histogram is exported as `_bucket`, `_sum` and `_count`."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Process(StrEnum):
    """Who exports it."""

    API = "API"
    WORKER = "worker"


class LeaseChange(StrEnum):
    """A worker got an account, gave it back, or has to do without: it died, froze or lost the database."""

    ACQUIRED = "ACQUIRED"
    RELEASED = "RELEASED"
    LOST = "LOST"


class Origin(StrEnum):
    """What was posted."""

    CAMPAIGN = "CAMPAIGN"
    DIRECT = "DIRECT"


class PoolState(StrEnum):
    """Of a connection to the database."""

    IN_USE = "IN_USE"
    IDLE = "IDLE"


class ChannelState(StrEnum):
    """As the console shows it."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"


class StopScope(StrEnum):
    """Who does not post to a channel any more."""

    ALL = "ALL"
    ACCOUNT = "ACCOUNT"


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """`name` is the exported one, but for the endings of a histogram's series. `buckets` are upper bounds."""

    name: str
    kind: Kind
    help: str
    processes: Sequence[Process]
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    buckets: Sequence[float] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names that a query can use."""
        if self.kind is not Kind.HISTOGRAM:
            return (self.name,)
        return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")


_API: Final = (Process.API,)
_WORKER: Final = (Process.WORKER,)
_BOTH: Final = (Process.API, Process.WORKER)

SENT: Final = "SENT"
UNSETTLED: Final = "UNSETTLED"
"""Telegram has the request, and what became of it has to be asked again later."""
RESULTS: Final = (SENT, *(each.value for each in ErrorClass if each is not ErrorClass.SENT), UNSETTLED)
WAIT_REASONS: Final = ("FLOOD_WAIT", "FLOOD_PREMIUM_WAIT", OTHER)
_STOPPING: Final = """
    CHANNEL_PRIVATE CHAT_ADMIN_REQUIRED CHAT_WRITE_FORBIDDEN CHAT_RESTRICTED CHAT_FORBIDDEN
    CHAT_GUEST_SEND_FORBIDDEN CHANNEL_PUBLIC_GROUP_NA CHANNEL_MONOFORUM_UNSUPPORTED ALLOW_PAYMENT_REQUIRED
    PAYMENT_UNSUPPORTED TOPIC_CLOSED TOPIC_DELETED SEND_AS_PEER_INVALID SCHEDULE_TOO_MUCH
    CHAT_FORWARDS_RESTRICTED REPLY_MESSAGE_ID_INVALID MSG_ID_INVALID SUGGESTED_POST_PEER_INVALID
    USER_IS_BLOCKED YOU_BLOCKED_USER INPUT_USER_DEACTIVATED USER_IS_BOT PRIVACY_PREMIUM_REQUIRED
    VOICE_MESSAGES_FORBIDDEN PEER_BLOCKED USERNAME_NOT_OCCUPIED USERNAME_INVALID USER_BANNED_IN_CHANNEL
    CHANNEL_INVALID PEER_ID_INVALID CHAT_ID_INVALID
"""
_STOPS: Final = tuple(_STOPPING.split())
CHANNEL_REASONS: Final = ("OPERATOR", *_STOPS, OTHER)
"""Telegram's names of the errors that stop a channel; a test holds them against the table of errors."""

_MODE: Final[Mapping[str, Sequence[str]]] = {"mode": tuple(Mode)}
_QUICK: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a millisecond to what somebody would notice without a histogram."""
_CALLS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Calls to Telegram; an upload is not among them."""

# -- both ---------------------------------------------------------------------------------------------------------

BUILD_INFO: Final = Metric(
    name="vestnik_build_info",
    kind=Kind.GAUGE,
    help="Always 1; the labels tell which version of which process this is.",
    processes=_BOTH,
    labels={"version": ("one value a process",), "process": tuple(Process)},
)
DATABASE_UP: Final = Metric(
    name="vestnik_database_up",
    kind=Kind.GAUGE,
    help="1 while the database answers; at 0 the figures that are read from it are missing.",
    processes=_BOTH,
)
POOL_SIZE: Final = Metric(
    name="vestnik_database_pool_size",
    kind=Kind.GAUGE,
    help="Connections to the database that this process opens at most for its statements.",
    processes=_BOTH,
)
POOL_CONNECTIONS: Final = Metric(
    name="vestnik_database_pool_connections",
    kind=Kind.GAUGE,
    help="Its open connections by what they do.",
    processes=_BOTH,
    labels={"state": tuple(PoolState)},
)

# -- the worker ---------------------------------------------------------------------------------------------------

SENDS: Final = Metric(
    name="vestnik_sends_total",
    kind=Kind.COUNTER,
    help="Posts handed to Telegram, by the class of its answer; SENT is a success, WAIT_ACCOUNT a FLOOD_WAIT.",
    processes=_WORKER,
    labels={**_MODE, "origin": tuple(Origin), "result": RESULTS},
)
SEND_DURATION: Final = Metric(
    name="vestnik_send_duration_seconds",
    kind=Kind.HISTOGRAM,
    help="From handing a post to Telegram to its answer, whatever that is.",
    processes=_WORKER,
    labels={**_MODE, "origin": tuple(Origin)},
    buckets=_CALLS,
)
SENDS_IN_FLIGHT: Final = Metric(
    name="vestnik_sends_in_flight",
    kind=Kind.GAUGE,
    help="Posts that Telegram has not answered yet.",
    processes=_WORKER,
    labels=_MODE,
)
SLOT_LATENESS: Final = Metric(
    name="vestnik_slot_lateness_seconds",
    kind=Kind.HISTOGRAM,
    help="How long after its slot a campaign's post was handed over; after a rest, since it was looked for.",
    processes=_WORKER,
    labels=_MODE,
    buckets=_QUICK,
)
CLAIM_DURATION: Final = Metric(
    name="vestnik_claim_duration_seconds",
    kind=Kind.HISTOGRAM,
    help="How long it took to claim messages of campaigns from the database.",
    processes=_WORKER,
    labels=_MODE,
    buckets=_QUICK,
)
CLAIMED_JOBS: Final = Metric(
    name="vestnik_claimed_jobs_total",
    kind=Kind.COUNTER,
    help="Messages claimed, those that went back unsent included.",
    processes=_WORKER,
    labels=_MODE,
)
RECORD_DURATION: Final = Metric(
    name="vestnik_record_duration_seconds",
    kind=Kind.HISTOGRAM,
    help="How long it took to write a batch of results into the database, attempts that failed not counted.",
    processes=_WORKER,
    labels=_MODE,
    buckets=_QUICK,
)
RECORDED_JOBS: Final = Metric(
    name="vestnik_recorded_jobs_total",
    kind=Kind.COUNTER,
    help="Messages of campaigns by what they became in the database; QUEUED ones are tried again.",
    processes=_WORKER,
    labels={**_MODE, "status": tuple(each for each in JobStatus if each is not JobStatus.SENDING)},
)
RESULTS_WAITING: Final = Metric(
    name="vestnik_results_waiting",
    kind=Kind.GAUGE,
    help="Results that are not in the database yet; many while it is away.",
    processes=_WORKER,
    labels=_MODE,
)
ACCOUNT_HOLDS: Final = Metric(
    name="vestnik_account_holds_total",
    kind=Kind.COUNTER,
    help="How often Telegram made an account wait: with all it posts (SEND), or with look-ups alone (RESOLVE).",
    processes=_WORKER,
    labels={**_MODE, "scope": tuple(HoldScope), "reason": WAIT_REASONS},
)
ACCOUNT_HOLD_SECONDS: Final = Metric(
    name="vestnik_account_hold_seconds_total",
    kind=Kind.COUNTER,
    help="For how long, as Telegram said at the beginning of each wait.",
    processes=_WORKER,
    labels={**_MODE, "scope": tuple(HoldScope)},
)
ACCOUNT_BLOCKS: Final = Metric(
    name="vestnik_account_blocks_total",
    kind=Kind.COUNTER,
    help="How often an account was stopped until a person acts.",
    processes=_WORKER,
    labels={**_MODE, "state": (AccountState.NEEDS_LOGIN.value, AccountState.LIMITED.value)},
)
CAMPAIGNS_COMPLETED: Final = Metric(
    name="vestnik_campaigns_completed_total",
    kind=Kind.COUNTER,
    help="Campaigns that this worker brought to their end.",
    processes=_WORKER,
    labels=_MODE,
)
CAMPAIGN_PAUSES: Final = Metric(
    name="vestnik_campaign_pauses_total",
    kind=Kind.COUNTER,
    help="Campaigns that paused themselves, by the reason.",
    processes=_WORKER,
    labels={**_MODE, "reason": (PauseReason.CONTENT_ERROR.value, PauseReason.ERROR_RATE.value)},
)
LANES: Final = Metric(
    name="vestnik_lanes",
    kind=Kind.GAUGE,
    help="Accounts that this worker speaks for, those that log in included.",
    processes=_WORKER,
    labels=_MODE,
)
LANE_CRASHES: Final = Metric(
    name="vestnik_lane_crashes_total",
    kind=Kind.COUNTER,
    help="How often the delivery for an account ended by an error of Vestnik's own; it starts again.",
    processes=_WORKER,
    labels=_MODE,
)
LEASE_CHANGES: Final = Metric(
    name="vestnik_lease_changes_total",
    kind=Kind.COUNTER,
    help="Accounts that this worker got, gave back or lost.",
    processes=_WORKER,
    labels={"change": tuple(LeaseChange)},
)

# -- the API: the installation as the database has it -----------------------------------------------------------

SSE_LISTENERS: Final = Metric(
    name="vestnik_sse_listeners",
    kind=Kind.GAUGE,
    help="Pages and programs that follow campaigns live in this process.",
    processes=_API,
)
JOBS: Final = Metric(
    name="vestnik_jobs",
    kind=Kind.GAUGE,
    help="Messages of all campaigns that are not deleted, by what became of them.",
    processes=_API,
    labels={**_MODE, "status": tuple(JobStatus)},
)
CAMPAIGNS: Final = Metric(
    name="vestnik_campaigns",
    kind=Kind.GAUGE,
    help="Campaigns by their stored status.",
    processes=_API,
    labels={**_MODE, "status": tuple(CampaignStatus)},
)
CAMPAIGNS_PAUSED: Final = Metric(
    name="vestnik_campaigns_paused",
    kind=Kind.GAUGE,
    help="Those that are PAUSED, by the reason; all but OPERATOR wait for a person to look.",
    processes=_API,
    labels={**_MODE, "reason": tuple(PauseReason)},
)
CAMPAIGNS_DUE: Final = Metric(
    name="vestnik_campaigns_due",
    kind=Kind.GAUGE,
    help="Running campaigns with a message that is due and an account that may post.",
    processes=_API,
    labels=_MODE,
)
QUEUE_AGE: Final = Metric(
    name="vestnik_queue_age_seconds",
    kind=Kind.GAUGE,
    help="How far the campaign that is behind most is behind its own pace; near 0 while all goes well.",
    processes=_API,
    labels=_MODE,
)
OLDEST_SENDING: Final = Metric(
    name="vestnik_oldest_sending_seconds",
    kind=Kind.GAUGE,
    help="For how long the message has been on its way that has been so for the longest time; 0 without one.",
    processes=_API,
)
ACCOUNTS: Final = Metric(
    name="vestnik_accounts",
    kind=Kind.GAUGE,
    help="Telegram accounts by kind and state.",
    processes=_API,
    labels={"kind": tuple(AccountKind), "state": tuple(AccountState)},
)
ACCOUNTS_HELD: Final = Metric(
    name="vestnik_accounts_held",
    kind=Kind.GAUGE,
    help="Accounts that Telegram makes wait now.",
    processes=_API,
    labels={**_MODE, "scope": tuple(HoldScope)},
)
HOLD_REMAINING: Final = Metric(
    name="vestnik_account_hold_remaining_seconds",
    kind=Kind.GAUGE,
    help="Until the longest of these waits ends; 0 without one.",
    processes=_API,
    labels={**_MODE, "scope": tuple(HoldScope)},
)
WORKERS: Final = Metric(
    name="vestnik_workers",
    kind=Kind.GAUGE,
    help="Workers that have said within 8 s that they live.",
    processes=_API,
)
ALERTS: Final = Metric(
    name="vestnik_alerts",
    kind=Kind.GAUGE,
    help="Alerts that go on, by what is wrong; the page of alerts says with what.",
    processes=_API,
    labels={"kind": tuple(each for each in AlertKind if each is not AlertKind.TEST)},
)
CHANNELS: Final = Metric(
    name="vestnik_channels",
    kind=Kind.GAUGE,
    help="Channels as the console shows them; counted once a minute.",
    processes=_API,
    labels={"state": tuple(ChannelState)},
)
CHANNEL_STOPS: Final = Metric(
    name="vestnik_channel_stops",
    kind=Kind.GAUGE,
    help="What stopped channels: one for every account (ALL), one for a single one (ACCOUNT); once a minute.",
    processes=_API,
    labels={"scope": tuple(StopScope), "reason": CHANNEL_REASONS},
)

METRICS: Final[Sequence[Metric]] = tuple(
    each for each in list(globals().values()) if isinstance(each, Metric)
)
"""All of them, in the order of this file."""
