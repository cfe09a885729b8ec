"""Transactions of requests: each is committed before the answer goes out, and none is waited for without end."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from vestnik.db.engine import is_answering, limit_lock_wait, open_session
from vestnik.domain.errors import DatabaseUnavailableError

Result = TypeVar("Result")

LONG_LIMIT_SECONDS: Final = 120.0
"""For imports and the like, which have much to do. What takes longer than `Limits.ask_after` is waited for only
while the database answers others."""
MOST_LONG: Final = 3
"""Of them this many have a connection at a time. Those that wait, be it for each other's locks, wait without one,
so that all other requests find some of the engine's five."""
PATIENCE_SECONDS: Final = 4.0
"""How long short work waits for what long work has locked, see `patiently`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Seconds after which a database that keeps silent counts as away."""

    short: float = 5.5
    """For work with little to do: an answer comes within 6 s even when the database's host swallows packets."""
    ask_after: float = 3.0
    """Of long work, between two questions whether the database answers others."""
    ask: float = 2.0
    """For such a question; together with the time between two of them less than `short`."""


LIMITS: Final = Limits()


def patiently(
    work: Callable[[AsyncSession], Awaitable[Result]],
) -> Callable[[AsyncSession], Awaitable[Result]]:
    """The same work for `Database.run`, but it raises BusyError instead of waiting long for somebody's lock."""

    async def wait_briefly(session: AsyncSession) -> Result:
        await limit_lock_wait(session, PATIENCE_SECONDS)
        return await work(session)

    return wait_briefly


class Database:
    """Runs the work of requests, a transaction each."""

    def __init__(self, engine: AsyncEngine, limits: Limits = LIMITS) -> None:
        self.engine = engine
        self.limits = limits
        self._autocommitting = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._abandoned: set[asyncio.Task[Any]] = set()
        self._long = asyncio.Semaphore(MOST_LONG)

    async def run(
        self, work: Callable[[AsyncSession], Awaitable[Result]], *, limit: float | None = None
    ) -> Result:
        """Do it in one transaction, which is committed when this returns.

        Work is short unless it has a `limit` in seconds. Raises DatabaseUnavailableError when the database is
        away, when the work takes longer than its limit, or when a database that is busy with it does not answer
        others either: then the work is given up in the background, because a driver that waits for a silent host
        cannot be cancelled at once (psycopg 3.3 waits up to 10 s).
        """
        run = self._run(work, self.engine) if limit is None else self._run_long(work)
        return await self._wait(asyncio.create_task(run), limit)

    async def look(self, work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        """Do work whose statements need not be one: each commits by itself, and only it is a round trip.

        For what is asked all the time. Raises as `run` does.
        """
        return await self._wait(asyncio.create_task(self._run(work, self._autocommitting)), None)

    async def _wait(self, task: "asyncio.Task[Result]", limit: float | None) -> Result:
        try:
            is_done = await self._watch(task, limit)
        except asyncio.CancelledError:
            self._abandon(task)
            raise
        if not is_done:
            self._abandon(task)
            raise DatabaseUnavailableError("the database does not answer")
        return task.result()

    async def _watch(self, task: "asyncio.Task[Result]", limit: float | None) -> bool:
        """Whether it ended in time and while the database was there.

        A long silence on one connection may be a statement with much to do, or a wait for a lock; whether the
        database is still there only another connection can tell.
        """
        if limit is None:
            await asyncio.wait({task}, timeout=self.limits.short)
            return task.done()
        loop = asyncio.get_running_loop()
        end = loop.time() + limit
        while not task.done():
            left = end - loop.time()
            if left <= 0:
                return False
            await asyncio.wait({task}, timeout=min(left, self.limits.ask_after))
            if not task.done() and not await self._is_there(task):
                return False
        return True

    async def _is_there(self, task: "asyncio.Task[Result]") -> bool:
        """Whether the database answers a question, or the work has ended meanwhile."""
        asking = asyncio.create_task(is_answering(self.engine))
        try:
            await asyncio.wait({asking, task}, timeout=self.limits.ask, return_when=asyncio.FIRST_COMPLETED)
            return task.done() or (asking.done() and asking.result())
        finally:
            if not asking.done():
                self._abandon(asking)

    async def _run(self, work: Callable[[AsyncSession], Awaitable[Result]], engine: AsyncEngine) -> Result:
        async with open_session(engine) as session:
            return await work(session)

    async def _run_long(self, work: Callable[[AsyncSession], Awaitable[Result]]) -> Result:
        async with self._long:
            return await self._run(work, self.engine)

    def _abandon(self, task: "asyncio.Task[Any]") -> None:
        task.cancel()
        self._abandoned.add(task)
        task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()  # seen, so that nothing is logged about it
