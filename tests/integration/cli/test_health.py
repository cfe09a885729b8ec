"""What a supervisor hears when it asks whether a process does its work."""

import platform
import socket

import pytest
from sqlalchemy import Connection, text

from tests.integration.cli.conftest import Run

SEEN = (
    "INSERT INTO workers (holder, host, pid, seen_at)"
    " VALUES ('a worker', :host, 1, clock_timestamp() - make_interval(secs => :ago))"
)


@pytest.mark.parametrize(("ago", "elsewhere", "code"), [(1, "", 0), (30, "", 1), (1, "another-", 1)])
def test_a_worker_of_this_host_has_to_have_been_seen_lately(
    vestnik: Run, connection: Connection, ago: int, elsewhere: str, code: int
) -> None:
    connection.execute(text(SEEN), {"host": elsewhere + platform.node(), "ago": ago})
    outcome = vestnik("health", "worker")
    assert outcome.code == code
    assert ("no worker of the host" in outcome.err) == bool(code)
    assert outcome.out == ""


def test_without_its_database_no_worker_is_well(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:canary@127.0.0.1:1/nothing")
    outcome = run("health", "worker")
    assert outcome.code == 1
    (line,) = outcome.err.splitlines()
    assert "the database cannot be used" in line
    assert "canary" not in line


def test_an_api_that_does_not_answer_is_not_well(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    monkeypatch.setenv("PORT", port)
    outcome = run("health", "api")
    assert outcome.code == 1
    assert f"no API answers at 127.0.0.1 port {port}" in outcome.err


def test_only_a_process_that_there_is_can_be_asked_after(run: Run) -> None:
    assert run("health", "database").code == 2
