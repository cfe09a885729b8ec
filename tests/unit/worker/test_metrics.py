"""A worker's metrics over HTTP: to whom it listens, and what it puts up with."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from vestnik.metrics.registry import CONTENT_TYPE
from vestnik.worker import metrics
from vestnik.worker.metrics import HOST, MOST_CONNECTIONS, run_metrics

DEADLINE = 30.0
BODY = b"vestnik_lanes 1\n"

Ask = Callable[[bytes], Awaitable[bytes]]


async def ask_port(port: int, request: bytes) -> bytes:
    async with asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(request)
        try:
            return await reader.read()
        finally:
            await hang_up(writer)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def wait_until_listening(port: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                await ask_port(port, b"GET /nothing HTTP/1.1\r\n\r\n")
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
            else:
                return


class Tries:
    """Counts how often somebody tries to listen."""

    def __init__(self) -> None:
        self.count = 0
        self._start = asyncio.start_server

    async def start_server(self, *arguments: Any, **options: Any) -> asyncio.Server:
        self.count += 1
        return await self._start(*arguments, **options)


def fail() -> bytes:
    raise RuntimeError("broken on purpose")


@pytest.fixture
async def ask(unused_tcp_port: int) -> AsyncIterator[Ask]:
    running = asyncio.create_task(run_metrics(lambda: BODY, unused_tcp_port))
    await wait_until_listening(unused_tcp_port)

    async def ask(request: bytes) -> bytes:
        return await ask_port(unused_tcp_port, request)

    yield ask
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_scrape_gets_the_text_and_its_type(ask: Ask) -> None:
    head, _, body = (await ask(b"GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n")).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert {f"Content-Type: {CONTENT_TYPE}", f"Content-Length: {len(BODY)}"} <= set(lines)
    assert body == BODY


@pytest.mark.parametrize(
    ("request_head", "status", "has_body"),
    [
        (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"200 OK", False),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"405 Method Not Allowed", True),
        (b"GET / HTTP/1.1\r\n\r\n", b"404 Not Found", True),
        (b"\xff\r\n\r\n", b"404 Not Found", True),
    ],
)
async def test_anything_else_is_told_what_there_is(
    ask: Ask, request_head: bytes, status: bytes, has_body: bool
) -> None:
    answer = await ask(request_head)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert bool(answer.partition(b"\r\n\r\n")[2]) is has_body


async def test_endless_heads_are_hung_up_on_and_the_next_one_is_served(ask: Ask) -> None:
    with suppress(ConnectionError):  # hung up on before it was read to the end
        assert await ask(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 100_000) == b""
    assert (await ask(b"GET /metrics HTTP/1.1\r\n\r\n")).endswith(BODY)


async def test_silent_ones_hold_up_nobody_for_long(
    unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "REQUEST_SECONDS", 0.2)
    running = asyncio.create_task(run_metrics(lambda: BODY, unused_tcp_port))
    await wait_until_listening(unused_tcp_port)
    silent = [await asyncio.open_connection(HOST, unused_tcp_port) for _ in range(MOST_CONNECTIONS)]
    async with asyncio.timeout(DEADLINE):
        assert [await reader.read() for reader, _ in silent] == [b""] * MOST_CONNECTIONS
        for _, writer in silent:
            await hang_up(writer)
        assert (await ask_port(unused_tcp_port, b"GET /metrics HTTP/1.1\r\n\r\n")).endswith(BODY)
        # With somebody connected who says nothing it ends at once.
        monkeypatch.setattr(metrics, "REQUEST_SECONDS", 600.0)
        reader, writer = await asyncio.open_connection(HOST, unused_tcp_port)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        await hang_up(writer)


async def test_metrics_that_cannot_be_made_end_neither_the_listener_nor_the_worker(
    unused_tcp_port: int,
) -> None:
    with capture_logs() as logs:
        running = asyncio.create_task(run_metrics(fail, unused_tcp_port))
        await wait_until_listening(unused_tcp_port)
        for _ in range(2):
            assert await ask_port(unused_tcp_port, b"GET /metrics HTTP/1.1\r\n\r\n") == b""
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [entry["event"] for entry in logs].count("metrics.failed") == 2


async def test_a_busy_port_is_told_of_once_and_taken_as_soon_as_it_is_free(
    unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "TRY_AGAIN_AFTER", 0.02)
    tries = Tries()
    monkeypatch.setattr(asyncio, "start_server", tries.start_server)
    with capture_logs() as logs, socket.create_server((HOST, unused_tcp_port)) as taken:
        running = asyncio.create_task(run_metrics(lambda: BODY, unused_tcp_port))
        async with asyncio.timeout(DEADLINE):
            while tries.count < 5:  # noqa: ASYNC110 - an attempt to listen makes no event
                await asyncio.sleep(0.01)
        assert [(entry["event"], entry["port"]) for entry in logs] == [
            ("metrics.port_not_available", unused_tcp_port)
        ]
        taken.close()
        await wait_until_listening(unused_tcp_port)
    assert (await ask_port(unused_tcp_port, b"GET /metrics HTTP/1.1\r\n\r\n")).endswith(BODY)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_without_a_port_nobody_listens() -> None:
    running = asyncio.create_task(run_metrics(fail, 0))
    await asyncio.wait({running}, timeout=0.05)
    assert not running.done(), "a worker whose background work ends stops"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
