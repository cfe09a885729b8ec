"""What a demo delivers, and what it must not see."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from vestnik.cli.demo import drop_ignored_variables
from vestnik.cli.demo_progress import RateMeter
from vestnik.cli.demo_sample import TEXT, name_channels
from vestnik.domain.limits import MAX_TEXT_UTF16, count_utf16


@pytest.mark.parametrize("count", [1, 100, 100_000])
def test_the_channels_have_made_up_usernames_that_telegram_would_take(count: int) -> None:
    names = name_channels(count)
    assert len({name.lower() for name in names}) == count
    assert all(re.fullmatch(r"demo_[a-z]+_[0-9]{3,6}", name) and len(name) <= 32 for name in names)
    assert names[0] == "demo_news_001"


def test_the_text_is_not_too_long() -> None:
    assert count_utf16(TEXT) <= MAX_TEXT_UTF16


def test_nothing_that_leads_to_a_real_database_or_account_reaches_a_demo() -> None:
    environment = {
        "DATABASE_URL": "x", "database_url": "x", "SUPABASE_DIRECT_URL": "x", "SUPABASE_SERVICE_ROLE_KEY": "x",
        "TELEGRAM_SESSION": "x", "telegram_api_id": "1", "RATE_LIMIT_MESSAGES_PER_SECOND": "1",
        "PATH": "/bin", "VESTNIK_LOG_LEVEL": "debug", "PORT": "4000",
    }  # fmt: skip
    drop_ignored_variables(environment)
    assert sorted(environment) == ["PATH", "PORT", "VESTNIK_LOG_LEVEL"]


def test_the_rate_is_that_of_the_last_moments() -> None:
    meter = RateMeter()
    start = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    for tick in range(101):
        rate = meter.measure(start + tick / 10, tick * 2)
    assert rate == pytest.approx(20, rel=0.01)
    idle = timedelta(seconds=10).total_seconds()
    assert meter.measure(start + 10 + idle, 200) == 0
