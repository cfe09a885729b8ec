"""`vestnik user` and `vestnik token`: the first administrator, passwords from standard input, tokens."""

import hashlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import URL, Connection, text

from tests.integration.cli.conftest import Run

EMAIL = "Anna@News.example"
PASSWORD = "three unusual words"

Type = Callable[[str | bytes], None]


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Type:
    """Put something on standard input."""

    def put(given: str | bytes) -> None:
        data = given.encode() if isinstance(given, str) else given
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return put


def read_audit(connection: Connection) -> list[tuple[str, str]]:
    return [
        tuple(row)
        for row in connection.execute(text("SELECT action, actor_kind FROM audit_logs ORDER BY id"))
    ]


@pytest.fixture
def anna(vestnik: Run, type_in: Type) -> Run:
    """Commands on a database with one administrator."""
    type_in(PASSWORD + "\n")
    assert vestnik("user", "create", "--email", EMAIL, "--role", "admin", "--name", "Anna").code == 0
    return vestnik


def test_a_user_is_made_with_a_password_from_standard_input(anna: Run, connection: Connection) -> None:
    outcome = anna("user", "list", "--json")
    assert outcome.json["email"] == "anna@news.example"
    assert (outcome.json["role"], outcome.json["is_active"], outcome.json["must_change_password"]) == (
        "ADMIN", True, False,
    )  # fmt: skip
    stored = connection.execute(text("SELECT password_hash FROM users")).scalar_one()
    assert stored.startswith("$argon2id$v=19$")
    assert read_audit(connection) == [("user.created", "CLI")]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "no password"),
        ("\n", "no password"),
        ("tiny\n", "too short"),
        ("x" * 1_025, "longer than 1024 bytes"),
        ("my anna@NEWS.example", "contains the e-mail"),
        (b"caf\xe9 caf\xe9 caf\xe9", "not valid UTF-8"),
    ],
)
def test_a_poor_password_is_refused_without_repeating_it(
    vestnik: Run, connection: Connection, type_in: Type, given: str | bytes, words: str
) -> None:
    type_in(given)
    outcome = vestnik("user", "create", "--email", EMAIL, "--role", "ADMIN")
    assert outcome.code == 1
    assert words in outcome.err
    assert not isinstance(given, str) or not given.strip() or given.strip() not in outcome.err
    assert connection.execute(text("SELECT count(*) FROM users")).scalar_one() == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--email", "nobody", "--role", "ADMIN"), "no e-mail address"),
        (("--email", EMAIL, "--role", "owner"), "the roles are VIEWER, OPERATOR, ADMIN"),
    ],
)
def test_what_is_wrong_is_said_before_the_password_is_asked_for(
    vestnik: Run, arguments: tuple[str, ...], words: str
) -> None:
    outcome = vestnik("user", "create", *arguments)
    assert outcome.code == 1
    assert words in outcome.err


def test_an_address_is_taken_in_any_case(anna: Run, type_in: Type) -> None:
    type_in(PASSWORD)
    outcome = anna("user", "create", "--email", EMAIL.upper(), "--role", "VIEWER")
    assert outcome.code == 1
    assert "already" in outcome.err


def test_the_last_administrator_cannot_be_demoted_or_deactivated(anna: Run, type_in: Type) -> None:
    for change in (["--role", "VIEWER"], ["--deactivate"]):
        outcome = anna("user", "set", EMAIL, *change)
        assert outcome.code == 1
        assert "last active administrator" in outcome.err
    type_in(PASSWORD)
    assert anna("user", "create", "--email", "boris@news.example", "--role", "ADMIN").code == 0
    assert (
        anna("user", "set", EMAIL, "--role", "viewer", "--deactivate").out
        == "anna@news.example is VIEWER, and deactivated.\n"
    )
    assert anna("user", "set", EMAIL).code == 1
    assert anna("user", "set", "nobody@news.example", "--activate").code == 1


