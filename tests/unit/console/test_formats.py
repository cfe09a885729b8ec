"""How numbers, times and durations are written."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tests.unit.console.requests import make_request
from vestnik.console.formats import ZONE_COOKIE, Formats, choose_zone
from vestnik.console.languages import load_language

MOSCOW = ZoneInfo("Europe/Moscow")
NOON = datetime(2026, 5, 9, 12, 0, 7, 250_000, tzinfo=UTC)


def write(code: str, zone: str = "UTC") -> Formats:
    return Formats(load_language(code), ZoneInfo(zone))


# -- numbers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "value", "text"),
    [
        ("en", 0, "0"),
        ("en", 1_234_567, "1,234,567"),
        ("en", 0.5, "0.5"),
        ("en", 20.0, "20"),
        ("en", Decimal("0.333"), "0.333"),
        ("ru", 1_234_567, "1\xa0234\xa0567"),
        ("ru", 0.5, "0,5"),
        ("ru", Decimal("20.000"), "20"),
    ],
)
def test_numbers_have_the_separators_of_the_language(code: str, value: float | Decimal, text: str) -> None:
    assert write(code).number(value) == text


@pytest.mark.parametrize(
    ("code", "fraction", "text"),
    [
        ("en", 0, "0%"),
        ("en", 1, "100%"),
        ("en", 0.1234, "12.3%"),
        ("en", Decimal("0.1"), "10%"),
        ("ru", 0.125, "12,5%"),
        ("ru", 0.9999, "100%"),
    ],
)
def test_fractions_are_written_in_hundredths_with_one_digit_at_most(
    code: str, fraction: float | Decimal, text: str
) -> None:
    assert write(code).percent(fraction).replace("\xa0", "") == text


@pytest.mark.parametrize(
    ("count", "english", "russian"),
    [
        (0, "0 bytes", "0 Б"),
        (1023, "1,023 bytes", "1\xa0023 Б"),
        (1536, "1.5 KB", "1,5 КБ"),
        (10 * 1024**2, "10 MB", "10 МБ"),
        (3 * 1024**3, "3 GB", "3 ГБ"),
    ],
)
def test_sizes_are_written_by_their_largest_unit(count: int, english: str, russian: str) -> None:
    assert write("en").size(count) == english
    assert write("ru").size(count) == russian


# -- durations ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "english", "russian"),
    [
        (0, "less than a second", "меньше секунды"),
        (0.99, "less than a second", "меньше секунды"),
        (1, "1 s", "1 с"),
        (59.4, "59 s", "59 с"),
        (59.6, "1 min", "1 мин"),
        (61, "1 min 1 s", "1 мин 1 с"),
        (3_600, "1 h", "1 ч"),
        (3_661, "1 h 1 min", "1 ч 1 мин"),
        (3_605, "1 h", "1 ч"),
        (86_399.7, "1 d", "1 дн"),
        (90_061, "1 d 1 h", "1 дн 1 ч"),
        (86_460, "1 d", "1 дн"),
        (1_000 * 86_400, "1000 d", "1000 дн"),
    ],
)
def test_durations_are_written_by_their_two_largest_units(seconds: float, english: str, russian: str) -> None:
    assert write("en").duration(seconds) == english
    assert write("ru").duration(seconds) == russian


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (5, "0:05"), (65.4, "1:05"), (599.6, "10:00"), (3_600, "1:00:00"), (7_384, "2:03:04")],
)
def test_spans_are_written_as_a_clock_has_them(seconds: float, text: str) -> None:
    assert Formats.span(seconds) == text


# -- instants -------------------------------------------------------------------------------------------------


def test_times_are_those_of_the_zone_and_name_the_instant() -> None:
    english = str(write("en", "Europe/Moscow").time(NOON)).replace("\u202f", " ")
    assert english == '<time datetime="2026-05-09T12:00:07.250Z">May 9, 2026, 3:00:07 PM</time>'
    russian = str(write("ru", "Asia/Vladivostok").time(NOON)).replace("\u202f", " ")
    assert russian == '<time datetime="2026-05-09T12:00:07.250Z">9 мая 2026 г., 22:00:07</time>'


def test_the_instant_is_in_utc_whatever_zone_it_came_in() -> None:
    moment = datetime(2026, 5, 9, 15, tzinfo=timezone(timedelta(hours=3)))
    assert 'datetime="2026-05-09T12:00:00.000Z"' in write("en").time(moment)


def test_the_same_clock_stands_for_two_instants_when_summer_ends() -> None:
    formats = write("ru", "Europe/Berlin")
    first, second = datetime(2026, 10, 25, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert formats.clock(first) == formats.clock(second) == "02:30"
    assert formats.time(first) != formats.time(second)


def test_no_time_is_a_dash() -> None:
    assert write("ru").time(None) == "—"


def test_the_time_of_day_is_short() -> None:
    assert write("en", "Europe/Moscow").clock(NOON).replace("\u202f", " ") == "3:00 PM"
    assert write("ru", "Europe/Moscow").clock(NOON) == "15:00"


def test_fields_for_times_take_the_clock_of_the_zone() -> None:
    assert write("ru", "Europe/Moscow").local_input(NOON) == "2026-05-09T15:00"


def test_a_countdown_names_its_end_and_shows_what_is_left() -> None:
    until = datetime.now(UTC) + timedelta(seconds=90)
    shown = str(write("ru").countdown(until))
    assert "data-countdown" in shown
    assert f'datetime="{until.isoformat(timespec="milliseconds").replace("+00:00", "Z")}"' in shown
    assert shown.partition(">")[2].removesuffix("</time>") in {"1:30", "1:29"}


def test_a_countdown_that_is_over_shows_nothing_left() -> None:
    assert ">0:00<" in write("en").countdown(datetime.now(UTC) - timedelta(minutes=5))


# -- zones ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cookie", "zone"),
    [
        ("Asia/Tokyo", "Asia/Tokyo"),
        ("America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("Nowhere/Land", "Europe/Moscow"),
        ("../../etc/passwd", "Europe/Moscow"),
        ("/etc/localtime", "Europe/Moscow"),
        ("x" * 65, "UTC"),
        ("UTC", "UTC"),
        ("utc", "UTC"),
    ],
)
def test_the_zone_is_the_one_that_the_browser_tells(cookie: str, zone: str) -> None:
    assert str(choose_zone(make_request(cookie=f"{ZONE_COOKIE}={cookie}"), MOSCOW)) == zone


def test_without_a_browsers_zone_it_is_that_of_the_settings() -> None:
    assert choose_zone(make_request(), MOSCOW) is MOSCOW


def test_the_zone_is_shown_by_its_name() -> None:
    assert write("en", "Europe/Moscow").zone_name == "Europe/Moscow"
    assert Formats(load_language("en"), UTC).zone_name == "UTC"
