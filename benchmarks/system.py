"""A database, a simulator and a worker, real processes of their own, for the length of a benchmark.

They end with the benchmark, however that ends: the processes hold a pipe to it, the server's guard a lock.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from benchmarks.disks import slow_down
from vestnik.cli.child import CHILD_VARIABLE, HARD_STOP_SECONDS, NO_ENV_FILE_VARIABLE, SIMULATOR_VARIABLE
from vestnik.cli.demo import drop_ignored_variables
from vestnik.db.embedded import EmbeddedPostgres
from vestnik.db.engine import parse_database_url
from vestnik.db.schema import upgrade_schema
from vestnik.db.secrets import KeyRing
from vestnik.simulator.endpoint import SimulatorEndpoint

ROOT = Path(__file__).resolve().parents[1]
STOP_SECONDS = HARD_STOP_SECONDS + 2


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """Where the parts are. `folder` is deleted at the end."""

    folder: Path
    url: URL
    endpoint: SimulatorEndpoint
    key: bytes = field(repr=False)

    @property
    def ring(self) -> KeyRing:
        """Seals and opens what is secret in the database."""
        return KeyRing([self.key])

    @contextmanager
    def run_worker(self, *, url: URL | None = None, retry_base: float | None = None) -> Iterator[int]:
        """A worker on the database, or on another address of it; its process.

        `retry_base` are seconds after which it tries again for the first time.
        """
        variables = {} if retry_base is None else {"VESTNIK_RETRY_BASE_SECONDS": f"{retry_base:g}"}
        variables |= {
            "DATABASE_URL": (url or self.url).render_as_string(hide_password=False),
            "VESTNIK_DATA_DIR": str(self.folder),
            "VESTNIK_SECRET_KEY": self.key.hex(),
            SIMULATOR_VARIABLE: self.endpoint.to_json(),
        }
        with run_module("vestnik", "worker", folder=self.folder, variables=variables) as ready:
            yield int(ready["pid"])

    @contextmanager
    def slow_database(self, round_trip: float) -> Iterator[URL]:
        """An address of the database at which every round trip takes so many seconds more."""
        variables = {"LATENCY_TARGET": self.url.render_as_string(hide_password=False)}
        with run_module(
            "benchmarks.latency", str(round_trip), folder=self.folder, variables=variables
        ) as ready:
            local = self.url.set(host="127.0.0.1", port=int(ready["port"]))
            yield local.difference_update_query(["host", "port"])


@contextmanager
def open_database() -> Iterator[tuple[Path, URL]]:
    """A new database with the current schema, and the temporary folder that holds it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "data", stop_on_exit=True) as server,
    ):
        url = parse_database_url(server.url)
        slow_down(url)
        upgrade_schema(url)
        yield Path(folder), url


@contextmanager
def open_simulator(folder: Path) -> Iterator[SimulatorEndpoint]:
    """A simulator that nobody has posted to."""
    variables = {"VESTNIK_DATA_DIR": str(folder)}
    with run_module("vestnik", "simulator", folder=folder, variables=variables) as ready:
        yield SimulatorEndpoint.from_json(json.dumps(ready["endpoint"]))


@contextmanager
def open_system() -> Iterator[System]:
    """A new database and a simulator."""
    with open_database() as (folder, url), open_simulator(folder) as endpoint:
        yield System(folder=folder, url=url, endpoint=endpoint, key=secrets.token_bytes(32))


@dataclass(frozen=True, kw_only=True, slots=True)
class Child:
    """A program that was started, and what it said as a JSON object when it was ready."""

    name: str
    process: "subprocess.Popen[bytes]"
    errors: Path
    ready: dict[str, Any]

    def say(self, text: str) -> None:
        """A line on its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n".encode())
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """The next JSON object. Raises SystemExit with its last words when there is none."""
        return _read_object(self.process, self.name, self.errors)


@contextmanager
def run_module(
    module: str, *arguments: str, folder: Path, variables: dict[str, str]
) -> Iterator[dict[str, Any]]:
    """As `open_module`, where all that matters is what it said: that, with its pid."""
    with open_module(module, *arguments, folder=folder, variables=variables) as child:
        yield {**child.ready, "pid": child.process.pid}


@contextmanager
def open_module(module: str, *arguments: str, folder: Path, variables: dict[str, str]) -> Iterator[Child]:
    """A Python program for the length of the block, from when it was ready.

    It ends when its standard input does. Raises SystemExit with its last words when it does not get ready.
    """
    name = " ".join([module, *arguments[:1]])
    errors = folder / f"{name}.err"
    environment = dict(os.environ)
    drop_ignored_variables(environment)
    log = {CHILD_VARIABLE: str(folder / f"{name}.log"), NO_ENV_FILE_VARIABLE: "1"}
    with (
        errors.open("wb") as stderr,
        subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**environment, **log, **variables},
            cwd=ROOT,
        ) as process,
    ):
        assert process.stdin is not None
        try:
            yield Child(name=name, process=process, errors=errors, ready=_read_object(process, name, errors))
        finally:
            process.stdin.close()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _read_object(process: "subprocess.Popen[bytes]", name: str, errors: Path) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"'{name}' ended: {errors.read_text(errors='replace').strip()}")
    found: dict[str, Any] = json.loads(line)
    return found
