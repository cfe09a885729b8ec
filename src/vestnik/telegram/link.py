"""One connection to one Telegram server that never acts on its own.

It stands on Telethon's `MTProtoSender`, which does the protocol, and leaves `TelegramClient` out, because that
acts by itself in ways that no setting turns off (Telethon 1.45.0):

* client/users.py, `_call`: sleeps 2 s after every server error, RANDOM_ID_DUPLICATE among them, before it raises;
  and while updates are received, remembers a FLOOD_WAIT by request type and then refuses every channel by its
  own clock (without updates it notes the wait under invokeWithoutUpdates and never finds it again);
* client/telegrambaseclient.py, `connect`: asks for the configuration, the account, the update state and the
  difference at every connection, without a time limit;
* client/updates.py, `_update_loop`: runs with ``receive_updates=False`` too, feeds on the answers to our own
  posts and asks for the difference of those channels 15 minutes later, also while the account has to keep still.
"""

import asyncio
import logging
import secrets
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, NoReturn

from telethon.crypto import AuthKey
from telethon.network import ConnectionTcpFull, MTProtoSender
from telethon.tl.alltlobjects import LAYER
from telethon.tl.functions import (
    InitConnectionRequest,
    InvokeWithLayerRequest,
    InvokeWithoutUpdatesRequest,
    PingRequest,
)
from telethon.tl.tlobject import TLObject, TLRequest

from vestnik.domain.transport import TransportError
from vestnik.telegram.errors import (
    connect_failed_error,
    map_exception,
    not_connected_error,
    timeout_error,
)
from vestnik.telegram.sessions import ParsedSession

PING_EVERY: Final = timedelta(seconds=60)
"""Telethon's own interval (Telethon 1.45.0, client/updates.py, `_keepalive_loop`)."""

_WIRE_LOG: Final = logging.getLogger("vestnik.telegram.wire")
# What Telethon has to say reaches the engine as a TransportError; and some of its lines quote raw answers
# (network/mtprotosender.py: "remaining data %r", "response without parent request"), which are private.
_WIRE_LOG.setLevel(logging.CRITICAL)

_DISCARD_UNSENT: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""`struct linger` with a time of 0: closing drops what the kernel has not sent yet and resets the connection."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientDescription:
    """What Telegram shows the account's owner under "active sessions"."""

    device_model: str = "Vestnik"
    system_version: str = field(default=sys.platform)
    app_version: str = "1.0"
    lang_code: str = "en"


class Loggers(dict[str, logging.Logger]):
    """Telethon takes a mapping of loggers by module name; these say nothing."""

    def __missing__(self, key: str) -> logging.Logger:
        return _WIRE_LOG.getChild(key.removeprefix("telethon."))


class _UpdateSink:
    """Takes the place of the queue into which the sender puts updates; nobody would empty it."""

    def __init__(self, take: Callable[[TLObject], None] | None) -> None:
        self._take = take

    def put_nowait(self, update: TLObject) -> None:
        """Hand the update over if somebody wants it, else forget it."""
        if self._take is not None:
            self._take(update)


class Connection(ConnectionTcpFull):  # type: ignore[misc]
    """A TCP connection that ends at once, with nothing left behind that could still go out.

    Telethon's own `disconnect` closes the stream, which first writes out what is buffered, and gives up waiting
    for that after 10 s while the writing goes on (Telethon 1.45.0, network/connection/connection.py).
    """

    connect_error: Exception | None = None
    may_speak: Callable[[], bool] = staticmethod(lambda: True)

    async def connect(self, timeout: float | None = None, ssl: bool | None = None) -> None:
        """As the base class; keeps the reason of a failure, which the sender only logs."""
        try:
            await super().connect(timeout=timeout, ssl=ssl)
        except OSError as error:
            self.connect_error = error
            raise

    def abort(self) -> None:
        """End the connection here and now; what neither we nor the kernel have sent is dropped."""
        if self._writer is None:
            return
        if (sock := self._writer.get_extra_info("socket")) is not None:
            with suppress(OSError):  # already closed
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD_UNSENT)
        self._writer.transport.abort()

    def _send(self, data: bytes) -> None:
        """As the base class, if anything may still be said: the last check before the system takes the bytes.

        Between a request and this there are turns of the event loop, and the process may be frozen in any of them.
        """
        if not self.may_speak():
            # The reading side notices and ends everything; an error here would end the writing side alone
            # (Telethon 1.45.0, network/connection/connection.py, `_send_loop`).
            self.abort()
            return
        super()._send(data)

    async def disconnect(self) -> None:
        """As the base class, without its wait for unsent bytes."""
        self.abort()
        await super().disconnect()

    async def end(self) -> None:
        """Disconnect, and wait for the two loops: one of them may be ending the connection by itself just now."""
        await self.disconnect()
        if tasks := [task for task in (self._send_task, self._recv_task) if task is not None]:
            await asyncio.wait(tasks)


async def open_connection(connection: Connection, host: str, port: int, timeout: timedelta) -> None:
    """Open a TCP connection: one attempt. Raises TransportError."""
    try:
        await connection.connect(timeout=timeout.total_seconds())
    except (OSError, ValueError) as error:  # ValueError: a host name that no resolver can take
        raise connect_failed_error(host, port, _describe_connect_error(error)) from error


