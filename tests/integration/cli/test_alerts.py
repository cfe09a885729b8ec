"""`vestnik alerts`: destinations are added, tried and removed; secrets come from standard input, and stay."""

import io
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from sqlalchemy import Connection, text

from tests.integration.cli.conftest import Run

KEY = "canary signing key"

Type = Callable[[str], None]


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Type:
    """Put something on standard input."""

    def put(given: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))

    return put


class Taker(BaseHTTPRequestHandler):
    """Takes everything."""

    taken: list[bytes]

    def do_POST(self) -> None:
        self.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[bytes]]]:
    """Where messages are taken, and those that were."""
    taken: list[bytes] = []
    server = HTTPServer(("127.0.0.1", 0), type("OwnTaker", (Taker,), {"taken": taken}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/secret-path", taken
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_is_added_tried_switched_off_and_removed(
    vestnik: Run,
    type_in: Type,
    webhook: tuple[str, list[bytes]],
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, taken = webhook
    type_in(KEY + "\n")
    added = vestnik("alerts", "add", "desk", "--kind", "webhook", "--url", url, "--language", "en", "--json")
    assert added.code == 0, added.err
    assert added.json["kind"] == "WEBHOOK"
    assert "not tested" in vestnik("alerts", "destinations").out
    refused = vestnik("alerts", "test", "desk")
    assert refused.code == 1
    failing = vestnik("alerts", "destinations").out
    assert ("fails" in failing, "VESTNIK_ALERT_PRIVATE_WEBHOOKS" in failing) == (True, True)
    assert "VESTNIK_ALERT_PRIVATE_WEBHOOKS" in refused.out
    monkeypatch.setenv("VESTNIK_ALERT_PRIVATE_WEBHOOKS", "true")
    tried = vestnik("alerts", "test", "desk")
    assert (tried.code, "HTTP 202" in tried.out) == (0, True)
    assert b"This is a test" in taken[0]
    listed = vestnik("alerts", "destinations")
    assert ("127.0.0.1" in listed.out, "good" in listed.out) == (True, True)
    assert "VESTNIK_ALERT_PRIVATE_WEBHOOKS" not in listed.out
    changed = vestnik("alerts", "set", "desk", "--off", "--language", "ru", "--json")
    assert (changed.json["is_active"], changed.json["language"]) == (False, "ru")
    removed = vestnik("alerts", "remove", "desk")
    assert removed.code == 0
    assert vestnik("alerts", "remove", "desk").code == 1
    shown = "".join(
        outcome.out + outcome.err for outcome in (added, refused, tried, listed, changed, removed)
    )
    audit = str(connection.execute(text("SELECT * FROM audit_logs")).all())
    for secret in (KEY, "secret-path"):
        assert secret not in shown + audit


def test_what_is_missing_or_wrong_is_named(vestnik: Run, type_in: Type, connection: Connection) -> None:
    type_in("")
    refused = vestnik("alerts", "add", "desk", "--kind", "webhook", "--url", "https://x.example/")
    assert (refused.code, "standard input holds no signing key" in refused.err) == (1, True)
    type_in(KEY + "\n")
    refused = vestnik("alerts", "add", "desk", "--kind", "webhook", "--json")
    assert (refused.code, '"field": "url"' in refused.err) == (1, True)
    refused = vestnik("alerts", "add", "desk", "--kind", "pigeon")
    assert (refused.code, "WEBHOOK, EMAIL, TELEGRAM" in refused.err) == (1, True)
    refused = vestnik("alerts", "add", "desk", "--kind", "email", "--host", "smtp.example.org")
    assert refused.code == 1
    assert vestnik("alerts", "set", "desk").code == 1
    assert connection.execute(text("SELECT count(*) FROM alert_destinations")).scalar() == 0


def test_alerts_are_listed_and_those_that_are_over_on_request(vestnik: Run, connection: Connection) -> None:
    assert "nothing is wrong" in vestnik("alerts", "list").err
    connection.execute(
        text(
            "INSERT INTO alerts (key, kind, is_urgent, name, title, since) VALUES"
            " ('NO_WORKER:', 'NO_WORKER', true, '', 'No worker is running.', now())"
        )
    )
    assert "No worker is running." in vestnik("alerts", "list").out
    connection.execute(text("UPDATE alerts SET state = 'RESOLVED', resolved_at = now()"))
    assert vestnik("alerts", "list", "--json").json_lines == []
    (alert,) = vestnik("alerts", "list", "--all", "--json").json_lines
    assert alert["state"] == "RESOLVED"
