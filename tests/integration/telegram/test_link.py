"""How a connection begins and ends, against servers that do not speak Telegram at all."""

import asyncio
import logging
import socket
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any
from zlib import crc32

import pytest

from vestnik.domain.transport import ErrorClass, TransportError
from vestnik.telegram.link import Connection
from vestnik.telegram.sessions import ParsedSession, SessionLayout
from vestnik.telegram.transport import TelethonTransport

DEADLINE = 30
"""How long anything here may take; it only shows when a test fails."""

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def make_transport(port: int, *, host: str = "127.0.0.1", call_timeout: float = 3600) -> TelethonTransport:
    session = ParsedSession(layout=SessionLayout.GRAMJS, dc_id=2, host=host, port=port, auth_key=b"k" * 256)
    return TelethonTransport(
        session,
        api_id=1,
        call_timeout=timedelta(seconds=call_timeout),
        connect_timeout=timedelta(seconds=DEADLINE),
    )


@asynccontextmanager
async def serve(handler: Handler, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """A server for the test, on a port that the system gives."""
    server = await asyncio.start_server(handler, host, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def fail_to_connect(transport: TelethonTransport) -> TransportError:
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(TransportError) as caught:
            await transport.connect()
    assert caught.value.disconnected is True
    assert transport.is_connected is False
    return caught.value


@pytest.fixture(autouse=True)
async def no_task_is_left_behind() -> AsyncIterator[None]:
    yield
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert [task for task in others if "telethon" in repr(task) or "vestnik" in repr(task)] == []


async def find_closed_port() -> int:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


async def test_a_refused_connection_says_where_and_why():
    port = await find_closed_port()
    error = await fail_to_connect(make_transport(port))
    assert (error.name, error.error_class, error.definite) == ("CONNECT_FAILED", ErrorClass.TRANSIENT, True)
    assert f"127.0.0.1 port {port}" in error.message
    assert "refused" in error.message


async def test_an_unknown_host_name_is_reported(monkeypatch):
    async def find_nothing(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", find_nothing)
    error = await fail_to_connect(make_transport(443, host="sim.example.org"))
    assert error.name == "CONNECT_FAILED"
    assert "sim.example.org port 443: the host name is not known" in error.message


async def test_a_host_name_that_cannot_be_looked_up_is_reported():
    error = await fail_to_connect(make_transport(443, host="a" * 64 + ".example.org"))
    assert error.name == "CONNECT_FAILED"


async def test_a_server_that_hangs_up_fails_the_call_at_once():
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with serve(hang_up) as port:
        error = await fail_to_connect(make_transport(port))
    assert (error.name, error.definite) == ("CONNECTION_LOST", False)


async def test_silence_ends_the_connection_before_the_call_ends():
    server_side: asyncio.Future[asyncio.StreamReader] = asyncio.get_running_loop().create_future()

    async def keep_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_side.set_result(reader)

    async with serve(keep_silent) as port:
        error = await fail_to_connect(make_transport(port, call_timeout=0.05))
        assert (error.name, error.definite) == ("TIMEOUT", False)
        async with asyncio.timeout(DEADLINE):
            reader = await server_side
            with pytest.raises(ConnectionResetError):
                await reader.read(-1)


@pytest.mark.parametrize(
    ("code", "name", "error_class"),
    [
        (-404, "AUTH_KEY_NOT_FOUND", ErrorClass.ACCOUNT_DEAD),
        (-429, "TRANSPORT_FLOOD", ErrorClass.TRANSIENT),
        (-444, "CONNECTION_LOST", ErrorClass.TRANSIENT),
    ],
)
async def test_a_transport_code_of_the_server_is_understood(code, name, error_class):
    async def answer_code(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        packet = struct.pack("<iii", 16, 0, code)
        writer.write(packet + struct.pack("<I", crc32(packet)))
        await writer.drain()
        await reader.read()
        writer.close()

    async with serve(answer_code) as port:
        error = await fail_to_connect(make_transport(port))
    assert (error.name, error.error_class) == (name, error_class)


async def test_disconnecting_is_possible_before_and_after_and_twice():
    transport = make_transport(1)
    await transport.disconnect()
    await transport.disconnect()
    assert transport.is_connected is False
    error = await fail_to_connect(transport)
    assert (error.name, error.definite) == ("NOT_CONNECTED", True)


async def test_a_cancelled_connect_ends_the_connection():
    arrived = asyncio.Event()
    gone = asyncio.Event()

    async def wait_for_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        arrived.set()
        try:
            while await reader.read(4096):
                pass
        except ConnectionError:
            pass
        gone.set()
        writer.close()

    async with serve(wait_for_the_end) as port, asyncio.timeout(DEADLINE):
        connecting = asyncio.create_task(make_transport(port).connect())
        await arrived.wait()
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await gone.wait()


async def test_a_connect_that_is_cancelled_in_the_instant_of_success_does_not_go_on(
    monkeypatch: pytest.MonkeyPatch,
):
    connect = asyncio.open_connection

    async def connect_and_cancel(*arguments: Any, **options: Any) -> tuple[Any, Any]:
        streams = await connect(*arguments, **options)
        connecting.cancel()
        return streams

    async def read_to_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while await reader.read(4096):
                pass
        gone.set()
        writer.close()

    gone = asyncio.Event()
    async with serve(read_to_the_end) as port, asyncio.timeout(DEADLINE):
        monkeypatch.setattr(asyncio, "open_connection", connect_and_cancel)
        transport = make_transport(port)
        connecting = asyncio.create_task(transport.connect())
        await asyncio.wait([connecting])
        assert connecting.cancelled()
        await gone.wait()
    assert transport.is_connected is False


async def test_a_host_name_is_resolved_and_dialled():
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    async with serve(hang_up) as port:
        error = await fail_to_connect(make_transport(port, host="localhost"))
    assert error.name == "CONNECTION_LOST"


async def test_what_a_stalled_server_has_not_read_is_dropped_and_not_sent_later():
    server_side: asyncio.Future[asyncio.StreamReader] = asyncio.get_running_loop().create_future()

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_side.set_result(reader)

    loggers: dict[str, logging.Logger] = defaultdict(lambda: logging.getLogger("test"))
    async with serve(stall) as port, asyncio.timeout(DEADLINE):
        connection = Connection("127.0.0.1", port, 2, loggers=loggers)
        await connection.connect()
        reader = await server_side
        for _ in range(64):
            connection._writer.write(b"x" * 2**20)
        await connection.disconnect()
        with pytest.raises(ConnectionResetError):
            await reader.read(-1)
