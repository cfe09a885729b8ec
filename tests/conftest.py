"""Databases for tests: servers of our own, one migrated template each, a fresh copy for each test.

Tests of statements (tests/integration/db, tests/integration/ledger) run on the newest and on the oldest embedded
PostgreSQL, all others on the newest; `--postgres-major N` runs everything on one.

Nothing here reads DATABASE_URL or looks for a server on the machine. Before a statement that makes or drops a
database the server must say that its data is in our temporary folder, and the database's name must end in
`_test`.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import ExitStack
from functools import cache
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from tests.support.machine import TIMES, MachineStoodStillError, MachineWatch
from vestnik.bootstrap import make_loop
from vestnik.db.embedded import EmbeddedPostgres
from vestnik.db.embedded.binaries import DEFAULT_MAJOR
from vestnik.db.engine import make_engine, open_session, parse_database_url
from vestnik.db.schema import upgrade_schema
from vestnik.domain.actors import Actor, ActorKind
from vestnik.domain.errors import NoWorkerError

TEMPLATE = "template_test"
OUR_VARIABLES = ("VESTNIK_", "TELEGRAM_", "SUPABASE_", "DATABASE_URL", "PORT", "RATE_LIMIT_", "JOB_", "PG")
MAJORS = (DEFAULT_MAJOR, 16)
BOTH_MAJORS = {
    Path("integration") / "db",
    Path("integration") / "ledger",
    Path("migration") / "test_adopting.py",
}
"""Where every test runs on each of MAJORS."""

if sys.platform == "win32":

    def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
        return {"selector": make_loop}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "timed: asserts how fast or how evenly something happens. `make test` runs these tests with nothing beside "
        "them, and again if such an assertion failed while the machine stood still.",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    again = pytest.mark.flaky(reruns=TIMES, only_rerun=MachineStoodStillError.__name__)
    for item in items:
        if item.get_closest_marker("timed") is not None or _has_workers(item):
            item.add_marker(again)


def _has_workers(item: pytest.Item) -> bool:
    """Whether workers with short leases run in the test's own process."""
    return "rig" in getattr(item, "fixturenames", ())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Tell failures of the machine from ours; what is not an assertion, such as a doubled post, is always ours."""
    is_timed = item.get_closest_marker("timed") is not None
    if not is_timed and not _has_workers(item):
        yield
        return
    with MachineWatch() as watch:
        try:
            yield
        except (AssertionError, TimeoutError, NoWorkerError) as error:
            watch.check_stall(error)
            if is_timed and isinstance(error, AssertionError):
                watch.check(error)
            raise


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres-major",
        type=int,
        choices=sorted(MAJORS),
        help="run everything on this PostgreSQL (default: statements on each, the rest on the newest)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of statements on each PostgreSQL, unless one was asked for."""
    place = metafunc.definition.path.relative_to(Path(__file__).parent)
    if (
        "postgres_major" in metafunc.fixturenames
        and metafunc.config.getoption("--postgres-major") is None
        and not BOTH_MAJORS.isdisjoint({place, place.parent})
    ):
        metafunc.parametrize("postgres_major", MAJORS, ids=lambda major: f"pg{major}", indirect=True)


class DatabaseServer:
    """Makes and drops databases on the server of this test run."""

    def __init__(self, server: EmbeddedPostgres, folder: Path) -> None:
        self.server = server
        self.folder = folder.resolve()
        self._numbers = count(1)
        self._connection = self._connect()
        self._lighten_sign_in()

    def create(self, *, template: str = "template0") -> URL:
        """A new database; the address of it."""
        name = f"vestnik_{next(self._numbers)}_test"
        self.execute(
            name,
            # Copying files takes a third of what copying page by page through the log takes, which is the default.
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(template)
            ),
        )
        return self.address_of(name)

    def drop(self, url: URL) -> None:
        assert url.database is not None
        name = sql.Identifier(url.database)
        self.execute(url.database, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def execute(self, database: str, statement: sql.Composed) -> None:
        """Run a statement about a database, outside of any transaction, once it is certain whose it is."""
        assert database.endswith("_test"), database
        if self._connection.closed:
            self._connection = self._connect()
        self._prove_whose_it_is()
        self._connection.execute(statement)

    def close(self) -> None:
        self._connection.close()

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self.server.dsn, autocommit=True)

    def _prove_whose_it_is(self) -> None:
        row = self._connection.execute("SHOW data_directory").fetchone()
        assert row is not None
        assert Path(row[0]).resolve().is_relative_to(self.folder), row[0]

    def _lighten_sign_in(self) -> None:
        """Let the same password be hashed once instead of 4096 times at each of some ten thousand connections."""
        self._prove_whose_it_is()
        address = self.server.address
        self._connection.execute("SET scram_iterations = 1")
        self._connection.execute(
            sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(address.user), address.password)
        )

    def address_of(self, database: str) -> URL:
        assert database.endswith("_test"), database
        return parse_database_url(self.server.url).set(database=database)


@pytest.fixture(autouse=True)
def _isolate_from_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No setting of the person who runs the tests reaches them, and nothing is written to the usual folders."""
    for name in list(os.environ):
        if name.upper().startswith(OUR_VARIABLES):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path_factory.getbasetemp() / "unexpected-data-home"))


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[int], DatabaseServer]]:
    """The server of a major version: started when first asked for, kept to the end of the run."""
    with ExitStack() as running:

        @cache
        def start(major: int) -> DatabaseServer:
            folder = tmp_path_factory.mktemp(f"database{major}")
            server = running.enter_context(
                EmbeddedPostgres(folder, major=major, fsync=False, stop_on_exit=True)
            )
            databases = DatabaseServer(server, folder)
            running.callback(databases.close)
            databases.execute(TEMPLATE, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
            upgrade_schema(databases.address_of(TEMPLATE))
            return databases

        yield start


@pytest.fixture
def postgres_major(request: pytest.FixtureRequest) -> int:
    """The PostgreSQL that this test runs on."""
    chosen: int = (
        getattr(request, "param", None) or request.config.getoption("--postgres-major") or DEFAULT_MAJOR
    )
    return chosen


@pytest.fixture
def database_server(start_server: Callable[[int], DatabaseServer], postgres_major: int) -> DatabaseServer:
    return start_server(postgres_major)


@pytest.fixture
def empty_database_url(database_server: DatabaseServer) -> Iterator[URL]:
    """A database without our tables."""
    url = database_server.create()
    yield url
    database_server.drop(url)


@pytest.fixture
def database_url(database_server: DatabaseServer) -> Iterator[URL]:
    """A fresh database with the current schema."""
    url = database_server.create(template=TEMPLATE)
    yield url
    database_server.drop(url)


@pytest.fixture
async def engine(database_url: URL) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database_url, name="test")
    yield engine
    await engine.dispose()


@pytest.fixture
async def session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """An open transaction, committed at the end of the test."""
    async with open_session(engine) as session:
        yield session


@pytest.fixture
def actor() -> Actor:
    return Actor(kind=ActorKind.CLI, name="tester")
