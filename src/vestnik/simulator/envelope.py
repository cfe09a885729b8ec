"""MTProto 2.0 encryption, the server's side (https://core.telegram.org/mtproto/description)."""

import os
import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from telethon.crypto import AES

_HEADER: Final = struct.Struct("<qqqii")
_FROM_CLIENT: Final = 0
_FROM_SERVER: Final = 8


class EnvelopeError(Exception):
    """A message that the key it names did not encrypt."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One decrypted message; `body` is a TL object or a container of them."""

    salt: int
    session_id: int
    msg_id: int
    seq_no: int
    body: bytes


def _derive_cipher(auth_key: bytes, msg_key: bytes, side: int) -> tuple[bytes, bytes]:
    a = sha256(msg_key + auth_key[side : side + 36]).digest()
    b = sha256(auth_key[side + 40 : side + 76] + msg_key).digest()
    return a[:8] + b[8:24] + a[24:], b[:8] + a[8:24] + b[24:]


def _make_msg_key(auth_key: bytes, padded: bytes, side: int) -> bytes:
    return sha256(auth_key[88 + side : 120 + side] + padded).digest()[8:24]


def open_envelope(auth_key: bytes, packet: bytes) -> Envelope:
    """Decrypt a client's packet (auth_key_id, msg_key, ciphertext); raises EnvelopeError."""
    msg_key = packet[8:24]
    # A padded transport may have added bytes; the ciphertext is always a multiple of 16.
    ciphertext = packet[24 : 24 + (len(packet) - 24) // 16 * 16]
    if len(ciphertext) < _HEADER.size + 12:
        raise EnvelopeError("a packet too short to hold a message")
    key, iv = _derive_cipher(auth_key, msg_key, _FROM_CLIENT)
    plain: bytes = AES.decrypt_ige(ciphertext, key, iv)
    if _make_msg_key(auth_key, plain, _FROM_CLIENT) != msg_key:
        raise EnvelopeError("msg_key does not match the message")
    salt, session_id, msg_id, seq_no, length = _HEADER.unpack_from(plain)
    if not 4 <= length <= len(plain) - _HEADER.size:
        raise EnvelopeError(f"a message that claims {length} bytes")
    return Envelope(salt, session_id, msg_id, seq_no, plain[_HEADER.size : _HEADER.size + length])


def seal_envelope(auth_key: bytes, key_id: bytes, envelope: Envelope) -> bytes:
    """Encrypt one message for the client that holds the key."""
    head = _HEADER.pack(
        envelope.salt, envelope.session_id, envelope.msg_id, envelope.seq_no, len(envelope.body)
    )
    plain = head + envelope.body
    plain += os.urandom(-(len(plain) + 12) % 16 + 12)
    msg_key = _make_msg_key(auth_key, plain, _FROM_SERVER)
    key, iv = _derive_cipher(auth_key, msg_key, _FROM_SERVER)
    ciphertext: bytes = AES.encrypt_ige(plain, key, iv)
    return key_id + msg_key + ciphertext
