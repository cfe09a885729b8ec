"""`vestnik db after-restore`: what a restored backup would do by itself, it does not do."""

import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import ProgrammingError

from tests.integration.cli.conftest import Run
from tests.support.session_strings import make_session
from vestnik.db.embedded.binaries import find_binaries
from vestnik.db.secrets import KEY_FILE

ROOT = Path(__file__).parents[3]
AFTER_RESTORE = ("db", "after-restore", "--yes")
SCHEDULE = ("--at", "2100-01-01T09:00+00:00")


@pytest.fixture
def backup(vestnik: Run, channels_file: str, connection: Connection) -> Run:
    """A backup made while things ran: a sender's lease, campaigns in several statuses, an open direct post."""
    for name in ("Draft", "Later", "Running", "Paused", "Cancelled"):
        create = ("--name", name, "--channels-file", channels_file, "--text", "Hi", "--rate", "20")
        assert vestnik("campaign", "create", *create).code == 0
    assert vestnik("campaign", "schedule", "Later", *SCHEDULE).code == 0
    for name in ("Running", "Paused", "Cancelled"):
        assert vestnik("campaign", "start", name).code == 0
    assert vestnik("campaign", "pause", "Paused").code == 0
    assert vestnik("campaign", "cancel", "Cancelled").code == 0
    connection.execute(
        text(
            "INSERT INTO account_leases (account_id, holder, epoch, lease_until)"
            " SELECT id, 'a worker', 7, now() + interval '1 hour' FROM accounts"
        )
    )
    connection.execute(
        text(
            "INSERT INTO account_commands"
            " (account_id, kind, channel_id, random_id, payload_ciphertext, status, expires_at)"
            " SELECT a.id, 'SEND', c.id, 1, 'secret', 'PENDING', now() + interval '1 hour'"
            " FROM accounts a, channels c WHERE c.username = 'one_news'"
        )
    )
    return vestnik


def read_statuses(connection: Connection) -> dict[str, tuple[str, str | None]]:
    rows = connection.execute(text("SELECT name, status, pause_reason FROM campaigns"))
    return {row.name: (row.status, row.pause_reason) for row in rows}


def test_what_would_go_on_by_itself_is_paused_and_the_rest_left_alone(
    backup: Run, connection: Connection
) -> None:
    done = backup(*AFTER_RESTORE)
    assert done.code == 0
    assert "2 campaigns paused (RESTORED): 'Later' (was SCHEDULED), 'Running' (was RUNNING)." in done.out
    assert "The leases of 1 account are free under new epochs" in done.out
    assert "1 direct post ended with an unknown outcome" in done.out
    assert "Next: vestnik campaign resume" in done.out
    assert read_statuses(connection) == {
        "Draft": ("DRAFT", None),
        "Later": ("PAUSED", "RESTORED"),
        "Running": ("PAUSED", "RESTORED"),
        "Paused": ("PAUSED", "OPERATOR"),
        "Cancelled": ("CANCELLED", None),
    }
    shown = backup("campaign", "show", "Later", "--json").json
    assert "was SCHEDULED when it was made" in shown["status_detail"]


def test_the_sender_of_before_is_fenced_off_and_the_account_free(backup: Run, connection: Connection) -> None:
    connection.execute(text("INSERT INTO accounts (name, kind) VALUES ('never leased', 'SIMULATED')"))
    backup(*AFTER_RESTORE)
    rows = connection.execute(
        text("SELECT holder, epoch, lease_until < clock_timestamp() AS is_free FROM account_leases")
    ).all()
    assert len(rows) == 2
    assert all(row.is_free and row.holder != "a worker" for row in rows)
    # Nobody knows how often the lease changed hands after the backup was made; so often it did not.
    assert all(row.epoch > 1_500_000_000 for row in rows)


def test_an_open_direct_post_ends_as_unknown_and_loses_its_text(backup: Run, connection: Connection) -> None:
    backup(*AFTER_RESTORE)
    row = connection.execute(text("SELECT * FROM account_commands")).one()
    assert (row.status, row.payload_ciphertext, row.finished_at is None) == ("FAILED", None, False)
    assert row.result["error_code"] == "UNKNOWN_OUTCOME"


def test_it_is_audited(backup: Run, connection: Connection) -> None:
    backup(*AFTER_RESTORE)
    rows = connection.execute(
        text("SELECT * FROM audit_logs WHERE actor_kind = 'CLI' ORDER BY id DESC LIMIT 3")
    ).all()
    assert rows[0].action == "database.restored"
    assert rows[0].after == {"campaigns": 2, "accounts": 1, "commands": 1}
    assert [(row.action, row.before, row.after) for row in rows[1:]] == [
        ("campaign.paused", {"status": "RUNNING"}, {"status": "PAUSED", "reason": "RESTORED"}),
        ("campaign.paused", {"status": "SCHEDULED"}, {"status": "PAUSED", "reason": "RESTORED"}),
    ]


