"""The worker: one lane for each account whose lease it can get."""

import asyncio
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Protocol

import psycopg
import structlog
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.contextvars import bind_contextvars

from vestnik.alerting.watch import AlertParts, run_alerts
from vestnik.db.account_logins import LoginLedger
from vestnik.db.account_sessions import ReadSessionKey
from vestnik.db.engine import CONNECTIONS_ASIDE, close_engine, hang_up, make_engine, measure_pool
from vestnik.db.leases import LeasableAccount
from vestnik.db.ledger import Ledger
from vestnik.db.listener import Listener
from vestnik.db.media_stores import make_media_store
from vestnik.db.secret_rows import hold_keys
from vestnik.db.secrets import StoredKeys
from vestnik.delivery.account_logins import LoginConversation
from vestnik.delivery.clock import read_clock
from vestnik.delivery.failpoints import Failpoints
from vestnik.delivery.lane import Lane
from vestnik.delivery.lease import LeaseKeeper
from vestnik.delivery.options import LaneOptions
from vestnik.delivery.waiting import wait_for_event
from vestnik.domain.alerts import AlertWriter
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.ids import AccountId
from vestnik.domain.media_store import MediaStore
from vestnik.domain.sealing import Unsealer
from vestnik.domain.states import AccountKind
from vestnik.domain.telegram_login import LoginTransportFactory
from vestnik.domain.transport import TransportFactory
from vestnik.metrics.catalogue import LeaseChange
from vestnik.metrics.delivery import WorkerMetrics
from vestnik.settings import Settings
from vestnik.worker import LANE_CRASHED
from vestnik.worker.deletions import run_deletions
from vestnik.worker.media_sweep import run_media_sweep
from vestnik.worker.metrics import run_metrics
from vestnik.worker.retention import run_retention
from vestnik.worker.scheduler import run_cancels, run_scheduler

log = structlog.get_logger()

POLL_SECONDS = 0.5
WAKE_MARGIN = 0.005
"""Seconds after the end of another process's lease at which it is asked for: then it has ended for certain."""
HANG_UP_SECONDS = 0.1
STOP_SECONDS = 5.0
"""A stop that takes longer gives up waiting for the database; leases and claims then end by themselves."""
RESTART_LANE_AFTER = 2.0
LEAVE_TO_OTHERS_FOR = 0.25
"""Seconds for which a worker with its fair share leaves a free account to the others, who wake when it does."""
KEEP_LANES_FOR = 20.0
"""Seconds between two idle lanes that are left to other workers."""
SWEEP_EVERY = 2.0
"""Seconds between looks for logins that nobody carries out any more."""
DATABASE_SILENT_AFTER = 5.0
"""Seconds without an answer after which the database counts as away; it is asked every POLL_SECONDS."""
ALIVE_FOR_LEASES = 0.6
"""Parts of a lease after which a silent worker no longer counts: before its leases end, so that nobody waits."""


