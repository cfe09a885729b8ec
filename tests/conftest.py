"""Databases for tests: a server of our own, one migrated template, a fresh copy for each test.

Nothing here reads DATABASE_URL or looks for a server on the machine. Before a statement that makes or drops a
database the server must say that its data is in our temporary folder, and the database's name must end in
`_test`.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from vestnik.bootstrap import make_loop
from vestnik.db.embedded import EmbeddedPostgres
from vestnik.db.engine import make_engine, open_session, parse_database_url
from vestnik.db.schema import upgrade_schema
from vestnik.domain.actors import Actor, ActorKind

TEMPLATE = "template_test"
OUR_VARIABLES = ("VESTNIK_", "TELEGRAM_", "SUPABASE_", "DATABASE_URL", "PORT", "RATE_LIMIT_", "PG")

if sys.platform == "win32":

    def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
        return {"selector": make_loop}


class DatabaseServer:
    """Makes and drops databases on the server of this test run."""

    def __init__(self, server: EmbeddedPostgres, folder: Path) -> None:
        self.server = server
        self.folder = folder.resolve()
        self._numbers = count(1)

    def create(self, *, template: str = "template0") -> URL:
        """A new database; the address of it."""
        name = f"vestnik_{next(self._numbers)}_test"
        self.execute(
            name,
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)),
        )
        return self.address_of(name)

    def drop(self, url: URL) -> None:
        assert url.database is not None
        name = sql.Identifier(url.database)
        self.execute(url.database, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))

    def execute(self, database: str, statement: sql.Composed) -> None:
        """Run a statement about a database, outside of any transaction, once it is certain whose it is."""
        assert database.endswith("_test"), database
        with psycopg.connect(self.server.dsn, autocommit=True) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
            assert row is not None
            assert Path(row[0]).resolve().is_relative_to(self.folder), row[0]
            connection.execute(statement)

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
def database_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    folder = tmp_path_factory.mktemp("database")
    with EmbeddedPostgres(folder, fsync=False, stop_on_exit=True) as server:
        databases = DatabaseServer(server, folder)
        databases.execute(TEMPLATE, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
        upgrade_schema(databases.address_of(TEMPLATE))
        yield databases


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
