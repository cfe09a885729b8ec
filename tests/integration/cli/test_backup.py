"""`vestnik backup` and `vestnik restore` on the embedded database of a data directory."""

import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.integration.cli.conftest import Run
from tests.support.session_strings import make_session
from vestnik.db.embedded import EmbeddedPostgres
from vestnik.db.embedded.backups import dump_database as dump
from vestnik.db.engine import parse_database_url
from vestnik.db.schema import head_revision
from vestnik.db.secrets import KEY_FILE, generate_key

IS_POSIX = sys.platform != "win32"


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """The server that the commands join."""
    with EmbeddedPostgres(data_dir, fsync=False, stop_on_exit=True) as server:
        yield server


@pytest.fixture
def campaign(server: EmbeddedPostgres, run: Run, channels_file: str) -> str:
    """A campaign that runs."""
    create = ("--name", "Morning", "--channels-file", channels_file, "--text", "Hi", "--rate", "20")
    assert run("campaign", "create", *create).code == 0
    assert run("campaign", "start", "Morning").code == 0
    return "Morning"


@pytest.fixture
def backup(campaign: str, run: Run, tmp_path: Path) -> Path:
    """Of the time when the campaign ran; cancelled since."""
    file = tmp_path / "it is mine.dump"
    done = run("backup", str(file))
    assert (done.code, done.err) == (0, "")
    assert f"The database is in {file}" in done.out
    assert "secret.key" in done.out
    assert run("campaign", "cancel", campaign).code == 0
    return file


