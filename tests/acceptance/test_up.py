"""`vestnik up` and the commands beside it, in real processes."""

import json
import socket
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.running import DEADLINE, Running, iterate_until, run
from vestnik.db.secrets import KEY_FILE

CHANNELS = ["alpha_live_one", "beta_live_two", "gamma_live_three"]


@pytest.fixture
def channels_file(tmp_path: Path) -> Path:
    path = tmp_path / "channels.txt"
    path.write_text("\n".join(CHANNELS))
    return path


@pytest.fixture
def simulator(tmp_path: Path, channels_file: Path) -> Iterator[dict[str, Any]]:
    """A Telegram on ports of its own, with an account that may post in the channels."""
    arguments = ["simulator", "--json", "--session-account", "desk", "--channels-file", str(channels_file)]
    with Running(*arguments, folder=tmp_path) as running:
        yield running.wait_for("ready")
        running.process.terminate()
        assert running.finish() == 0


def read_campaign(folder: Path, variables: Mapping[str, str], campaign_id: str) -> dict[str, Any]:
    result = run("campaign", "show", campaign_id, "--json", folder=folder, variables=variables)
    assert result.process.returncode == 0, result.errors
    return result.lines[-1]


def count_posts(endpoint: dict[str, Any]) -> dict[str, int]:
    """What the simulator has, by channel, asked for over its control port."""
    with socket.create_connection((endpoint["host"], endpoint["control_port"])) as connection:
        lines = connection.makefile("rw")
        for message in ({"token": endpoint["token"]}, {"id": 1, "command": "summary", "arguments": {}}):
            lines.write(json.dumps(message) + "\n")
            lines.flush()
            answer = json.loads(lines.readline())
    posts: dict[str, int] = answer["result"]["by_channel"]
    return posts


def test_a_live_campaign_goes_to_the_server_that_the_session_names_while_a_second_up_is_refused(
    tmp_path: Path, channels_file: Path, simulator: dict[str, Any]
) -> None:
    variables = {
        "VESTNIK_DATA_DIR": str(tmp_path / "data"),
        "TELEGRAM_SESSION": simulator["session"],
        "TELEGRAM_API_ID": "17",
        "TELEGRAM_API_HASH": "0123456789abcdef0123456789abcdef",
    }
    with Running("up", "--json", "--port", "0", folder=tmp_path, variables=variables) as up:
        url = up.wait_for("ready")["url"]
        with urllib.request.urlopen(f"{url}/readyz", timeout=DEADLINE) as answer:
            assert json.load(answer) == {"status": "ready"}
        second = run("up", "--port", "0", folder=tmp_path, variables=variables)
        assert second.process.returncode == 1
        assert "already" in second.errors
        created = run(
            "campaign", "create", "--name", "Live", "--channels-file", str(channels_file), "--text", "Hello",
            "--rate", "50", "--mode", "LIVE", "--json",
            folder=tmp_path, variables=variables,
        )  # fmt: skip
        assert created.process.returncode == 0, created.errors
        campaign_id = created.lines[-1]["id"]
        started = run("campaign", "start", campaign_id, "--json", folder=tmp_path, variables=variables)
        assert started.process.returncode == 0, started.errors
        for _ in iterate_until(time.monotonic() + DEADLINE):
            if read_campaign(tmp_path, variables, campaign_id)["status"] == "COMPLETED":
                break
        up.process.terminate()
        assert up.finish() == 0, up.errors
    assert count_posts(simulator["endpoint"]) == dict.fromkeys(CHANNELS, 1)
    assert simulator["session"] not in "".join(
        path.read_text(errors="replace") for path in (tmp_path / "data" / "logs").iterdir()
    )


def test_a_new_key_is_taken_up_by_what_runs_and_a_lost_one_is_not_replaced(
    tmp_path: Path, channels_file: Path, simulator: dict[str, Any]
) -> None:
    key_file = tmp_path / "data" / KEY_FILE
    variables = {
        "VESTNIK_DATA_DIR": str(tmp_path / "data"),
        "TELEGRAM_SESSION": simulator["session"],
        "TELEGRAM_API_ID": "17",
        "TELEGRAM_API_HASH": "0123456789abcdef0123456789abcdef",
    }

    def act(*arguments: str) -> Running:
        done = run(*arguments, folder=tmp_path, variables=variables)
        assert done.process.returncode == 0, done.errors
        return done

    with Running("up", "--json", "--port", "0", folder=tmp_path, variables=variables) as up:
        up.wait_for("ready")
        assert f"made the key file {key_file}" in up.errors
        assert act("secrets", "rotate", "--json").lines[-1]["reencrypted"] == 2
        for switch in ("disable", "enable"):  # so that the session is read anew
            act("account", switch, "default", "--json")
        act("channels", "import", str(channels_file), "--json")
        act("send", "--channel", f"@{CHANNELS[0]}", "--text", "Hello", "--mode", "LIVE", "--json")
        up.process.terminate()
        assert up.finish() == 0, up.errors
    assert count_posts(simulator["endpoint"]) == {CHANNELS[0]: 1}
    key_file.unlink()
    without = run("up", "--port", "0", folder=tmp_path, variables=variables)
    assert without.process.returncode == 1
    assert f"the key file {key_file} does not exist, but secrets are stored" in without.errors
    assert not key_file.exists()


@pytest.mark.parametrize("command", [["worker"], ["api", "--port", "0"]])
def test_alone_without_a_database_they_say_what_is_missing(command: list[str], tmp_path: Path) -> None:
    variables = {"VESTNIK_DATA_DIR": str(tmp_path / "data")}
    result = run(*command, folder=tmp_path, variables=variables)
    assert result.process.returncode == 1
    assert "DATABASE_URL" in result.errors
    assert not (tmp_path / "data" / "postgres").exists()


def test_an_unreachable_database_ends_everything_with_a_message(tmp_path: Path) -> None:
    variables = {
        "VESTNIK_DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": "postgresql://somebody:hidden@127.0.0.1:1/nothing",
    }
    result = run("up", "--json", "--port", "0", folder=tmp_path, variables=variables)
    assert result.process.returncode == 1
    assert "DATABASE_URL" in result.errors
    assert "hidden" not in result.errors
