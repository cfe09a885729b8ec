"""What is shown of the settings: where each comes from, and never a secret."""

from pathlib import Path

import pytest

from vestnik.domain.installation import SettingSource, SettingView
from vestnik.settings import Settings, default_data_dir, describe_settings, load_settings

SECRET = "do-not-show-me"


def describe(settings: Settings, **in_use: str) -> dict[str, SettingView]:
    return {view.name: view for view in describe_settings(settings, in_use=in_use)}


def test_each_value_says_where_it_comes_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("PORT=4000\nVESTNIK_LOG_LEVEL=debug\n", encoding="utf-8")
    monkeypatch.setenv("vestnik_time_zone", "Europe/Moscow")
    monkeypatch.setenv("VESTNIK_LOG_LEVEL", "error")
    shown = describe(load_settings(env_file=env_file, data_dir=tmp_path))
    assert (shown["PORT"].source, shown["PORT"].value) == (SettingSource.FILE, "4000")
    assert shown["VESTNIK_TIME_ZONE"].source is SettingSource.ENVIRONMENT
    assert (shown["VESTNIK_LOG_LEVEL"].source, shown["VESTNIK_LOG_LEVEL"].value) == (
        SettingSource.ENVIRONMENT,
        "error",
    )
    assert (shown["VESTNIK_DATA_DIR"].source, shown["VESTNIK_DATA_DIR"].value) == (
        SettingSource.START,
        str(tmp_path),
    )
    retention = shown["JOB_RETENTION_DAYS"]
    assert (retention.source, retention.is_set, retention.value) == (SettingSource.DEFAULT, False, "7")


def test_an_option_that_replaced_a_value_is_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "4000")
    shown = describe(load_settings(), port="4001", host="127.0.0.1")
    assert (shown["PORT"].value, shown["PORT"].source) == ("4001", SettingSource.START)
    assert shown["VESTNIK_HOST"].source is SettingSource.DEFAULT
    assert describe(load_settings(), port="4000")["PORT"].source is SettingSource.ENVIRONMENT


def test_the_usual_data_directory_is_a_default_though_a_parent_process_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VESTNIK_DATA_DIR", str(default_data_dir()))
    assert describe(load_settings())["VESTNIK_DATA_DIR"].source is SettingSource.DEFAULT


def test_of_a_secret_only_whether_it_is_set_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "DATABASE_URL": f"postgresql://u:{SECRET}@h/d",
        "SUPABASE_URL": f"https://{SECRET}.supabase.co",
        "TELEGRAM_SESSION": SECRET,
        "TELEGRAM_API_ID": "987654321",
        "TELEGRAM_API_HASH": SECRET,
        "VESTNIK_SECRET_KEY": SECRET,
        "VESTNIK_LISTEN_URL": f"postgresql://u:{SECRET}@h/d",
    }
    assert not any(view.is_set for view in describe(load_settings()).values())
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    shown = describe(load_settings())
    for name in secrets:
        assert (shown[name].is_secret, shown[name].is_set, shown[name].value) == (True, True, None), name
    assert SECRET not in repr(shown)
    assert "987654321" not in repr(shown)


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_SESSION", " ")
    monkeypatch.setenv("VESTNIK_CORS_ORIGINS", "")
    shown = describe(load_settings())
    assert not shown["TELEGRAM_SESSION"].is_set
    assert not shown["VESTNIK_CORS_ORIGINS"].is_set


def test_ranges_are_those_that_are_checked() -> None:
    shown = describe(load_settings())
    lease, rate = shown["VESTNIK_LEASE_SECONDS"].bounds, shown["RATE_LIMIT_MESSAGES_PER_SECOND"].bounds
    assert lease is not None
    assert (lease.lowest, lease.highest, lease.is_above_lowest) == (2, 10, False)
    assert rate is not None
    assert (rate.lowest, rate.highest, rate.is_above_lowest) == (0, 1000, True)
    assert shown["VESTNIK_TIME_ZONE"].bounds is None
