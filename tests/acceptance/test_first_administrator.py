"""An empty installation makes its first administrator and tells the password once, in no file."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.running import Running, run

NEW = "three unusual words"


def start(command: str, data_dir: Path) -> list[str]:
    return [
        "--data-dir",
        str(data_dir),
        command,
        "--json",
        "--port",
        "0",
        *(["--channels", "5"] if command == "demo" else []),
    ]


def sign_in(client: httpx.Client, email: str, password: str) -> httpx.Response:
    return client.post("/api/auth/login", json={"email": email, "password": password})


def read_files(data_dir: Path) -> bytes:
    return b"".join(path.read_bytes() for path in data_dir.rglob("*") if path.is_file())


@pytest.mark.parametrize("command", ["up", "demo"])
def test_the_first_administrator_signs_in_with_the_password_that_is_told_once(
    command: str, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    with Running(*start(command, data_dir), folder=tmp_path) as running:
        first = running.wait_for("first_administrator")
        url: Any = running.wait_for("ready")["url"]
        with httpx.Client(base_url=url) as client:
            answer = sign_in(client, first["email"], first["password"])
            assert answer.status_code == 200, answer.text
            assert answer.json()["user"]["role"] == "ADMIN"
            client.headers["X-CSRF-Token"] = answer.json()["csrfToken"]
            assert client.get("/api/users").json()["code"] == "PASSWORD_CHANGE_REQUIRED"
            change = {"currentPassword": first["password"], "newPassword": NEW}
            assert client.post("/api/auth/password", json=change).status_code == 204
            assert [user["email"] for user in client.get("/api/users").json()["items"]] == ["admin@localhost"]
        made = run(
            "--data-dir",
            str(data_dir),
            "token",
            "create",
            "--user",
            "admin@localhost",
            "--json",
            folder=tmp_path,
        )
        token = made.lines[0]["token"]
        me = httpx.get(f"{url}/api/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert me.json()["role"] == "ADMIN"
        running.process.terminate()
        running.finish()
    stored = read_files(data_dir)
    for secret in (first["password"], NEW, token):
        assert secret.encode() not in stored
        assert secret not in running.errors


def test_there_is_no_second_first_administrator(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    for expected in (True, False):
        with Running(*start("up", data_dir), folder=tmp_path) as running:
            running.wait_for("ready")
            running.process.terminate()
            running.finish()
        told = [line for line in running.lines if line.get("event") == "first_administrator"]
        assert bool(told) is expected
