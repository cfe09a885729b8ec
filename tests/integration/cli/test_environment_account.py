"""The account "default" as short commands make it from TELEGRAM_*, and that no secret comes out anywhere."""

import base64
import json

import pytest
from sqlalchemy import Connection, text

from tests.integration.cli.conftest import Run

KEY = bytes(range(1, 129)) * 2


def write_session(key: bytes = KEY) -> str:
    """A Telethon session string for 127.0.0.1:443."""
    return "1" + base64.urlsafe_b64encode(bytes([2, 127, 0, 0, 1, 1, 187]) + key).decode()


@pytest.fixture(autouse=True)
def _telegram(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELEGRAM_SESSION", write_session())
    monkeypatch.setenv("TELEGRAM_API_ID", "12345")
    monkeypatch.setenv("TELEGRAM_API_HASH", "canary-hash")


def test_the_first_command_makes_the_account_and_the_key(vestnik: Run, channels_file: str) -> None:
    first = vestnik("account", "list", "--json")
    assert [(view["name"], view["kind"], view["state"]) for view in first.json_lines] == [
        ("default", "USER", "ACTIVE"),
        ("rehearsal", "SIMULATED", "ACTIVE"),
    ]
    assert "made the key file" in first.err
    assert vestnik("account", "list").err == ""
    made = vestnik(
        "campaign", "create", "--name", "N", "--channels-file", channels_file, "--text", "x", "--rate", "1",
        "--mode", "PRODUCTION", "--json",
    )  # fmt: skip
    assert (made.json["mode"], made.json["account_name"]) == ("LIVE", "default")


def test_no_secret_is_printed_or_stored_in_the_clear(
    vestnik: Run, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = vestnik("--traceback", "account", "list")
    monkeypatch.setenv("TELEGRAM_SESSION", write_session(KEY[::-1]))
    again = vestnik("account", "list", "--json")
    rows = [
        str(connection.execute(text(f"SELECT {table}::text FROM {table}")).all())
        for table in ("accounts", "audit_logs")
    ]
    everything = "".join((said.out, said.err, again.out, again.err, *rows))
    for secret in (
        "canary-hash",
        write_session(),
        write_session()[20:60],
        KEY[:16].hex(),
        KEY[::-1][:16].hex(),
    ):
        assert secret not in everything
        assert secret.encode().hex() not in everything


def test_the_rate_of_the_environment_counts_for_both_accounts(
    vestnik: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATE_LIMIT_MESSAGES_PER_SECOND", "0.3333")
    for _ in range(2):
        views = vestnik("account", "list", "--json").json_lines
        assert [view["rate"] for view in views] == [0.333, 0.333]


@pytest.mark.parametrize("session", ["canary", "1canary", write_session()[:-8], "1" + "A" * 352])
def test_a_malformed_session_is_refused_and_not_quoted(
    vestnik: Run, connection: Connection, monkeypatch: pytest.MonkeyPatch, session: str
) -> None:
    monkeypatch.setenv("TELEGRAM_SESSION", session)
    outcome = vestnik("account", "list", "--json")
    assert outcome.code == 1
    error = json.loads(outcome.err)["error"]
    assert error["field"] == "TELEGRAM_SESSION"
    assert session not in outcome.err
    assert "canary" not in outcome.err
    assert connection.execute(text("SELECT count(*) FROM accounts")).scalar_one() == 1


@pytest.mark.parametrize("key", ["canary", "Y2FuYXJ5"])
def test_a_bad_key_is_refused_and_not_quoted(vestnik: Run, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("VESTNIK_SECRET_KEY", key)
    outcome = vestnik("account", "list")
    assert outcome.code == 1
    assert "VESTNIK_SECRET_KEY" in outcome.err
    assert key not in outcome.err
