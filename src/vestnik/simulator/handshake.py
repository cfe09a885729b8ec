"""The key exchange, from req_pq_multi to dh_gen_ok (https://core.telegram.org/mtproto/auth_key).

The client must know our RSA key; with Telethon `telethon.crypto.rsa.add_key(pem, old=False)`, which goes for
the whole process. Requests are encrypted with plain RSA as Telethon does it (SHA1, data, random bytes), not
with the newer RSA_PAD.
"""

import os
import secrets
import time
from functools import cached_property
from hashlib import sha1
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from telethon.crypto import AES
from telethon.crypto import AuthKey as ClientAuthKey
from telethon.extensions import BinaryReader
from telethon.helpers import generate_key_data_from_nonce
from telethon.tl import TLObject, functions, types

_P: Final = 0x494C553B
_Q: Final = 0x53911073
_PQ: Final = (_P * _Q).to_bytes(8, "big")
_G: Final = 3
DH_PRIME: Final = int(
    "C71CAEB9C6B1C9048E6C522F70F13F73980D40238E3E21C14934D037563D930F48198A0AA7C14058229493D22530F4DBFA336F6E"
    "0AC925139543AED44CCE7C3720FD51F69458705AC68CD4FE6B6B13ABDC9746512969328454F18FAF8C595F642477FE96BB2A941D"
    "5BCD1D4AC8CC49880708FA9B378E3C4F3A9060BEE67CF9A4A4A695811051907E162753B56B0F6B410DBA74D8A84B2A14B3144E0E"
    "F1284754FD17ED950D5965B4B9DD46582DB1178D169C6BC465B0D6FF9CA3928FEF5B9AE4E418FC15E83EBEA0F87FA9FF5EED7005"
    "0DED2849F47BF959D956850CE929851F0D8115F635B105EE2E4E15D04B2454BF6F4FADF034B10403119CD8E3B92FCC5B",
    16,
)
"""The safe prime that Telegram itself uses, so a client that checks it is content."""


class HandshakeError(Exception):
    """The client's step does not follow from the one before; the connection is closed."""


class ServerRsaKey:
    """The server's RSA key, made when it is first needed (it takes a moment)."""

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @property
    def public_pem(self) -> str:
        """PKCS#1, the form that telethon.crypto.rsa.add_key takes."""
        encoded = self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)
        return encoded.decode()

    @cached_property
    def fingerprint(self) -> int:
        """The lower 64 bits of the SHA1 over modulus and exponent as TL byte strings."""
        numbers = self._key.public_key().public_numbers()
        parts = [
            TLObject.serialize_bytes(number.to_bytes((number.bit_length() + 7) // 8, "big"))
            for number in (numbers.n, numbers.e)
        ]
        return int.from_bytes(
            sha1(b"".join(parts), usedforsecurity=False).digest()[-8:], "little", signed=True
        )

    def decrypt(self, block: bytes) -> bytes:
        """The 255 bytes (SHA1, data, filling) behind a block of 256."""
        numbers = self._key.private_numbers()
        plain = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n)
        if plain.bit_length() > 255 * 8:
            raise HandshakeError("the RSA block does not decrypt")
        return plain.to_bytes(255, "big")


def _read_checked(data: bytes) -> TLObject:
    """The object behind its SHA1, whatever filling follows."""
    try:
        reader = BinaryReader(data[20:])
        found = reader.tgread_object()
        end = reader.tell_position()
    except Exception as exc:
        raise HandshakeError(f"unreadable inner data: {exc}") from exc
    if sha1(data[20 : 20 + end], usedforsecurity=False).digest() != data[:20]:
        raise HandshakeError("the inner data's SHA1 does not match")
    return found


class Handshake:
    """One key exchange in one connection. `finished_key` is set once it has succeeded."""

    def __init__(self, rsa_key: ServerRsaKey) -> None:
        self._rsa = rsa_key
        self._nonce = 0
        self._server_nonce = 0
        self._new_nonce = 0
        self._exponent = 0
        self.finished_key: bytes | None = None

    def answer(self, request: TLObject) -> TLObject:
        """The answer to the client's next step; raises HandshakeError."""
        if isinstance(request, functions.ReqPqMultiRequest | functions.ReqPqRequest):
            return self._start(request)
        if not self._server_nonce:
            raise HandshakeError("a key exchange begins with req_pq_multi")
        if request.nonce != self._nonce or request.server_nonce != self._server_nonce:
            raise HandshakeError("a nonce of another key exchange")
        if isinstance(request, functions.ReqDHParamsRequest):
            return self._offer_parameters(request)
        if isinstance(request, functions.SetClientDHParamsRequest):
            return self._finish(request)
        raise HandshakeError(f"{type(request).__name__} has no place in a key exchange")

    def _start(self, request: TLObject) -> TLObject:
        self._nonce = request.nonce
        self._server_nonce = secrets.randbits(127) | 1
        return types.ResPQ(self._nonce, self._server_nonce, _PQ, [self._rsa.fingerprint])

    def _offer_parameters(self, request: TLObject) -> TLObject:
        inner = _read_checked(self._rsa.decrypt(request.encrypted_data))
        if inner.nonce != self._nonce or inner.server_nonce != self._server_nonce:
            raise HandshakeError("the inner data has another nonce")
        given = int.from_bytes(inner.p, "big"), int.from_bytes(inner.q, "big")
        if given != (_P, _Q):
            raise HandshakeError("pq is factorized wrongly")
        self._new_nonce = inner.new_nonce
        self._exponent = secrets.randbits(2040)
        answer = bytes(
            types.ServerDHInnerData(
                nonce=self._nonce,
                server_nonce=self._server_nonce,
                g=_G,
                dh_prime=DH_PRIME.to_bytes(256, "big"),
                g_a=pow(_G, self._exponent, DH_PRIME).to_bytes(256, "big"),
                server_time=int(time.time()),
            )
        )
        packed = sha1(answer, usedforsecurity=False).digest() + answer
        key, iv = generate_key_data_from_nonce(self._server_nonce, self._new_nonce)
        encrypted = AES.encrypt_ige(packed + os.urandom(-len(packed) % 16), key, iv)
        return types.ServerDHParamsOk(self._nonce, self._server_nonce, encrypted)

    def _finish(self, request: TLObject) -> TLObject:
        if not self._exponent:
            raise HandshakeError("set_client_DH_params before req_DH_params")
        key, iv = generate_key_data_from_nonce(self._server_nonce, self._new_nonce)
        inner = _read_checked(AES.decrypt_ige(request.encrypted_data, key, iv))
        shared = pow(int.from_bytes(inner.g_b, "big"), self._exponent, DH_PRIME)
        auth_key = shared.to_bytes(256, "big")
        calculate = ClientAuthKey(auth_key).calc_new_nonce_hash
        if auth_key[0] == 0:
            # Telethon drops leading zero bytes of a key and could not use it: ask for another exchange.
            hashed = calculate(self._new_nonce, 2)
            return types.DhGenRetry(self._nonce, self._server_nonce, hashed)
        self.finished_key = auth_key
        return types.DhGenOk(self._nonce, self._server_nonce, calculate(self._new_nonce, 1))
