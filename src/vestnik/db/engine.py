"""Connections to PostgreSQL: one engine a process, sessions for services, autocommit for the delivery engine."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import psycopg
from sqlalchemy import URL, Engine, event, func, make_url, select
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import QueuePool

from vestnik.domain.errors import BusyError, ConfigurationError, DatabaseUnavailableError
from vestnik.metrics.registry import PoolUse

CONNECT_ARGS = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
SUPPORTED_MAJORS = range(15, 19)
UNAVAILABLE = (OperationalError, InterfaceError, InternalError)
"""What SQLAlchemy raises when the database is at fault, not the statement. InternalError is among them for
databases that only read: standbys, and hosted ones whose disk is full."""

CONNECTIONS_ASIDE = 2
"""What a process has open beside its pool: LISTEN, and one for moments (readiness, the making of transports)."""

_OPENED: WeakKeyDictionary[Engine, WeakSet[psycopg.AsyncConnection[Any]]] = WeakKeyDictionary()


def parse_database_url(value: str) -> URL:
    """Read a PostgreSQL address as users write it (postgres://, postgresql://), without ever repeating it.

    Raises ConfigurationError naming what is wrong; the address holds a password, so it is not quoted.
    """
    try:
        url = make_url(value.strip())
    except (ArgumentError, ValueError) as exc:
        raise ConfigurationError(
            "the database address is not a URL; expected postgresql://USER:PASSWORD@HOST:5432/DATABASE",
            field="DATABASE_URL",
        ) from exc
    if "@" in (url.host or "") or "@" in (url.database or ""):
        # What follows the first @ of such a password would be taken for the host, and told to everybody.
        raise ConfigurationError(
            "the database address has an @ too many; write the characters @ : / ? # % of a password as "
            "%40 %3A %2F %3F %23 %25",
            field="DATABASE_URL",
        )
    if url.drivername not in {"postgres", "postgresql", "postgresql+psycopg"}:
        raise ConfigurationError(
            f"the database address begins with {url.drivername}://; Vestnik needs postgresql://",
            field="DATABASE_URL",
        )
    if not url.database:
        raise ConfigurationError(
            "the database address names no database; expected postgresql://USER:PASSWORD@HOST:5432/DATABASE",
            field="DATABASE_URL",
        )
    return url.set(drivername="postgresql+psycopg")


def make_engine(
    url: URL, *, name: str, pool_size: int = 5, may_be_pooled: bool = False, repeats_itself: bool = False
) -> AsyncEngine:
    """An engine whose connections tell PostgreSQL who they are and notice a dead peer within half a minute.

    With `may_be_pooled` it works through a transaction pooler as well: nothing is prepared there, because the next
    statement may come to another session, which does not know it. With `repeats_itself` statements are prepared at
    once, and not after they came five times, each of which PostgreSQL plans anew (3 ms for a claim).
    """
    prepared: dict[str, Any] = {}
    if may_be_pooled or repeats_itself:
        prepared["prepare_threshold"] = None if may_be_pooled else 0
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=False,
        hide_parameters=True,  # errors go to logs, parameters may be hashes of passwords or somebody's text
        connect_args={**CONNECT_ARGS, **prepared, "application_name": f"vestnik-{name}"},
    )
    opened = _OPENED[engine.sync_engine] = WeakSet()
    event.listen(engine.sync_engine, "connect", lambda raw, _: opened.add(raw.driver_connection))
    return engine


def hang_up(engine: AsyncEngine) -> None:
    """Break all connections of an engine, so that whoever waits for an answer gets an error instead.

    A statement on a silent connection cannot just be cancelled: psycopg asks the server to cancel it and waits for
    the answer, up to 10 s (psycopg 3.3, AsyncConnection.wait).
    """
    for connection in list(_OPENED.get(engine.sync_engine, ())):
        with (
            suppress(OSError, psycopg.OperationalError),  # closed already
            socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM) as copy,
        ):
            copy.shutdown(socket.SHUT_RDWR)


async def is_answering(engine: AsyncEngine) -> bool:
    """Whether the database answers at all, asked on a connection outside the pool, which may be in use.

    A refusal (too many connections) is an answer too. The caller limits how long it is waited for.
    """
    _, parameters = engine.dialect.create_connect_args(engine.url)
    try:
        async with await psycopg.AsyncConnection.connect(
            **{**parameters, **CONNECT_ARGS}, autocommit=True
        ) as connection:
            await connection.execute("SELECT 1")
    except psycopg.Error as exc:
        # Of a refused connection libpq hands on the words alone.
        return exc.sqlstate is not None or "FATAL" in str(exc)
    return True


@asynccontextmanager
async def open_connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection of the pool, which gets it back even if the caller is cancelled while it takes it.

    SQLAlchemy (2.1) loses it then, until the garbage collector finds it: about 1 in 30 cancellations.
    """
    taking = asyncio.ensure_future(engine.connect().start())
    try:
        connection = await asyncio.shield(taking)
    except asyncio.CancelledError:
        giving_back = asyncio.ensure_future(_give_back(taking))
        _GIVING_BACK.add(giving_back)
        giving_back.add_done_callback(_GIVING_BACK.discard)
        raise
    try:
        yield connection
    finally:
        await asyncio.shield(asyncio.ensure_future(connection.close()))


_GIVING_BACK: set[asyncio.Future[None]] = set()


async def _give_back(taking: asyncio.Future[AsyncConnection]) -> None:
    with suppress(SQLAlchemyError):  # there is none to give back
        await (await taking).close()


async def close_engine(engine: AsyncEngine) -> None:
    """Close all connections, those included that cancelled callers were about to take."""
    if _GIVING_BACK:
        await asyncio.wait(_GIVING_BACK, timeout=1)
    await engine.dispose()


@asynccontextmanager
async def open_session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """One transaction: committed when the block ends, rolled back when it raises.

    Raises DatabaseUnavailableError when PostgreSQL cannot be reached, BusyError where `limit_lock_wait` was called
    and a lock was not to be had.
    """
    try:
        async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
            yield session
    except UNAVAILABLE as exc:
        if isinstance(exc.orig, psycopg.errors.LockNotAvailable):
            raise BusyError(
                "another request or a worker is changing this right now; try again in a moment"
            ) from exc
        raise wrap_database_error(exc) from exc
    except PoolTimeoutError as exc:
        raise DatabaseUnavailableError("PostgreSQL does not answer: all connections are waiting") from exc


def measure_pool(engine: AsyncEngine) -> PoolUse:
    """How many connections an engine has, without asking the database."""
    pool = engine.sync_engine.pool
    assert isinstance(pool, QueuePool), "as make_engine has it"
    return PoolUse(size=pool.size(), in_use=pool.checkedout(), idle=pool.checkedin())


async def limit_duration(session: AsyncSession, seconds: float) -> None:
    """Of each statement, for the rest of the transaction; the server itself ends what takes longer."""
    await session.execute(select(func.set_config("statement_timeout", f"{seconds * 1000:.0f}", True)))


async def limit_idling(session: AsyncSession, seconds: float) -> None:
    """Of this process between the statements of the transaction; then the server ends it with the connection.

    What it has locked is free then, even if the process is frozen or its machine is gone.
    """
    timeout = f"{seconds * 1000:.0f}"
    await session.execute(select(func.set_config("idle_in_transaction_session_timeout", timeout, True)))


async def limit_lock_wait(session: AsyncSession, seconds: float) -> None:
    """For the rest of the transaction."""
    await session.execute(select(func.set_config("lock_timeout", f"{seconds * 1000:.0f}", True)))


def wrap_database_error(exc: SQLAlchemyError) -> DatabaseUnavailableError:
    """The driver's words without its address line, which may name a password."""
    orig = exc.orig if isinstance(exc, DBAPIError) else None
    reason = str(orig).strip().splitlines()[0] if orig else type(exc).__name__
    return DatabaseUnavailableError(f"PostgreSQL cannot be used: {reason}")
