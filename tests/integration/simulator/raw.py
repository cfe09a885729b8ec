"""A bare MTProto client made of Telethon's parts, for what Telethon itself never sends."""

import asyncio
import contextlib
import logging
import struct
from collections.abc import Callable
from typing import Any

from telethon.crypto import AuthKey
from telethon.extensions import BinaryReader
from telethon.network.connection.tcpfull import FullPacketCodec
from telethon.network.mtprotostate import MTProtoState
from telethon.tl.core import GzipPacked, MessageContainer, RpcResult
from telethon.tl.core.tlmessage import TLMessage

from vestnik.simulator.endpoint import SimulatorEndpoint

DEADLINE = 30.0


class _Loggers(dict[str, Any]):
    def __missing__(self, name: str) -> Any:
        return logging.getLogger(name)


class RawClient:
    """One connection with the full framing; messages are read one by one, containers unpacked."""

    def __init__(self, key: bytes) -> None:
        self.state = MTProtoState(AuthKey(key), loggers=_Loggers())
        self._codec = FullPacketCodec(None)
        self._inbox: list[TLMessage] = []
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter
        self.containers = 0
        self.bytes_read = 0

    async def open(self, endpoint: SimulatorEndpoint) -> "RawClient":
        self.reader, self.writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        return self

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    def pack(self, content: Any, *, msg_id: int | None = None, seq_no: int = 1) -> tuple[int, bytes]:
        """One inner message: its id, and header and body."""
        body = content if isinstance(content, bytes) else bytes(content)
        number = msg_id if msg_id is not None else self.state._get_new_msg_id()
        return number, struct.pack("<qii", number, seq_no, len(body)) + body

    async def send(self, content: Any, *, msg_id: int | None = None) -> int:
        number, message = self.pack(content, msg_id=msg_id)
        await self.send_packet(self.state.encrypt_message_data(message))
        return number

    async def send_packet(self, packet: bytes) -> None:
        self.writer.write(self._codec.encode_packet(packet))
        await self.writer.drain()

    async def receive(self) -> TLMessage:
        """The next message of the server."""
        while not self._inbox:
            async with asyncio.timeout(DEADLINE):
                packet = await self._codec.read_packet(self.reader)
            self.bytes_read = len(packet)
            message = self.state.decrypt_message_data(packet)
            if isinstance(message.obj, MessageContainer):
                self.containers += 1
                self._inbox += message.obj.messages
            else:
                self._inbox.append(message)
        return self._inbox.pop(0)

    async def receive_until(self, accept: Callable[[Any], bool]) -> Any:
        """The next object that is accepted; the others are let go."""
        while True:
            message = await self.receive()
            if accept(message.obj):
                return message.obj

    async def receive_result(self, msg_id: int) -> RpcResult:
        """The result of one request."""
        return await self.receive_until(
            lambda found: isinstance(found, RpcResult) and found.req_msg_id == msg_id
        )

    async def settle(self) -> None:
        """Learn the salt, so that later messages are accepted."""
        from telethon.tl import functions, types

        await self.send(functions.PingRequest(1))
        bad = await self.receive_until(lambda found: isinstance(found, types.BadServerSalt))
        self.state.salt = bad.new_server_salt


def read_body(result: RpcResult) -> Any:
    """What is inside a result."""
    return BinaryReader(result.body).tgread_object()


def pack_gzip(content: Any) -> bytes:
    return bytes(GzipPacked(bytes(content)))
