"""`vestnik account`: sessions come from standard input, never from the command line, and never come back."""

import io
import sys
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, text

from tests.integration.cli.conftest import Run
from tests.support.session_strings import make_key, make_session

HASH = "fedcba9876543210"
Type = Callable[..., None]


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Type:
    """Put lines on standard input."""

    def put(*lines: str) -> None:
        data = "".join(f"{line}\n" for line in lines).encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return put


def test_an_account_is_added_with_a_session_from_standard_input(
    vestnik: Run, type_in: Type, connection: Connection
) -> None:
    given = make_session()
    type_in(given, HASH)
    outcome = vestnik("account", "add", "newsroom", "--session", "--api-id", "5", "--json")
    assert (outcome.code, outcome.json["name"], outcome.json["state"]) == (0, "newsroom", "ACTIVE")
    row = connection.execute(text("SELECT * FROM accounts WHERE name = 'newsroom'")).one()
    assert (row.api_id, bool(row.session_ciphertext)) == (5, True)
    told = f"{outcome.out}{outcome.err}{connection.execute(text('SELECT after FROM audit_logs')).all()}{row}"
    assert given not in told
    assert HASH not in told


def test_without_a_session_the_next_step_is_named(
    vestnik: Run, type_in: Type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELEGRAM_API_ID", "5")
    monkeypatch.setenv("TELEGRAM_API_HASH", HASH)
    outcome = vestnik("account", "add", "newsroom")
    assert outcome.code == 0
    assert "vestnik account login 'newsroom'" in outcome.out


def test_an_account_that_rehearses_is_nobody_in_telegram_and_looks_up_nothing(
    vestnik: Run, connection: Connection
) -> None:
    connection.execute(text("UPDATE accounts SET tg_user_id = 5, tg_name = 'x7f3' WHERE name = 'rehearsal'"))
    shown = vestnik("account", "show", "rehearsal").out
    assert "x7f3" not in shown
    assert "look-ups" not in shown
    listed = vestnik("account", "list").out
    assert "x7f3" not in listed
    assert "0 of 200" not in listed
    assert vestnik("account", "list", "--json").json["telegram_name"] is None


def test_a_missing_application_is_named(vestnik: Run) -> None:
    outcome = vestnik("account", "add", "newsroom")
    assert (outcome.code, "TELEGRAM_API_ID" in outcome.err) == (1, True)


@pytest.mark.parametrize("given", ["", "1canary"])
def test_a_bad_session_is_refused_without_being_quoted(vestnik: Run, type_in: Type, given: str) -> None:
    type_in(given)
    outcome = vestnik("account", "add", "newsroom", "--session")
    assert outcome.code == 1
    assert "session" in outcome.err
    assert "canary" not in outcome.out + outcome.err


def test_a_session_on_the_command_line_is_refused_without_being_quoted(vestnik: Run) -> None:
    outcome = vestnik("account", "add", "newsroom", "--session=1canary")
    assert outcome.code == 2
    assert "canary" not in outcome.out + outcome.err


def test_a_session_is_replaced_and_one_that_another_account_has_is_refused(
    vestnik: Run, type_in: Type, connection: Connection
) -> None:
    key = make_key()
    for name, given in (("first", make_session(key)), ("second", make_session())):
        type_in(given, HASH)
        assert vestnik("account", "add", name, "--session", "--api-id", "5").code == 0
    connection.execute(text("UPDATE accounts SET state = 'NEEDS_LOGIN' WHERE name = 'first'"))
    type_in(make_session())
    assert "ACTIVE" in vestnik("account", "session", "first").out
    type_in(make_session(key))
    assert vestnik("account", "session", "second").code == 0
    type_in(make_session(key))
    outcome = vestnik("account", "session", "first")
    assert (outcome.code, "'second' has this session" in outcome.err) == (1, True)


def test_an_account_is_renamed_switched_off_and_on(vestnik: Run, type_in: Type) -> None:
    type_in(make_session(), HASH)
    vestnik("account", "add", "first", "--session", "--api-id", "5")
    assert "'second'" in vestnik("account", "rename", "first", "second").out
    assert "2/s" in vestnik("account", "set", "second", "--rate", "2").out
    assert vestnik("account", "disable", "second", "--json").json["state"] == "DISABLED"
    assert vestnik("account", "enable", "second", "--json").json["state"] == "ACTIVE"
    assert vestnik("account", "enable", "second").code == 1