def test_a_new_password_replaces_the_old_one(anna: Run, connection: Connection, type_in: Type) -> None:
    before = connection.execute(text("SELECT password_hash FROM users")).scalar_one()
    connection.execute(
        text(
            "INSERT INTO sessions (user_id, token_hash, expires_at) SELECT id, 'x', now() + interval '1 day' FROM users"
        )
    )
    type_in("other unusual words\r\n")
    assert anna("user", "password", EMAIL).code == 0
    assert connection.execute(text("SELECT password_hash FROM users")).scalar_one() != before
    assert connection.execute(text("SELECT count(*) FROM sessions")).scalar_one() == 0
    assert read_audit(connection)[-1] == ("user.password_changed", "CLI")


def test_a_token_is_printed_once_and_stored_as_a_hash(anna: Run, connection: Connection) -> None:
    outcome = anna("token", "create", "--user", EMAIL, "--json", "--expires-days", "30", "--scope", "read")
    made = outcome.json
    assert set(made) == {"token", "id", "expiresAt"}
    left = datetime.fromisoformat(made["expiresAt"]) - datetime.now(UTC)
    assert timedelta(days=29) < left <= timedelta(days=30)
    row = connection.execute(text("SELECT * FROM api_tokens")).one()
    assert (row.token_hash, row.scope, row.hint) == (
        hashlib.sha256(made["token"].encode()).digest(), "READ", made["token"][-4:],
    )  # fmt: skip
    listed = anna("token", "list")
    assert made["token"] not in listed.out
    assert made["id"] in listed.out
    assert read_audit(connection)[-1] == ("token.created", "CLI")


def test_the_token_alone_is_on_standard_output(anna: Run) -> None:
    outcome = anna("token", "create", "--user", EMAIL)
    assert len(outcome.out.strip()) == 47
    assert outcome.out.startswith("vst_")


def test_a_token_is_revoked_by_its_id_and_never_repeated(anna: Run, connection: Connection) -> None:
    made = anna("token", "create", "--user", EMAIL, "--json").json
    outcome = anna("token", "revoke", made["token"])
    assert outcome.code == 1
    assert made["token"] not in outcome.err
    assert anna("token", "revoke", made["id"]).code == 0
    assert "revoked" in anna("token", "list").out
    assert read_audit(connection)[-1] == ("token.revoked", "CLI")


def test_a_deactivated_person_gets_no_token(anna: Run, type_in: Type) -> None:
    type_in(PASSWORD)
    anna("user", "create", "--email", "boris@news.example", "--role", "VIEWER")
    anna("user", "set", "boris@news.example", "--deactivate")
    outcome = anna("token", "create", "--user", "boris@news.example")
    assert outcome.code == 1
    assert "deactivated" in outcome.err


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_on_a_terminal_the_password_is_asked_for_twice_and_not_shown(
    database_url: URL, connection: Connection, tmp_path: Path
) -> None:
    import pty

    parent, child = pty.openpty()
    command = [sys.executable, "-m", "vestnik", "user", "create", "--email", EMAIL, "--role", "ADMIN"]
    environment = {
        **os.environ,
        "DATABASE_URL": database_url.render_as_string(hide_password=False),
        "VESTNIK_DATA_DIR": str(tmp_path / "data"),
    }
    with subprocess.Popen(
        command,
        stdin=child,
        stdout=child,
        stderr=child,
        env=environment,
        cwd=tmp_path,
        start_new_session=True,
    ) as process:
        os.close(child)
        shown = b""
        for prompt in (b"Password: ", b"confirmation: "):
            while not shown.endswith(prompt):
                shown += os.read(parent, 1_000)
            os.write(parent, PASSWORD.encode() + b"\n")
        try:
            while data := os.read(parent, 1_000):
                shown += data
        except OSError:
            pass  # the other end is closed
        assert process.wait(60) == 0, shown
    os.close(parent)
    assert PASSWORD.encode() not in shown
    assert connection.execute(text("SELECT count(*) FROM users")).scalar_one() == 1
