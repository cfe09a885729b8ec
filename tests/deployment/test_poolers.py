"""Vestnik behind a real PgBouncer, in both of its modes, and what it takes of the database's connections."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL

from tests.conftest import DatabaseServer
from tests.deployment.installation import Api, Installation, name_channels
from tests.deployment.pgbouncer import run_pgbouncer
from vestnik.db.listener import Listener, hears_notifications
from vestnik.domain.errors import ConfigurationError

CHANNELS = name_channels(30)
AT_ONCE = 12


@pytest.fixture
def session_url(database_server: DatabaseServer, database_url: URL, tmp_path: Path) -> Iterator[URL]:
    """The database through a session pooler."""
    folder = tmp_path / "session"
    with run_pgbouncer(database_server, database_url, folder, mode="session", pool_size=40) as url:
        yield url


@pytest.fixture
def transaction_url(database_server: DatabaseServer, database_url: URL, tmp_path: Path) -> Iterator[URL]:
    """The database through a transaction pooler, which has fewer connections than those who ask."""
    folder = tmp_path / "transaction"
    with run_pgbouncer(database_server, database_url, folder, mode="transaction", pool_size=4) as url:
        yield url


async def test_a_session_pooler_is_told_from_a_transaction_pooler(
    session_url: URL, transaction_url: URL, database_url: URL
) -> None:
    assert await hears_notifications(database_url)
    assert await hears_notifications(session_url)
    assert not await hears_notifications(transaction_url)
    with pytest.raises(ConfigurationError, match="transaction pooler"):
        await Listener(transaction_url, lambda _: None).check_session()


def test_a_worker_refuses_a_transaction_pooler_and_says_what_it_needs(
    transaction_url: URL, database_url: URL, tmp_path: Path
) -> None:
    with Installation(tmp_path, transaction_url) as installation:
        refused = installation.run("worker")
    assert refused.returncode == 1
    (line,) = [line for line in refused.stderr.splitlines() if "error" in line]
    assert "transaction pooler" in line
    assert "the direct connection or the session pooler (port 5432)" in line
    assert "Traceback" not in refused.stderr
    with psycopg.connect(to_conninfo(database_url)) as connection:
        assert connection.execute("SELECT count(*) FROM workers").fetchone() == (0,)


def test_the_doctor_names_a_transaction_pooler_for_a_worker_and_takes_it_for_an_api(
    transaction_url: URL, session_url: URL, tmp_path: Path
) -> None:
    with Installation(tmp_path, transaction_url, PORT="0") as installation:
        for part, code in (("worker", 1), ("api", 0)):
            done = installation.run("doctor", "--for", part, "--json")
            faults = [
                finding["check"]
                for finding in json.loads(done.stdout)["findings"]
                if finding["verdict"] == "FAULT"
            ]
            assert (done.returncode, faults) == (code, ["pooler"] * code), done
        assert installation.run("doctor", "--json", url=session_url).returncode == 0


def test_everything_runs_through_a_session_pooler(session_url: URL, tmp_path: Path) -> None:
    with Installation(tmp_path, session_url) as installation:
        installation.start_simulator()
        installation.start_worker()
        installation.start_worker()
        api = installation.start_api()
        follow_a_campaign(api)
        assert installation.count_posts() == dict.fromkeys(CHANNELS, 1)


def test_an_api_works_through_a_transaction_pooler_beside_a_worker_on_a_session(
    transaction_url: URL, database_url: URL, tmp_path: Path
) -> None:
    with Installation(tmp_path, database_url) as installation:
        assert installation.run("db", "check", url=transaction_url).returncode == 0
        installation.start_simulator()
        installation.start_worker()
        api = installation.start_api(url=transaction_url)
        with ThreadPoolExecutor(AT_ONCE) as askers:
            asked = [askers.submit(ask_often, api, 8) for _ in range(AT_ONCE)]
            follow_a_campaign(api)
            check_all(asked)
        assert installation.count_posts() == dict.fromkeys(CHANNELS, 1)
        assert "Traceback" not in api.process.errors


def test_a_short_command_and_the_migrations_work_through_a_transaction_pooler(
    database_server: DatabaseServer, empty_database_url: URL, tmp_path: Path
) -> None:
    pooler = run_pgbouncer(database_server, empty_database_url, tmp_path / "pooler", mode="transaction")
    with pooler as url, Installation(tmp_path, url) as installation:
        for command in (["db", "upgrade"], ["db", "check"], ["account", "list"], ["account", "list"]):
            done = installation.run(*command)
            assert done.returncode == 0, done.stderr


def test_no_process_takes_more_connections_than_it_may(database_url: URL, tmp_path: Path) -> None:
    limit = 4
    with Installation(tmp_path, database_url, VESTNIK_DATABASE_CONNECTIONS=str(limit)) as installation:
        api = installation.start_api()
        assert len(list_most_connections(database_url, api)) <= limit
        campaign_id = api.create_campaign(CHANNELS, rate=15)
        api.process.process.terminate()
        assert api.process.finish() == 0
        installation.start_simulator()
        assert installation.run("campaign", "start", campaign_id).returncode == 0
        installation.start_worker()
        most: list[str] = []
        with psycopg.connect(to_conninfo(database_url), autocommit=True) as connection:
            while len(installation.count_posts()) < len(CHANNELS):
                most = max(most, list_connections(connection), key=len)
        assert "vestnik-worker" in most
        assert len(most) <= limit, most


def follow_a_campaign(api: Api) -> None:
    """Start it, and hear of its progress as a live page does until it is over."""
    campaign_id = api.create_campaign(CHANNELS, rate=10)
    heard = api.listen(campaign_id)
    assert next(heard)["sent"] == 0
    api.act(campaign_id, "start")
    sent = [progress["sent"] for progress in until_completed(heard)]
    assert sent == sorted(sent)
    assert sent[-1] == len(CHANNELS)
    # Told of it on the way, not only at the end.
    assert len(set(sent)) >= 3


def until_completed(heard: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for progress in heard:
        yield progress
        if progress["status"] == "COMPLETED":
            return
    raise AssertionError("the stream ended early")


def ask_often(api: Api, times: int) -> None:
    """The same questions over and over: what a driver prepares after the fifth time would be missed now."""
    for _ in range(times):
        for path in ("/campaigns", "/channels", "/accounts", "/batches", "/templates", "/queue/stats"):
            api.get(path)


def check_all(asked: list["Future[None]"]) -> None:
    for future in asked:
        future.result()


def list_most_connections(url: URL, api: Api) -> list[str]:
    """While the API has much to do."""
    most: list[str] = []
    with (
        psycopg.connect(to_conninfo(url), autocommit=True) as connection,
        ThreadPoolExecutor(AT_ONCE) as askers,
    ):
        asked = [askers.submit(ask_often, api, 4) for _ in range(AT_ONCE)]
        while not all(future.done() for future in asked):
            assert api.client.get(f"{api.url}/readyz").status_code == 200
            most = max(most, list_connections(connection), key=len)
        check_all(asked)
    return most


def list_connections(connection: "psycopg.Connection[tuple[object, ...]]") -> list[str]:
    """Who has those that are open now."""
    rows = connection.execute(
        "SELECT application_name FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    ).fetchall()
    return [str(row[0]) for row in rows]


def to_conninfo(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
