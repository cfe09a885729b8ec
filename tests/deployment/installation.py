"""Simulator, API and workers as processes on their own, as units of systemd and containers run them."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import httpx
from sqlalchemy import URL

from tests.acceptance.running import DEADLINE, Running, iterate_until
from tests.deployment.pgbouncer import find_free_port

VESTNIK = (sys.executable, "-m", "vestnik")
OWNER = "owner@news.example"


class Installation:
    """Processes that share a database and a data folder; leaving it kills those that still run.

    `variables` go to all of them. Each process may have another way to the database.
    """

    def __init__(self, folder: Path, url: URL, **variables: str) -> None:
        self.folder = folder
        self.url = url
        self.endpoint = {
            "host": "127.0.0.1",
            "port": find_free_port(),
            "control_port": find_free_port(),
            "token": secrets.token_urlsafe(24),
        }
        self.variables = {
            "VESTNIK_DATA_DIR": str(folder / "data"),
            "VESTNIK_SIMULATOR_HOST": "localhost",
            "VESTNIK_SIMULATOR_PORT": str(self.endpoint["port"]),
            "VESTNIK_SIMULATOR_CONTROL_PORT": str(self.endpoint["control_port"]),
            "VESTNIK_SIMULATOR_TOKEN": str(self.endpoint["token"]),
            "VESTNIK_LEASE_SECONDS": "2",
            "VESTNIK_API_RATE": "10000",
            **variables,
        }
        self._running = ExitStack()
        self._token: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def name_database(self, url: URL | None = None) -> dict[str, str]:
        """The variables of a process that takes this way to the database."""
        return {**self.variables, "DATABASE_URL": (url or self.url).render_as_string(hide_password=False)}

    def start(self, *arguments: str, url: URL | None = None, **variables: str) -> Running:
        """A process; it may not be ready yet."""
        process = Running(
            *arguments, "--json", folder=self.folder, variables=self.name_database(url) | variables
        )
        return self._running.enter_context(process)

    def start_simulator(self) -> Running:
        ports = ["--port", str(self.endpoint["port"]), "--control-port", str(self.endpoint["control_port"])]
        simulator = self.start("simulator", *ports)
        simulator.wait_for("ready")
        return simulator

    def start_worker(self, url: URL | None = None, **variables: str) -> Running:
        worker = self.start("worker", url=url, **variables)
        worker.wait_for("ready")
        return worker

    def start_api(self, url: URL | None = None, **variables: str) -> "Api":
        process = self.start("api", "--port", "0", url=url, **variables)
        token = self.make_token(variables)
        return self._running.enter_context(Api(process.wait_for("ready")["url"], token, process))

    def run(
        self,
        *arguments: str,
        url: URL | None = None,
        text: str = "",
        variables: Mapping[str, str] | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """A command, to its end."""
        return subprocess.run(
            [*VESTNIK, *arguments],
            env={**os.environ, **self.name_database(url), **(variables or {})},
            cwd=self.folder,
            input=text,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )

    def make_token(self, variables: Mapping[str, str] | None = None) -> str:
        """Of the owner; both are made when somebody asks first."""
        if self._token is None:
            words = ("user", "create", "--email", OWNER, "--role", "ADMIN")
            self.run(*words, text="three unusual words\n", variables=variables)
            made = self.run("token", "create", "--user", OWNER, "--json", variables=variables)
            assert made.returncode == 0, made.stderr
            self._token = str(json.loads(made.stdout)["token"])
        return self._token

    def count_posts(self) -> dict[str, int]:
        """What the simulator has, by channel."""
        posts: dict[str, int] = self.summarize()["by_channel"]
        return posts

    def summarize(self) -> dict[str, Any]:
        """What the simulator tells over its control port (vestnik.simulator.posts.Summary)."""
        address = (str(self.endpoint["host"]), int(str(self.endpoint["control_port"])))
        with socket.create_connection(address) as connection:
            lines = connection.makefile("rw")
            for message in (
                {"token": self.endpoint["token"]},
                {"id": 1, "command": "summary", "arguments": {}},
            ):
                lines.write(json.dumps(message) + "\n")
                lines.flush()
                answer = json.loads(lines.readline())
        summary: dict[str, Any] = answer["result"]
        return summary


class Api:
    """A running API and somebody who may do everything with it."""

    def __init__(self, url: str, token: str, process: Running | None = None) -> None:
        self._process = process
        self.url = url
        self.client = httpx.Client(
            base_url=f"{url}/api",
            headers={"Authorization": f"Bearer {token}"},
            timeout=DEADLINE,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    @property
    def process(self) -> Running:
        """The process, if it was started here."""
        assert self._process is not None
        return self._process

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        answer = self.client.post(path, json=body, **options)
        assert answer.is_success, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.is_success, answer.text
        return answer.json()

    def create_campaign(self, channels: Sequence[str], *, rate: float, name: str = "News") -> str:
        """A rehearsal; its id."""
        answer = self.client.post(
            "/channels/import",
            params={"batchName": name},
            content="\n".join(channels).encode(),
            headers={"Content-Type": "text/plain"},
        )
        assert answer.is_success, answer.text
        batch = next(batch for batch in self.get("/batches")["items"] if batch["name"] == name)
        template = self.post("/templates", {"name": name, "content": "Good morning!"})
        body = {"name": name, "batchId": batch["id"], "templateId": template["id"], "mode": "TEST"}
        return str(self.post("/campaigns", {**body, "deliveryRate": rate})["id"])

    def act(self, campaign_id: str, action: str) -> None:
        self.post(f"/campaigns/{campaign_id}/action", {"action": action})

    def change(self, campaign_id: str, changes: dict[str, Any]) -> None:
        path = f"/campaigns/{campaign_id}"
        answer = self.client.patch(
            path, json=changes, headers={"If-Match": self.client.get(path).headers["ETag"]}
        )
        assert answer.is_success, answer.text

    def listen(self, campaign_id: str) -> Iterator[dict[str, Any]]:
        """The progress that a live page is told of."""
        with self.client.stream("GET", f"/campaigns/{campaign_id}/events") as answer:
            assert answer.status_code == 200
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    yield json.loads(line.removeprefix("data: "))

    def wait_until(self, campaign_id: str, status: str) -> None:
        for _ in iterate_until(time.monotonic() + DEADLINE):
            if self.get(f"/campaigns/{campaign_id}")["status"] == status:
                return


def name_channels(count: int) -> list[str]:
    return [f"city_news_{number:03}" for number in range(count)]
