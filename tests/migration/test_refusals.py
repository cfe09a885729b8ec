"""What stands in the way of an adoption, and what everything else says to a database of the predecessor."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import URL

from tests.integration.cli.conftest import Run
from tests.migration import predecessor
from tests.migration.predecessor import add, connect, describe_database


@pytest.fixture
def queue_url(old_url: URL) -> URL:
    """With pg-boss' tables, of a worker that was stopped long ago."""
    predecessor.build(old_url, predecessor.PGBOSS)
    add(old_url, "users", {"email": "second@news.example"})
    with connect(old_url) as connection:
        connection.execute("INSERT INTO pgboss.version VALUES (24, '2025-01-16', '2025-01-16', '2025-01-16')")
        connection.execute(
            "INSERT INTO pgboss.job (name, state, started_on) VALUES ('send-message', 'created', NULL),"
            " ('send-message', 'active', '2025-01-16'), ('send-message', 'completed', '2025-01-16'),"
            " ('__pgboss__send-it', 'created', NULL)"
        )
    return old_url


@pytest.mark.parametrize("command", [("db", "upgrade"), ("campaign", "list"), ("worker",), ("api",), ("up",)])
def test_every_command_says_what_to_do_and_changes_nothing(
    vestnik: Run, old_url: URL, command: tuple[str, ...]
) -> None:
    before = describe_database(old_url)
    refused = vestnik(*command)
    assert refused.code != 0
    assert "the predecessor's tables" in refused.err
    assert "vestnik db adopt" in refused.err
    assert describe_database(old_url) == before


def test_the_state_of_the_schema_says_it_too(vestnik: Run, old_url: URL) -> None:
    assert "vestnik db adopt --dry-run" in vestnik("db", "current").out


def test_an_old_queue_is_reported_and_left_alone(vestnik: Run, queue_url: URL) -> None:
    done = vestnik("db", "adopt", "--json")
    assert done.json["adoption"]["queue"] == {
        "open_jobs": 2, "connections": 0, "active_at": "2025-01-16T00:00:00Z", "is_active": False,
    }  # fmt: skip
    assert predecessor.one(queue_url, "SELECT count(*) FROM pgboss.job") == (4,)


def test_open_messages_in_the_old_queue_are_warned_of(vestnik: Run, queue_url: URL) -> None:
    done = vestnik("db", "adopt", "--dry-run")
    assert "2 messages in it wait" in done.out
    assert "DROP SCHEMA pgboss CASCADE" in done.err


def test_a_connected_old_worker_is_in_the_way(vestnik: Run, queue_url: URL) -> None:
    with connect(queue_url) as connection:
        connection.execute("SET application_name = 'pgboss'")
        before = describe_database(queue_url)
        refused = vestnik("db", "adopt")
        assert refused.code == 1
        assert "the predecessor's worker runs: it has 1 connections" in refused.err
        assert describe_database(queue_url) == before
        said = vestnik("db", "adopt", "--dry-run")
        assert said.code == 0
        assert "the predecessor's worker runs" in said.err
    assert vestnik("db", "adopt").code == 0


@pytest.mark.parametrize(
    "trace", ["UPDATE pgboss.version SET cron_on = now()", "UPDATE pgboss.job SET started_on = now()"]
)
def test_one_behind_a_pooler_is_told_by_its_traces(vestnik: Run, queue_url: URL, trace: str) -> None:
    with connect(queue_url) as connection:
        connection.execute(trace.encode())
    refused = vestnik("db", "adopt")
    assert refused.code == 1
    assert "the predecessor's worker was active at" in refused.err
    assert f"{datetime.now(UTC):%Y}" not in refused.out
    with connect(queue_url) as connection:
        connection.execute(trace.replace("now()", "now() - interval '3 minutes'").encode())
    assert vestnik("db", "adopt").code == 0


def test_tables_in_use_are_not_waited_for_without_end(vestnik: Run, old_url: URL) -> None:
    with connect(old_url) as connection, connection.transaction():
        connection.execute("SELECT FROM campaigns")
        refused = vestnik("db", "adopt")
    assert refused.code == 1
    assert "stop the API and the workers on it" in refused.err
    assert vestnik("db", "adopt").code == 0


def test_a_database_of_somebody_else_is_left_alone(vestnik: Run, empty_database_url: URL) -> None:
    predecessor.build(empty_database_url, "CREATE TABLE users (id int)")
    before = describe_database(empty_database_url)
    for command in (("db", "adopt"), ("db", "upgrade"), ("campaign", "list")):
        refused = vestnik(*command)
        assert refused.code == 1
        assert "nothing was changed" in refused.err
        assert "another database" in refused.err or "DATABASE_URL" in refused.err
    assert describe_database(empty_database_url) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ('ALTER TABLE jobs RENAME COLUMN channel_id TO "where"', "jobs has no column channel_id"),
        ("CREATE SCHEMA predecessor", "schema named predecessor already"),
        ("CREATE VIEW accounts AS SELECT 1", "accounts is a view"),
    ],
)
def test_what_cannot_be_taken_over_is_named(vestnik: Run, old_url: URL, change: str, words: str) -> None:
    with connect(old_url) as connection:
        connection.execute(change.encode())
    before = describe_database(old_url)
    refused = vestnik("db", "adopt")
    assert refused.code == 1
    assert words in refused.err
    assert describe_database(old_url) == before


def test_tables_of_others_with_our_names_are_kept_beside(vestnik: Run, old_url: URL) -> None:
    predecessor.build(old_url, "CREATE TABLE sessions (sid text); INSERT INTO sessions VALUES ('theirs')")
    done = vestnik("db", "adopt")
    assert done.code == 0
    assert "kept beside: sessions" in done.err
    assert predecessor.read(old_url, "SELECT sid FROM predecessor.sessions") == [("theirs",)]
