"""The processes of an installation: simulator, API, worker, and the database under them."""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vestnik.cli.child import (
    CHILD_VARIABLE,
    HOLDER_VARIABLE,
    NO_ENV_FILE_VARIABLE,
    SIMULATOR_VARIABLE,
    announce,
    make_holder,
)
from vestnik.cli.crashes import is_crash
from vestnik.cli.processes import ChildSpec, Reporter, Supervisor, own_command
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConfigurationError, ConflictError, VestnikError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from vestnik.bootstrap import Database
    from vestnik.settings import Settings
    from vestnik.simulator.endpoint import SimulatorEndpoint

SIMULATOR: Final = "simulator"
API: Final = "api"
WORKER: Final = "worker"

READY_TIMEOUT: Final = timedelta(seconds=60)
_EXPIRE_TIMEOUT: Final = timedelta(seconds=5)
_PORT_PATIENCE_SECONDS: Final = 1.0
_LOCK_FILE: Final = "up.lock"


class StackReporter:
    """Tells the operator what becomes of the processes; `json_events` puts an object each on standard output.

    `crashes` counts how often the delivery for an account ended by an error of its own.
    """

    def __init__(self, *, json_events: bool, write_line: Callable[[str], None] | None = None) -> None:
        self._json_events = json_events
        self._write_line = write_line or _write_to_stderr
        self._starts: dict[str, int] = {}
        self.crashes = 0

    def on_started(self, name: str, pid: int) -> None:
        """A process of this name runs."""
        self._starts[name] = self._starts.get(name, 0) + 1
        if self._json_events:
            announce(name, pid=pid)
        elif self._starts[name] > 1:
            self._write_line(f"the {name} is started again (process {pid})")

    def on_died(self, name: str, exit_code: int, restart_in: timedelta, reason: str) -> None:
        """It ended although nobody asked it to."""
        seconds = restart_in.total_seconds()
        if self._json_events:
            announce("died", process=name, exit_code=exit_code, restart_in_s=seconds, reason=reason or None)
            return
        how = f"was killed (signal {-exit_code})" if exit_code < 0 else f"ended (exit code {exit_code})"
        how += f": {reason}" if reason else ""
        when = f"in {seconds:g} s" if seconds else "at once"
        self._write_line(f"the {name} {how}; it is started again {when}")

    def on_line(self, name: str, line: str) -> None:
        """It wrote a warning or an error."""
        self.crashes += is_crash(line)
        self._write_line(f"{name}: {line}")


