"""`vestnik up`: everything in one go — database, simulator, API, worker — until Ctrl+C."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import typer

from vestnik.cli.api import HostOption, PortOption
from vestnik.cli.child import JsonEvents, announce, process_scope, run_or_stop, serve_until_stopped
from vestnik.cli.context import read_settings
from vestnik.cli.output import print_note
from vestnik.cli.processes import Reporter, Supervisor
from vestnik.cli.stack import (
    Stack,
    StackReporter,
    hold_data_dir,
    make_child_environment,
    open_database_aside,
    require_free_port,
    welcome_first_administrator,
)

if TYPE_CHECKING:
    from vestnik.settings import Settings

Result = TypeVar("Result")


def run_up(
    context: typer.Context, host: HostOption = None, port: PortOption = None, as_json: JsonEvents = False
) -> None:
    """Run everything on this machine: database (unless DATABASE_URL names one), API, worker, rehearsals."""
    changes = {"host": host, "port": port}
    settings = read_settings(context, **{name: value for name, value in changes.items() if value is not None})
    with process_scope() as request, hold_data_dir(settings.data_dir):
        require_free_port(settings.host, settings.port)
        from vestnik.bootstrap import require_good_keys, run_async

        require_good_keys(settings)
        reporter = StackReporter(json_events=as_json)
        run_async(serve_until_stopped(partial(_run, settings, reporter, as_json), request))
    if as_json:
        announce("stopped")
    else:
        print("Stopped.")


async def _run(settings: "Settings", reporter: StackReporter, as_json: bool, stop: asyncio.Event) -> None:
    environment = make_child_environment(settings, base=os.environ, isolated=False)

    async def work() -> None:
        async with run_stack(settings, reporter, environment) as stack:
            url, _ = await start_all(stack, lambda: _prepare(stack, as_json=as_json))
            if as_json:
                announce("ready", url=url, data_dir=str(settings.data_dir))
            else:
                _describe(stack, url)
            await asyncio.get_running_loop().create_future()

    await run_or_stop(work(), stop)


async def _prepare(stack: Stack, *, as_json: bool) -> None:
    from vestnik.bootstrap import make_key_opener, take_over_environment
    from vestnik.db.engine import open_session

    async with open_session(stack.engine) as session:
        await make_key_opener(stack.settings, announce=print_note)(session)
    await take_over_environment(stack.settings, stack.engine, announce=print_note)
    await welcome_first_administrator(stack.engine, as_json=as_json)


@asynccontextmanager
async def run_stack(
    settings: "Settings", reporter: Reporter, environment: Mapping[str, str]
) -> "AsyncIterator[Stack]":
    """The database, brought up to date, and a stack on it whose simulator has been started.

    On leaving the children end first, the database last.
    """
    async with (
        open_database_aside(settings) as opening,
        Supervisor(reporter, environment=environment) as supervisor,
    ):
        stack = Stack(supervisor, settings, reporter)
        stack.start_simulator()
        stack.use_database(await asyncio.shield(opening))
        yield stack


async def start_all(stack: Stack, prepare: Callable[[], Awaitable[Result]]) -> tuple[str, Result]:
    """Start API and worker and wait until both can work; `prepare` runs before the worker does anything.

    Returns the API's address and what `prepare` returned.
    """
    stack.start_api()
    prepared = await prepare()
    await stack.wait_for_simulator()
    stack.start_worker()
    url = await stack.wait_for_api()
    await stack.wait_for_worker()
    return url, prepared


def _describe(stack: Stack, url: str) -> None:
    database = stack.database
    where = f"embedded PostgreSQL in {database.data_dir}" if database.is_embedded else "as DATABASE_URL says"
    pids = stack.supervisor.list_pids()
    print(f"Vestnik is running at {url}")
    print(f"  database   {where}")
    for name in ("api", "worker", "simulator"):
        print(f"  {name:<10} process {pids[name]}")
    print(f"  logs       {stack.settings.data_dir / 'logs'}")
    print(
        "Ctrl+C stops all of it." if sys.stdin.isatty() else "SIGINT or SIGTERM stops all of it.", flush=True
    )
