"""An account's connection to Telegram: one transport at a time, made anew only by us."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from vestnik.delivery.waiting import back_off
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.ids import AccountId
from vestnik.domain.states import AccountKind
from vestnik.domain.transport import ErrorClass, Identity, Transport, TransportError, TransportFactory

log = structlog.get_logger()


class Link:
    """Keeps a transport connected while the lane may use it.

    A transport that reports itself disconnected is closed before the next one is made, so that nothing queued in
    it can go out later; and none is made unless `may_connect` says so at that moment. Nothing leaves one for which
    `may_speak` says no. Nobody gets to use one before `accept` has said that it belongs to the right user; that
    may raise DatabaseUnavailableError, and then it is asked again at the next connection.
    """

    def __init__(
        self,
        factory: TransportFactory,
        account_id: AccountId,
        kind: AccountKind,
        *,
        may_connect: Callable[[], bool],
        may_speak: Callable[[], bool],
        on_change: Callable[[], None],
        on_error: Callable[[TransportError], None],
        accept: Callable[[Identity], Awaitable[bool]],
        on_closed: Callable[[], None] = lambda: None,
    ) -> None:
        self._factory = factory
        self._account_id = account_id
        self._kind = kind
        self._may_connect = may_connect
        self._may_speak = may_speak
        self._on_change = on_change
        self._on_error = on_error
        self._accept = accept
        self._on_closed = on_closed
        self._transport: Transport | None = None
        self._is_accepted = False
        self._broken = asyncio.Event()

    @property
    def transport(self) -> Transport | None:
        """The connected transport, if there is one and the right user is behind it."""
        if self._is_accepted and self._transport is not None and self._transport.is_connected:
            return self._transport
        return None

    def report_broken(self) -> None:
        """A call found the connection gone."""
        self._broken.set()

    async def run(self) -> None:
        """Connect, wait until the connection breaks, close it, connect again; ended by cancellation."""
        failures = 0
        try:
            while True:
                if not self._may_connect():
                    await asyncio.sleep(0.05)
                    continue
                if await self._connect():
                    failures = 0
                    await self._wait_until_broken()
                await self.close()
                await back_off(failures, longest=10)
                failures += 1
        finally:
            await self.close()

    async def _connect(self) -> bool:
        self._broken.clear()
        try:
            transport = await self._factory.make(self._account_id, self._kind)
            self._transport = transport
            identity = await transport.connect(self._may_speak)
            log.info("link.connected", account_id=str(self._account_id), tg_id=identity.tg_id)
            self._is_accepted = await self._accept(identity)
        except DatabaseUnavailableError as exc:
            log.warning("link.identity_unchecked", account_id=str(self._account_id), reason=exc.message)
            return False
        except TransportError as error:
            log.warning(
                "link.connect_failed",
                account_id=str(self._account_id),
                error=error.name,
                detail=error.message,
            )
            if error.error_class is not ErrorClass.TRANSIENT:
                self._on_error(error)
            return False
        if self._is_accepted:
            self._on_change()
        return self._is_accepted

    async def _wait_until_broken(self) -> None:
        while self.transport is not None and not self._broken.is_set():
            try:
                async with asyncio.timeout(1):
                    await self._broken.wait()
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Close the connection; whatever waits for an answer on it fails."""
        transport, self._transport = self._transport, None
        was_used, self._is_accepted = self._is_accepted, False
        if transport is not None:
            await transport.disconnect()
            self._on_change()
        if was_used:
            self._on_closed()
