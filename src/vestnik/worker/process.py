"""The worker: one lane for each account whose lease it can get."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import psycopg
import structlog
from sqlalchemy import URL

from vestnik.db.engine import make_engine
from vestnik.db.ledger import Ledger
from vestnik.delivery.clock import read_clock
from vestnik.delivery.failpoints import Failpoints
from vestnik.delivery.lane import Lane
from vestnik.delivery.lease import LeaseKeeper
from vestnik.delivery.options import LaneOptions
from vestnik.delivery.waiting import wait_for_event
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.ids import AccountId
from vestnik.domain.states import AccountKind
from vestnik.domain.transport import TransportFactory
from vestnik.settings import Settings
from vestnik.worker.listener import Listener

log = structlog.get_logger()

POLL_SECONDS = 1.0
STOP_SECONDS = 5.0
"""A stop that takes longer gives up waiting for the database; leases and claims then end by themselves."""
RESTART_LANE_AFTER = 2.0


class Worker:
    """Acquires leases, runs a lane for each, and starts over when a lane ends."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        transports: TransportFactory,
        options: LaneOptions,
        failpoints: Failpoints,
        holder: str,
    ) -> None:
        self._ledger = ledger
        self._transports = transports
        self._options = options
        self._failpoints = failpoints
        self._holder = holder
        self._lanes: dict[AccountId, Lane | None] = {}
        self._wake = asyncio.Event()

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
                try:
                    await self._start_lanes(group)
                except DatabaseUnavailableError as exc:
                    log.warning("worker.database_away", reason=exc.message)
                else:
                    if not is_ready:
                        is_ready = True
                        on_ready()
                wake = asyncio.ensure_future(wait_for_event(self._wake, POLL_SECONDS))
                await asyncio.wait([wake, stopped], return_when=asyncio.FIRST_COMPLETED)
                wake.cancel()
            for lane in self._lanes.values():
                if lane is not None:
                    lane.stop()

    async def _start_lanes(self, group: asyncio.TaskGroup) -> None:
        for account_id, kind in await self._ledger.list_leasable_accounts(self._holder):
            if account_id in self._lanes or not self._transports.serves(kind):
                continue
            asked_at = read_clock()
            lease = await self._ledger.acquire_lease(account_id, self._holder, self._options.lease)
            if lease is None:
                continue
            keeper = LeaseKeeper(self._ledger, lease, self._options, asked_at=asked_at)
            lane = Lane(
                self._ledger,
                keeper,
                kind=kind,
                factory=self._transports,
                options=self._options,
                failpoints=self._failpoints,
            )
            self._lanes[account_id] = lane
            group.create_task(self._run_lane(account_id, kind, lane))

    async def _run_lane(self, account_id: AccountId, kind: AccountKind, lane: Lane) -> None:
        try:
            await lane.run()
        except Exception:
            log.exception("lane.crashed", account_id=str(account_id), kind=kind)
            self._lanes[account_id] = None
            await asyncio.sleep(RESTART_LANE_AFTER)
        del self._lanes[account_id]
        self._wake.set()


async def run_worker(
    *,
    url: URL,
    transports: TransportFactory,
    settings: Settings,
    holder: str,
    stop: asyncio.Event,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Deliver until `stop` is set; returns when everything in hand is recorded.

    `holder` names this process among all that ever held a lease: it must be new at each start. Raises
    ConfigurationError when the address leads through a transaction pooler, DatabaseUnavailableError when the
    database cannot be reached at the start; later absences are waited out.
    """
    failpoints = Failpoints(settings.failpoints)
    engine = make_engine(url, name="worker")
    worker = Worker(
        ledger=Ledger(engine),
        transports=transports,
        options=LaneOptions(
            lease=timedelta(seconds=settings.lease_seconds),
            retry_base=timedelta(seconds=settings.retry_base_seconds),
        ),
        failpoints=failpoints,
        holder=holder,
    )
    listener = Listener(url, worker.wake)
    try:
        await listener.check_session()
        listening = asyncio.create_task(listener.run())
        serving = asyncio.create_task(worker.run(stop, on_ready))
        try:
            await _serve(serving, stop)
        finally:
            listening.cancel()
            serving.cancel()
            await asyncio.gather(listening, serving, return_exceptions=True)
    except psycopg.OperationalError as exc:
        raise DatabaseUnavailableError(
            f"PostgreSQL cannot be reached: {str(exc).strip().splitlines()[0]}"
        ) from exc
    finally:
        await engine.dispose()


async def _serve(serving: asyncio.Task[None], stop: asyncio.Event) -> None:
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        _, pending = await asyncio.wait([serving], timeout=STOP_SECONDS)
        if pending:
            log.warning("worker.stopped_late")
        else:
            serving.result()
    finally:
        stopping.cancel()
