"""A TCP proxy before PostgreSQL that makes every round trip longer, as a process of its own.

`python -m benchmarks.latency 0.1` with the server's address in LATENCY_TARGET prints the port that it listens on
and runs until its standard input ends.
"""

import asyncio
import json
import os
import sys
import threading
from collections import deque

from sqlalchemy import URL, make_url

CHUNK = 65_536


async def open_target(target: URL) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the server, over its socket in a folder or over TCP."""
    host = target.host or str(target.query.get("host"))
    port = target.port or int(str(target.query.get("port", 5432)))
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, port)


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Write what is read `delay` seconds later; nobody waits for anything else, so chunks overlap on their way."""
    loop = asyncio.get_running_loop()
    under_way: deque[bytes] = deque()
    try:
        while data := await reader.read(CHUNK):
            under_way.append(data)
            loop.call_later(delay, lambda: writer.write(under_way.popleft()))
    except OSError:
        pass  # broken instead of closed; the other side learns of it all the same
    loop.call_later(delay, writer.close)


async def serve(target: URL, round_trip: float, stop: asyncio.Event) -> None:
    """Listen on a free port of this machine until `stop`."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await open_target(target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(
            pass_on(reader, server_writer, round_trip / 2), pass_on(server_reader, writer, round_trip / 2)
        )

    async with await asyncio.start_server(connect, "127.0.0.1", 0) as listener:
        print(json.dumps({"port": listener.sockets[0].getsockname()[1]}), flush=True)
        await stop.wait()
        listener.close()
        # Not closed in order: from Python 3.12 on leaving the block waits for the connections to end.
        os._exit(0)


async def main() -> None:
    """Stop when standard input ends, as it does with the process that started this one."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait_for_end() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=wait_for_end, daemon=True).start()
    await serve(make_url(os.environ["LATENCY_TARGET"]), float(sys.argv[1]), stop)


if __name__ == "__main__":
    asyncio.run(main())
