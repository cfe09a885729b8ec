"""`vestnik api`: serves the HTTP API, as one of several processes or on its own."""

import asyncio
import os
import socket
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from vestnik.cli.child import (
    JsonEvents,
    announce,
    configure_process_logging,
    is_child,
    process_scope,
    read_process_settings,
    serve_until_stopped,
    spare_memory_checks,
)
from vestnik.cli.output import print_note

if TYPE_CHECKING:
    from vestnik.bootstrap import Database
    from vestnik.settings import Settings

HostOption = Annotated[
    str | None, typer.Option("--host", help="Address to listen on (VESTNIK_HOST, 127.0.0.1).")
]
PortOption = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65535, help="Port to listen on (PORT, 3000); 0 takes a free one."),
]


def run_api(
    context: typer.Context, host: HostOption = None, port: PortOption = None, as_json: JsonEvents = False
) -> None:
    """Serve the API until stopped. Needs DATABASE_URL, or a running 'vestnik up' on the data directory."""
    with process_scope() as request:
        settings = read_process_settings(context)
        configure_process_logging(settings, as_json=as_json)
        from vestnik.api.listener import bind_listener
        from vestnik.bootstrap import open_database, prepare_schema, require_good_keys, run_async

        require_good_keys(settings)
        listener = bind_listener(
            settings.host if host is None else host, settings.port if port is None else port
        )
        with listener, open_database(settings, start_embedded=False) as database:
            if not is_child():  # a parent has done it
                prepare_schema(database)
            main = partial(_serve, settings, database, listener, as_json or is_child())
            run_async(serve_until_stopped(main, request))


async def _serve(
    settings: "Settings", database: "Database", listener: socket.socket, as_json: bool, stop: asyncio.Event
) -> None:
    from vestnik import bootstrap
    from vestnik.api.listener import format_url

    url, port = format_url(listener), listener.getsockname()[1]

    def tell_ready() -> None:
        spare_memory_checks()
        if as_json:
            announce("ready", pid=os.getpid(), url=url, port=port)
        else:
            print_note(f"the API answers at {url}; Ctrl+C stops it")

    await bootstrap.run_api_process(settings, database, listener, stop=stop, ready=tell_ready)
