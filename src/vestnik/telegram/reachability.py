"""Whether one of Telegram's servers answers, and what time it is there, without a key, an account or a login."""

import asyncio
import secrets
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from telethon.errors import InvalidChecksumError, TypeNotFoundError
from telethon.extensions import BinaryReader
from telethon.network.mtprotostate import MTProtoState
from telethon.tl.functions import ReqPqMultiRequest
from telethon.tl.types import ResPQ

from vestnik.telegram.errors import timeout_error
from vestnik.telegram.keys import not_telegram_error
from vestnik.telegram.link import Connection, Loggers, open_connection
from vestnik.telegram.sessions import DataCentre

_HEADER: Final = struct.Struct("<qqi")
_UNREADABLE: Final = (BufferError, InvalidChecksumError, TypeNotFoundError, ValueError, struct.error)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerClock:
    """How far our clock is ahead of the server's, and how far that may be wrong."""

    ahead: timedelta
    uncertainty: timedelta


async def greet(
    server: DataCentre, *, timeout: timedelta, wall_clock: Callable[[], float] = time.time
) -> ServerClock:
    """Take the first step of a key exchange and no other: it is answered to anybody and leaves nothing behind.

    The answer's msg_id begins with the server's time (https://core.telegram.org/mtproto/description). Raises
    TransportError when nobody answers there, or somebody who does not speak like Telegram.
    """
    connection = Connection(server.host, server.port, server.dc_id, loggers=Loggers())
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            await open_connection(connection, server.host, server.port, timeout)
            return await _ask(connection, wall_clock)
    except TimeoutError as error:
        raise timeout_error() from error
    except (*_UNREADABLE, OSError, EOFError) as error:
        raise not_telegram_error() from error
    finally:
        await connection.end()


async def _ask(connection: Connection, wall_clock: Callable[[], float]) -> ServerClock:
    nonce = int.from_bytes(secrets.token_bytes(16), "big", signed=True)
    request = bytes(ReqPqMultiRequest(nonce))
    msg_id = MTProtoState(auth_key=None, loggers=Loggers())._get_new_msg_id()
    wall, began = wall_clock(), time.monotonic()
    await connection.send(_HEADER.pack(0, msg_id, len(request)) + request)
    packet = await connection.recv()
    took = time.monotonic() - began
    key_id, answer_id, _ = _HEADER.unpack_from(packet)
    answer = BinaryReader(packet[_HEADER.size :]).tgread_object() if key_id == 0 else None
    if not isinstance(answer, ResPQ) or answer.nonce != nonce:
        raise not_telegram_error()
    return ServerClock(
        ahead=timedelta(seconds=wall + took / 2 - answer_id / 2**32),
        uncertainty=timedelta(seconds=took / 2),
    )
