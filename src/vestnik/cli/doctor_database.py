"""What `vestnik doctor` asks of the database, and what the answers mean."""

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Final

from vestnik.cli.output import count_of
from vestnik.db import doctor as questions
from vestnik.db.doctor import Refusal, RefusedError, ServerFacts, StoredSecret
from vestnik.db.engine import SUPPORTED_MAJORS, parse_database_url
from vestnik.domain.doctor import Finding, Part, judge_clock
from vestnik.domain.errors import SchemaVersionError, VestnikError
from vestnik.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import URL

    from vestnik.bootstrap import Database

_REFUSALS: Final = {
    Refusal.UNREACHABLE: "start the server, or correct the host and the port in DATABASE_URL (SUPABASE_DIRECT_URL); "
    "a direct address of Supabase needs IPv6, its session pooler does not",
    Refusal.PASSWORD: "correct the user and the password in DATABASE_URL (SUPABASE_DIRECT_URL); write the characters "
    "@ : / ? # % of a password as %40 %3A %2F %3F %23 %25",
    Refusal.NO_DATABASE: "make the database, or correct its name in DATABASE_URL (SUPABASE_DIRECT_URL)",
    Refusal.TOO_MANY: "end other programs that use it, or lower VESTNIK_DATABASE_CONNECTIONS of every process",
    Refusal.OTHER: "see what the reason says; DATABASE_URL (SUPABASE_DIRECT_URL) names the server",
}
_EMBEDDED_CURE: Final = "see the log in the data folder (logs/postgres.log) and the finding about the disk"


@dataclass(kw_only=True, slots=True)
class FoundDatabase:
    """A database that was connected to, what it said of itself, and what it keeps."""

    database: "Database"
    connection: questions.Connection
    facts: ServerFacts
    _secrets: Sequence[StoredSecret] | None = field(default=None, repr=False)

    @property
    def url(self) -> "URL":
        """Its address."""
        return self.database.url

    @property
    def has_schema(self) -> bool:
        """Whether our tables are there at all."""
        row = self.connection.execute("SELECT to_regclass('public.accounts') IS NOT NULL").fetchone()
        return row is not None and bool(row[0])

    def list_secrets(self) -> Sequence[StoredSecret]:
        """Sessions and application hashes; read once."""
        if self._secrets is None:
            self._secrets = questions.list_stored_secrets(self.connection) if self.has_schema else []
        return self._secrets


class Opening:
    """Opens the database for as long as `places` does; `found` is None if it was not to be had."""

    def __init__(self, settings: Settings, places: ExitStack) -> None:
        self._settings = settings
        self._places = places
        self.found: FoundDatabase | None = None

    def examine(self) -> Iterator[Finding]:
        """Connect, and look at what answers."""
        from vestnik.bootstrap import open_database

        try:
            database = self._places.enter_context(open_database(self._settings, start_embedded=True))
        except VestnikError as exc:
            cure = (
                "correct DATABASE_URL (SUPABASE_DIRECT_URL)"
                if self._settings.database_url is not None
                else _EMBEDDED_CURE
            )
            yield Finding.fault("database", exc.message, cure)
            return
        try:
            connection = self._places.enter_context(questions.open_database(database.url))
        except RefusedError as exc:
            yield _explain_refusal(exc)
            return
        facts = questions.read_facts(connection)
        self.found = FoundDatabase(database=database, connection=connection, facts=facts)
        yield from _judge_server(facts)


def _explain_refusal(refused: RefusedError) -> Finding:
    what = {
        Refusal.UNREACHABLE: "the database cannot be reached",
        Refusal.PASSWORD: "the database refuses the user or the password",
        Refusal.NO_DATABASE: "the server has no such database",
        Refusal.TOO_MANY: "the database has no connection left",
        Refusal.OTHER: "the database refuses the connection",
    }[refused.why]
    return Finding.fault("database", f"{what}: {refused.words}", _REFUSALS[refused.why])


def _judge_server(facts: ServerFacts) -> Iterator[Finding]:
    name = f"PostgreSQL {facts.version}, database {facts.database}, as {facts.role}"
    if facts.major not in SUPPORTED_MAJORS:
        first, last = SUPPORTED_MAJORS[0], SUPPORTED_MAJORS[-1]
        yield Finding.fault(
            "database", name, f"Vestnik runs on PostgreSQL {first} to {last}: use one of those"
        )
    elif facts.is_standby:
        yield Finding.fault(
            "database", f"{name}, is a standby, which only reads", "name the primary in DATABASE_URL"
        )
    elif facts.is_read_only:
        yield Finding.fault(
            "database",
            f"{name}, only reads",
            "hosted databases do that when their disk is full: free space there or enlarge it, then let it write again",
        )
    else:
        yield Finding.ok("database", name)


