"""Everything that is done about alerts in a long-lived process: look, tell, and notice when the database is away.

Any number of processes do it at once: a lock in the database lets one of them judge at a time, and what is kept
there lets a thing be told once. Nothing in here may keep a process from its work, and no error ends it.
"""

import asyncio
import platform
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from vestnik.alerting.delivery import Channels, Deliverer
from vestnik.alerting.doubts import Doubts
from vestnik.alerting.machine import look_at_machine
from vestnik.alerting.outage import OutageWatch
from vestnik.db.alert_destinations import list_stored
from vestnik.db.alerts import StoredDestination
from vestnik.db.engine import open_session
from vestnik.domain.alerts import (
    AlertRules,
    DestinationKind,
    OpenDestination,
)
from vestnik.domain.errors import DatabaseUnavailableError, VestnikError
from vestnik.services.alert_records import judge_alerts, keep_outage
from vestnik.services.alert_routes import open_destination

log = structlog.get_logger()

LOOK_EVERY: Final = 2.0
LATE_AFTER: Final = 3.0
"""A look that comes so many seconds late was kept from it by a machine that stood still, as the workers were."""
REMEMBER_EVERY: Final = 15.0
"""Seconds after which destinations are read again, should the database go away."""
REACHABLE: Final = (DestinationKind.WEBHOOK, DestinationKind.EMAIL)
"""Destinations that need no database."""
START_OVER_AFTER: Final = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class AlertParts(Channels):
    """What alerts are watched for with, and delivered."""

    rules: AlertRules
    data_dir: Path


async def run_alerts(parts: AlertParts) -> None:
    """Watch until cancelled."""
    watch = AlertWatch(parts)
    async with asyncio.TaskGroup() as group:
        for name, run in watch.list_tasks().items():
            group.create_task(_keep_running(name, run))


async def _keep_running(name: str, run: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await run()
        except DatabaseUnavailableError as exc:
            log.debug("alerts.database_away", reason=exc.message)
        except Exception:
            log.exception("alerts.crashed", name=name)
            await asyncio.sleep(START_OVER_AFTER)
        await asyncio.sleep(1)


class AlertWatch:
    """Looks, delivers, and speaks for a database that is away."""

    def __init__(self, parts: AlertParts) -> None:
        self._parts = parts
        self._deliverer = Deliverer(parts)
        self._outage = OutageWatch(
            data_dir=parts.data_dir, host=platform.node(), write=parts.write, deliver=parts.deliver
        )
        self._doubts = Doubts()
        self._remember_at = 0.0
        self._look_at = 0.0

    def list_tasks(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """What runs side by side."""
        return {"look": self._look_again, "deliver": self._deliverer.run, "outage": self._outage.run}

    async def _look_again(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            is_late = 0 < self._look_at < loop.time() - LATE_AFTER
            self._look_at = loop.time() + LOOK_EVERY
            try:
                if not is_late:
                    await self.look()
            except DatabaseUnavailableError as exc:
                self._outage.note_away(exc.message)
                self._doubts.start_over()
                self._look_at = 0.0
            await asyncio.sleep(max(self._look_at - loop.time(), 0.1) if self._look_at else LOOK_EVERY)

    async def look(self) -> None:
        """Judge once, unless somebody else does. Raises DatabaseUnavailableError."""
        parts = self._parts
        own = await asyncio.to_thread(look_at_machine, parts.data_dir, parts.rules)
        self._doubts.begin_look()
        async with open_session(parts.engine) as session:
            judgement = await judge_alerts(
                session, parts.rules, own, write=parts.write, holds_back=self._doubts.holds_back
            )
        await self._note_alive()
        if judgement is None:
            return
        self._doubts.end_look()
        for kind in judgement.began:
            log.warning("alert.began", kind=kind)
        for kind in judgement.ended:
            log.info("alert.ended", kind=kind)
        if judgement.began or judgement.ended:
            self._deliverer.wake()

    async def _note_alive(self) -> None:
        parts = self._parts
        now = asyncio.get_running_loop().time()
        if now < self._remember_at:
            self._outage.note_alive()
            return
        async with open_session(parts.engine) as session:
            stored = await list_stored(session, REACHABLE)
            for outage in self._outage.take_ended():
                await keep_outage(
                    session,
                    platform.node(),
                    outage.since,
                    outage.until,
                    outage.reason,
                    write=parts.write,
                )
        self._outage.note_alive(self._open_all(stored))
        self._remember_at = now + REMEMBER_EVERY

    def _open_all(self, stored: Sequence[StoredDestination]) -> list[OpenDestination]:
        opened = []
        for destination in stored:
            try:
                opened.append(open_destination(destination, self._parts.read_keys()))
            except VestnikError as exc:
                log.warning("alerts.destination_unreadable", name=destination.name, reason=exc.message)
        return opened