@pytest.fixture
def with_session(server: EmbeddedPostgres, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A backup with an account's session in it."""
    for name, value in {"SESSION": make_session(), "API_ID": "12345", "API_HASH": "0" * 32}.items():
        monkeypatch.setenv(f"TELEGRAM_{name}", value)
    assert run("account", "list").code == 0
    file = tmp_path / "with a session.dump"
    assert run("backup", str(file)).code == 0
    return file


def read_status(run: Run) -> str:
    return str(run("campaign", "show", "Morning", "--json").json["status"])


def list_databases(server: EmbeddedPostgres) -> set[str]:
    with psycopg.connect(server.dsn) as connection:
        return {
            name for (name,) in connection.execute("SELECT datname FROM pg_database WHERE NOT datistemplate")
        }


def test_a_restored_backup_is_as_it_was_but_nothing_goes_out_by_itself(
    run: Run, backup: Path, server: EmbeddedPostgres, data_dir: Path
) -> None:
    done = run("restore", str(backup), "--yes")
    assert (done.code, done.err) == (0, "")
    assert "1 campaign paused (RESTORED): 'Morning' (was RUNNING)." in done.out
    shown = run("campaign", "show", "Morning", "--json").json
    assert (shown["status"], shown["pause_reason"]) == ("PAUSED", "RESTORED")
    assert run("db", "check").code == 0
    assert list_databases(server) == {"vestnik", "postgres"}
    (before,) = (data_dir / "backups").iterdir()
    assert str(before) in done.out
    # What was replaced is not lost either.
    assert run("restore", str(before), "--yes").code == 0
    assert read_status(run) == "CANCELLED"


def test_a_backup_goes_to_another_data_directory(
    run: Run, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTNIK_DATA_DIR", str(tmp_path / "new"))
    done = run("restore", str(backup), "--yes", "--json")
    assert done.code == 0
    assert done.json["before"] is None
    assert [campaign["name"] for campaign in done.json["after_restore"]["campaigns"]] == ["Morning"]
    assert read_status(run) == "PAUSED"


@pytest.mark.parametrize("key", ["none", "another", "unfit", "its own"])
def test_whether_the_key_opens_what_was_restored_is_told(
    run: Run, with_session: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    new = tmp_path / "new"
    monkeypatch.setenv("VESTNIK_DATA_DIR", str(new))
    new.mkdir(mode=0o700)
    given = {"another": generate_key(), "unfit": "x", "its own": (data_dir / KEY_FILE).read_text()}.get(key)
    if given is not None:
        (new / KEY_FILE).write_text(given)
        (new / KEY_FILE).chmod(0o600)
    done = run("restore", str(with_session), "--yes", "--json")
    assert done.code == 0
    assert done.json["unreadable_secrets"] == (2 if key in {"none", "another"} else 0)
    cures = {
        "none": "put the key that was in use when the backup was made into that place",
        "another": f"2 secrets of the backup (sessions and the like) cannot be opened with {new / KEY_FILE}",
        "unfit": "the keys of stored secrets cannot be used",
    }
    assert cures.get(key, "") in done.err
    assert bool(done.err) == (key in cures)


def test_a_backup_is_private_and_never_replaces_a_file(run: Run, backup: Path, data_dir: Path) -> None:
    if IS_POSIX:
        assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    held = backup.read_bytes()
    again = run("backup", str(backup))
    assert again.code == 1
    assert f"{backup} cannot be written" in again.err
    assert backup.read_bytes() == held
    assert {path.name for path in backup.parent.glob("*dump*")} == {backup.name}
    done = run("backup", "--json").json
    (file,) = (data_dir / "backups").iterdir()
    assert done == {"file": str(file), "bytes": file.stat().st_size}


def test_a_database_in_use_is_not_replaced(run: Run, backup: Path, server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.dsn, application_name="vestnik-worker"):
        refused = run("restore", str(backup), "--yes", "--json")
    assert refused.code == 1
    error = json.loads(refused.err)["error"]
    assert error["code"] == "CONFLICT"
    assert "vestnik-worker" in error["message"]
    assert read_status(run) == "CANCELLED"


def test_who_comes_while_it_is_restored_keeps_the_old_database(
    run: Run, backup: Path, server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = psycopg.connect(server.dsn)
    monkeypatch.setattr("vestnik.db.embedded.backups.list_users", lambda _: [])
    refused = run("restore", str(backup), "--yes")
    connection.close()
    assert refused.code == 1
    assert "somebody uses the database" in refused.err
    assert read_status(run) == "CANCELLED"
    assert list_databases(server) == {"vestnik", "postgres"}


def test_what_an_interrupted_restore_left_is_removed(
    run: Run, backup: Path, server: EmbeddedPostgres
) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        assert str(connection.execute("SHOW data_directory").fetchone()[0]).startswith(  # type: ignore[index]
            str(server.layout.data_dir)
        )
        connection.execute("CREATE DATABASE vestnik_restoring")
        connection.execute("CREATE DATABASE vestnik_replaced")
    assert run("restore", str(backup), "--yes").code == 0
    assert list_databases(server) == {"vestnik", "postgres"}


def test_what_is_otherwise_than_the_schema_is_restored_and_told(
    run: Run, campaign: str, server: EmbeddedPostgres, tmp_path: Path
) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("DROP INDEX channels_created_at_idx")
    file = tmp_path / "changed.dump"
    assert run("backup", str(file)).code == 0
    done = run("restore", str(file), "--yes")
    assert done.code == 0
    assert "differs from the schema in 1 place, the first: " in done.err
    assert "channels_created_at_idx" in done.err


def test_a_backup_of_a_newer_version_changes_nothing(
    run: Run, backup: Path, server: EmbeddedPostgres
) -> None:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999_future'")
    future = backup.with_name("future.dump")
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        dump(parse_database_url(server.url), future)
        connection.execute("UPDATE alembic_version SET version_num = (%s)", [head_revision()])
    refused = run("restore", str(future), "--yes")
    assert refused.code == 1
    assert "a newer version of Vestnik" in refused.err
    assert read_status(run) == "CANCELLED"
    assert list_databases(server) == {"vestnik", "postgres"}


def test_a_file_that_is_no_whole_backup_is_refused_before_anything_is_touched(
    run: Run, backup: Path, data_dir: Path, server: EmbeddedPostgres
) -> None:
    data = backup.read_bytes()
    files = {size: backup.with_name(f"{size}.dump") for size in (0, 3, 300, len(data) // 2)}
    for size, file in files.items():
        file.write_bytes(data[:size])
    other = backup.with_name("other.dump")
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE other TEMPLATE template0")
    dump(parse_database_url(server.url).set(database="other"), other)
    for file in (*files.values(), other, backup.parent, backup.with_name("nothing")):
        refused = run("restore", str(file), "--yes", "--json")
        assert refused.code == 1, file
        error = json.loads(refused.err)["error"]
        assert (error["code"], error["field"]) == ("INVALID_INPUT", "file")
        assert str(file) in error["message"]
    assert not (data_dir / "backups").exists()
    assert read_status(run) == "CANCELLED"


def test_a_server_of_ones_own_is_left_to_its_own_tools(
    run: Run, tmp_path: Path, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    for command in (("backup", str(tmp_path / "new")), ("restore", str(backup), "--yes")):
        refused = run(*command)
        assert refused.code == 1
        assert "pg_dump" in refused.err
        assert "after-restore" in refused.err
