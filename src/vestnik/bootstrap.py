"""The composition root: the only place that joins settings, database, keys and the parts that meet Telegram."""

import asyncio
import selectors
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vestnik.domain.actors import Actor
from vestnik.domain.campaigns import check_rate
from vestnik.domain.errors import ConfigurationError, DatabaseUnavailableError, InvalidInputError
from vestnik.settings import Settings, load_settings

if TYPE_CHECKING:
    import socket

    from sqlalchemy import URL
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

    from vestnik.alerting.trial import AlertTrial
    from vestnik.db.secrets import KeyRing, OpenKeys
    from vestnik.domain.alerts import Alert, AlertText, AlertWriter
    from vestnik.domain.installation import Installation
    from vestnik.services.account_sessions import AccountSetup
    from vestnik.services.accounts import EnvironmentAccount
    from vestnik.simulator.endpoint import SimulatorEndpoint
    from vestnik.simulator.server import SimulatorConfig, SimulatorServer

Result = TypeVar("Result")
Announce = Callable[[str], None]
"""Takes one sentence for the person at the terminal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """A PostgreSQL database that can be connected to as long as the block that opened it runs."""

    url: "URL"
    is_embedded: bool
    data_dir: Path


def load(*, data_dir: Path | None = None, **overrides: object) -> Settings:
    """The settings from the environment and `.env` in the current folder; `overrides` are field names.

    Raises ConfigurationError.
    """
    if data_dir is not None:
        overrides["data_dir"] = data_dir
    env_file = Path(".env")
    settings = load_settings(env_file=env_file if env_file.is_file() else None, **overrides)
    return settings.model_copy(update={"data_dir": settings.data_dir.expanduser().absolute()})


@contextmanager
def open_database(
    settings: Settings, *, start_embedded: bool, wait_until_stopped: bool = False
) -> Iterator[Database]:
    """The database that the settings name, else the embedded one of the data directory.

    `start_embedded` starts the embedded server when it does not run; without it only a running one is joined.
    With `wait_until_stopped` the block ends when that server is gone, unless somebody else uses it.
    Says nothing about the schema: see `prepare_schema`. Raises ConfigurationError, DatabaseUnavailableError.
    """
    from vestnik.db.engine import parse_database_url

    if settings.database_url is not None:
        url = parse_database_url(settings.database_url.get_secret_value())
        yield Database(url=url, is_embedded=False, data_dir=settings.data_dir)
        return
    from vestnik.db.embedded import EmbeddedPostgres, attach

    data_dir = settings.data_dir
    place = (
        EmbeddedPostgres(data_dir, stop_on_exit=wait_until_stopped) if start_embedded else attach(data_dir)
    )
    if place is None:
        raise ConfigurationError(
            f"there is no database: neither DATABASE_URL nor SUPABASE_DIRECT_URL is set, and no 'vestnik up' runs "
            f"on the data directory {data_dir}; set one of them, or start 'vestnik up' there",
            field="DATABASE_URL",
        )
    with place as server:
        yield Database(url=parse_database_url(server.url), is_embedded=True, data_dir=data_dir)


def prepare_schema(database: Database) -> None:
    """Upgrade the embedded database, which is ours alone; of any other require the schema to be current.

    Raises SchemaVersionError, whose message says what to do.
    """
    from vestnik.db.schema import require_current_schema, upgrade_schema

    if database.is_embedded:
        upgrade_schema(database.url)
        return
    with explain_unreachable(database):
        require_current_schema(database.url)


@contextmanager
def explain_unreachable(database: Database) -> Iterator[None]:
    """Say which setting names the database that cannot be used."""
    try:
        yield
    except DatabaseUnavailableError as exc:
        if database.is_embedded:
            raise
        raise DatabaseUnavailableError(
            f"{exc.message}; check that the server runs and that DATABASE_URL (or SUPABASE_DIRECT_URL) names it",
            field="DATABASE_URL",
        ) from exc


def run_async(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on a loop that psycopg can use: on Windows that is a selector loop."""
    with asyncio.Runner(loop_factory=make_loop) as runner:
        return runner.run(main)


