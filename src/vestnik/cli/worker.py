"""`vestnik worker`: delivers campaigns, as one of several processes or on its own."""

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING

import typer

from vestnik.cli.child import (
    HOLDER_VARIABLE,
    SIMULATOR_VARIABLE,
    JsonEvents,
    announce,
    configure_process_logging,
    is_child,
    make_holder,
    process_scope,
    read_process_settings,
    serve_until_stopped,
    spare_memory_checks,
)
from vestnik.cli.output import print_note

if TYPE_CHECKING:
    from vestnik.bootstrap import Database
    from vestnik.settings import Settings
    from vestnik.simulator.endpoint import SimulatorEndpoint


def run_worker(context: typer.Context, as_json: JsonEvents = False) -> None:
    """Deliver campaigns until stopped. Needs DATABASE_URL, or a running 'vestnik up' on the data directory."""
    with process_scope() as request:
        settings = read_process_settings(context)
        configure_process_logging(settings, as_json=as_json)
        from vestnik.bootstrap import open_database, prepare_schema, require_good_keys, run_async

        require_good_keys(settings)
        with open_database(settings, start_embedded=False) as database:
            if not is_child():  # a parent has done it
                prepare_schema(database)
            main = partial(_deliver, settings, database, as_json or is_child())
            run_async(serve_until_stopped(main, request))


async def _deliver(settings: "Settings", database: "Database", as_json: bool, stop: asyncio.Event) -> None:
    from vestnik import bootstrap

    if not is_child():  # a parent has done it
        await bootstrap.prepare_accounts(settings, database, announce=print_note)
    holder = os.environ.get(HOLDER_VARIABLE) or make_holder()

    def tell_ready() -> None:
        spare_memory_checks()
        if as_json:
            announce("ready", pid=os.getpid())
        else:
            print_note("the worker is ready; Ctrl+C stops it")

    await bootstrap.run_worker_process(
        settings, database, simulator=_read_endpoint(settings), holder=holder, stop=stop, ready=tell_ready
    )


def _read_endpoint(settings: "Settings") -> "SimulatorEndpoint | None":
    """Where the simulator of a parent listens; a worker on its own has the one that its settings name, if any."""
    from vestnik.simulator.endpoint import SimulatorEndpoint

    text = os.environ.get(SIMULATOR_VARIABLE)
    if text is not None:
        return SimulatorEndpoint.from_json(text)
    if settings.simulator_host is None or settings.simulator_token is None:
        return None
    return SimulatorEndpoint(
        host=settings.simulator_host,
        port=settings.simulator_port,
        control_port=settings.simulator_control_port,
        token=settings.simulator_token.get_secret_value(),
    )
