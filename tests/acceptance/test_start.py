"""A process that dies in the middle of a start leaves a draft, which can be started."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, LiteralString

import psycopg
import pytest
from sqlalchemy import URL

from tests.acceptance.running import DEADLINE, Running, iterate_until, run

CAMPAIGN = ("campaign", "create", "--name", "Morning", "--text", "Hi", "--rate", "20", "--json")
WAITING: Final = "SELECT count(*) FROM pg_locks WHERE relation = 'jobs'::regclass AND NOT granted"
CONNECTED: Final = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vestnik-command'"


@pytest.fixture
def connection(database_url: URL) -> "Iterator[psycopg.Connection[tuple[object, ...]]]":
    dsn = database_url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def count(connection: "psycopg.Connection[tuple[object, ...]]", query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(str(row[0]))


def test_a_start_killed_in_its_transaction_leaves_a_draft_without_a_message(
    tmp_path: Path, database_url: URL, connection: "psycopg.Connection[tuple[object, ...]]"
) -> None:
    variables = {
        "VESTNIK_DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": database_url.render_as_string(hide_password=False),
    }
    channels = tmp_path / "channels.txt"
    channels.write_text("one_news\ntwo_news\nthree_news\n")
    created = run(*CAMPAIGN, "--channels-file", str(channels), folder=tmp_path, variables=variables)
    assert created.process.returncode == 0, created.errors

    with connection.transaction():
        # The start has changed the campaign by then, and cannot make the messages.
        connection.execute("LOCK TABLE jobs IN SHARE MODE")
        with Running("campaign", "start", "Morning", folder=tmp_path, variables=variables) as starting:
            for _ in iterate_until(time.monotonic() + DEADLINE):
                if count(connection, WAITING):
                    break
            starting.process.kill()
            starting.process.wait(DEADLINE)
    for _ in iterate_until(time.monotonic() + DEADLINE):
        if not count(connection, CONNECTED):
            break
    assert connection.execute("SELECT status, content, started_at FROM campaigns").fetchall() == [
        ("DRAFT", None, None)
    ]
    assert connection.execute("SELECT 1 FROM jobs UNION ALL SELECT 1 FROM campaign_progress").fetchall() == []

    again = run("campaign", "start", "Morning", "--json", folder=tmp_path, variables=variables)
    assert again.process.returncode == 0, again.errors
    assert again.lines[-1]["progress"]["queued"] == 3
