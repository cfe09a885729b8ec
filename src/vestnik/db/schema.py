"""The version of the database's schema: upgrade, look, compare."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psycopg
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import URL, Connection, Engine, MetaData, Table, create_engine, func, select, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.schema import SetTableComment

from vestnik.db.engine import CONNECT_ARGS, SUPPORTED_MAJORS, wrap_database_error
from vestnik.db.models import Base
from vestnik.domain.errors import BusyError, DatabaseUnavailableError, SchemaVersionError

MIGRATIONS = Path(__file__).parent / "migrations"
_WORKS_WITH = " works with code of "
_UPGRADE_LOCK = 0x7665_7374  # any number, as long as every version of Vestnik uses the same
LOCK_WAIT = timedelta(seconds=2)
"""For each table that an upgrade is to change. Everybody who wants that table waits behind it meanwhile."""
LOCK_PATIENCE = timedelta(seconds=30)
"""From then on an upgrade does not try again."""
_LOCK_PAUSE = timedelta(milliseconds=500)
_NOT_TO_BE_HAD = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
_LOCK_ORDER = ("account_leases", "campaigns", "jobs", "campaign_progress", "channel_peers", "channels")
"""As workers take them; whoever took them otherwise would wait for a worker that waits for him."""
_PREDECESSORS = frozenset({"campaigns", "jobs"})
"""Where these are without our version, a database is the predecessor's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SchemaState:
    """`current` is None for a database without our tables; `head` is what this version needs.

    `works_with` are the versions whose code works on the database too: whoever brought it to `current` left word
    of them there, because older code cannot know what newer migrations do.
    """

    current: str | None
    head: str
    strangers: tuple[str, ...] = ()
    """Tables of our names that we did not make, in a database without our version."""
    works_with: frozenset[str] = frozenset()

    @property
    def is_current(self) -> bool:
        """Whether this version of Vestnik can work with the database."""
        return self.current == self.head or self.is_ahead

    @property
    def is_ahead(self) -> bool:
        """Whether a newer version made it, of which this one notices nothing."""
        return self.current != self.head and self.head in self.works_with

    @property
    def is_predecessors(self) -> bool:
        """Whether the database holds the predecessor's tables, which have our names."""
        return _PREDECESSORS.issubset(self.strangers)


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _engine(url: URL) -> Engine:
    connect_args = {**CONNECT_ARGS, "prepare_threshold": None, "application_name": "vestnik-schema"}
    return create_engine(url, connect_args=connect_args, pool_size=1, max_overflow=0)


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def head_revision() -> str:
    """The revision that this version of Vestnik was written for."""
    head = _scripts().get_current_head()
    assert head is not None
    return head


def read_schema(connection: Connection) -> SchemaState:
    """What the database has and what is needed, in the caller's transaction."""
    current = MigrationContext.configure(connection).get_current_revision()
    if current is None:
        return SchemaState(current=None, head=head_revision(), strangers=_list_strangers(connection))
    note = connection.execute(
        text("SELECT obj_description(to_regclass('alembic_version'), 'pg_class')")
    ).scalar()
    subject, _, versions = (note or "").partition(_WORKS_WITH)
    # A note about another schema than the one that is there says nothing.
    works_with = frozenset(versions.split()) if subject == current else frozenset[str]()
    return SchemaState(current=current, head=head_revision(), works_with=works_with)


def _list_strangers(connection: Connection) -> tuple[str, ...]:
    found = connection.scalars(
        text(
            "SELECT relname FROM pg_catalog.pg_class WHERE relnamespace = 'public'::regnamespace "
            "AND relkind IN ('r', 'p', 'v', 'm', 'f') AND relname = ANY (:names) ORDER BY relname"
        ),
        {"names": list(Base.metadata.tables)},
    )
    return tuple(found)


def promises_to_expand(revision: str) -> bool:
    """Whether code of the version before may go on after this migration. What says nothing promises nothing."""
    return bool(getattr(_scripts().get_revision(revision).module, "EXPANDS_ONLY", False))


def list_compatible() -> list[str]:
    """The head, and the versions before it since which every migration only expands (docs/how-to/upgrade.md)."""
    scripts = _scripts()
    found = [head_revision()]
    while promises_to_expand(found[-1]):
        found.append(str(scripts.get_revision(found[-1]).down_revision))
    return found


def _leave_word(connection: Connection, works_with: frozenset[str]) -> None:
    """Tell code that is older than the schema whether it works on it; `works_with` is what was told before."""
    compatible = list_compatible()
    if works_with != set(compatible):
        note = compatible[0] + _WORKS_WITH + " ".join(compatible)
        connection.execute(SetTableComment(Table("alembic_version", MetaData(), comment=note)))


def _refuse_strangers(state: SchemaState) -> None:
    if state.is_predecessors:
        raise SchemaVersionError(
            "this database holds the predecessor's tables, and nothing was changed; take them over with "
            "'vestnik db adopt' ('vestnik db adopt --dry-run' shows before what it would do)"
        )
    if state.strangers:
        raise SchemaVersionError(
            f"this database holds other tables with the names of ours ({', '.join(state.strangers)}), and nothing "
            "was changed; use another database"
        )


def refuse_newer(state: SchemaState) -> None:
    """Raise SchemaVersionError for a schema that this version does not know."""
    known = {script.revision for script in _scripts().walk_revisions()}
    if state.current is not None and state.current not in known and not state.is_ahead:
        raise SchemaVersionError(
            f"the database has schema {state.current}, which a newer version of Vestnik made; "
            "update Vestnik, or use another database or data directory"
        )


