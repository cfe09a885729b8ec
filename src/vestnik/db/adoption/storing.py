"""An adoption as a whole: what is there, whether it may be taken over, and taking it over in one transaction."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final

import psycopg
from psycopg import sql
from sqlalchemy import (
    URL,
    BigInteger,
    ColumnElement,
    Connection,
    Text,
    column,
    exists,
    func,
    insert,
    inspect,
    literal,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import OperationalError

from vestnik.db.adoption import PREDECESSOR
from vestnik.db.adoption.old_queue import read_old_queue, require_quiet
from vestnik.db.adoption.planning import list_rejected, plan_adoption
from vestnik.db.adoption.reading import FIELDS, Tid
from vestnik.db.models import (
    Account,
    AuditLog,
    Base,
    Batch,
    BatchChannel,
    Channel,
    LegacyAdoption,
    LegacyReject,
    Template,
    User,
)
from vestnik.db.schema import SchemaState, open_schema, read_schema, refuse_newer, run_migrations
from vestnik.db.statements import load_statement
from vestnik.domain.actors import Actor
from vestnik.domain.adoption import Adoption, RateUnit
from vestnik.domain.errors import BusyError, ConflictError, SchemaVersionError
from vestnik.domain.states import AccountKind, AccountState, Mode

ADOPTED: Final = "database.adopted"
"""The entry of the audit log about it."""
_LOCK_TIMEOUT: Final = "5s"
_DEFAULT_ACCOUNT: Final = "default"
_REHEARSAL_ACCOUNT: Final = "rehearsal"
_TIMES: Final = ("created_at", "updated_at")
_COPIED: Final[Mapping[type[Base], Sequence[str]]] = {
    User: (
        *("id", "legacy_id", "email", "name", "role", "password_hash", "is_active", "last_login_at"),
        *_TIMES,
    ),
    Channel: (
        *("id", "legacy_id", "username", "tg_id", "title", "is_active", "inactive_reason", "inactive_since"),
        *("deleted_at", *_TIMES),
    ),
    Batch: ("id", "legacy_id", "name", *_TIMES),
    BatchChannel: ("batch_id", "channel_id"),
    Template: ("id", "legacy_id", "name", "content", "parse_mode", "media_type", "media_url", *_TIMES),
}
"""What is taken over as it was planned, in the order in which it refers to each other."""
_AUDITED: Final = (
    "created_at",
    "actor_kind",
    "actor",
    "action",
    "entity_type",
    "entity_id",
    "after",
    "address",
)


def preview_adoption(url: URL, rate_unit: RateUnit) -> Adoption | None:
    """What an adoption would do, in numbers; nothing is changed, and the predecessor may go on meanwhile.

    None when there is nothing to do. Raises SchemaVersionError.
    """
    with open_schema(url, "the predecessor's tables could not be read") as connection:
        state = _find_work(connection)
        adoption = None if state is None else _plan(connection, state.strangers, "public", rate_unit)
        connection.rollback()
    return adoption


def adopt_database(url: URL, actor: Actor, rate_unit: RateUnit) -> Adoption | None:
    """Take the predecessor's tables over, or leave everything as it was; None when there is nothing to do.

    Raises SchemaVersionError, ConflictError while the predecessor's worker runs, BusyError while something else
    uses the tables.
    """
    with open_schema(url, "the predecessor's tables could not be taken over") as connection:
        state = _find_work(connection)
        if state is None:
            return None
        require_quiet(read_old_queue(connection))
        _move_aside(connection, state.strangers)
        adoption = _plan(connection, state.strangers, PREDECESSOR, rate_unit)
        run_migrations(connection)
        _store(connection, adoption)
        _note(connection, actor, adoption)
    return adoption


def _find_work(connection: Connection) -> SchemaState | None:
    """The state of a database that holds the predecessor's tables; None for one of ours."""
    state = read_schema(connection)
    refuse_newer(state)
    if state.current is not None:
        return None
    if not state.is_predecessors:
        _refuse_elsewhere(connection)
        raise SchemaVersionError(
            "this database does not hold the predecessor's tables (campaigns and jobs are missing), and nothing was "
            "changed; check that DATABASE_URL names the right one"
        )
    there = inspect(connection)
    views = sorted(set(state.strangers) - set(there.get_table_names(schema="public")))
    if views:
        raise SchemaVersionError(
            f"{views[0]} is a view in this database and no table, so it cannot be taken over; nothing was changed"
        )
    if PREDECESSOR in there.get_schema_names():
        raise ConflictError(
            "the database has a schema named predecessor already, where the old tables would go; rename that one"
        )
    return state


def _refuse_elsewhere(connection: Connection) -> None:
    there = inspect(connection)
    for schema in there.get_schema_names():
        if schema != PREDECESSOR and {"campaigns", "jobs"}.issubset(there.get_table_names(schema=schema)):
            raise SchemaVersionError(
                f"the predecessor's tables are in the schema {schema}, and nothing was changed; move them to public "
                f"first, each with: ALTER TABLE {schema}.campaigns SET SCHEMA public"
            )


