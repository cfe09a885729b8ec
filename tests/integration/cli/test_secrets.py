"""`vestnik secrets`: what it says, what it never shows, and that it may be killed anywhere."""

import base64
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Connection, text

from tests.integration.cli.conftest import Run
from tests.support.session_strings import make_session
from vestnik.db.secrets import (
    EXAMPLE_KEY,
    KEY_FILE,
    KeyRing,
    generate_key,
    identify_secret,
    read_key_id,
    read_key_ring,
)
from vestnik.services.secrets import SETTLES_AFTER

ROOT = Path(__file__).parents[3]
PATIENCE = 120
SECRETS = 5
HASH = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "data" / KEY_FILE


@pytest.fixture
def filled(vestnik: Run, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Run:
    """An account with a session and an API hash, and three passwords on their way to the worker."""
    for name, value in {"SESSION": make_session(), "API_ID": "12345", "API_HASH": HASH}.items():
        monkeypatch.setenv(f"TELEGRAM_{name}", value)
    assert vestnik("account", "list").code == 0
    for name in ("SESSION", "API_ID", "API_HASH"):
        monkeypatch.delenv(f"TELEGRAM_{name}")
    ring = open_ring()
    for number in range(3):
        command_id = UUID(int=number)
        connection.execute(
            text(
                "INSERT INTO account_commands (id, account_id, kind, payload_ciphertext, expires_at)"
                " SELECT :i, id, 'PASSWORD', :c, now() + interval '1 hour' FROM accounts WHERE name = 'default'"
            ),
            {
                "i": command_id,
                "c": ring.encrypt(
                    f"secret {number}", identify_secret("account_commands", command_id, "payload")
                ),
            },
        )
    return vestnik


def open_ring() -> KeyRing:
    ring = read_key_ring(None, Path(os.environ["VESTNIK_DATA_DIR"]))
    assert ring is not None
    return ring


def read_sessions(connection: Connection) -> list[bytes]:
    found = connection.execute(
        text("SELECT session_ciphertext FROM accounts WHERE session_ciphertext IS NOT NULL")
    )
    return [bytes(ciphertext) for (ciphertext,) in found]


def read_all(connection: Connection) -> list[str]:
    """Every secret in the clear, with the keys as they are now."""
    ring = open_ring()
    (account,) = connection.execute(text("SELECT * FROM accounts WHERE name = 'default'"))
    commands = connection.execute(text("SELECT * FROM account_commands ORDER BY id"))
    return [
        ring.decrypt(bytes(account.session_ciphertext), identify_secret("accounts", account.id, "session")),
        ring.decrypt(bytes(account.api_hash_ciphertext), identify_secret("accounts", account.id, "api_hash")),
        *(
            ring.decrypt(
                bytes(row.payload_ciphertext), identify_secret("account_commands", row.id, "payload")
            )
            for row in commands
        ),
    ]


def let_a_minute_pass(key_file: Path) -> None:
    then = time.time() - SETTLES_AFTER - 1
    os.utime(key_file, (then, then))


def test_rotate_prune_and_status_say_what_they_did(
    filled: Run, connection: Connection, key_file: Path
) -> None:
    before = read_all(connection)
    (old,) = open_ring().key_ids
    rotated = filled("secrets", "rotate")
    assert rotated.code == 0
    new = open_ring().key_ids[0]
    assert f"Key {new} is new, and the first one in {key_file}." in rotated.out
    assert f"re-encrypted {SECRETS} secrets\n" in rotated.out
    assert f"No longer needed here: key {old}." in rotated.out
    shown = filled("secrets", "status", "--json").json
    assert shown == {
        "source": str(key_file),
        "keys": [
            {"key_id": new, "is_first": True, "secrets": SECRETS, "is_needed": True},
            {"key_id": old, "is_first": False, "secrets": 0, "is_needed": False},
        ],
        "unreadable": [],
    }
    early = filled("secrets", "rotate", "--prune")
    assert (early.code, "repeat this in" in early.err) == (1, True)
    let_a_minute_pass(key_file)
    pruned = filled("secrets", "rotate", "--prune", "--json").json
    assert (pruned["dropped"], pruned["reencrypted"], pruned["is_new"]) == ([old], 0, False)
    table = filled("secrets", "status")
    assert re.search(rf"{new}\s+encrypts\s+{SECRETS}\s", table.out)
    assert old not in table.out
    assert read_all(connection) == before


def test_no_key_and_no_secret_is_shown(filled: Run, connection: Connection, key_file: Path) -> None:
    commands = [("rotate",), ("status",), ("status", "--json"), ("rotate", "--json"), ("rotate", "--prune")]
    outcomes = [filled("--traceback", "secrets", *arguments) for arguments in commands]
    said = "".join(outcome.out + outcome.err for outcome in outcomes)
    said += str(connection.execute(text("SELECT audit_logs::text FROM audit_logs")).all())
    keys = [line for line in key_file.read_text().splitlines() if not line.startswith("#")]
    assert len(keys) == 3
    for hidden in (*keys, *(base64.b64decode(key).hex() for key in keys), *read_all(connection)):
        assert hidden not in said


def test_keys_of_the_environment_are_changed_in_two_steps(
    filled: Run, connection: Connection, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, (old_id,) = key_file.read_text().split()[-1], open_ring().key_ids
    key_file.unlink()
    monkeypatch.setenv("VESTNIK_SECRET_KEY", old)
    first = filled("secrets", "rotate")
    found = re.search(r"VESTNIK_SECRET_KEY=(\S+),<what is there now>", first.out)
    assert found is not None
    assert old not in first.out
    monkeypatch.setenv("VESTNIK_SECRET_KEY", f"{found[1]},{old}")
    unasked = filled("secrets", "rotate")
    assert (unasked.code, "add --yes" in unasked.err) == (1, True)
    assert read_key_id(read_sessions(connection)[0]) == old_id
    second = filled("secrets", "rotate", "--yes")
    assert f"re-encrypted {SECRETS} secrets" in second.out
    assert "Take them out of VESTNIK_SECRET_KEY" in second.out
    monkeypatch.setenv("VESTNIK_SECRET_KEY", found[1])
    assert filled("secrets", "status", "--json").json["unreadable"] == []
    assert not key_file.exists()


def test_what_cannot_be_opened_is_named(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (lost,) = open_ring().key_ids
    monkeypatch.setenv("VESTNIK_SECRET_KEY", generate_key())
    for arguments in (("status",), ("rotate",)):
        outcome = filled("secrets", *arguments)
        assert f"{SECRETS} secrets cannot be opened" in outcome.err
        assert len(re.findall(rf"encrypted with key {lost}, which is not at hand", outcome.err)) == SECRETS


def test_generate_prints_a_key_that_can_be_used(run: Run, tmp_path: Path) -> None:
    made = [run("secrets", "generate").out.strip() for _ in range(2)]
    assert made[0] != made[1]
    assert all(len(base64.b64decode(key)) == 32 for key in made)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", ["up", "worker", "api", "account list"])
def test_no_process_starts_with_the_example_of_the_documentation(tmp_path: Path, command: str) -> None:
    example = base64.b64encode(EXAMPLE_KEY).decode()
    data_dir = tmp_path / "data"
    done = subprocess.run(
        [sys.executable, "-m", "vestnik", "--data-dir", str(data_dir), *command.split()],
        env={**os.environ, "VESTNIK_SECRET_KEY": example, "PORT": "0"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 1
    assert "VESTNIK_SECRET_KEY: the first key is the example of the documentation" in done.stderr
    assert "vestnik secrets generate" in done.stderr
    assert example not in done.stderr
    assert not (data_dir / "postgres").exists()  # no database was made for it


@pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")
class TestKilled:
    def kill(self, point: str, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "tests.support.killed_rotation", point, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == -9, done.stderr.decode()

    @pytest.mark.parametrize(
        ("point", "is_begun"),
        [
            ("vestnik.db.secrets._replace_whole:before:1", False),
            ("vestnik.db.secrets._write_beside:after:1", False),
            ("vestnik.db.secrets._replace_whole:after:1", True),
            *((f"vestnik.services.secrets.replace_ciphertext:before:{call}", True) for call in (1, 2, 4)),
            ("vestnik.services.secrets.lock_keys:before:1", False),
            *((f"vestnik.services.secrets.hold_keys:before:{call}", True) for call in (1, 2, 4, 5)),
        ],
    )
    def test_all_is_readable_and_the_next_rotation_finishes(
        self, filled: Run, connection: Connection, key_file: Path, point: str, *, is_begun: bool
    ) -> None:
        before = read_all(connection)
        self.kill(point, "rotate")
        assert len(open_ring().key_ids) == (2 if is_begun else 1)
        assert read_all(connection) == before
        done = filled("secrets", "rotate", "--json").json
        assert (done["is_resumed"], done["is_new"]) == (is_begun, not is_begun)
        assert len(open_ring().key_ids) == 2
        assert read_all(connection) == before
        let_a_minute_pass(key_file)
        assert len(filled("secrets", "rotate", "--prune", "--json").json["dropped"]) == 1
        assert read_all(connection) == before
        assert os.listdir(key_file.parent) == [KEY_FILE]

    @pytest.mark.parametrize(
        "point",
        [
            "vestnik.services.secrets._record:before:1",
            "vestnik.services.secrets.drop_keys:before:1",
            "vestnik.db.secrets._write_beside:after:1",
            "vestnik.services.secrets.drop_keys:after:1",
        ],
    )
    def test_dropping_keys_loses_nothing_either(
        self, filled: Run, connection: Connection, key_file: Path, point: str
    ) -> None:
        before = read_all(connection)
        assert filled("secrets", "rotate").code == 0
        let_a_minute_pass(key_file)
        self.kill(point, "rotate", "--prune")
        assert read_all(connection) == before
        assert filled("secrets", "rotate", "--prune").code == 0
        assert len(open_ring().key_ids) == 1
        assert read_all(connection) == before