def make_loop() -> asyncio.AbstractEventLoop:
    """A new event loop; psycopg's asynchronous connections refuse the proactor loop of Windows."""
    if sys.platform == "win32":
        return asyncio.SelectorEventLoop(selectors.SelectSelector())
    return asyncio.new_event_loop()


def run_in_session(
    settings: Settings,
    action: "Callable[[AsyncSession], Awaitable[Result]]",
    *,
    announce: Announce,
) -> Result:
    """What every short command does: open the database, bring it up to date, run one transaction, close."""
    from vestnik.db.engine import open_session

    async def act(engine: "AsyncEngine") -> Result:
        async with open_session(engine) as session:
            return await action(session)

    return run_with_engine(settings, act, announce=announce)


def run_with_engine(
    settings: Settings,
    action: "Callable[[AsyncEngine], Awaitable[Result]]",
    *,
    announce: Announce,
) -> Result:
    """As `run_in_session`, for a command that needs several transactions, one after the other."""
    require_good_keys(settings)  # before a database is started for keys that cannot be used
    with open_database(settings, start_embedded=True) as database:
        prepare_schema(database)
        return run_async(_run_action(settings, database, action, announce))


async def _run_action(
    settings: Settings,
    database: Database,
    action: "Callable[[AsyncEngine], Awaitable[Result]]",
    announce: Announce,
) -> Result:
    from vestnik.db.engine import make_engine

    engine = make_engine(database.url, name="command", pool_size=1, may_be_pooled=True)
    try:
        await take_over_environment(settings, engine, announce=announce)
        return await action(engine)
    finally:
        await engine.dispose()


def make_key_opener(settings: Settings, *, announce: Announce) -> "OpenKeys":
    """How a transaction gets the keys to store secrets with; for the first secret of all the key file is made."""
    from vestnik.db.secret_rows import hold_keys
    from vestnik.db.secrets import StoredKeys

    keys = StoredKeys(settings.secret_key, settings.data_dir)

    async def open_keys(session: "AsyncSession") -> "KeyRing":
        return await hold_keys(session, keys, announce=announce)

    return open_keys


def require_good_keys(settings: Settings) -> None:
    """Refuse to start with keys that cannot be used or could be guessed; none at all may come later.

    Raises ConfigurationError.
    """
    from vestnik.db.secrets import read_key_ring

    read_key_ring(settings.secret_key, settings.data_dir)


async def take_over_environment(
    settings: Settings, engine: "AsyncEngine", *, announce: Announce, actor: Actor | None = None
) -> None:
    """Bring the accounts in line with TELEGRAM_* and RATE_LIMIT_MESSAGES_PER_SECOND, in a transaction of its own.

    Does nothing, and needs no key, when nothing changed. Raises ConfigurationError for an unusable session.
    """
    from vestnik.db.engine import open_session
    from vestnik.services.accounts import apply_account_rate, ensure_default_account

    actor = actor or Actor.system("settings")
    rate = check_rate(settings.account_rate, field="RATE_LIMIT_MESSAGES_PER_SECOND")
    given = _read_environment_account(settings)
    async with open_session(engine) as session:
        if given is not None:
            await ensure_default_account(
                session,
                actor,
                given,
                rate=rate,
                open_keys=make_key_opener(settings, announce=announce),
            )
        if "account_rate" in settings.model_fields_set:
            await apply_account_rate(session, actor, rate)


def _read_environment_account(settings: Settings) -> "EnvironmentAccount | None":
    from vestnik.services.accounts import EnvironmentAccount

    if settings.telegram_session is None:
        return None
    assert settings.telegram_api_id is not None
    assert settings.telegram_api_hash is not None
    return EnvironmentAccount(
        session=settings.telegram_session.get_secret_value().strip(),
        api_id=settings.telegram_api_id,
        api_hash=settings.telegram_api_hash.get_secret_value().strip(),
        read_key=_read_environment_session,
    )


def _read_environment_session(text: str) -> bytes:
    try:
        return read_session_key(text)
    except InvalidInputError as exc:
        raise ConfigurationError(f"TELEGRAM_SESSION: {exc.message}", field="TELEGRAM_SESSION") from exc


