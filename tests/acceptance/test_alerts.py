"""Alerts of real processes: somebody is told soon, once, and whichever of them dies."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Connection, create_engine, text

from tests.acceptance.running import DEADLINE, Running, iterate_until
from tests.support.local_servers import serve

SOON = 15.0


class Desk:
    """Takes messages; does not answer while `answers` is not set."""

    def __init__(self) -> None:
        self.messages: queue.Queue[dict[str, Any]] = queue.Queue()
        self.answers = threading.Event()
        self.answers.set()
        self.url = ""

    def wait_for(self, kind: str) -> dict[str, Any]:
        """The next message about something of this kind."""
        deadline = time.monotonic() + DEADLINE
        while True:
            message = self.messages.get(timeout=max(deadline - time.monotonic(), 0.001))
            if message["alert"]["kind"] == kind:
                return message


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            desk.messages.put(json.loads(body))
            desk.answers.wait(DEADLINE)
            try:
                self.send_response(200)
                self.end_headers()
            except OSError:
                pass  # whoever asked is dead

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with serve(Handler) as address:
        desk.url = f"{address}/"
        yield desk
        desk.answers.set()


@pytest.fixture
def variables(database_url: URL, tmp_path: Path, desk: Desk) -> dict[str, str]:
    """Of processes on one database that tell the desk."""
    variables = {
        "DATABASE_URL": database_url.render_as_string(hide_password=False),
        "VESTNIK_DATA_DIR": str(tmp_path / "data"),
        "VESTNIK_ALERT_PRIVATE_WEBHOOKS": "true",
        "VESTNIK_ALERT_DISK_FREE_MB": "0",
        "PORT": "0",
    }
    arguments = ("alerts", "add", "desk", "--kind", "webhook", "--url", desk.url, "--language", "en")
    subprocess.run(
        [sys.executable, "-m", "vestnik", *arguments],
        input="a signing key of some length\n",
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, **variables},
        timeout=DEADLINE,
    )
    return variables


@pytest.fixture
def connection(database_url: URL) -> Iterator[Connection]:
    engine = create_engine(database_url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection
    engine.dispose()


def restrict(connection: Connection) -> None:
    connection.execute(text("UPDATE accounts SET state = 'LIMITED'"))


@pytest.mark.timed
def test_the_api_tells_soon_that_the_last_worker_was_killed(
    tmp_path: Path, variables: dict[str, str], desk: Desk
) -> None:
    with (
        Running("api", "--json", folder=tmp_path, variables=variables) as api,
        Running("worker", "--json", folder=tmp_path, variables=variables) as worker,
    ):
        api.wait_for("ready")
        worker.wait_for("ready")
        worker.process.kill()
        began = time.monotonic()
        message = desk.wait_for("NO_WORKER")
        took = time.monotonic() - began
        assert message["event"] == "alert.firing"
        with Running("worker", "--json", folder=tmp_path, variables=variables):
            assert desk.wait_for("NO_WORKER")["event"] == "alert.resolved"
        api.process.terminate()
    assert took < SOON


def test_whichever_process_is_killed_in_mid_delivery_another_delivers_the_same_message(
    tmp_path: Path, variables: dict[str, str], desk: Desk, connection: Connection
) -> None:
    workers = [Running("worker", "--json", folder=tmp_path, variables=variables) for _ in range(2)]
    with workers[0], workers[1]:
        for worker in workers:
            worker.wait_for("ready")
        desk.answers.clear()
        restrict(connection)
        first = desk.wait_for("ACCOUNT_LIMITED")
        for worker in workers:  # one of them waits for the answer
            worker.process.kill()
        desk.answers.set()
        with Running("worker", "--json", folder=tmp_path, variables=variables) as third:
            third.wait_for("ready")
            again = desk.wait_for("ACCOUNT_LIMITED")
            assert (again["id"], again["event"]) == (first["id"], "alert.firing")
            for _ in iterate_until(time.monotonic() + DEADLINE):
                rows = connection.execute(text("SELECT status FROM alert_notifications")).all()
                if [row.status for row in rows] == ["SENT"]:
                    break
    assert desk.messages.empty()
