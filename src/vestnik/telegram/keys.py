"""New keys, agreed on with Telegram by the key exchange (https://core.telegram.org/mtproto/auth_key).

Telethon does the exchange, over a connection of its own that ends with it: a key is not bound to the connection on
which it was made. What takes long in it, the factorization above all (up to 0.2 s), runs beside the event loop,
because posts of other accounts wait there for their slots.
"""

import asyncio
import struct
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from telethon.crypto import AuthKey
from telethon.errors import InvalidChecksumError, SecurityError, TypeNotFoundError
from telethon.network import MTProtoPlainSender
from telethon.network.authenticator import do_authentication
from telethon.tl.tlobject import TLObject, TLRequest

from vestnik.domain.transport import ErrorClass, TransportError
from vestnik.telegram.errors import map_exception, timeout_error
from vestnik.telegram.link import Connection, Loggers, open_connection
from vestnik.telegram.sessions import DataCentre, ParsedSession

ATTEMPTS: Final = 3
"""One in 256 keys begins with a zero byte, which Telethon drops, so that the exchange fails for no other reason
(Telethon 1.45.0, crypto/rsa.py, `get_byte_array`)."""


@dataclass(frozen=True, slots=True)
class _Agreed:
    """The end of an exchange."""

    auth_key: bytes = field(repr=False)


class _Question:
    """Hands a request out of a coroutine, and its answer in, to whoever drives the coroutine."""

    def __init__(self, request: TLRequest) -> None:
        self._request = request

    def __await__(self) -> Generator[TLRequest, TLObject, TLObject]:
        return (yield self._request)


class _Asker:
    """What Telethon's exchange takes for a sender: the requests come out instead of going out."""

    async def send(self, request: TLRequest) -> TLObject:
        """The answer that the driver hands in."""
        return await _Question(request)


async def agree_on_key(
    server: DataCentre,
    *,
    connect_timeout: timedelta,
    call_timeout: timedelta,
    may_speak: Callable[[], bool] = lambda: True,
) -> ParsedSession:
    """A new session with nobody behind it yet; raises TransportError, and nothing is left open then."""
    connection = Connection(server.host, server.port, server.dc_id, loggers=Loggers())
    connection.may_speak = may_speak
    try:
        await open_connection(connection, server.host, server.port, connect_timeout)
        async with asyncio.timeout(call_timeout.total_seconds()):
            auth_key = await _agree(MTProtoPlainSender(connection, loggers=Loggers()))
    except TimeoutError as error:
        raise timeout_error() from error
    finally:
        await connection.end()
    return ParsedSession.make(server, auth_key)


async def _agree(sender: MTProtoPlainSender) -> bytes:
    for _ in range(ATTEMPTS):
        try:
            return await _drive(do_authentication(_Asker()), sender)
        except (SecurityError, AssertionError) as error:
            failure: Exception = error
        except (TypeNotFoundError, struct.error, ValueError) as error:
            raise not_telegram_error() from error
        except (OSError, EOFError, BufferError, InvalidChecksumError) as error:
            mapped = map_exception(error)
            mapped.disconnected = True
            raise mapped from error
    raise not_telegram_error() from failure


async def _drive(exchange: Coroutine[Any, Any, tuple[AuthKey, int]], sender: MTProtoPlainSender) -> bytes:
    step = await asyncio.to_thread(_advance, exchange, None)
    while not isinstance(step, _Agreed):
        answer = await sender.send(step)
        step = await asyncio.to_thread(_advance, exchange, answer)
    return step.auth_key


def _advance(
    exchange: Coroutine[Any, Any, tuple[AuthKey, int]], answer: TLObject | None
) -> TLRequest | _Agreed:
    """Let the exchange work until it asks again, or has come to its end."""
    try:
        return exchange.send(answer)
    except StopIteration as end:
        auth_key, _time_offset = end.value
        return _Agreed(auth_key.key)


def not_telegram_error() -> TransportError:
    """Somebody answered who is not Telegram, or whose answers were changed on the way."""
    return TransportError(
        "KEY_EXCHANGE_FAILED",
        ErrorClass.TRANSIENT,
        "The server did not prove that it is Telegram; check that nothing stands between this machine and Telegram "
        "(KEY_EXCHANGE_FAILED).",
        disconnected=True,
    )
