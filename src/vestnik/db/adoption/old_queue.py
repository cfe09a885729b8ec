"""The predecessor's queue (pg-boss, schema `pgboss`): what waits in it, and whether its worker runs."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    DateTime,
    Text,
    cast,
    column,
    func,
    inspect,
    select,
    table,
    text,
)

from vestnik.domain.adoption import OldQueue
from vestnik.domain.errors import ConflictError

SCHEMA: Final = "pgboss"
QUIET: Final = timedelta(minutes=2)
"""A worker that is connected leaves a trace at least once a minute: it notes states, schedules and maintenance."""
_TRACES: Final = ("maintained_on", "cron_on", "monitored_on")
_STARTED: Final = ("started_on", "startedon")
_OPEN: Final = ("created", "retry", "active")


def read_old_queue(connection: Connection) -> OldQueue | None:
    """What there is of it; None without its schema. Traces count by the database's clock."""
    if SCHEMA not in inspect(connection).get_schema_names():
        return None
    traces = [_read_version(connection), _read_started(connection)]
    active_at = max((trace for trace in traces if trace is not None), default=None)
    connections = _count_connections(connection)
    now = connection.scalar(select(func.clock_timestamp()))
    assert now is not None
    return OldQueue(
        open_jobs=_count_open(connection),
        connections=connections,
        active_at=active_at,
        is_active=connections > 0 or (active_at is not None and now - active_at < QUIET),
    )


def require_quiet(queue: OldQueue | None) -> None:
    """Raise ConflictError while the predecessor's worker runs."""
    if queue is None or not queue.is_active:
        return
    if queue.connections:
        raise ConflictError(
            f"the predecessor's worker runs: it has {queue.connections} connections to this database; stop its "
            "worker and its API, and try again"
        )
    raise ConflictError(
        f"the predecessor's worker was active at {queue.active_at:%H:%M:%S} UTC; stop its worker and its API, and "
        "try again two minutes after that"
    )


def _columns(connection: Connection, name: str) -> set[str]:
    there = inspect(connection)
    if not there.has_table(name, schema=SCHEMA):
        return set()
    return {found["name"] for found in there.get_columns(name, schema=SCHEMA)}


def _read_latest(connection: Connection, name: str, wanted: tuple[str, ...]) -> datetime | None:
    there = [found for found in wanted if found in _columns(connection, name)]
    if not there:
        return None
    columns: list[Column[Any]] = [column(found, DateTime(timezone=True)) for found in there]  # type: ignore[misc]
    latest: ColumnElement[Any] = func.max(func.greatest(*columns))
    found: datetime | None = connection.scalar(
        select(latest).select_from(table(name, *columns, schema=SCHEMA))
    )
    return found


def _read_version(connection: Connection) -> datetime | None:
    return _read_latest(connection, "version", _TRACES)


def _read_started(connection: Connection) -> datetime | None:
    return _read_latest(connection, "job", _STARTED)


def _count_open(connection: Connection) -> int:
    """Without those of pg-boss' own housekeeping, whose names begin with two underscores."""
    if not {"name", "state"} <= _columns(connection, "job"):
        return 0
    job = table("job", column("name", Text), column("state", Text), schema=SCHEMA)
    query = select(func.count()).where(
        cast(job.c.state, Text).in_(_OPEN), ~job.c.name.startswith("__", autoescape=True)
    )
    return connection.scalar(query) or 0


def _count_connections(connection: Connection) -> int:
    """Its connections say who they are (pg-boss' default), which everybody may see; a pooler may hide it."""
    return (
        connection.scalar(
            text(
                "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND application_name LIKE 'pgboss%'"
            )
        )
        or 0
    )
