"""A worker's metrics over HTTP, for a Prometheus of the same host."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Final

import structlog

from vestnik.metrics.registry import CONTENT_TYPE

log = structlog.get_logger()

HOST: Final = "127.0.0.1"
"""Nobody has to sign in here, so nobody else's machine gets in."""
PATH: Final = "/metrics"
TRY_AGAIN_AFTER: Final = 15.0
"""Seconds until a port that somebody else has is asked for again: the worker before this one may still hold it."""
REQUEST_SECONDS: Final = 5.0
LONGEST_HEAD: Final = 16 * 1024
MOST_CONNECTIONS: Final = 8

Render = Callable[[], bytes]


async def run_metrics(render: Render, port: int) -> None:
    """Answer until cancelled, at a port of the loopback; with port 0 do nothing.

    A port that cannot be had is waited for beside the sending, and told of once.
    """
    if port == 0:
        await asyncio.get_running_loop().create_future()
    is_told = False
    while True:
        open_ones: set[asyncio.StreamWriter] = set()
        try:
            server = await asyncio.start_server(
                partial(_serve, render, open_ones), HOST, port, limit=LONGEST_HEAD, backlog=MOST_CONNECTIONS
            )
        except OSError as exc:
            if not is_told:
                log.warning("metrics.port_not_available", port=port, reason=exc.strerror or str(exc))
                is_told = True
            await asyncio.sleep(TRY_AGAIN_AFTER)
            continue
        log.info("metrics.listening", port=port)
        try:
            await server.serve_forever()
        finally:
            server.close()
            for writer in open_ones:
                writer.transport.abort()  # a slow reader must not hold up the end of the worker


async def _serve(
    render: Render,
    open_ones: set[asyncio.StreamWriter],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """One request a connection; whoever is too slow, too many or too long is hung up on."""
    open_ones.add(writer)
    try:
        if len(open_ones) <= MOST_CONNECTIONS:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_answer(head, render))
                await writer.drain()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    except Exception:
        # The edge of the process: metrics that cannot be shown are no reason to stop posting.
        log.exception("metrics.failed")
    finally:
        open_ones.discard(writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _answer(head: bytes, render: Render) -> bytes:
    method, _, rest = head.decode("latin-1").partition("\r\n")[0].partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    if path != PATH:
        return _make_response(HTTPStatus.NOT_FOUND, f"There is only {PATH} here.\n".encode())
    if method not in {"GET", "HEAD"}:
        return _make_response(HTTPStatus.METHOD_NOT_ALLOWED, b"Only GET and HEAD.\n")
    return _make_response(HTTPStatus.OK, render(), content_type=CONTENT_TYPE, with_body=method == "GET")


def _make_response(
    status: HTTPStatus,
    body: bytes,
    *,
    content_type: str = "text/plain; charset=utf-8",
    with_body: bool = True,
) -> bytes:
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        lines.append("Allow: GET, HEAD")
    return "\r\n".join([*lines, "", ""]).encode() + (body if with_body else b"")
