"""Messages that are to be delivered: each at least once, one at a time to each destination, with waits in between.

A delivery is claimed before and recorded after it; the claim of a process that dies ends by itself. So a message
may come twice, and says by its id which one it is.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, assert_never

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from vestnik.alerting.mail import mail_message
from vestnik.alerting.telegram import post_in_chat
from vestnik.alerting.webhook import post_message
from vestnik.db.alerts import ClaimedMessage, MessageLedger
from vestnik.db.secrets import KeyRing, OpenKeys
from vestnik.domain.alerts import (
    AlertWriter,
    DeliveryError,
    MailRoute,
    Message,
    OpenDestination,
    TelegramRoute,
    WebhookRoute,
)
from vestnik.domain.errors import DatabaseUnavailableError, VestnikError
from vestnik.services.alert_routes import open_destination

log = structlog.get_logger()

MOST_AT_ONCE: Final = 4
CLAIM_FOR: Final = timedelta(seconds=15)
RENEW_EVERY: Final = 5.0
LOOK_EVERY: Final = 1.0
GIVE_UP_EVERY: Final = 300.0
AFTER_TROUBLE: Final = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Channels:
    """What messages are delivered with."""

    engine: AsyncEngine
    read_keys: Callable[[], KeyRing]
    """To read stored secrets with. Raises SecretError, ConfigurationError."""
    open_keys: OpenKeys
    """To store secrets with."""
    write: AlertWriter
    allows_private: bool
    """Webhooks may lead into our own network."""

    async def deliver(self, destination: OpenDestination, message: Message) -> str:
        """Deliver once; the answer in short. Raises DeliveryError, DatabaseUnavailableError, SecretError."""
        match destination.route:
            case WebhookRoute() as route:
                return await post_message(route, message, allows_private=self.allows_private)
            case MailRoute() as route:
                return await mail_message(route, message)
            case TelegramRoute() as route:
                return await post_in_chat(self.engine, self.open_keys, route, message)
            case _ as never:
                assert_never(never)


class Deliverer:
    """Delivers what is in line, as one of any number of processes."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._ledger = MessageLedger(channels.engine)
        self._wake = asyncio.Event()
        self._running: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """There is something to deliver."""
        self._wake.set()

    async def run(self) -> None:
        """Deliver until cancelled. Raises DatabaseUnavailableError."""
        give_up_at = 0.0
        loop = asyncio.get_running_loop()
        try:
            while True:
                if loop.time() >= give_up_at:
                    give_up_at = loop.time() + GIVE_UP_EVERY
                    await self._ledger.give_up_old()
                await self._start_deliveries()
                self._wake.clear()
                try:
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._wake.wait()
                except TimeoutError:
                    pass
        finally:
            for task in self._running:
                task.cancel()

    async def _start_deliveries(self) -> None:
        free = MOST_AT_ONCE - len(self._running)
        for message in await self._ledger.claim(free, CLAIM_FOR) if free else ():
            task = asyncio.create_task(self._deliver(message))
            self._running.add(task)
            task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen; see _deliver
        self.wake()

    async def _deliver(self, claimed: ClaimedMessage) -> None:
        error, is_open, is_partial = None, False, False
        attempt = asyncio.create_task(self._attempt(claimed))
        try:
            await self._keep_claim(claimed, attempt)
            answer = attempt.result()
        except DeliveryError as exc:
            error, is_open, is_partial = exc.message, exc.is_open, exc.is_partial
        except DatabaseUnavailableError as exc:
            # Not the destination's fault: the claim ends by itself.
            log.debug("alerts.database_away", reason=exc.message)
            return
        except VestnikError as exc:
            error = exc.message
        except Exception as exc:
            # The edge of this part: what nobody foresaw is shown as any other failure, and tried again.
            log.exception("alerts.delivery_crashed", name=claimed.destination.name)
            error = f"unexpected {type(exc).__name__}; the log says more"
        finally:
            attempt.cancel()
        destination = claimed.destination
        if error is None:
            log.info("alert.delivered", kind=claimed.alert.kind, name=destination.name, detail=answer)
        else:
            log.warning("alert.not_delivered", kind=claimed.alert.kind, name=destination.name, reason=error)
        await self._record(claimed, error, is_open=is_open, is_partial=is_partial)

    async def _keep_claim(self, claimed: ClaimedMessage, attempt: "asyncio.Task[str]") -> None:
        """Returns when the attempt has ended."""
        while True:
            done, _ = await asyncio.wait([attempt], timeout=RENEW_EVERY)
            if done:
                return
            try:
                await self._ledger.renew(claimed, CLAIM_FOR)
            except DatabaseUnavailableError as exc:
                log.debug("alerts.claim_not_renewed", reason=exc.message)

    async def _attempt(self, claimed: ClaimedMessage) -> str:
        destination = open_destination(claimed.destination, self._channels.read_keys())
        return await self._channels.deliver(destination, await self._write(claimed))

    async def _write(self, claimed: ClaimedMessage) -> Message:
        text = await asyncio.to_thread(
            self._channels.write,
            claimed.alert,
            claimed.destination.language,
            occasion=claimed.occasion,
            since=claimed.since,
            resolved_at=claimed.resolved_at,
        )
        return Message(
            # The number alone may come again after a backup was restored.
            id=f"{claimed.id}-{int(claimed.since.timestamp())}",
            occasion=claimed.occasion,
            alert=claimed.alert,
            text=text,
            since=claimed.since,
            resolved_at=claimed.resolved_at,
            attempts=claimed.attempts,
        )

    async def _record(
        self, claimed: ClaimedMessage, error: str | None, *, is_open: bool, is_partial: bool
    ) -> None:
        """What was delivered is recorded when the database is back, if it is away."""
        while True:
            try:
                await self._ledger.record(claimed, error, is_open=is_open, is_partial=is_partial)
            except DatabaseUnavailableError as exc:
                log.debug("alerts.not_recorded", reason=exc.message)
                await asyncio.sleep(AFTER_TROUBLE)
            else:
                return