def _refuse_server_version(connection: Connection) -> None:
    major = int(connection.execute(text("SHOW server_version_num")).scalar_one()) // 10000
    if major not in SUPPORTED_MAJORS:
        raise DatabaseUnavailableError(
            f"the server is PostgreSQL {major}; Vestnik runs on {SUPPORTED_MAJORS[0]} to {SUPPORTED_MAJORS[-1]}"
        )


def read_schema_state(url: URL) -> SchemaState:
    """What the database has and what is needed.

    Raises DatabaseUnavailableError, or SchemaVersionError when a newer Vestnik made the schema.
    """
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            _refuse_server_version(connection)
            state = read_schema(connection)
    except (OperationalError, InterfaceError) as exc:
        raise wrap_database_error(exc) from exc
    finally:
        engine.dispose()
    refuse_newer(state)
    return state


def require_current_schema(url: URL) -> None:
    """Raise SchemaVersionError, with the cure, unless this version of Vestnik can work with the schema."""
    state = read_schema_state(url)
    _refuse_strangers(state)
    if not state.is_current:
        raise SchemaVersionError(
            f"the database has schema {state.current or 'none'}, this version of Vestnik needs {state.head}; "
            "run 'vestnik db upgrade'"
        )


def upgrade_schema(url: URL) -> SchemaState:
    """Bring the schema to head in one transaction; several processes may call it at once, and workers may run.

    Returns the state found before. A failed upgrade leaves everything as it was. Raises BusyError when somebody
    keeps a table for longer than LOCK_PATIENCE.
    """
    deadline = time.monotonic() + LOCK_PATIENCE.total_seconds()
    while True:
        try:
            return _try_upgrade(url)
        except BusyError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_LOCK_PAUSE.total_seconds())


def _try_upgrade(url: URL) -> SchemaState:
    with open_schema(url, "the schema could not be upgraded") as connection:
        before = read_schema(connection)
        refuse_newer(before)
        _refuse_strangers(before)
        if not before.is_current:
            _take_tables(connection)
            run_migrations(connection)
        elif not before.is_ahead:
            _leave_word(connection, before.works_with)
    return before


def _take_tables(connection: Connection) -> None:
    """Lock all at once in the workers' order: migrations follow none, and ask twice for a table, for more then."""
    names = set(_LOCK_ORDER) | set(Base.metadata.tables)
    there = set(
        connection.scalars(
            text(
                "SELECT relname FROM pg_catalog.pg_class WHERE relnamespace = 'public'::regnamespace "
                "AND relkind IN ('r', 'p') AND relname = ANY (:names)"
            ),
            {"names": sorted(names)},
        )
    )
    ordered = [name for name in (*_LOCK_ORDER, *sorted(names.difference(_LOCK_ORDER))) if name in there]
    if ordered:
        milliseconds = f"{LOCK_WAIT.total_seconds() * 1000:.0f}"
        connection.execute(select(func.set_config("lock_timeout", milliseconds, True)))
        tables = sql.SQL(", ").join(sql.Identifier("public", name) for name in ordered)
        connection.exec_driver_sql(
            sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(tables).as_string()
        )


def run_migrations(connection: Connection) -> None:
    """Bring the schema to head in the caller's transaction."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    command.upgrade(_config(connection), "head")
    _leave_word(connection, frozenset())


@contextmanager
def open_schema(url: URL, failure: str) -> Iterator[Connection]:
    """A transaction that may change the schema; nobody else changes it meanwhile.

    It is committed when the block ends. Raises DatabaseUnavailableError, SchemaVersionError for what the database
    refuses, BusyError for tables that somebody keeps; the last two begin with `failure`.
    """
    engine = _engine(url)
    try:
        with engine.begin() as connection:
            _refuse_server_version(connection)
            # A transaction-level lock, because session-level ones do not survive a transaction pooler.
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
            yield connection
    except (OperationalError, InterfaceError) as exc:
        if isinstance(exc.orig, _NOT_TO_BE_HAD):
            raise BusyError(
                f"{failure}, nothing was changed: other sessions use the tables and do not let go of them, as a "
                "backup does, or a transaction that was left open; try again when it has ended"
            ) from exc
        raise wrap_database_error(exc) from exc
    except DBAPIError as exc:
        raise SchemaVersionError(f"{failure}, nothing was changed: {_describe_refusal(exc.orig)}") from exc
    finally:
        engine.dispose()


def _describe_refusal(error: BaseException | None) -> str:
    """What the database said, and what helps."""
    reason = str(error).strip().splitlines()[0]
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return (
            f"{reason}; connect as the role that owns the tables and may make schemas in this database (on Supabase "
            "that is postgres)"
        )
    if isinstance(error, psycopg.errors.DependentObjectsStillExist) and error.diag.message_detail:
        return f"{reason} ({error.diag.message_detail.splitlines()[0]})"
    return reason


def find_differences(url: URL) -> list[str]:
    """What the database has otherwise than the models say, one line each; empty when they agree."""
    engine = _engine(url)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_server_default": False})
            return [repr(difference) for difference in compare_metadata(context, Base.metadata)]
    except (OperationalError, InterfaceError) as exc:
        raise wrap_database_error(exc) from exc
    finally:
        engine.dispose()
