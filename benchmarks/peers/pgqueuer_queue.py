"""pgqueuer, measured in the peers' environment."""

import asyncio
import json
import sys
import time
from datetime import timedelta
from typing import Any

import asyncpg  # type: ignore[import-not-found]
import pgqueuer  # type: ignore[import-not-found]
import uvloop  # type: ignore[import-not-found]

from benchmarks.peers.program import Answer, Handle, Message, Timetable, Worker, main

ENTRYPOINT = "message"
BATCH = 100
LEFT = "SELECT count(*) FROM pgqueuer"
RECORDED = "SELECT count(*) FROM pgqueuer_log WHERE status = 'successful'"


class PgQueuerWorker:
    """A manager of the queue, as a task of this event loop, on a connection of its own."""

    def __init__(self, connection: asyncpg.Connection, handle: Handle, options: dict[str, Any]) -> None:
        self._manager = pgqueuer.PgQueuer.from_asyncpg_connection(connection)
        self._manager.entrypoint(ENTRYPOINT, accepts_context=False)(self._run)
        self._connection = connection
        self._handle = handle
        self._options = options
        self._task: asyncio.Task[None] | None = None

    async def _run(self, job: pgqueuer.Job) -> None:
        await self._handle(json.loads(job.payload))

    async def start(self) -> None:
        """It begins at the next turn of the loop."""
        self._task = asyncio.create_task(self._manager.qm.run(**self._options))

    async def stop(self) -> None:
        """It ends what it has in hand."""
        assert self._task is not None
        self._manager.shutdown.set()
        await self._task
        await self._connection.close()


class PgQueuer:
    """With a connection that queues and counts, beside that of the worker."""

    seconds_to_queue_one = 0.001

    def __init__(self, url: str, beside: asyncpg.Connection, settings: dict[str, Any]) -> None:
        self._url = url
        self._beside = beside
        self._settings = settings
        self._queries = pgqueuer.Queries.from_asyncpg_connection(beside)

    async def install(self) -> None:
        """With the settings of autovacuum that it recommends."""
        await self._queries.install()
        await self._queries.optimize_autovacuum()

    async def add(self, messages: list[Message], timetable: Timetable | None) -> None:
        """In one statement; an instant is said as the time until then."""
        count = len(messages)
        now = time.time()
        waits = [
            timedelta(seconds=timetable.due(message) - now) if timetable else None for message in messages
        ]
        payloads = [json.dumps(message, separators=(",", ":")).encode() for message in messages]
        await self._queries.enqueue([ENTRYPOINT] * count, payloads, [0] * count, waits)

    async def settle(self) -> None:
        """As it is some minutes later: with statistics, and without a checkpoint to come."""
        await self._beside.execute("VACUUM (ANALYZE)")
        await self._beside.execute("CHECKPOINT")

    async def hire(self, handle: Handle, *, rate: float | None) -> Worker:  # noqa: ARG002 - it has no polling to set
        """Batches of 100 over one connection, as its documentation has it."""
        connection = await asyncpg.connect(self._url)
        return PgQueuerWorker(connection, handle, {"batch_size": BATCH, **self._settings})

    async def count_left(self) -> int:
        """Done ones are deleted."""
        return int(await self._beside.fetchval(LEFT))

    async def count_recorded(self) -> int:
        """The log keeps them."""
        return int(await self._beside.fetchval(RECORDED))

    async def close(self) -> None:
        """The connection that queues and counts."""
        await self._beside.close()


async def open_pgqueuer(orders: Answer) -> PgQueuer:
    """On an empty database."""
    url = orders["database_url"]
    queue = PgQueuer(url, await asyncpg.connect(url), orders.get("settings", {}))
    await queue.install()
    return queue


if __name__ == "__main__":
    sys.exit(main(open_pgqueuer, uvloop.new_event_loop))