class Link:
    """Requests and answers over one connection; once closed, by either side, it stays closed.

    Telegram is told that we want no updates, unless there is somebody to take them (`on_update`); `on_end` is told
    when the connection has ended, whoever ended it.

    The two loops of the sender and the ping are tasks of this object; `close` ends them all. They cannot live in
    a TaskGroup, because the link outlives the call that opens it.
    """

    def __init__(
        self,
        session: ParsedSession,
        *,
        api_id: int,
        description: ClientDescription,
        call_timeout: timedelta,
        connect_timeout: timedelta,
        on_update: Callable[[TLObject], None] | None = None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._session = session
        self._api_id = api_id
        self._description = description
        self._call_timeout = call_timeout.total_seconds()
        self._wants_updates = on_update is not None
        self._on_end = on_end
        self._connection = Connection(session.host, session.port, session.dc_id, loggers=Loggers())
        self._sender = MTProtoSender(
            AuthKey(session.auth_key),  # a parsed session has one, so no key exchange is ever begun
            loggers=Loggers(),
            retries=0,  # one attempt all the same (Telethon 1.45.0, helpers.py, `retry_range`)
            delay=0,
            auto_reconnect=False,
            connect_timeout=connect_timeout.total_seconds(),
            updates_queue=_UpdateSink(on_update),
        )
        self._was_opened = False
        self._is_open = False
        self._cause: BaseException = ConnectionError()
        self._waiting: set[asyncio.Future[TLObject]] = set()
        self._pinging: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent."""
        return self._is_open and bool(self._sender.is_connected())

    async def open(self, query: TLRequest, may_speak: Callable[[], bool] = lambda: True) -> TLObject:
        """Connect, introduce ourselves, and return the answer to `query`, which travels with the introduction.

        Nothing goes out any more once `may_speak` says no.

        Every error leaves the link closed and says so.
        """
        if self._was_opened:
            raise not_connected_error()
        self._was_opened = True
        self._connection.may_speak = may_speak
        try:
            await self._connect()
            self._pinging = asyncio.create_task(self._keep_alive())
            introduction = InitConnectionRequest(
                api_id=self._api_id,
                device_model=self._description.device_model,
                system_version=self._description.system_version,
                app_version=self._description.app_version,
                system_lang_code=self._description.lang_code,
                lang_pack="",  # only official applications have one
                lang_code=self._description.lang_code,
                query=query,
            )
            return await self._exchange(InvokeWithLayerRequest(LAYER, self._wrap(introduction)))
        except TransportError as error:
            await self.close()
            error.disconnected = True
            raise
        except BaseException:
            await self.close()
            raise

    async def call(self, request: TLRequest, *, patience: float = 1) -> TLObject:
        """Send a request and wait for its answer, at most `patience` call timeouts. Raises TransportError only.

        A caller that is cancelled leaves its request where it is, and it may still go out; `close` stops that.
        """
        return await self._exchange(self._wrap(request), self._call_timeout * patience)

    async def close(self) -> None:
        """End the connection; every waiting call ends as lost. Returns when nothing more can go out."""
        self._was_opened = True
        if self._closing is None:
            self._is_open = False
            self._connection.abort()
            self._closing = asyncio.create_task(self._finish())
        await asyncio.shield(self._closing)

    def _wrap(self, request: TLRequest) -> TLRequest:
        return request if self._wants_updates else InvokeWithoutUpdatesRequest(request)

    async def _connect(self) -> None:
        """Open the TCP connection: one attempt, and no sleep after it."""
        try:
            await self._sender.connect(self._connection)
        except (OSError, ValueError) as error:  # ValueError: a host name that no resolver can take
            reason = _describe_connect_error(self._connection.connect_error or error)
            raise connect_failed_error(self._session.host, self._session.port, reason) from error
        self._is_open = True
        self._sender.disconnected.add_done_callback(self._note_loss)
        if (task := asyncio.current_task()) is not None and task.cancelling():
            # Telethon connects inside asyncio.wait_for, which before Python 3.12 forgets a cancellation that comes
            # in the instant in which the connection is made.
            raise asyncio.CancelledError

    async def _exchange(self, request: TLRequest, timeout: float | None = None) -> TLObject:
        if not self.is_open:
            raise not_connected_error()
        try:
            future: asyncio.Future[TLObject] = self._sender.send(request)
        except ConnectionError as error:
            raise not_connected_error() from error
        except (struct.error, ValueError, TypeError, OverflowError) as error:
            raise map_exception(error) from error
        self._waiting.add(future)
        try:
            await asyncio.wait((future,), timeout=timeout or self._call_timeout)
        except asyncio.CancelledError:
            future.cancel()
            raise
        finally:
            self._waiting.discard(future)
        if not future.done():
            future.cancel()
            await self.close()
            raise timeout_error()
        if future.cancelled():
            await self._raise_mapped(self._cause)
        if (failure := future.exception()) is not None:
            await self._raise_mapped(failure)
        return future.result()

    async def _raise_mapped(self, error: BaseException) -> NoReturn:
        mapped = map_exception(error)
        if mapped.disconnected:
            await self.close()
        raise mapped from error

    def _note_loss(self, disconnected: asyncio.Future[None]) -> None:
        """End the calls that Telethon leaves behind when the connection has ended.

        It fails those it has sent, with the error that ended the connection, and forgets those still in its queue
        (Telethon 1.45.0, network/mtprotosender.py, `_disconnect`), whose callers would wait for their timeout.
        """
        self._is_open = False
        if not disconnected.cancelled() and (error := disconnected.exception()) is not None:
            self._cause = error
        for future in self._waiting:
            future.cancel()
        self._on_end()

    async def _finish(self) -> None:
        if self._pinging is not None:
            self._pinging.cancel()
            await asyncio.wait((self._pinging,))
        await self._sender.disconnect()
        for future in self._waiting:
            future.cancel()

    async def _keep_alive(self) -> None:
        """Ping, so that a connection that died without a word is noticed while nothing is sent."""
        with suppress(TransportError):
            while True:
                await asyncio.sleep(PING_EVERY.total_seconds())
                await self._exchange(PingRequest(ping_id=secrets.randbits(63)))


def _describe_connect_error(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "the host name is not known"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
