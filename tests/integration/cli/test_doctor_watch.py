"""`vestnik doctor` about what watches an installation: alerts, who is told of them, and metrics."""

import asyncio
import base64
import io
import secrets
import socket
import sys
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from tests.integration.cli.conftest import Run
from tests.integration.cli.test_doctor import LOOPBACK, find, free_port, the_only_fault
from vestnik.cli.doctor_machine import examine_metrics_port
from vestnik.domain.doctor import Verdict
from vestnik.metrics.delivery import WorkerMetrics
from vestnik.worker.metrics import run_metrics


@pytest.fixture(autouse=True)
def _port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may run Vestnik on this machine."""
    monkeypatch.setenv("PORT", str(free_port()))


@pytest.fixture
def desk(vestnik: Run, monkeypatch: pytest.MonkeyPatch) -> str:
    """A destination with a secret; its name."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"canary signing key")))
    added = vestnik(
        "alerts", "add", "desk", "--kind", "webhook", "--url", "https://hooks.news.example/secret-path"
    )
    assert added.code == 0, added
    return "desk"


class TestOfAlerts:
    def test_nobody_is_told(self, vestnik: Run) -> None:
        outcome = vestnik("doctor", "--json")
        assert outcome.code == 0
        assert "vestnik alerts add" in find(outcome, "OK")["alerts"][0]["text"]

    def test_somebody_can_be_told(self, vestnik: Run, desk: str) -> None:
        outcome = vestnik("doctor", "--json")
        assert outcome.code == 0, outcome
        assert find(outcome, "OK")["alerts"][0]["text"] == "1 destination can be told"
        assert f"destination '{desk}'" in find(outcome, "OK")["key"][-1]["text"]
        assert "canary" not in outcome.out
        assert "secret-path" not in outcome.out

    def test_a_destination_fails(self, vestnik: Run, desk: str, connection: Connection) -> None:
        connection.execute(
            text(
                "UPDATE alert_destinations SET failures = 3, failing_since = '2026-05-04 03:02+00', "
                "last_error = 'the server answered 503'"
            )
        )
        fault = the_only_fault(vestnik("doctor", "--json"), "alerts")
        assert f"'{desk}' has not been reached since 2026-05-04 03:02 UTC: the server answered 503" in fault
        assert f"vestnik alerts test {desk}" in fault

    def test_a_destination_that_is_switched_off_may_fail(
        self, vestnik: Run, desk: str, connection: Connection
    ) -> None:
        connection.execute(
            text("UPDATE alert_destinations SET failures = 3, failing_since = now(), is_active = false")
        )
        assert vestnik("doctor", "--json").code == 0

    def test_alerts_go_on(self, vestnik: Run, connection: Connection) -> None:
        connection.execute(
            text(
                "INSERT INTO alerts (key, kind, is_urgent, name, title, since) VALUES "
                "('NO_WORKER', 'NO_WORKER', true, '', 'No worker runs', now())"
            )
        )
        outcome = vestnik("doctor", "--json")
        assert outcome.code == 0
        assert find(outcome, "WARNING")["alerts"][0]["text"] == "1 alert: No worker runs"

    def test_the_key_of_a_destination_is_another_one(self, vestnik: Run, desk: str, tmp_path: Path) -> None:
        other = base64.b64encode(secrets.token_bytes(32)).decode()
        (tmp_path / "data" / "secret.key").write_text(other)
        fault = the_only_fault(vestnik("doctor", "--json"), "key")
        assert f"does not open what is stored for destination '{desk}'" in fault

    def test_a_schema_without_alerts_is_looked_at_too(self, vestnik: Run, connection: Connection) -> None:
        connection.execute(text("DROP TABLE alert_notifications, alert_destinations, alerts"))
        outcome = vestnik("doctor", "--json")
        assert "alerts" not in find(outcome, "OK")
        assert outcome.code == 0


class TestOfMetrics:
    def test_their_port_is_free(self, vestnik: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VESTNIK_METRICS_PORT", str(free_port()))
        outcome = vestnik("doctor", "--json")
        assert "is free" in find(outcome, "OK")["metrics"][0]["text"]
        assert "metrics" not in find(vestnik("doctor", "--for", "api", "--json"), "OK")

    def test_their_port_is_somebody_elses(self, vestnik: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server((LOOPBACK, 0)) as other:
            monkeypatch.setenv("VESTNIK_METRICS_PORT", str(other.getsockname()[1]))
            outcome = vestnik("doctor", "--json")
        assert outcome.code == 0, outcome
        assert "cannot be had" in find(outcome, "WARNING")["metrics"][0]["text"]

    async def test_a_worker_shows_them(self) -> None:
        port = free_port()
        shown = asyncio.create_task(run_metrics(WorkerMetrics().render, port))
        try:
            findings = await asyncio.to_thread(look_until_shown, port)
        finally:
            shown.cancel()
        assert findings == [(Verdict.OK, f"a worker shows its metrics on port {port}")]


def look_until_shown(port: int) -> list[tuple[Verdict, str]]:
    """It listens a moment after it was started."""
    while True:
        findings = [(finding.verdict, finding.text) for finding in examine_metrics_port(port)]
        if not any("is free" in words for _, words in findings):
            return findings
