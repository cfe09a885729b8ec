"""MTProto's transports: how packets are cut out of a TCP stream.

Source: https://core.telegram.org/mtproto/mtproto-transports. A client announces its transport with its first
bytes; "full" has no announcement. The obfuscated transports are not simulated.
"""

import struct
import zlib
from typing import Final, Protocol

MAX_PACKET: Final = 16 * 1024 * 1024


class FramingError(Exception):
    """The stream is not MTProto, or a packet is damaged; nothing after it can be read."""


class Framing(Protocol):
    """One transport in one connection; it may count packets, so it is not shared."""

    def take(self, buffer: bytearray) -> bytes | None:
        """Remove the first whole packet from the buffer; None while it is incomplete."""
        ...

    def encode(self, payload: bytes) -> bytes:
        """Wrap one payload for the client."""
        ...


def _check_length(length: int, least: int) -> None:
    if not least <= length <= MAX_PACKET:
        raise FramingError(f"a packet of {length} bytes")


def _cut(buffer: bytearray, start: int, end: int) -> bytes | None:
    if len(buffer) < end:
        return None
    payload = bytes(buffer[start:end])
    del buffer[:end]
    return payload


class AbridgedFraming:
    """Length in units of 4 bytes, in 1 byte or, after 0x7f, in 3."""

    def take(self, buffer: bytearray) -> bytes | None:
        """Remove the first whole packet."""
        if not buffer:
            return None
        if buffer[0] < 0x7F:
            return _cut(buffer, 1, 1 + buffer[0] * 4)
        if len(buffer) < 4:
            return None
        length = int.from_bytes(buffer[1:4], "little") * 4
        _check_length(length, 4)
        return _cut(buffer, 4, 4 + length)

    def encode(self, payload: bytes) -> bytes:
        """Wrap one payload, whose length MTProto keeps a multiple of 4."""
        words = len(payload) >> 2
        head = bytes((words,)) if words < 0x7F else b"\x7f" + words.to_bytes(3, "little")
        return head + payload


class IntermediateFraming:
    """Length in 4 bytes. The padded variant adds up to 15 bytes, which the layers above ignore."""

    def take(self, buffer: bytearray) -> bytes | None:
        """Remove the first whole packet."""
        if len(buffer) < 4:
            return None
        length = int.from_bytes(buffer[:4], "little")
        _check_length(length, 4)
        return _cut(buffer, 4, 4 + length)

    def encode(self, payload: bytes) -> bytes:
        """Wrap one payload without padding."""
        return len(payload).to_bytes(4, "little") + payload


class FullFraming:
    """Length, sequence number, payload, CRC32 over all three."""

    def __init__(self) -> None:
        self._sent = 0
        self._received = 0

    def take(self, buffer: bytearray) -> bytes | None:
        """Remove the first whole packet; its number and checksum are checked."""
        if len(buffer) < 8:
            return None
        length, number = struct.unpack_from("<Ii", buffer)
        _check_length(length, 16)
        packet = _cut(buffer, 0, length)
        if packet is None:
            return None
        if number != self._received:
            raise FramingError(f"packet number {number} where {self._received} was due")
        if zlib.crc32(packet[:-4]) != int.from_bytes(packet[-4:], "little"):
            raise FramingError("a packet with a wrong checksum")
        self._received += 1
        return packet[8:-4]

    def encode(self, payload: bytes) -> bytes:
        """Wrap one payload under the next number."""
        packet = struct.pack("<ii", len(payload) + 12, self._sent) + payload
        self._sent += 1
        return packet + zlib.crc32(packet).to_bytes(4, "little")


def detect_framing(buffer: bytearray) -> Framing | None:
    """Tell the transport by the first bytes and remove its announcement; None until 4 bytes are there."""
    if buffer[:1] == b"\xef":
        del buffer[:1]
        return AbridgedFraming()
    if len(buffer) < 4:
        return None
    if bytes(buffer[:4]) in {b"\xee\xee\xee\xee", b"\xdd\xdd\xdd\xdd"}:
        del buffer[:4]
        return IntermediateFraming()
    return FullFraming()
