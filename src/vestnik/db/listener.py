"""Wake-ups from PostgreSQL: LISTEN on a session connection of its own, made anew whenever it breaks."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import structlog
from psycopg import sql
from sqlalchemy import URL

from vestnik.db.engine import CONNECT_ARGS
from vestnik.db.notifications import WAKE_CHANNEL
from vestnik.domain.errors import ConfigurationError
from vestnik.domain.ids import AccountId

log = structlog.get_logger()

PROBE_TIMEOUT = 5.0
_CONNECT: dict[str, Any] = {**CONNECT_ARGS, "application_name": "vestnik-listener"}


class Listener:
    """Calls `on_wake` with an account at each notification, and with None after every (re)connection.

    Notifications only shorten the wait for the next poll, so a broken connection costs at most that.
    """

    def __init__(self, url: URL, on_wake: Callable[[AccountId | None], None]) -> None:
        self._url = url
        self._on_wake = on_wake

    async def check_session(self) -> None:
        """Make sure that notifications arrive at all.

        Through a transaction pooler LISTEN succeeds and stays silent for ever. Raises ConfigurationError then;
        psycopg.OperationalError when the database cannot be reached.
        """
        if await hears_notifications(self._url):
            return
        raise ConfigurationError(
            "the database address goes through a transaction pooler, on which a worker cannot be woken and its "
            "leases are not safe; give the worker the direct connection or the session pooler (port 5432)",
            field="DATABASE_URL",
        )

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                async with await _connect(self._url) as connection:
                    self._on_wake(None)
                    async for notify in connection.notifies():
                        self._on_wake(_parse(notify.payload))
            except psycopg.Error as exc:  # LISTEN on a standby is an InternalError
                log.debug(
                    "listener.lost", reason=str(exc).splitlines()[0] if str(exc) else type(exc).__name__
                )
            await asyncio.sleep(0.5)


async def hears_notifications(url: URL) -> bool:
    """Whether the address leads to sessions of one's own, asked with a LISTEN and a notification from elsewhere.

    Through a transaction pooler LISTEN succeeds and stays silent for ever; a notification that the listening
    connection itself asks for would come back all the same, on whichever session answers. Raises psycopg.Error,
    also when a pooler has no second connection to give.
    """
    try:
        async with asyncio.timeout(3 * PROBE_TIMEOUT):
            return await _probe(url)
    except TimeoutError as exc:
        raise psycopg.OperationalError("the database, or the pooler before it, does not answer") from exc


async def _probe(url: URL) -> bool:
    probe = f"probe:{uuid4()}"
    async with await _connect(url) as listening:
        async with await _open(url) as other:
            await other.execute("SELECT pg_notify(%s, %s)", (WAKE_CHANNEL, probe))
        async for notify in listening.notifies(timeout=PROBE_TIMEOUT):
            if notify.payload == probe:
                return True
    return False


async def _connect(url: URL) -> psycopg.AsyncConnection[tuple[object, ...]]:
    connection = await _open(url)
    try:
        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(WAKE_CHANNEL)))
    except BaseException:
        await connection.close()
        raise
    return connection


async def _open(url: URL) -> psycopg.AsyncConnection[tuple[object, ...]]:
    conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return await psycopg.AsyncConnection.connect(
        conninfo, autocommit=True, context=None, prepare_threshold=None, **_CONNECT
    )


def _parse(payload: str) -> AccountId | None:
    try:
        return AccountId(UUID(payload))
    except ValueError:
        return None  # another worker's probe