def examine_clock(found: FoundDatabase, wall_clock: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Pacing does not depend on this machine's clock; sessions with Telegram, signatures and cookies do."""
    clock = questions.compare_clocks(found.connection, wall_clock)
    yield judge_clock("clock", "the database's", clock.ahead, uncertainty=clock.uncertainty)


def examine_schema(found: FoundDatabase) -> Iterator[Finding]:
    """Whether this version can work with the tables that are there."""
    from vestnik.db.schema import read_schema_state

    try:
        state = read_schema_state(found.url)
    except SchemaVersionError as exc:
        problem, _, cure = exc.message.partition("; ")
        yield Finding.fault("schema", problem, cure)
        return
    if state.is_current:
        how = "newer than this version, which works with it" if state.is_ahead else "as this version needs"
        yield Finding.ok("schema", f"it is {state.current}, {how}")
        return
    text = f"it is {state.current or 'missing'}, this version needs {state.head}"
    if found.database.is_embedded:
        yield Finding.ok("schema", f"{text}; the next command brings the embedded database up to date")
    else:
        yield Finding.fault("schema", text, "run 'vestnik db upgrade'")


def examine_permissions(found: FoundDatabase) -> Iterator[Finding]:
    """Whether our role may work with our tables, and sees what is in them."""
    if not found.has_schema:
        return
    role = found.facts.role
    missing = questions.list_missing_privileges(found.connection)
    hidden = questions.list_hidden_tables(found.connection)
    cure = f"use the role that made the tables, or let it hand them over: ALTER TABLE … OWNER TO {role}"
    if missing:
        yield Finding.fault("permissions", f"{role} lacks {_name_some(missing)}", cure)
    if hidden:
        text = (
            f"{role} sees no row of {_name_some(hidden)}: they have row security and belong to another role"
        )
        yield Finding.fault("permissions", text, cure)
    if not missing and not hidden:
        yield Finding.ok("permissions", f"{role} may work with all tables")


def examine_exposure(found: FoundDatabase) -> Iterator[Finding]:
    """Whether Supabase would show something of ours to anybody over HTTP."""
    if not found.has_schema:
        return
    exposed = questions.list_exposed(found.connection)
    if exposed:
        yield Finding.fault(
            "exposure",
            f"roles that Supabase lets anybody use have privileges: {_name_some(exposed)}",
            "as the tables' owner: REVOKE ALL ON ALL TABLES IN SCHEMA public FROM anon, authenticated, and the same "
            "for ALL SEQUENCES and ALL FUNCTIONS, or name ours alone if the schema holds other things as well",
        )
    else:
        yield Finding.ok(
            "exposure", "anon and authenticated have no privilege on what is ours, or do not exist"
        )


def examine_pooler(found: FoundDatabase, part: Part, settings: Settings) -> Iterator[Finding]:
    """Whether connections keep what they are told, LISTEN above all; through a transaction pooler they do not."""
    from vestnik.bootstrap import run_async
    from vestnik.db.listener import hears_notifications

    if found.database.is_embedded:
        return
    if run_async(hears_notifications(found.url)):
        yield Finding.ok("pooler", "a session connection: notifications arrive")
    elif part is not Part.API:
        yield Finding.fault(
            "pooler",
            "DATABASE_URL leads through a transaction pooler, on which a worker refuses to start",
            "give workers the direct connection or the session pooler (port 5432 at Supabase); an API alone may use "
            "this one: vestnik doctor --for api",
        )
    elif settings.listen_url is None:
        yield Finding.ok(
            "pooler", "a transaction pooler, which is enough for an API: live pages ask twice a second"
        )
    elif run_async(hears_notifications(parse_database_url(settings.listen_url.get_secret_value()))):
        yield Finding.ok("pooler", "a transaction pooler, and VESTNIK_LISTEN_URL is a session connection")
    else:
        yield Finding.warn(
            "pooler",
            "VESTNIK_LISTEN_URL leads through a transaction pooler too, so nothing arrives on it",
            "name the session pooler or the direct connection there, or leave it out",
        )


def examine_connections(found: FoundDatabase, part: Part, settings: Settings) -> Iterator[Finding]:
    """Whether there is room for the processes that are to run."""
    facts = found.facts
    processes = 2 if part is Part.ALL else 1
    needed = processes * settings.database_connections
    free = max(min(facts.limit, facts.most - facts.used), 0)
    each = (
        f"an API and a worker take {needed} at most"
        if processes == 2
        else f"this process takes {needed} at most"
    )
    text = f"{facts.used} of {facts.most} in use; {each}"
    cure = (
        "lower VESTNIK_DATABASE_CONNECTIONS, end other programs that use the database, or raise its limit "
        "(max_connections, or that of the role or the database)"
    )
    if facts.limit < needed:
        yield Finding.fault("connections", f"{text}, but there are {facts.limit} for this role in all", cure)
    elif free < needed:
        yield Finding.warn(
            "connections", f"{text}, and {free} are free now (less what already runs of ours)", cure
        )
    else:
        yield Finding.ok("connections", text)


def examine_alerts(found: FoundDatabase) -> Iterator[Finding]:
    """What Vestnik itself has noticed, and whether anybody can be told of it."""
    facts = questions.read_alerts(found.connection)
    if facts is None:
        return
    for failing in facts.failing:
        since = f"{failing.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        yield Finding.fault(
            "alerts",
            f"destination '{failing.name}' has not been reached since {since}: {failing.error}",
            f"'vestnik alerts test {shlex.quote(failing.name)}' tries it; 'vestnik alerts set' corrects it",
        )
    if facts.firing:
        yield Finding.warn(
            "alerts",
            f"{count_of(len(facts.firing), 'alert')}: {_name_some(facts.firing)}",
            "'vestnik alerts list' and the page of alerts say more of them",
        )
    if not facts.destinations:
        yield Finding.ok("alerts", "nobody is told of any: 'vestnik alerts add' names a destination")
    elif not facts.failing:
        yield Finding.ok("alerts", f"{count_of(facts.destinations, 'destination')} can be told")


def _name_some(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