class TelegramAccess(TransportFactory, LoginTransportFactory, Protocol):
    """Makes the connections with which accounts post, and those on which they log in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoginParts:
    """What logins are carried out with."""

    ledger: LoginLedger
    factory: LoginTransportFactory
    keys: StoredKeys
    read_key: ReadSessionKey


class Worker:
    """Acquires leases, runs a lane for each, and starts over when a lane ends."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        transports: TransportFactory,
        logins: LoginParts,
        unsealer: Unsealer,
        store: MediaStore,
        options: LaneOptions,
        failpoints: Failpoints,
        holder: str,
        metrics: WorkerMetrics,
    ) -> None:
        self._ledger = ledger
        self._transports = transports
        self._logins = logins
        self._unsealer = unsealer
        self._store = store
        self._options = options
        self._failpoints = failpoints
        self._holder = holder
        self._metrics = metrics
        self._answered_at = float("-inf")
        self._lanes: dict[AccountId, Lane | LoginConversation | None] = {}
        self._fair_share = 1
        self._keep_until = 0.0
        self._sweep_at = 0.0
        self._free_since: dict[AccountId, float] = {}
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()

    @property
    def is_database_up(self) -> bool:
        """Whether it answered when it was asked last, which was a moment ago."""
        return read_clock() - self._answered_at < DATABASE_SILENT_AFTER

    def wake(self, account_id: AccountId | None) -> None:
        """Pass a notification on to the lane that it concerns; None concerns all."""
        for key, lane in self._lanes.items():
            if lane is not None and account_id in {None, key}:
                lane.wake()
        if account_id is None or account_id not in self._lanes:
            self._wake.set()

    async def run(self, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
        """Serve accounts until `stop`; by then every lane has ended."""
        async with asyncio.TaskGroup() as group:
            stopped = group.create_task(stop.wait())
            is_ready = False
            while not stop.is_set():
                pause = POLL_SECONDS
                try:
                    await self._look_around()
                    pause = await self._start_lanes(group)
                except DatabaseUnavailableError as exc:
                    self._answered_at = float("-inf")
                    log.warning("worker.database_away", reason=exc.message)
                else:
                    self._answered_at = read_clock()
                    if not is_ready:
                        is_ready = True
                        on_ready()
                wake = asyncio.ensure_future(wait_for_event(self._wake, pause))
                await asyncio.wait([wake, stopped], return_when=asyncio.FIRST_COMPLETED)
                wake.cancel()
            self._stopping.set()
            for lane in self._lanes.values():
                if lane is not None:
                    lane.stop()
        await self._say_goodbye()

    async def _say_goodbye(self) -> None:
        try:
            await self._ledger.forget_worker(self._holder)
        except DatabaseUnavailableError:
            log.info("worker.left_unannounced")

    async def _look_around(self) -> None:
        """Say that we live, learn how many others do, and leave a new one its share.

        Only idle lanes are given up: moving a running campaign would gain nothing.
        """
        workers, accounts = await self._ledger.send_heartbeat(
            self._holder, platform.node(), os.getpid(), self._options.lease * ALIVE_FOR_LEASES
        )
        self._fair_share = -(-accounts // workers)
        now = read_clock()
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_EVERY
            await self._logins.ledger.end_stale()
        if len(self._lanes) > self._fair_share and now >= self._keep_until:
            # One at a time, and not over and over if the others cannot serve what we leave them.
            self._keep_until = now + KEEP_LANES_FOR
            idle = next((lane for lane in self._lanes.values() if lane is not None and lane.is_idle), None)
            if idle is not None:
                idle.stop()

    def _measure_wait(self, account: LeasableAccount) -> float:
        """The seconds until we may take it: none up to our fair share, then the time for which others go first."""
        if account.free_in:
            return account.free_in.total_seconds() + WAKE_MARGIN
        now = read_clock()
        free_since = self._free_since.setdefault(account.account_id, now)
        return 0.0 if len(self._lanes) < self._fair_share else free_since + LEAVE_TO_OTHERS_FOR - now

    async def _start_lanes(self, group: asyncio.TaskGroup) -> float:
        """Take what we may take; the seconds until it is time to look again.

        That is at the latest when a lease ends that its holder has not renewed: of a dead one's accounts each is
        then taken over at once.
        """
        within = timedelta(seconds=POLL_SECONDS)
        leasable = await self._ledger.list_leasable_accounts(self._holder, within=within)
        free = {account.account_id for account in leasable if not account.free_in}
        self._free_since = {key: since for key, since in self._free_since.items() if key in free}
        pause = POLL_SECONDS
        for account in leasable:
            if account.account_id in self._lanes or not self._transports.serves(account.kind):
                continue
            wait = self._measure_wait(account)
            if wait > 0:
                pause = min(pause, wait)
            else:
                await self._start_lane(group, account)
        return pause

    async def _start_lane(self, group: asyncio.TaskGroup, account: LeasableAccount) -> None:
        """Start one, or a login, unless somebody else was faster."""
        asked_at = read_clock()
        account_id = account.account_id
        lease = await self._ledger.acquire_lease(account_id, self._holder, self._options.lease)
        if lease is None:
            return
        keeper = LeaseKeeper(self._ledger, lease, self._options, asked_at=asked_at)
        lane = self._make_login(keeper) if account.has_login else self._make_lane(keeper, account.kind)
        self._lanes[account_id] = lane
        self._free_since.pop(account_id, None)
        group.create_task(self._run_lane(keeper, account.kind, lane))

    def _make_lane(self, keeper: LeaseKeeper, kind: AccountKind) -> Lane:
        return Lane(
            self._ledger,
            keeper,
            kind=kind,
            factory=self._transports,
            unsealer=self._unsealer,
            store=self._store,
            options=self._options,
            failpoints=self._failpoints,
            meter=self._metrics.meter(kind),
        )

    def _make_login(self, keeper: LeaseKeeper) -> LoginConversation:
        parts = self._logins
        return LoginConversation(
            parts.ledger, keeper, factory=parts.factory, keys=parts.keys, read_key=parts.read_key
        )

    async def _run_lane(self, keeper: LeaseKeeper, kind: AccountKind, lane: Lane | LoginConversation) -> None:
        account_id, meter = keeper.lease.account_id, self._metrics.meter(kind)
        # Whatever is logged on the account's behalf, by whichever part, says so.
        bind_contextvars(account_id=str(account_id))
        self._metrics.note_lease(LeaseChange.ACQUIRED)
        meter.note_lanes(1)
        try:
            await lane.run()
        except Exception:
            log.exception(LANE_CRASHED, account_id=str(account_id), kind=kind)
            meter.note_crash()
            self._lanes[account_id] = None
            with suppress(TimeoutError):
                async with asyncio.timeout(RESTART_LANE_AFTER):
                    await self._stopping.wait()
        finally:
            meter.note_lanes(-1)
            self._metrics.note_lease(LeaseChange.RELEASED if keeper.was_given_back else LeaseChange.LOST)
        del self._lanes[account_id]
        self._wake.set()


async def run_worker(
    *,
    url: URL,
    transports: TelegramAccess,
    read_session_key: ReadSessionKey,
    settings: Settings,
    holder: str,
    stop: asyncio.Event,
    on_ready: Callable[[], None] = lambda: None,
    write_alert: AlertWriter | None = None,
) -> None:
    """Deliver until `stop` is set; returns when everything in hand is recorded. Without words it raises no alerts.

    `holder` names this process among all that ever held a lease: it must be new at each start. Raises
    ConfigurationError when the address leads through a transaction pooler, DatabaseUnavailableError when the
    database cannot be reached at the start; later absences are waited out.
    """
    failpoints = Failpoints(settings.failpoints)
    engine = make_engine(
        url,
        name="worker",
        pool_size=settings.database_connections - CONNECTIONS_ASIDE,
        repeats_itself=True,
    )
    store = make_media_store(settings)
    keys = StoredKeys(settings.secret_key, settings.data_dir)
    logins = LoginParts(ledger=LoginLedger(engine), factory=transports, keys=keys, read_key=read_session_key)
    metrics = WorkerMetrics()
    worker = Worker(
        ledger=Ledger(engine),
        transports=transports,
        logins=logins,
        unsealer=keys,
        store=store,
        options=LaneOptions(
            lease=timedelta(seconds=settings.lease_seconds),
            retry_base=timedelta(seconds=settings.retry_base_seconds),
            resolves_per_day=settings.resolves_per_day,
            zone=settings.zone,
        ),
        failpoints=failpoints,
        holder=holder,
        metrics=metrics,
    )
    metrics.watch_database(lambda: worker.is_database_up, lambda: measure_pool(engine))
    listener = Listener(url, worker.wake)
    try:
        await listener.check_session()
        background = [
            asyncio.create_task(listener.run()),
            asyncio.create_task(run_scheduler(engine)),
            asyncio.create_task(run_cancels(engine)),
            asyncio.create_task(run_deletions(engine)),
            asyncio.create_task(
                run_retention(
                    engine,
                    timedelta(days=settings.job_retention_days),
                    timedelta(days=settings.audit_retention_days),
                )
            ),
            asyncio.create_task(run_media_sweep(engine, store)),
            asyncio.create_task(run_metrics(metrics.render, settings.metrics_port)),
            *_start_alerts(engine, keys, settings, write_alert),
        ]
        serving = asyncio.create_task(worker.run(stop, on_ready))
        try:
            await _serve(serving, background, stop)
        finally:
            if not serving.done():
                hang_up(engine)
                await asyncio.wait([serving], timeout=HANG_UP_SECONDS)
            for task in (*background, serving):
                task.cancel()
            await asyncio.gather(*background, serving, return_exceptions=True)
    except psycopg.OperationalError as exc:
        raise DatabaseUnavailableError(
            f"PostgreSQL cannot be reached: {str(exc).strip().splitlines()[0]}"
        ) from exc
    finally:
        await close_engine(engine)


def _start_alerts(
    engine: AsyncEngine, keys: StoredKeys, settings: Settings, write: AlertWriter | None
) -> Iterator[asyncio.Task[None]]:
    if write is not None:
        parts = AlertParts(
            engine=engine,
            read_keys=partial(keys.open_ring, "alert_destinations"),
            open_keys=partial(hold_keys, keys=keys),
            rules=settings.alert_rules,
            data_dir=settings.data_dir,
            write=write,
            allows_private=settings.alert_private_webhooks,
        )
        yield asyncio.create_task(run_alerts(parts))


async def _serve(
    serving: asyncio.Task[None], background: list[asyncio.Task[None]], stop: asyncio.Event
) -> None:
    stopping = asyncio.create_task(stop.wait())
    waiting = {serving, stopping, *background}
    try:
        while not (serving.done() or stopping.done()):
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done.intersection(background):
                task.result()  # raises: a worker that has lost a part of itself must not go on as if it had not
        _, pending = await asyncio.wait([serving], timeout=STOP_SECONDS)
        if pending:
            log.warning("worker.stopped_late")
        else:
            serving.result()
    finally:
        stopping.cancel()
