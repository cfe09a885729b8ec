"""How numbers, times and durations are written for a person: in his language and his browser's time zone."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel.dates import format_datetime, format_time
from babel.numbers import format_decimal, format_percent
from markupsafe import Markup
from starlette.requests import Request

from vestnik.console.languages import Language

ZONE_COOKIE = "vestnik_zone"
TURNS = ("0", "1")
"""How a form says which of `list_turns` is meant."""
_LONGEST_ZONE = 64
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def choose_zone(request: Request, default: tzinfo) -> tzinfo:
    """The zone that the browser told, else the one of the settings."""
    name = request.cookies.get(ZONE_COOKIE, "")
    if len(name) > _LONGEST_ZONE:
        return UTC
    return find_zone(name) or default


def find_zone(name: str) -> tzinfo | None:
    """The zone of this name; None if there is none."""
    if name.upper() == "UTC":
        return UTC
    if not 0 < len(name) <= _LONGEST_ZONE:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, LookupError, OSError):
        return None


def list_turns(local: datetime, zone: tzinfo) -> Sequence[datetime]:
    """The two instants that a time of day means in a night in which clocks are put back; else nothing."""
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return ()
    instants = [moment.astimezone(UTC) for moment in (first, second)]
    # In a night in which they are put forward neither is that time.
    return instants if all(at.astimezone(zone).replace(tzinfo=None) == local for at in instants) else ()


class Formats:
    """The ways of one person."""

    def __init__(self, language: Language, zone: tzinfo) -> None:
        self._language = language
        self.zone = zone

    @property
    def zone_name(self) -> str:
        """As the IANA database calls it."""
        return str(self.zone)

    def number(self, value: float | Decimal) -> str:
        """With the separators of the language and no more digits than needed."""
        return str(format_decimal(value, locale=self._language.locale))

    def percent(self, fraction: float | Decimal) -> str:
        """A fraction, with at most one digit behind the comma."""
        return str(format_percent(fraction, format="#,##0.#%", locale=self._language.locale))

    def time(self, moment: datetime | None) -> Markup:
        """Date and time to the second, as an element that names the instant."""
        if moment is None:
            return Markup("—")
        text = format_datetime(moment, "medium", tzinfo=self.zone, locale=self._language.locale)
        return Markup('<time datetime="{}">{}</time>').format(_write_instant(moment), text)

    def clock(self, moment: datetime) -> str:
        """The time of day."""
        return str(format_time(moment, "short", tzinfo=self.zone, locale=self._language.locale))

    def local_input(self, moment: datetime) -> str:
        """For `<input type=datetime-local>`."""
        return moment.astimezone(self.zone).strftime("%Y-%m-%dT%H:%M")

    def turns(self, typed: str, zone_name: str) -> Sequence[tuple[str, str]]:
        """Which times a typed one may mean, as a form sends them, with their distance from UTC; none for one."""
        zone = find_zone(zone_name) or self.zone
        try:
            found = list_turns(datetime.fromisoformat(typed), zone)
        except (ValueError, OverflowError):
            return ()
        return [(turn, self.offset(at, zone)) for turn, at in zip(TURNS, found, strict=False)]

    def offset(self, moment: datetime, zone: tzinfo | None = None) -> str:
        """The distance of local time from UTC at an instant, as UTC+03:00."""
        written = moment.astimezone(zone or self.zone).isoformat()
        return f"UTC{written[-6:]}"

    def is_twofold(self, moment: datetime) -> bool:
        """Whether another instant has the same date and time of day."""
        return bool(list_turns(moment.astimezone(self.zone).replace(tzinfo=None), self.zone))

    def countdown(self, until: datetime) -> Markup:
        """The time left until an instant; the page counts it down."""
        left = max((until - datetime.now(UTC)).total_seconds(), 0)
        return Markup('<time class="countdown" datetime="{}" data-countdown>{}</time>').format(
            _write_instant(until), self.span(left)
        )

    def duration(self, seconds: float) -> str:
        """In words, by its two largest units."""
        gettext = self._language.gettext
        if seconds < 1:
            return gettext("less than a second")
        whole = round(seconds)
        days, rest = divmod(whole, _DAY)
        hours, rest = divmod(rest, _HOUR)
        minutes, seconds_left = divmod(rest, _MINUTE)
        parts = (
            (days, gettext("{} d")),
            (hours, gettext("{} h")),
            (minutes, gettext("{} min")),
            (seconds_left, gettext("{} s")),
        )
        first = next(place for place, (count, _) in enumerate(parts) if count)
        return " ".join(text.format(count) for count, text in parts[first : first + 2] if count)

    def size(self, count: int) -> str:
        """So many bytes, by their largest unit."""
        gettext = self._language.gettext
        units = (
            (1024**3, gettext("{} GB")),
            (1024**2, gettext("{} MB")),
            (1024, gettext("{} KB")),
            (1, gettext("{} bytes")),
        )
        size, text = next(((size, text) for size, text in units if count >= size), units[-1])
        return text.format(self.number(round(count / size, 1)))

    @staticmethod
    def span(seconds: float) -> str:
        """As a clock has it: 1:05 or 2:03:04."""
        minutes, seconds_left = divmod(round(seconds), _MINUTE)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds_left:02}" if hours else f"{minutes}:{seconds_left:02}"


def _write_instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