def test_doing_it_again_raises_the_epochs_and_pauses_nothing(backup: Run, connection: Connection) -> None:
    backup(*AFTER_RESTORE)
    before = connection.execute(text("SELECT epoch FROM account_leases")).scalar_one()
    again = backup(*AFTER_RESTORE, "--json")
    assert again.json == {"campaigns": [], "accounts": 1, "commands": 0}
    assert connection.execute(text("SELECT epoch FROM account_leases")).scalar_one() > before
    assert "No campaign was running or scheduled." in backup(*AFTER_RESTORE).out


def test_json_names_the_campaigns(backup: Run) -> None:
    campaigns = backup(*AFTER_RESTORE, "--json").json["campaigns"]
    assert [(campaign["name"], campaign["was"]) for campaign in campaigns] == [
        ("Later", "SCHEDULED"),
        ("Running", "RUNNING"),
    ]


@pytest.mark.parametrize("page", ["docs/how-to/backup.md", "docs/ru/how-to/backup.md"])
def test_what_the_page_says_of_servers_of_ones_own_works(
    backup: Run, connection: Connection, database_url: URL, tmp_path: Path, page: str
) -> None:
    address = database_url.set(drivername="postgresql").render_as_string(hide_password=False)
    dump, restore = [
        shlex.split(line.strip().replace("$DATABASE_URL", address))
        for line in (ROOT / page).read_text(encoding="utf-8").splitlines()
        if line.strip().startswith(("pg_dump ", "pg_restore "))
    ]
    before = read_statuses(connection)
    run_program(dump, tmp_path)
    assert backup("campaign", "cancel", "Running").code == 0
    run_program(restore, tmp_path)
    assert read_statuses(connection) == before
    assert backup(*AFTER_RESTORE).code == 0
    assert read_statuses(connection)["Running"] == ("PAUSED", "RESTORED")
    assert backup("db", "check").code == 0
    with pytest.raises(ProgrammingError, match="append-only"):
        connection.execute(text("DELETE FROM audit_logs"))


def run_program(command: list[str], folder: Path) -> None:
    """Run one of PostgreSQL's programs."""
    program = str(find_binaries().program(command[0]))
    done = subprocess.run([program, *command[1:]], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_it_waits_for_no_key_and_tells_that_it_is_missing(
    vestnik: Run,
    channels_file: str,
    connection: Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"SESSION": make_session(), "API_ID": "12345", "API_HASH": "0" * 32}.items():
        monkeypatch.setenv(f"TELEGRAM_{name}", value)
    create = ("--name", "Running", "--channels-file", channels_file, "--text", "Hi", "--rate", "20")
    assert vestnik("campaign", "create", *create).code == 0
    assert vestnik("campaign", "start", "Running").code == 0
    (tmp_path / "data" / KEY_FILE).unlink()
    monkeypatch.setenv("TELEGRAM_SESSION", make_session())
    assert vestnik("account", "list").code == 1
    done = vestnik(*AFTER_RESTORE)
    assert done.code == 0
    assert "2 secrets of the backup" in done.err
    assert "vestnik secrets status" in done.err
    assert read_statuses(connection)["Running"] == ("PAUSED", "RESTORED")


def test_what_was_paused_can_be_resumed(backup: Run) -> None:
    backup(*AFTER_RESTORE)
    assert backup("campaign", "resume", "Running", "--json").json["status"] == "RUNNING"


def test_one_that_had_not_started_begins_when_it_is_resumed(backup: Run) -> None:
    backup(*AFTER_RESTORE)
    resumed = backup("campaign", "resume", "Later", "--json").json
    assert (resumed["status"], resumed["progress"]["queued"]) == ("RUNNING", 3)
    assert resumed["started_at"] is not None


def test_without_a_person_to_ask_nothing_is_done(backup: Run, connection: Connection) -> None:
    before = read_statuses(connection)
    refused = backup("db", "after-restore")
    assert refused.code == 1
    assert "add --yes" in refused.err
    assert read_statuses(connection) == before


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 130)])
def test_a_person_at_the_terminal_is_asked(
    backup: Run, connection: Connection, answer: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def confirm(question: str, *, abort: bool, err: bool) -> None:
        assert "Pause every running and scheduled campaign" in question
        if not answer:
            raise typer.Abort

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(typer, "confirm", confirm)
    before = read_statuses(connection)
    assert backup("db", "after-restore").code == code
    assert (read_statuses(connection) == before) is not answer
