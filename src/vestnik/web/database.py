"""Transactions of requests: each is committed before the answer goes out, and none is waited for without end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from vestnik.db.engine import open_session
from vestnik.domain.errors import DatabaseUnavailableError

Result = TypeVar("Result")

LIMIT_SECONDS: Final = 5.5
"""An answer comes within 6 s even when the database's host swallows packets."""
LONG_LIMIT_SECONDS: Final = 120.0
"""For imports and the like, which have much to do."""


class Database:
    """Runs the work of requests, a transaction each."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._abandoned: set[asyncio.Task[object]] = set()

    async def run(
        self, work: Callable[[AsyncSession], Awaitable[Result]], *, limit: float = LIMIT_SECONDS
    ) -> Result:
        """Do it in one transaction, which is committed when this returns.

        Raises DatabaseUnavailableError when the database is away or silent for longer than `limit` seconds: then
        the work is given up in the background, because a driver that waits for a silent host cannot be cancelled
        at once (psycopg 3.3 waits up to 10 s).
        """
        task = asyncio.create_task(self._run(work))
        try:
            done, _ = await asyncio.wait({task}, timeout=limit)
        except asyncio.CancelledError:
            self._abandon(task)
            raise
        if not done:
            self._abandon(task)
            raise DatabaseUnavailableError("the database does not answer")
        return task.result()

    async def _run(self, work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        async with open_session(self.engine) as session:
            return await work(session)

    def _abandon(self, task: "asyncio.Task[Result]") -> None:
        task.cancel()
        self._abandoned.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Task[Result]") -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()  # seen, so that nothing is logged about it
