"""`vestnik health`: for supervisors that ask again and again whether a process still does its work."""

import http.client
import platform
from enum import StrEnum
from typing import Annotated, Final

import typer

from vestnik.cli.context import read_settings
from vestnik.cli.output import print_error
from vestnik.settings import Settings

_ANSWER_SECONDS: Final = 8.0
_SEEN_SECONDS: Final = 10.0
"""A worker says that it is there twice a second, and waits for its database a while."""


class Process(StrEnum):
    """What can be asked after."""

    API = "api"
    WORKER = "worker"


def run_health(
    context: typer.Context,
    process: Annotated[Process, typer.Argument(help="Which process of this host is meant.")],
) -> None:
    """Say by the exit code, 0 or 1, whether the API or a worker of this host does its work.

    The API is asked whether it is ready. A worker has to have told the database a moment ago that it is there.
    Nothing is printed when all is well; 'vestnik doctor' says more.
    """
    settings = read_settings(context)
    problem = _find_worker_problem(settings) if process is Process.WORKER else _find_api_problem(settings)
    if problem is not None:
        print_error("UNHEALTHY", problem, None, as_json=False)
        raise typer.Exit(1)


def _find_api_problem(settings: Settings) -> str | None:
    from vestnik.cli.doctor_machine import to_reachable

    host = to_reachable(settings.host)
    connection = http.client.HTTPConnection(host, settings.port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as exc:
        return f"no API answers at {host} port {settings.port}: {exc}"
    finally:
        connection.close()
    return None if status == http.HTTPStatus.OK else f"the API is not ready (status {status})"


def _find_worker_problem(settings: Settings) -> str | None:
    from vestnik.bootstrap import open_database
    from vestnik.db import doctor

    try:
        with (
            open_database(settings, start_embedded=False) as database,
            doctor.open_database(database.url) as connection,
        ):
            seen = doctor.count_workers(connection, platform.node(), within=_SEEN_SECONDS)
    except doctor.RefusedError as exc:
        return f"the database cannot be used: {exc.words}"
    return (
        None if seen else f"no worker of the host {platform.node()} told the database lately that it is there"
    )
