"""One TCP connection of a client: packets in, messages out.

Everything happens inside asyncio's callbacks, without a task of its own, so there is nothing to leak: late
answers are timers that end with the connection.
"""

import asyncio
import gzip
import logging
import socket
import struct
import zlib
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from telethon.errors import TypeNotFoundError
from telethon.extensions import BinaryReader
from telethon.tl import TLObject, functions, types

from vestnik.simulator.envelope import Envelope, EnvelopeError, open_envelope, seal_envelope
from vestnik.simulator.failures import RpcFailure
from vestnik.simulator.framing import Framing, FramingError, detect_framing
from vestnik.simulator.handshake import Handshake, HandshakeError, ServerRsaKey
from vestnik.simulator.rpc import Outcome, carry_out, fail, wrap_result
from vestnik.simulator.service import SERVICE_MESSAGES, ServiceMessage
from vestnik.simulator.sessions import (
    BAD_SALT,
    CONTAINER_ID_REUSED,
    INVALID_CONTAINER,
    AuthKey,
    Session,
    check_msg_id,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from vestnik.simulator.posts import Arrival
    from vestnik.simulator.state import Simulator

log = logging.getLogger(__name__)

_CONTAINER: Final = 0x73F1F8DC
_GZIP_PACKED: Final = 0x3072CFA1
_PLAIN_HEADER: Final = struct.Struct("<qqi")
_INNER_HEADER: Final = struct.Struct("<qii")
_UNKNOWN_KEY: Final = (-404).to_bytes(4, "little", signed=True)
_NO_KEY: Final = bytes(8)
_MAX_INNER: Final = 1020
_MAX_OUT: Final = 100


class _Kind(Enum):
    """What a message of ours is, which its id and its number tell."""

    ANSWER = auto()
    UPDATE = auto()
    SERVICE = auto()


class ClientConnection(asyncio.Protocol):
    """The server's end of one connection. `on_close` is told once, after the last timer is gone."""

    def __init__(
        self,
        simulator: "Simulator",
        rsa_key: ServerRsaKey,
        on_close: "Callable[[ClientConnection], None]",
        *,
        dc_id: int,
    ) -> None:
        self._simulator = simulator
        self._dc_id = dc_id
        self._rsa_key = rsa_key
        self._on_close = on_close
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._framing: Framing | None = None
        self._handshake: Handshake | None = None
        self._arrival: Arrival = simulator.clock.stamp()
        self._client = simulator.number_client()
        self._sessions: dict[AuthKey, Session] = {}
        self._outbox: list[tuple[AuthKey, Session, bytes, _Kind]] = []
        self._timers: set[asyncio.TimerHandle] = set()
        self._hang_up: asyncio.TimerHandle | None = None
        self._gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._gone:
            transport.abort()
            return
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it ended changes nothing
        """The connection is over; late answers are dropped."""
        self._gone = True
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._hang_up is not None:
            self._hang_up.cancel()
        for key in self._sessions:
            key.connections.discard(self)
        self._on_close(self)

    def abort(self) -> None:
        """Cut the connection at once, also if it is only about to be made; what was not sent yet is lost."""
        self._gone = True
        self._outbox.clear()
        if self._transport is not None:
            self._transport.abort()

    def push(self, key: AuthKey, update: bytes) -> None:
        """Send an update to the session that was used last under this key, unless the client wants none."""
        session = self._sessions.get(key)
        if session is not None and self._client.takes_updates:
            self._outbox.append((key, session, update, _Kind.UPDATE))
            self._flush()

    def data_received(self, data: bytes) -> None:
        """Answer every packet that is complete; a request arrives when its last byte does."""
        self._arrival = self._simulator.clock.stamp()
        self._buffer += data
        try:
            self._read_packets()
        except (FramingError, EnvelopeError, HandshakeError) as exc:
            log.warning("simulator.connection_refused %s", exc)
            self.abort()
        self._flush()

    def _read_packets(self) -> None:
        if self._framing is None:
            self._framing = detect_framing(self._buffer)
        while self._framing is not None and not self._gone:
            packet = self._framing.take(self._buffer)
            if packet is None:
                return
            if packet[:8] == _NO_KEY:
                self._receive_plain(packet)
            else:
                self._receive_encrypted(packet)

    def _receive_plain(self, packet: bytes) -> None:
        if len(packet) < _PLAIN_HEADER.size:
            raise FramingError("a plain message that is too short")
        if self._handshake is None:
            self._handshake = Handshake(self._rsa_key)
        try:
            request = BinaryReader(packet[_PLAIN_HEADER.size :]).tgread_object()
        except (TypeNotFoundError, BufferError, struct.error) as exc:
            raise HandshakeError(f"unreadable: {exc}") from exc
        body = bytes(self._handshake.answer(request))
        if self._handshake.finished_key is not None:
            self._simulator.keyring.add(self._handshake.finished_key, self._dc_id)
        msg_id = Session(0, 0).next_msg_id(is_answer=True)
        self._write(_PLAIN_HEADER.pack(0, msg_id, len(body)) + body)

    def _receive_encrypted(self, packet: bytes) -> None:
        key = self._simulator.keyring.find(packet[:8], self._dc_id)
        if key is None:
            self._write(_UNKNOWN_KEY)
            self._gone = True
            if self._transport is not None:
                self._transport.close()
            return
        envelope = open_envelope(key.key, packet)
        self._count_connection(key)
        session = self._sessions[key] = key.open_session(envelope.session_id)
        problem = self._find_problem(key, session, envelope)
        if problem is not None:
            self._outbox.append((key, session, bytes(problem), _Kind.SERVICE))
            return
        messages = self._unpack(key, session, envelope)
        if not session.announced:
            session.announced = True
            first = min((inner[0] for inner in messages), default=envelope.msg_id)
            created = types.NewSessionCreated(first, session.unique_id, key.salt)
            self._outbox.append((key, session, bytes(created), _Kind.SERVICE))
        for msg_id, body in messages:
            if self._gone:
                return
            if session.remember(msg_id):
                self._receive_message(key, session, msg_id, body)

    def _count_connection(self, key: AuthKey) -> None:
        if key not in self._sessions:
            key.connections.add(self)
            if key.account is not None:
                key.account.max_connections = max(key.account.max_connections, len(key.connections))
        if len(key.connections) > 1 and self._simulator.options.one_connection_per_key:
            key.revoked = RpcFailure(406, "AUTH_KEY_DUPLICATED")

    def _find_problem(self, key: AuthKey, session: Session, envelope: Envelope) -> TLObject | None:
        code = check_msg_id(envelope.msg_id, self._arrival.wall)
        if code is None and envelope.salt != key.salt:
            return types.BadServerSalt(envelope.msg_id, envelope.seq_no, BAD_SALT, key.salt)
        if code is None and _read_id(envelope.body) == _CONTAINER and not session.remember(envelope.msg_id):
            code = CONTAINER_ID_REUSED
        return types.BadMsgNotification(envelope.msg_id, envelope.seq_no, code) if code is not None else None

    def _unpack(self, key: AuthKey, session: Session, envelope: Envelope) -> list[tuple[int, bytes]]:
        """The messages of a container, or the one message itself."""
        body = envelope.body
        if _read_id(body) != _CONTAINER:
            return [(envelope.msg_id, body)]
        messages = []
        count, offset = int.from_bytes(body[4:8], "little"), 8
        for _ in range(min(count, _MAX_INNER + 1)):
            if offset + _INNER_HEADER.size > len(body):
                count = _MAX_INNER + 1
                break
            msg_id, _, length = _INNER_HEADER.unpack_from(body, offset)
            offset += _INNER_HEADER.size
            messages.append((msg_id, body[offset : offset + length]))
            offset += max(length, 0)
        if count > _MAX_INNER or any(_read_id(inner) == _CONTAINER for _, inner in messages):
            refusal = types.BadMsgNotification(envelope.msg_id, envelope.seq_no, INVALID_CONTAINER)
            self._outbox.append((key, session, bytes(refusal), _Kind.SERVICE))
            return []
        return messages

    def _receive_message(self, key: AuthKey, session: Session, msg_id: int, body: bytes) -> None:
        try:
            if _read_id(body) == _GZIP_PACKED:
                body = gzip.decompress(BinaryReader(body[4:]).tgread_bytes())
            content = BinaryReader(body).tgread_object()
        except TypeNotFoundError as exc:
            unknown = RpcFailure(400, f"INPUT_METHOD_INVALID_{exc.invalid_constructor_id}")
            self._finish(key, session, msg_id, Outcome(fail(unknown)))
            return
        except (
            BufferError,
            struct.error,
            RuntimeError,
            ValueError,
            OverflowError,
            OSError,
            EOFError,
            zlib.error,
        ):
            self._finish(key, session, msg_id, Outcome(fail(RpcFailure(400, "INPUT_REQUEST_INVALID"))))
            return
        service = SERVICE_MESSAGES.get(type(content))
        if service is None:
            self._finish(
                key, session, msg_id, carry_out(self._simulator, key, self._client, content, self._arrival)
            )
            return
        answer = service(ServiceMessage(key, session, msg_id, content))
        if isinstance(content, functions.PingDelayDisconnectRequest):
            self._postpone_hang_up(content.disconnect_delay)
        if answer is not None:
            self._outbox.append((key, session, bytes(answer), _Kind.SERVICE))

    def _finish(self, key: AuthKey, session: Session, msg_id: int, outcome: Outcome) -> None:
        if outcome.drop:
            self.abort()
            return
        if outcome.answer is None or outcome.delay:
            self._outbox.append((key, session, bytes(types.MsgsAck([msg_id])), _Kind.SERVICE))
        if outcome.answer is None:
            return
        body = wrap_result(msg_id, outcome.answer, self._simulator.options.gzip_above)
        if not outcome.delay:
            self._outbox.append((key, session, body, _Kind.ANSWER))
            return

        def answer_late() -> None:
            self._timers.discard(timer)
            self._outbox.append((key, session, body, _Kind.ANSWER))
            self._flush()

        timer = asyncio.get_running_loop().call_later(outcome.delay, answer_late)
        self._timers.add(timer)

    def _postpone_hang_up(self, seconds: float) -> None:
        if self._hang_up is not None:
            self._hang_up.cancel()
        self._hang_up = asyncio.get_running_loop().call_later(seconds, self.abort)

    def _flush(self) -> None:
        """Send what has gathered: one message by itself, several for one session in containers."""
        outbox, self._outbox = self._outbox, []
        if self._gone:
            return
        while outbox:
            key, session = outbox[0][:2]
            batch = [entry for entry in outbox[:_MAX_OUT] if entry[1] is session]
            if len(batch) < min(len(outbox), _MAX_OUT):
                batch = batch[:1]
            del outbox[: len(batch)]
            self._send(key, session, [(body, kind) for _, _, body, kind in batch])

    def _send(self, key: AuthKey, session: Session, messages: "list[tuple[bytes, _Kind]]") -> None:
        numbered = [
            (
                session.next_msg_id(is_answer=kind is _Kind.ANSWER),
                session.next_seq_no(content_related=kind is not _Kind.SERVICE),
                body,
            )
            for body, kind in messages
        ]
        if len(numbered) == 1:
            msg_id, seq_no, body = numbered[0]
        else:
            parts = [struct.pack("<Ii", _CONTAINER, len(numbered))]
            for inner_id, inner_seq, inner in numbered:
                parts += (_INNER_HEADER.pack(inner_id, inner_seq, len(inner)), inner)
            body = b"".join(parts)
            msg_id, seq_no = session.next_msg_id(is_answer=True), session.next_seq_no(content_related=False)
        envelope = Envelope(key.salt, session.session_id, msg_id, seq_no, body)
        self._write(seal_envelope(key.key, key.key_id, envelope))

    def _write(self, payload: bytes) -> None:
        if self._framing is not None and self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._framing.encode(payload))


def _read_id(body: bytes) -> int:
    return int.from_bytes(body[:4], "little")
