"""A TCP proxy in front of PostgreSQL: it can be slow, fall silent, or be gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import URL

CHUNK = 65_536


class DatabaseProxy:
    """Passes bytes on after half of `round_trip` seconds in either direction.

    `stall` keeps connections open and passes nothing on until `resume`, as a network does that loses packets.
    `cut` ends all connections at once and refuses new ones until `resume`, as a stopped server does.
    """

    def __init__(self, target: URL, *, round_trip: float = 0.0) -> None:
        self._target = target
        self.round_trip = round_trip
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = target

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host = self._target.host or str(self._target.query.get("host"))
        port = self._target.port or int(str(self._target.query.get("port", 5432)))
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = {writer}
        try:
            if self._refusing:
                return
            server_reader, server_writer = await self._open()
            pair.add(server_writer)
            self._writers |= pair
            async with asyncio.TaskGroup() as group:
                for source, sink in ((reader, server_writer), (server_reader, writer)):
                    queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
                    group.create_task(self._read(source, queue))
                    group.create_task(self._write(queue, sink))
        except* OSError:
            pass
        finally:
            self._writers -= pair
            for each in pair:
                each.transport.abort()

    async def _read(self, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]]) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(CHUNK):
            queue.put_nowait((loop.time() + self.round_trip / 2, data))
        raise ConnectionResetError  # ends the other three as well

    async def _write(self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(due - loop.time(), 0.0))
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()

    def stall(self) -> None:
        self._flowing.clear()

    def cut(self) -> None:
        self._refusing = True
        for writer in list(self._writers):
            writer.transport.abort()

    def resume(self) -> None:
        self._refusing = False
        self._flowing.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["DatabaseProxy"]:
        """Listen for the length of the block; `url` is the database's address through the proxy."""
        listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        self.url = self._target.set(host="127.0.0.1", port=port).difference_update_query(["host", "port"])
        try:
            yield self
        finally:
            listener.close()
            self._refusing = True  # whoever was being accepted
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
