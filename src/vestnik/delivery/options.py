"""How a lane behaves; set by the worker from the settings."""

from dataclasses import dataclass
from datetime import UTC, timedelta, tzinfo

from vestnik.domain.limits import DEFAULT_LOOKUPS_PER_DAY


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneOptions:
    """Durations and bounds of one lane."""

    lease: timedelta = timedelta(seconds=6)
    """Length of a lease; renewed at a third of it."""
    retry_base: timedelta = timedelta(seconds=5)
    poll: timedelta = timedelta(seconds=1)
    """The lane looks at the database at least this often, whether woken or not."""
    claim_window: timedelta = timedelta(milliseconds=250)
    record_interval: timedelta = timedelta(milliseconds=100)
    stop_grace: timedelta = timedelta(milliseconds=700)
    """How long a stopping lane waits for answers to posts that it has handed over."""
    resolve_interval: timedelta = timedelta(seconds=1)
    """Pace of username look-ups, which Telegram limits far more strictly than posts."""
    resolves_per_day: int = DEFAULT_LOOKUPS_PER_DAY
    """Usernames that an account looks up in a day of UTC."""
    zone: tzinfo = UTC
    """In which {date} and {time} are written."""

    @property
    def lease_margin(self) -> timedelta:
        """The holder stops this long before its lease ends: a fifth, so that short leases can be renewed too."""
        return self.lease / 5