def make_account_setup(settings: Settings, *, announce: Announce) -> "AccountSetup":
    """What accounts are made with: the keys, and the application that the settings name."""
    from vestnik.services.account_sessions import AccountSetup

    has_application = settings.telegram_api_id is not None and settings.telegram_api_hash is not None
    return AccountSetup(
        open_keys=make_key_opener(settings, announce=announce),
        read_key=read_session_key,
        read_given_key=read_given_session_key,
        api_id=settings.telegram_api_id if has_application else None,
        api_hash=settings.telegram_api_hash.get_secret_value().strip()
        if has_application and settings.telegram_api_hash is not None
        else None,
        rate=check_rate(settings.account_rate, field="RATE_LIMIT_MESSAGES_PER_SECOND"),
    )


def read_session_key(text: str) -> bytes:
    """The key in a session string of either layout. Raises InvalidInputError, which never quotes it."""
    from vestnik.telegram.sessions import parse_session

    return parse_session(text).auth_key


def read_given_session_key(text: str) -> bytes:
    """The same of a string that somebody hands over: InvalidInputError also when it does not lead to Telegram.

    TELEGRAM_SESSION is exempt: whoever sets it runs this machine anyway.
    """
    from vestnik.telegram.networks import require_telegram
    from vestnik.telegram.sessions import parse_session

    parsed = parse_session(text)
    require_telegram(parsed)
    return parsed.auth_key


# ---- long-lived processes -----------------------------------------------------------------------------------


async def run_worker_process(
    settings: Settings,
    database: Database,
    *,
    simulator: "SimulatorEndpoint | None",
    holder: str,
    stop: asyncio.Event,
    ready: Callable[[], None],
) -> None:
    """Deliver until `stop`. Without a simulator's endpoint TEST campaigns wait for a worker that has one."""
    from vestnik.transports import Transports
    from vestnik.worker.process import run_worker

    write_alert = _make_alert_writer(settings)

    transports = Transports(settings, database.url, simulator, holder=holder)
    try:
        await run_worker(
            url=database.url,
            transports=transports,
            read_session_key=read_session_key,
            settings=settings,
            holder=holder,
            write_alert=write_alert,
            stop=stop,
            on_ready=ready,
        )
    finally:
        await transports.close()


def _make_alert_writer(settings: Settings) -> "AlertWriter":
    """Texts are the console's, which a worker loads when it has the first message to write."""
    from vestnik.domain.alerts import Occasion

    def write(
        alert: "Alert",
        language: str,
        *,
        occasion: Occasion = Occasion.FIRING,
        since: datetime | None = None,
        resolved_at: datetime | None = None,
    ) -> "AlertText":
        from vestnik.console.alert_words import make_writer

        writer = make_writer(settings.zone)
        return writer(alert, language, occasion=occasion, since=since, resolved_at=resolved_at)

    return write


def make_alert_trial(settings: Settings, engine: "AsyncEngine") -> "AlertTrial":
    """What destinations of alerts are tried with."""
    from vestnik.alerting.delivery import Channels
    from vestnik.alerting.trial import AlertTrial

    return AlertTrial(Channels(**_list_alert_parts(settings, engine)))


def _list_alert_parts(settings: Settings, engine: "AsyncEngine") -> dict[str, Any]:
    from vestnik.db.secret_rows import hold_keys
    from vestnik.db.secrets import StoredKeys

    keys = StoredKeys(settings.secret_key, settings.data_dir)
    return {
        "engine": engine,
        "read_keys": partial(keys.open_ring, "alert_destinations"),
        "open_keys": partial(hold_keys, keys=keys),
        "write": _make_alert_writer(settings),
        "allows_private": settings.alert_private_webhooks,
    }


