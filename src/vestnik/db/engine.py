"""Connections to PostgreSQL: one engine a process, sessions for services, autocommit for the delivery engine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from vestnik.domain.errors import ConfigurationError, DatabaseUnavailableError

CONNECT_ARGS = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
SUPPORTED_MAJORS = range(15, 19)


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


def make_engine(url: URL, *, name: str, pool_size: int = 5) -> AsyncEngine:
    """An engine whose connections tell PostgreSQL who they are and notice a dead peer within half a minute."""
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_pre_ping=False,
        connect_args={**CONNECT_ARGS, "application_name": f"vestnik-{name}"},
    )


@asynccontextmanager
async def open_session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """One transaction: committed when the block ends, rolled back when it raises.

    Raises DatabaseUnavailableError when PostgreSQL cannot be reached.
    """
    try:
        async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
            yield session
    except (OperationalError, InterfaceError) as exc:
        raise wrap_database_error(exc) from exc


def wrap_database_error(exc: DBAPIError) -> DatabaseUnavailableError:
    """The driver's words without its address line, which may name a password."""
    reason = str(exc.orig).strip().splitlines()[0] if exc.orig else type(exc).__name__
    return DatabaseUnavailableError(f"PostgreSQL cannot be used: {reason}")