def _plan(connection: Connection, found: Sequence[str], schema: str, rate_unit: RateUnit) -> Adoption:
    tables = plan_adoption(connection, found, schema=schema, rate_unit=rate_unit)
    campaigns = table("new_campaigns", column("mode"), column("reason"))
    is_live = (campaigns.c.mode == Mode.LIVE) & campaigns.c.reason.is_(None)
    return Adoption(
        tables=tables,
        moved=tuple(found),
        rejected=list_rejected(connection, [counted.table for counted in tables]),
        queue=read_old_queue(connection),
        rate_unit=rate_unit,
        needs_account=bool(connection.scalar(select(exists().where(is_live)))),
    )


def _move_aside(connection: Connection, names: Sequence[str]) -> None:
    """All tables that have our names; whatever belongs to them (indexes, keys, sequences, rights) goes along."""
    connection.execute(select(func.set_config("lock_timeout", _LOCK_TIMEOUT, True)))
    change_schema(connection, sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(PREDECESSOR)))
    move_tables(connection, names, source="public", target=PREDECESSOR)


def change_schema(connection: Connection, statement: sql.Composed) -> None:
    """Run a statement that names things and takes no parameters."""
    connection.exec_driver_sql(statement.as_string())


def move_tables(connection: Connection, names: Sequence[str], *, source: str, target: str) -> None:
    """Into another schema, as they are. Raises BusyError when somebody uses one of them for long."""
    move = sql.SQL("ALTER TABLE {} SET SCHEMA {}")
    with refuse_busy():
        for name in sorted(names):
            change_schema(connection, move.format(sql.Identifier(source, name), sql.Identifier(target)))


@contextmanager
def refuse_busy() -> Iterator[None]:
    """Raise BusyError where a table is not to be had because somebody uses it."""
    try:
        yield
    except OperationalError as exc:
        if not isinstance(exc.orig, (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)):
            raise
        raise BusyError(
            "something uses the tables of this database and did not let go of them within 5 seconds; nothing was "
            "changed; stop the API and the workers on it, and try again"
        ) from exc


# -- storing ----------------------------------------------------------------------------------------------------


def _store(connection: Connection, adoption: Adoption) -> None:
    for model, names in _COPIED.items():
        _copy(connection, model, names, order="position" if model is BatchChannel else "place")
    if adoption.needs_account:
        account = {"name": _DEFAULT_ACCOUNT, "kind": AccountKind.USER, "state": AccountState.NEEDS_LOGIN}
        connection.execute(insert(Account).values(account))
    accounts = {"rehearsal": _REHEARSAL_ACCOUNT, "live": _DEFAULT_ACCOUNT}
    connection.execute(load_statement("store_adopted_campaigns"), accounts)
    connection.execute(load_statement("store_adopted_jobs"))
    connection.execute(text("ANALYZE public.jobs, public.campaigns, public.channels, public.batch_channels"))
    connection.execute(load_statement("count_adopted_jobs"))
    _copy(connection, AuditLog, _AUDITED, order="created_at")
    connection.execute(load_statement("adopt_keep_row"))
    for counted in adoption.tables:
        if counted.rejected:
            _keep_rejected(connection, counted.table)


def _copy(connection: Connection, model: type[Base], names: Sequence[str], *, order: str) -> None:
    ours = Base.metadata.tables[model.__tablename__]
    planned = table(f"new_{ours.name}", *(column(name, ours.c[name].type) for name in names))
    query = select(planned).where(column("reason").is_(None)).order_by(column(order), column("place"))
    connection.execute(insert(ours).from_select(list(names), query))


def _keep_rejected(connection: Connection, name: str) -> None:
    """The whole rows as they were, whatever columns they have."""
    planned = table(
        f"new_{name}",
        column("tid", Tid()),
        column("reason"),
        column("legacy_id", Text),
        column("place", BigInteger),
    )
    old = table(name, column("ctid", Tid()), schema=PREDECESSOR).alias("old")
    whole: ColumnElement[Any] = func.pg_temp.vestnik_keep_row(old.table_valued(), type_=JSONB)
    query = (
        select(literal(name), planned.c.legacy_id, planned.c.reason, whole)
        .join_from(planned, old, old.c.ctid == planned.c.tid)
        .where(planned.c.reason.is_not(None))
        .order_by(planned.c.place)
    )
    connection.execute(
        insert(LegacyReject.__table__).from_select(["source_table", "legacy_id", "reason", "row"], query)  # type: ignore[arg-type]
    )


def _note(connection: Connection, actor: Actor, adoption: Adoption) -> None:
    numbers = {counted.table: asdict(counted) for counted in adoption.tables if counted.table in FIELDS}
    report = {"rate_unit": adoption.rate_unit, "tables": numbers}
    connection.execute(
        insert(LegacyAdoption).values(tables=list(adoption.moved), report=json.loads(json.dumps(report)))
    )
    connection.execute(
        insert(AuditLog).values(
            actor_kind=actor.kind,
            actor=actor.name,
            action=ADOPTED,
            entity_type="database",
            entity_id="database",
            after={name: counted["adopted"] for name, counted in numbers.items()}
            | {"rejected": adoption.total_rejected},
        )
    )
