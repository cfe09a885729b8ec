"""What an examination asks of the database. Plain psycopg: no pool, no schema needed, each question on its own."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from sqlalchemy import URL

from vestnik.db.alert_destinations import FAILS_AFTER
from vestnik.db.engine import CONNECT_ARGS
from vestnik.db.models import Base
from vestnik.db.secrets import identify_secret

EXPOSED_ROLES = ("anon", "authenticated")
"""Those in whose name Supabase lets anybody ask over HTTP."""

Connection = psycopg.Connection[tuple[object, ...]]

_PASSWORD_WORDS = re.compile(
    r"password|SASL|scram|tenant or user not found|role .* does not exist", re.IGNORECASE
)
"""libpq hands on no SQLSTATE of a refused connection, only words: PostgreSQL's, PgBouncer's, Supavisor's."""


class Refusal(Enum):
    """Why no connection came about."""

    UNREACHABLE = auto()
    PASSWORD = auto()
    NO_DATABASE = auto()
    TOO_MANY = auto()
    OTHER = auto()


class RefusedError(Exception):
    """The database was not to be had; the words are the server's or the system's, without the password."""

    def __init__(self, why: Refusal, words: str) -> None:
        super().__init__(words)
        self.why = why
        self.words = words


@dataclass(frozen=True, kw_only=True, slots=True)
class Clock:
    """How far this machine's clock is ahead of the database's, and how far that may be wrong."""

    ahead: timedelta
    uncertainty: timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerFacts:
    """The server and our place on it. `most` connections may be had by ordinary roles, `used` are in use."""

    version_number: int
    version: str
    role: str
    database: str
    is_superuser: bool
    bypasses_row_security: bool
    is_read_only: bool
    is_standby: bool
    most: int
    used: int
    role_limit: int
    database_limit: int

    @property
    def major(self) -> int:
        """Such as 17."""
        return self.version_number // 10_000

    @property
    def limit(self) -> int:
        """The connections that the strictest of the three limits leaves us."""
        return min(limit for limit in (self.most, self.role_limit, self.database_limit) if limit >= 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredSecret:
    """One as it lies in the database. `owner` is whose it is, such as `account 'news'`."""

    owner: str
    identity: str
    ciphertext: bytes
    is_session: bool


def open_database(url: URL) -> Connection:
    """One connection, each statement a transaction of its own. Raises RefusedError."""
    conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        return psycopg.connect(
            conninfo,
            autocommit=True,
            # A prepared statement would be looked for on another connection behind a transaction pooler.
            prepare_threshold=None,
            **CONNECT_ARGS,  # type: ignore[arg-type]
            # Milliseconds: nobody waits here for a network that swallows everything.
            tcp_user_timeout=10_000,
            application_name="vestnik-doctor",
        )
    except psycopg.Error as exc:
        words = " ".join(str(exc).strip().split())
        raise RefusedError(_classify(exc, words), words) from exc


def _classify(exc: psycopg.Error, words: str) -> Refusal:
    if "FATAL" not in words and "ERROR" not in words:
        pgconn = getattr(exc, "pgconn", None)
        is_asked = pgconn is not None and pgconn.needs_password
        return Refusal.PASSWORD if is_asked or _PASSWORD_WORDS.search(words) else Refusal.UNREACHABLE
    if _PASSWORD_WORDS.search(words):
        return Refusal.PASSWORD
    if re.search(
        r"too many|remaining connection slots|max_client_conn|no more connections|max ?clients",
        words,
        re.IGNORECASE,
    ):
        return Refusal.TOO_MANY
    if re.search(r"database .* does not exist|no such database", words):
        return Refusal.NO_DATABASE
    return Refusal.OTHER


_READ_FACTS = """
    SELECT current_setting('server_version_num')::int AS version_number,
        split_part(current_setting('server_version'), ' ', 1) AS version,
        current_user::text AS role, current_database()::text AS database,
        r.rolsuper AS is_superuser, r.rolsuper OR r.rolbypassrls AS bypasses_row_security,
        current_setting('transaction_read_only') = 'on' AS is_read_only,
        pg_is_in_recovery() AS is_standby,
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - coalesce(current_setting('reserved_connections', true)::int, 0) AS most,
        (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS used,
        r.rolconnlimit AS role_limit, d.datconnlimit AS database_limit
    FROM pg_roles r, pg_database d
    WHERE r.rolname = current_user AND d.datname = current_database()
"""


def read_facts(connection: Connection) -> ServerFacts:
    """As they are now; any role may ask."""
    with connection.cursor(row_factory=class_row(ServerFacts)) as cursor:
        facts = cursor.execute(_READ_FACTS).fetchone()
    assert facts is not None
    return facts


def compare_clocks(connection: Connection, wall_clock: Callable[[], float]) -> Clock:
    """The best of three readings: the one with the shortest way there and back."""
    readings = []
    for _ in range(3):
        wall, began = wall_clock(), time.monotonic()
        row = connection.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
        took = time.monotonic() - began
        assert row is not None
        assert isinstance(row[0], float)
        readings.append((took, wall + took / 2 - row[0]))
    took, ahead = min(readings)
    return Clock(ahead=timedelta(seconds=ahead), uncertainty=timedelta(seconds=took / 2))


def list_our_tables() -> list[str]:
    """With the one in which Alembic keeps the schema's version."""
    return [*sorted(Base.metadata.tables), "alembic_version"]


def list_missing_privileges(connection: Connection) -> list[str]:
    """What our role may not do with our tables and sequences, such as `INSERT on jobs`."""
    rows = connection.execute(
        """
        SELECT p.privilege || ' on ' || c.relname FROM pg_class c
        CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS p (privilege)
        WHERE c.relnamespace = to_regnamespace('public') AND c.relkind = 'r' AND c.relname = ANY (%(tables)s)
            AND NOT has_table_privilege(c.oid, p.privilege)
        UNION ALL
        SELECT 'USAGE on ' || c.relname FROM pg_class c JOIN pg_depend d ON d.objid = c.oid AND d.deptype IN ('a', 'i')
        JOIN pg_class t ON t.oid = d.refobjid AND t.relname = ANY (%(tables)s)
        WHERE c.relnamespace = to_regnamespace('public')
            -- The order of conditions is not that in which they are asked, and of a table this may not be asked.
            AND CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') END
        ORDER BY 1
        """,
        {"tables": list_our_tables()},
    ).fetchall()
    return [str(row[0]) for row in rows]


def list_hidden_tables(connection: Connection) -> list[str]:
    """Tables of ours in which our role sees no row: they have row security, no policy, and another owner."""
    rows = connection.execute(
        """
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = to_regnamespace('public') AND c.relkind = 'r' AND c.relname = ANY (%(tables)s)
            AND row_security_active(c.oid)
        ORDER BY 1
        """,
        {"tables": list_our_tables()},
    ).fetchall()
    return [str(row[0]) for row in rows]


def list_exposed(connection: Connection) -> list[str]:
    """What the roles that Supabase exposes may do with objects of ours, such as `anon: SELECT on jobs`."""
    rows = connection.execute(
        """
        WITH ours AS (
            SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace('public') AND relname = ANY (%(tables)s)
        ), exposed AS (SELECT oid, rolname FROM pg_roles WHERE rolname = ANY (%(roles)s))
        SELECT r.rolname || ': ' || p.privilege || ' on ' || c.relname
        FROM ours JOIN pg_class c USING (oid) CROSS JOIN exposed r
        CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])
            AS p (privilege)
        WHERE has_table_privilege(r.oid, c.oid, p.privilege)
        UNION ALL
        SELECT r.rolname || ': ' || a.privilege_type || ' on ' || c.relname
        FROM ours JOIN pg_depend d ON d.refobjid = ours.oid AND d.deptype IN ('a', 'i')
        JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
        CROSS JOIN aclexplode(c.relacl) a JOIN exposed r ON a.grantee IN (0, r.oid)
        UNION ALL
        SELECT r.rolname || ': EXECUTE on ' || p.proname FROM pg_proc p CROSS JOIN exposed r
        WHERE p.pronamespace = to_regnamespace('public') AND starts_with(p.proname, 'vestnik_')
            AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
        ORDER BY 1
        """,
        {"tables": list_our_tables(), "roles": list(EXPOSED_ROLES)},
    ).fetchall()
    return [str(row[0]) for row in rows]


def count_workers(connection: Connection, host: str, *, within: float) -> int:
    """Workers of a host that have said in these seconds that they are there."""
    row = connection.execute(
        "SELECT count(*) FROM public.workers"
        " WHERE host = %s AND seen_at > clock_timestamp() - make_interval(secs => %s)",
        (host, within),
    ).fetchone()
    assert row is not None
    return int(str(row[0]))


def list_stored_secrets(connection: Connection) -> list[StoredSecret]:
    """Sessions and application hashes of all accounts, and what opens the way to destinations of alerts."""
    if not _can_read(connection, "accounts"):
        return []
    accounts = connection.execute(
        "SELECT id, name, session_ciphertext, api_hash_ciphertext FROM public.accounts ORDER BY name"
    ).fetchall()
    found = [
        secret
        for row_id, name, session, api_hash in accounts
        for column, sealed in (("session", session), ("api_hash", api_hash))
        for secret in _seal("accounts", row_id, column, f"account '{name}'", sealed)
    ]
    if _can_read(connection, "alert_destinations"):
        destinations = connection.execute(
            "SELECT id, name, secret_ciphertext FROM public.alert_destinations ORDER BY name"
        ).fetchall()
        for row_id, name, sealed in destinations:
            found += _seal("alert_destinations", row_id, "secret", f"destination '{name}'", sealed)
    return found


def _seal(table: str, row_id: object, column: str, owner: str, sealed: object) -> list[StoredSecret]:
    """The secret of a row, if it has one."""
    assert isinstance(row_id, UUID)
    if not isinstance(sealed, bytes):
        return []
    identity = identify_secret(table, row_id, column)
    return [StoredSecret(owner=owner, identity=identity, ciphertext=sealed, is_session=column == "session")]


def _can_read(connection: Connection, table: str) -> bool:
    """Whether the table is there, which older schemas may lack, and our role may look into it."""
    row = connection.execute(
        "SELECT coalesce(has_table_privilege(to_regclass(%s), 'SELECT'), false)", (f"public.{table}",)
    ).fetchone()
    return row is not None and bool(row[0])


@dataclass(frozen=True, kw_only=True, slots=True)
class Failing:
    """A destination of alerts that could not be reached several times in a row, with what was said last."""

    name: str
    since: datetime
    error: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertFacts:
    """What is told of, and to whom. `destinations` are those that are switched on."""

    firing: Sequence[str]
    destinations: int
    failing: Sequence[Failing]


def read_alerts(connection: Connection) -> AlertFacts | None:
    """None where there are none, or they are closed to us."""
    if not (_can_read(connection, "alerts") and _can_read(connection, "alert_destinations")):
        return None
    firing = connection.execute(
        "SELECT title FROM public.alerts WHERE state = 'FIRING' ORDER BY is_urgent DESC, id DESC"
    ).fetchall()
    active = connection.execute("SELECT count(*) FROM public.alert_destinations WHERE is_active").fetchone()
    with connection.cursor(row_factory=class_row(Failing)) as cursor:
        failing = cursor.execute(
            """
            SELECT name, failing_since AS since, coalesce(last_error, '') AS error FROM public.alert_destinations
            WHERE is_active AND failing_since IS NOT NULL AND failures >= %s ORDER BY name
            """,
            (FAILS_AFTER,),
        ).fetchall()
    assert active is not None
    assert isinstance(active[0], int)
    return AlertFacts(firing=[str(row[0]) for row in firing], destinations=active[0], failing=failing)