async def run_api_process(
    settings: Settings,
    database: Database,
    listener: "socket.socket",
    *,
    stop: asyncio.Event,
    ready: Callable[[], None],
) -> None:
    """Serve the API and the console on a listening socket until `stop`."""
    from vestnik.alerting.watch import AlertParts, run_alerts
    from vestnik.api.app import ApiOptions, create_app
    from vestnik.api.health import Readiness
    from vestnik.api.serving import serve
    from vestnik.console.app import create_console
    from vestnik.db.engine import CONNECTIONS_ASIDE, close_engine, make_engine, parse_database_url
    from vestnik.db.listener import Listener
    from vestnik.db.media_stores import make_media_store
    from vestnik.db.schema import require_current_schema
    from vestnik.services.campaigns import read_progress
    from vestnik.settings import split_list
    from vestnik.web.authentication import StoredIdentities
    from vestnik.web.database import Database as WebDatabase
    from vestnik.web.hub import ProgressHub
    from vestnik.web.login_sweep import sweep_logins
    from vestnik.web.site import Site
    from vestnik.web.state import WebState
    from vestnik.web.throttle import Throttle

    engine = make_engine(
        database.url,
        name="api",
        pool_size=settings.database_connections - CONNECTIONS_ASIDE,
        may_be_pooled=True,
    )
    web_database = WebDatabase(engine)
    listen_url = database.url
    if settings.listen_url is not None:
        listen_url = parse_database_url(settings.listen_url.get_secret_value())
    identities = StoredIdentities(web_database)
    hub = ProgressHub(
        lambda ids: web_database.look(lambda session: read_progress(session, ids)),
        identities.admit,
        wake_source=lambda wake: Listener(listen_url, lambda _account_id: wake()).run(),
    )
    setup = make_account_setup(settings, announce=lambda _text: None)
    state = WebState(
        database=web_database,
        hub=hub,
        authenticator=identities,
        throttle=Throttle(settings.api_rate, burst=4 * settings.api_rate),
        open_keys=setup.open_keys,
        account_setup=setup,
        media=make_media_store(settings),
        zone=settings.zone,
        origins=frozenset(split_list(settings.cors_origins)),
        alert_rules=settings.alert_rules,
        alert_trial=make_alert_trial(settings, engine),
        installation=_describe_installation(settings, database, listener),
    )
    app = create_app(
        Readiness(lambda: require_current_schema(database.url)),
        state,
        ApiOptions(cors_origins=split_list(settings.cors_origins)),
    )
    alerts = asyncio.create_task(
        run_alerts(
            AlertParts(
                rules=settings.alert_rules, data_dir=settings.data_dir, **_list_alert_parts(settings, engine)
            )
        )
    )
    try:
        async with sweep_logins(web_database):
            await serve(
                Site(app, create_console(state)),
                listener,
                stop=stop,
                ready=ready,
                on_stopping=hub.close,
                trusted_proxies=split_list(settings.trusted_proxies),
            )
    finally:
        alerts.cancel()
        await asyncio.gather(alerts, return_exceptions=True)
        await close_engine(engine)


def _describe_installation(
    settings: Settings, database: Database, listener: "socket.socket"
) -> "Installation":
    from vestnik.domain.installation import Installation
    from vestnik.settings import describe_settings

    host, port = listener.getsockname()[:2]
    in_use = {"port": str(port)}
    # A name stays a name; of an address it is known whether another one was given.
    if settings.host.replace(".", "").isdigit() or ":" in settings.host:
        in_use["host"] = host
    return Installation(
        settings=describe_settings(settings, in_use=in_use), is_database_embedded=database.is_embedded
    )


async def run_simulator_process(
    config: "SimulatorConfig",
    *,
    stop: asyncio.Event,
    ready: "Callable[[SimulatorServer], None]",
) -> None:
    """Simulate Telegram until `stop`."""
    from vestnik.simulator.server import serve

    async with serve(config) as server:
        ready(server)
        await stop.wait()


async def prepare_accounts(settings: Settings, database: Database, *, announce: Announce) -> None:
    """Take the accounts over from the environment, as every long-lived process does before it works."""
    from vestnik.db.engine import make_engine

    engine = make_engine(database.url, name="command", pool_size=1, may_be_pooled=True)
    try:
        await take_over_environment(settings, engine, announce=announce)
    finally:
        await engine.dispose()


async def expire_holder(engine: "AsyncEngine", holder: str) -> None:
    """Give back the leases of a worker that is known to be dead, so that the next one need not wait."""
    from vestnik.db.ledger import Ledger

    await Ledger(engine).expire_holder(holder)
