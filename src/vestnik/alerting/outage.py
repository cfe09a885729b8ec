"""A database that cannot be reached is told of without it: to destinations that were known before.

Processes cannot agree through a database that is away. Those with the same data directory agree through a lock on
a file there, so each machine speaks once; it does so again when the database is back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from vestnik.db.embedded.locks import LockFile
from vestnik.domain.alerts import (
    Alert,
    AlertKind,
    AlertWriter,
    DeliveryError,
    Message,
    Occasion,
    OpenDestination,
)

log = structlog.get_logger()

LOOK_EVERY: Final = 1.0
MISSED_LOOKS: Final = 8
"""So many looks, a second each, without a sign of life make an outage. They are counted, not measured: while a
machine stands still as a whole, nobody looks."""
LOCK_FILE: Final = "alerts.lock"

Deliver = Callable[[OpenDestination, Message], Awaitable[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage:
    """A time in which the database could not be used."""

    since: datetime
    until: datetime
    reason: str | None


class OutageWatch:
    """Remembers who is to be told, and tells them when the database has been away for a while."""

    def __init__(self, *, data_dir: Path, host: str, write: AlertWriter, deliver: Deliver) -> None:
        self._lock = LockFile(data_dir / LOCK_FILE)
        self._host = host
        self._write = write
        self._deliver = deliver
        self._destinations: Sequence[OpenDestination] = ()
        self._missed = 0
        self._reason: str | None = None
        self._last_reason: str | None = None
        self._since: datetime | None = None
        self._told: set[OpenDestination] = set()
        self._ended: list[Outage] = []

    def note_alive(self, destinations: Sequence[OpenDestination] | None = None) -> None:
        """The database answers; `destinations` are those that it names now."""
        self._missed = 0
        self._reason = None
        if destinations is not None:
            self._destinations = destinations

    def note_away(self, reason: str) -> None:
        """The database cannot be used, for this reason."""
        self._reason = self._last_reason = reason

    def take_ended(self) -> list[Outage]:
        """Outages that are over and not in the history yet, of those that this process spoke of."""
        ended, self._ended = self._ended, []
        return ended

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY)
                self._missed += 1
                if self._missed >= MISSED_LOOKS:
                    await self._tell_outage()
                elif self._since is not None and self._missed <= 1:
                    await self._tell_end(self._since)
        finally:
            self._lock.release()

    async def _tell_outage(self) -> None:
        if self._since is None:
            self._since = datetime.now(UTC)
            log.error("alerts.database_away", reason=self._reason)
        if self._lock.is_mine or self._take_lock():
            await self._tell(self._since, None)

    def _take_lock(self) -> bool:
        try:
            return self._lock.try_acquire()
        except OSError:
            return True  # a folder that cannot be written to: better twice than never

    async def _tell_end(self, since: datetime) -> None:
        until = datetime.now(UTC)
        log.info("alerts.database_back")
        self._since = None
        if self._lock.is_mine:
            self._ended.append(Outage(since=since, until=until, reason=self._last_reason))
        if self._told:
            await self._tell(since, until)
        self._told.clear()
        self._lock.release()

    async def _tell(self, since: datetime, until: datetime | None) -> None:
        """Once each; a destination that cannot be reached is tried again while it goes on."""
        if until is None:
            waiting = [found for found in self._destinations if found not in self._told]
        else:
            waiting = list(self._told)
        async with asyncio.TaskGroup() as group:
            for destination in waiting:
                group.create_task(self._tell_one(destination, since, until))

    async def _tell_one(self, destination: OpenDestination, since: datetime, until: datetime | None) -> None:
        occasion = Occasion.FIRING if until is None else Occasion.RESOLVED
        alert = Alert(kind=AlertKind.DATABASE_AWAY, is_urgent=True, name=self._host, detail=self._reason)
        text = await asyncio.to_thread(
            self._write, alert, destination.language, occasion=occasion, since=since, resolved_at=until
        )
        message = Message(
            id=f"outage-{int(since.timestamp())}-{occasion.lower()}",
            occasion=occasion,
            alert=alert,
            text=text,
            since=since,
            resolved_at=until,
        )
        try:
            await self._deliver(destination, message)
        except DeliveryError as exc:
            log.warning("alert.not_delivered", kind=alert.kind, name=destination.name, reason=exc.message)
            if exc.is_partial:
                self._told.add(destination)
        except Exception:
            # The edge of this part: one destination must not keep the others from being told.
            log.exception("alerts.delivery_crashed", name=destination.name)
        else:
            self._told.add(destination)
