"""A real campaign in real processes: what they tell Prometheus, what they log, and what nobody is told."""

import json
import secrets
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from psycopg import sql

from tests.acceptance.running import DEADLINE, Running, iterate_until, run
from vestnik.db.embedded import attach

CHANNELS = ["alpha_live_one", "beta_live_two", "gamma_live_three", "delta_live_four", "epsilon_live_five"]
SEND = "messages.sendMessage"
FAULTS = [
    {"method": SEND, "kind": "error", "code": 420, "name": "FLOOD_WAIT_1", "skip": 1, "count": 1},
    {"method": SEND, "kind": "error", "code": 400, "name": "CHANNEL_PRIVATE", "channel": "delta_live_four"},
]
API_HASH = "cafe0canary0hash0cafe0canary0000"


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A Telegram whose second post meets a FLOOD_WAIT and whose fourth channel refuses."""
    channels_file = tmp_path / "channels.txt"
    channels_file.write_text("\n".join(CHANNELS))
    arguments = ["simulator", "--json", "--session-account", "desk", "--channels-file", str(channels_file)]
    with Running(*arguments, folder=tmp_path) as running:
        ready = running.wait_for("ready")
        endpoint = ready["endpoint"]
        with socket.create_connection((endpoint["host"], endpoint["control_port"])) as connection:
            lines = connection.makefile("rw")
            faults = {"id": 1, "command": "set_faults", "arguments": {"faults": FAULTS}}
            for message in ({"token": endpoint["token"]}, faults):
                lines.write(json.dumps(message) + "\n")
                lines.flush()
                assert "error" not in json.loads(lines.readline())
        yield ready
        running.process.terminate()
        assert running.finish() == 0


def ask(url: str, token: str | None = None, **headers: str) -> tuple[int, str]:
    """(status, body), that of a refusal too."""
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=DEADLINE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def read_samples(text: str) -> dict[tuple[str, ...], float]:
    """By name and values of the labels; without those that are 0, and without what the process tells of itself."""
    return {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.value and sample.name.startswith("vestnik_")
    }


def dump_database(data_dir: Path) -> str:
    """Every row of every table as PostgreSQL writes it; bytes are hexadecimal."""
    server = attach(data_dir)
    assert server is not None
    with server, psycopg.connect(server.dsn) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return "\n".join(
            str(line)
            for (table,) in tables
            for (line,) in connection.execute(
                sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier("public", table))
            )
        )


def read_logs(data_dir: Path) -> dict[str, list[dict[str, Any]]]:
    return {
        file.stem: [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        for file in (data_dir / "logs").glob("*.log")
    }


def check_worker(text: str, flood_waits: float) -> None:
    found = read_samples(text)
    sends = {key[-1]: value for key, value in found.items() if key[0] == "vestnik_sends_total"}
    assert sends == {"SENT": 4, "CHANNEL": 1, "WAIT_ACCOUNT": flood_waits}
    assert found["vestnik_recorded_jobs_total", "LIVE", "SENT"] == 4
    assert found["vestnik_recorded_jobs_total", "LIVE", "FAILED"] == 1
    assert found["vestnik_account_holds_total", "LIVE", "FLOOD_WAIT", "SEND"] == 1
    assert found["vestnik_account_hold_seconds_total", "LIVE", "SEND"] == 2
    assert found["vestnik_campaigns_completed_total", "LIVE"] == 1
    assert found["vestnik_slot_lateness_seconds_count", "LIVE"] == sum(sends.values())
    assert found["vestnik_send_duration_seconds_count", "LIVE", "CAMPAIGN"] == sum(sends.values())
    assert found["vestnik_database_up",] == 1


def check_api(text: str) -> None:
    found = read_samples(text)
    jobs = {key[-1]: value for key, value in found.items() if key[0] == "vestnik_jobs"}
    assert jobs == {"SENT": 4, "FAILED": 1}
    campaigns = {key[1:]: value for key, value in found.items() if key[0] == "vestnik_campaigns"}
    assert campaigns == {("LIVE", "COMPLETED"): 1}
    assert found["vestnik_workers",] == 1
    assert found["vestnik_accounts", "USER", "ACTIVE"] == 1
    assert found["vestnik_channels", "ACTIVE"] == 4
    assert found["vestnik_channels", "INACTIVE"] == 1
    assert found["vestnik_channel_stops", "CHANNEL_PRIVATE", "ACCOUNT"] == 1
    assert found["vestnik_database_up",] == 1


def test_metrics_and_logs_tell_what_happened_and_no_secret(tmp_path: Path, simulator: dict[str, Any]) -> None:
    data_dir, port, key = tmp_path / "data", find_free_port(), secrets.token_hex(32)
    variables = {
        "VESTNIK_DATA_DIR": str(data_dir),
        "VESTNIK_METRICS_PORT": str(port),
        "VESTNIK_LOG_LEVEL": "debug",
        "VESTNIK_SECRET_KEY": key,
        "TELEGRAM_SESSION": simulator["session"],
        "TELEGRAM_API_ID": "17",
        "TELEGRAM_API_HASH": API_HASH,
    }
    told: list[str] = []
    with Running("up", "--json", "--port", "0", folder=tmp_path, variables=variables) as up:
        password = up.wait_for("first_administrator")["password"]
        url = up.wait_for("ready")["url"]
        token = run(
            "token", "create", "--user", "admin@localhost", "--name", "prometheus", "--scope", "read", "--json",
            folder=tmp_path, variables=variables,
        ).lines[-1]["token"]  # fmt: skip
        created = run(
            "campaign", "create", "--name", "Live", "--channels-file", str(tmp_path / "channels.txt"), "--text",
            "Hello", "--rate", "20", "--mode", "LIVE", "--json",
            folder=tmp_path, variables=variables,
        )  # fmt: skip
        assert created.process.returncode == 0, created.errors
        campaign_id = created.lines[-1]["id"]
        started = run("campaign", "start", campaign_id, "--json", folder=tmp_path, variables=variables)
        assert started.process.returncode == 0, started.errors
        address = f"{url}/api/campaigns/{campaign_id}"
        for _ in iterate_until(time.monotonic() + DEADLINE):
            status, body = ask(address, token)
            assert status == 200, body
            if json.loads(body)["status"] == "COMPLETED":
                break
        of_worker = ask(f"http://127.0.0.1:{port}/metrics")
        of_api = ask(f"{url}/metrics", token)
        assert (of_worker[0], of_api[0]) == (200, 200)
        told += [of_worker[1], of_api[1], body]
        # Refusals, which must not repeat what they were given.
        for path, header in (
            (address, {"Authorization": f"Bearer {simulator['session'][:60]}"}),
            (f"{url}/metrics", {}),
            (f"{address}?hash={API_HASH}", {"Authorization": f"Bearer {token}"}),
        ):
            status, body = ask(path, **header)
            assert status >= 400
            told.append(body)
        told.append(dump_database(data_dir))
        up.process.terminate()
        assert up.finish() == 0, up.errors
    told.append(up.errors)

    logs = read_logs(data_dir)
    (hold,) = [line for line in logs["worker"] if line["event"] == "account.held"]
    refused = [line for line in logs["worker"] if line["event"] == "job.not_sent"]
    assert {line["campaign_id"] for line in refused} == {campaign_id}
    assert all(line["account_id"] == hold["account_id"] and line["job_id"] for line in refused)
    waits = sum(line["error"] == "FLOOD_WAIT" for line in refused)
    check_worker(of_worker[1], waits)
    check_api(of_api[1])
    everything = "\n".join(
        [*told, *(json.dumps(line, ensure_ascii=False) for log in logs.values() for line in log)]
    )
    for known in ("alpha_live_one", "campaign.ended", "vestnik_sends_total", "UNAUTHORIZED"):
        assert known in everything, "or the secrets would not be found either"
    for secret in (
        simulator["session"],
        simulator["session"][:60],
        API_HASH,
        key,
        password,
        token,
        token.removeprefix("vst_"),
    ):
        for written in {secret, secret.encode().hex()}:
            assert written not in everything
