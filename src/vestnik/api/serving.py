"""Serves an application over HTTP until told to stop."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import uvicorn
from starlette.types import ASGIApp

GRACE_SECONDS: Final = 3
"""How long requests in progress may take once the process is to stop."""


class _Server(uvicorn.Server):
    """Tells when it answers, and leaves signals to the process that it runs in."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does it, and tell."""
        await super().startup(sockets)
        if self.started and self._ready is not None:
            self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing instead of what uvicorn does."""
        yield


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    stop: asyncio.Event,
    ready: Callable[[], None] | None = None,
    on_stopping: Callable[[], None] | None = None,
    trusted_proxies: Sequence[str] = (),
) -> None:
    """Serve until `stop` is set and requests in progress have ended; calls `ready` once it answers.

    `on_stopping` ends requests that would otherwise go on for ever. Forwarded addresses are believed from
    `trusted_proxies` alone.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        lifespan="on",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config, ready)
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(server.serve(sockets=[listener]))
        stopping = tasks.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if on_stopping is not None:
            on_stopping()
        server.should_exit = True
