"""procrastinate, measured in the peers' environment."""

import asyncio
import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import procrastinate  # type: ignore[import-not-found]
import psycopg
import uvloop  # type: ignore[import-not-found]

from benchmarks.peers.program import Answer, Handle, Message, Timetable, Worker, main

CONCURRENCY = 10
COUNT = "SELECT count(*) FROM procrastinate_jobs WHERE status = ANY(%s::procrastinate_job_status[])"


class ProcrastinateWorker:
    """A task of this event loop."""

    def __init__(self, app: procrastinate.App, options: dict[str, Any]) -> None:
        self._app = app
        self._options = options
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """It begins at the next turn of the loop."""
        self._task = asyncio.create_task(
            self._app.run_worker_async(install_signal_handlers=False, **self._options)
        )

    async def stop(self) -> None:
        """Being cancelled, it ends what it has in hand."""
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


class Procrastinate:
    """With a connection beside its pool for what is asked about it."""

    seconds_to_queue_one = 0.002

    def __init__(
        self, app: procrastinate.App, beside: psycopg.AsyncConnection[Any], settings: dict[str, Any]
    ) -> None:
        self._app = app
        self._beside = beside
        self._settings = settings
        self._handle: Handle | None = None
        self._message = app.task(self._run, name="message")

    async def _run(self, **message: object) -> None:
        assert self._handle is not None
        await self._handle(message)

    async def add(self, messages: list[Message], timetable: Timetable | None) -> None:
        """In one statement; through its manager where each has an instant of its own."""
        if timetable is None:
            await self._message.batch_defer_async(*messages)
            return
        dues = [datetime.fromtimestamp(timetable.due(message), UTC) for message in messages]
        jobs = [
            self._message.configure(schedule_at=due, task_kwargs=message).job
            for message, due in zip(messages, dues, strict=True)
        ]
        await self._app.job_manager.batch_defer_jobs_async(jobs)

    async def settle(self) -> None:
        """As it is some minutes later: with statistics, and without a checkpoint to come."""
        await self._beside.execute("VACUUM (ANALYZE)")
        await self._beside.execute("CHECKPOINT")

    async def hire(self, handle: Handle, *, rate: float | None) -> Worker:
        """Scheduled jobs are found by polling: twice for each slot."""
        self._handle = handle
        polling = {"fetch_job_polling_interval": max(0.5 / rate, 0.005)} if rate else {}
        return ProcrastinateWorker(self._app, {"concurrency": CONCURRENCY, **polling, **self._settings})

    async def count_left(self) -> int:
        """Queued and running."""
        return await self._count("todo", "doing")

    async def count_recorded(self) -> int:
        """Those that succeeded."""
        return await self._count("succeeded")

    async def _count(self, *statuses: str) -> int:
        cursor = await self._beside.execute(COUNT, [list(statuses)])
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])

    async def close(self) -> None:
        """The pool and the connection beside it."""
        await self._app.close_async()
        await self._beside.close()


async def open_procrastinate(orders: Answer) -> Procrastinate:
    """On an empty database."""
    logging.basicConfig(level=logging.ERROR)
    connector = procrastinate.PsycopgConnector(
        conninfo=orders["database_url"], min_size=CONCURRENCY + 2, max_size=CONCURRENCY + 2
    )
    app = procrastinate.App(connector=connector)
    await app.open_async()
    await app.schema_manager.apply_schema_async()
    beside = await psycopg.AsyncConnection.connect(orders["database_url"], autocommit=True)
    return Procrastinate(app, beside, orders.get("settings", {}))


if __name__ == "__main__":
    sys.exit(main(open_procrastinate, uvloop.new_event_loop))