def _write_to_stderr(line: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(line, file=sys.stderr, flush=True)


@contextmanager
def hold_data_dir(data_dir: Path) -> Iterator[None]:
    """Keep a second `up` or `demo` off a data directory; the lock ends with the process, however that ends.

    Raises ConflictError when another one runs there, ConfigurationError when the directory cannot be used.
    """
    from filelock import FileLock, Timeout

    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(data_dir / _LOCK_FILE, mode=0o600)
        lock.acquire(timeout=0)
    except Timeout as exc:
        raise ConflictError(
            f"Vestnik runs on the data directory {data_dir} already; stop that one, or choose another directory "
            "with --data-dir or VESTNIK_DATA_DIR",
            field="VESTNIK_DATA_DIR",
        ) from exc
    except OSError as exc:
        raise ConfigurationError(
            f"the data directory {data_dir} cannot be used: {exc.strerror or exc}; choose another one with "
            "--data-dir or VESTNIK_DATA_DIR",
            field="VESTNIK_DATA_DIR",
        ) from exc
    try:
        yield
    finally:
        lock.release()


def require_free_port(host: str, port: int) -> None:
    """Raise ConfigurationError, which says what to do, when nothing could listen there.

    Asks for a moment: the children of a parent that was killed outlive it by as much.
    """
    from vestnik.api.listener import bind_listener

    deadline = time.monotonic() + _PORT_PATIENCE_SECONDS
    while True:
        try:
            bind_listener(host, port).close()
        except ConfigurationError as exc:
            if exc.field != "PORT" or time.monotonic() >= deadline:
                raise
            time.sleep(0.05)
        else:
            return


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenDatabase:
    """A database with a current schema, and the parent's own connections to it."""

    database: "Database"
    engine: "AsyncEngine"


@asynccontextmanager
async def open_database_aside(settings: "Settings") -> AsyncIterator["asyncio.Task[OpenDatabase]"]:
    """Open the database and bring its schema up to date in a thread, while processes that need none start.

    It is closed when the block ends, after everything that the block started.
    """
    places = ExitStack()
    opening = asyncio.create_task(asyncio.to_thread(_open_and_prepare, settings, places))
    try:
        yield opening
    finally:
        # The thread cannot be stopped half-way: wait for it, then give back what it got.
        await asyncio.wait({opening})
        if opening.exception() is None:
            await opening.result().engine.dispose()
        await asyncio.to_thread(places.close)


def _open_and_prepare(settings: "Settings", places: ExitStack) -> OpenDatabase:
    from vestnik.bootstrap import explain_unreachable, open_database
    from vestnik.db.engine import make_engine
    from vestnik.db.schema import upgrade_schema

    database = places.enter_context(open_database(settings, start_embedded=True, wait_until_stopped=True))
    with explain_unreachable(database):
        upgrade_schema(database.url)
    return OpenDatabase(database=database, engine=make_engine(database.url, name="supervisor", pool_size=2))


async def welcome_first_administrator(engine: "AsyncEngine", *, as_json: bool) -> None:
    """Make an administrator where there is nobody, and tell the password this one time, on standard output."""
    from vestnik.db.engine import open_session
    from vestnik.services.users import ensure_first_administrator

    async with open_session(engine) as session:
        first = await ensure_first_administrator(session, Actor.system("first start"))
    if first is None:
        return
    if as_json:
        announce("first_administrator", email=first.email, password=first.password)
        return
    print(f"The first administrator is {first.email} with the password {first.password}")
    print("  It is shown only now, and to be changed at the first sign-in.", flush=True)


def make_child_environment(
    settings: "Settings", *, base: Mapping[str, str], isolated: bool
) -> dict[str, str]:
    """What every child gets: the parent's environment and data directory; `isolated` children read no `.env`."""
    environment = {**base, "VESTNIK_DATA_DIR": str(settings.data_dir)}
    # A parent may itself have been started from a shell inside another installation.
    for name in [name for name in environment if name.startswith("VESTNIK_INTERNAL_")]:
        del environment[name]
    if isolated:
        environment[NO_ENV_FILE_VARIABLE] = "1"
    return environment


class Stack:
    """Starts the three processes under one supervisor and hands each what it has to know of the others.

    A restarted API keeps its port and a restarted simulator its endpoint, whatever was free at first.
    """

    def __init__(self, supervisor: Supervisor, settings: "Settings", reporter: Reporter) -> None:
        self.supervisor = supervisor
        self.settings = settings
        self.endpoint: SimulatorEndpoint | None = None
        self._reporter = reporter
        self._port = settings.port
        self._opened: OpenDatabase | None = None
        self._holder = ""

    def use_database(self, opened: OpenDatabase) -> None:
        """From now on the processes that need a database can be started."""
        self._opened = opened

    @property
    def database(self) -> "Database":
        """The database that all work on."""
        assert self._opened is not None, "not open yet"
        return self._opened.database

    @property
    def engine(self) -> "AsyncEngine":
        """The parent's own connections to it."""
        assert self._opened is not None, "not open yet"
        return self._opened.engine

    def start_simulator(self) -> None:
        """Start what TEST campaigns post to."""
        self.supervisor.start(
            ChildSpec(
                name=SIMULATOR,
                command=lambda: own_command("simulator"),
                environment=lambda: {**self._log_to(SIMULATOR), **self._endpoint_variable()},
            )
        )

    async def wait_for_simulator(self) -> "SimulatorEndpoint":
        """Where it listens."""
        from vestnik.simulator.endpoint import SimulatorEndpoint

        ready = await self.supervisor.wait_ready(SIMULATOR, READY_TIMEOUT)
        self.endpoint = SimulatorEndpoint.from_json(json.dumps(ready["endpoint"]))
        return self.endpoint

    def start_api(self) -> None:
        """Start the API."""
        self.supervisor.start(
            ChildSpec(
                name=API,
                command=lambda: own_command("api", "--host", self.settings.host, "--port", str(self._port)),
                environment=lambda: self._log_to(API),
            )
        )

    async def wait_for_api(self) -> str:
        """Its address."""
        ready = await self.supervisor.wait_ready(API, READY_TIMEOUT)
        self._port = int(ready["port"])
        return str(ready["url"])

    def start_worker(self) -> None:
        """Start the worker; the simulator must have said where it is."""
        assert self.endpoint is not None
        self.supervisor.start(
            ChildSpec(
                name=WORKER,
                command=lambda: own_command("worker"),
                environment=self._make_worker_environment,
                on_death=self._give_back_leases,
            )
        )

    async def wait_for_worker(self) -> None:
        """Return when it is idle and waits for work."""
        await self.supervisor.wait_ready(WORKER, READY_TIMEOUT)

    def _make_worker_environment(self) -> Mapping[str, str]:
        self._holder = make_holder()
        return {**self._log_to(WORKER), **self._endpoint_variable(), HOLDER_VARIABLE: self._holder}

    async def _give_back_leases(self) -> None:
        """The worker is dead for certain, so its successor need not wait until its leases run out."""
        from vestnik.bootstrap import expire_holder

        try:
            async with asyncio.timeout(_EXPIRE_TIMEOUT.total_seconds()):
                await expire_holder(self.engine, self._holder)
        except (VestnikError, TimeoutError) as exc:
            self._reporter.on_line(WORKER, f"its leases could not be given back and will run out: {exc}")

    def _log_to(self, name: str) -> dict[str, str]:
        return {CHILD_VARIABLE: str(self.settings.data_dir / "logs" / f"{name}.log")}

    def _endpoint_variable(self) -> dict[str, str]:
        return {} if self.endpoint is None else {SIMULATOR_VARIABLE: self.endpoint.to_json()}
