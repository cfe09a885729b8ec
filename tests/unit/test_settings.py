"""Settings that are no connection and no secret: their defaults, and what is refused."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from vestnik.domain.errors import ConfigurationError
from vestnik.settings import load_settings


def test_jobs_are_kept_for_a_week_unless_something_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().job_retention_days == 7
    monkeypatch.setenv("JOB_RETENTION_DAYS", "0.5")
    assert load_settings().job_retention_days == 0.5
    monkeypatch.setenv("JOB_RETENTION_DAYS", "0")
    assert load_settings().job_retention_days == 0


@pytest.mark.parametrize("value", ["-1", "a week", "nan", "inf", "40000", ""])
def test_a_retention_that_makes_no_sense_is_refused_by_name(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOB_RETENTION_DAYS", value)
    with pytest.raises(ConfigurationError, match="JOB_RETENTION_DAYS"):
        load_settings()


def test_texts_are_dated_in_utc_unless_a_zone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().zone is UTC
    monkeypatch.setenv("VESTNIK_TIME_ZONE", "Europe/Moscow")
    assert load_settings().zone == ZoneInfo("Europe/Moscow")


@pytest.mark.parametrize(
    "value", ["Mars/Olympus", "", "../../etc/passwd", "/etc/localtime", "Europe", "a\0b"]
)
def test_a_zone_that_there_is_not_is_refused_by_name(value: str) -> None:
    with pytest.raises(ConfigurationError, match="time zone such as"):
        load_settings(time_zone=value)
