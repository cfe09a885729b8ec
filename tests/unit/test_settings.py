"""Settings that are no connection and no secret: their defaults, and what is refused."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from vestnik.domain.errors import ConfigurationError
from vestnik.settings import describe_settings, load_settings


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


STORAGE = {
    "VESTNIK_S3_ENDPOINT": "https://s3.example.org",
    "VESTNIK_S3_BUCKET": "media",
    "VESTNIK_S3_ACCESS_KEY_ID": "key",
    "VESTNIK_S3_SECRET_ACCESS_KEY": "canary",
}


def test_a_bucket_needs_all_that_opens_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in STORAGE.items():
        monkeypatch.setenv(name, value)
    assert load_settings().s3_address == "https://s3.example.org"
    assert "canary" not in repr(load_settings())
    assert all(view.value != "canary" for view in describe_settings(load_settings()))
    for name in STORAGE:
        with monkeypatch.context() as changed:
            changed.delenv(name)
            with pytest.raises(ConfigurationError, match=name) as caught:
                load_settings()
            assert "canary" not in caught.value.message


@pytest.mark.parametrize(
    "value", ["s3.example.org", "ftp://s3.example.org", "https://me:pw@s3.example.org", "https://"]
)
def test_an_endpoint_that_is_no_address_is_refused_by_name(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, given in (STORAGE | {"VESTNIK_S3_ENDPOINT": value}).items():
        monkeypatch.setenv(name, given)
    with pytest.raises(ConfigurationError, match="VESTNIK_S3_ENDPOINT") as caught:
        load_settings()
    assert "pw" not in caught.value.message


def test_the_storage_of_a_supabase_project_needs_no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in STORAGE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("VESTNIK_S3_ENDPOINT")
    monkeypatch.setenv("SUPABASE_URL", "https://project.supabase.example/")
    monkeypatch.setenv("SUPABASE_DIRECT_URL", "postgresql://db.supabase.example/postgres")
    assert load_settings().s3_address == "https://project.supabase.example/storage/v1/s3"


def test_the_audit_log_is_kept_for_a_month_at_least_or_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().audit_retention_days == 0
    monkeypatch.setenv("VESTNIK_AUDIT_RETENTION_DAYS", "30")
    assert load_settings().audit_retention_days == 30
    for value in ("29.9", "-1", "inf"):
        monkeypatch.setenv("VESTNIK_AUDIT_RETENTION_DAYS", value)
        with pytest.raises(ConfigurationError, match="VESTNIK_AUDIT_RETENTION_DAYS"):
            load_settings()


def test_a_simulator_elsewhere_needs_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTNIK_SIMULATOR_HOST", "simulator")
    with pytest.raises(ConfigurationError, match="VESTNIK_SIMULATOR_TOKEN must be set as well"):
        load_settings()
    monkeypatch.setenv("VESTNIK_SIMULATOR_TOKEN", "canary")
    settings = load_settings()
    assert (settings.simulator_port, settings.simulator_control_port) == (7070, 7071)
    assert "canary" not in repr(settings)
    assert all(view.value != "canary" for view in describe_settings(settings))


@pytest.mark.parametrize("value", ["2", "101", "many"])
def test_a_number_of_connections_that_makes_no_sense_is_refused_by_name(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTNIK_DATABASE_CONNECTIONS", value)
    with pytest.raises(ConfigurationError, match="VESTNIK_DATABASE_CONNECTIONS"):
        load_settings()


def test_all_that_is_wrong_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "canary")
    monkeypatch.setenv("VESTNIK_LEASE_SECONDS", "99")
    with pytest.raises(ConfigurationError, match=r"^PORT: .*; VESTNIK_LEASE_SECONDS: ") as refused:
        load_settings()
    assert "canary" not in refused.value.message
