"""Two-step passwords, the server's side of SRP (https://core.telegram.org/api/srp).

Written from that description and not with Telethon's `password` module, so that the two check each other.
"""

import hashlib
import os
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from telethon.tl import TLObject, types

from vestnik.simulator.handshake import DH_PRIME

_G: Final = 3
_BYTES: Final = 256
_ROUNDS: Final = 100_000


def _hash(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def _pad(number: int) -> bytes:
    return number.to_bytes(_BYTES, "big")


_P: Final = _pad(DH_PRIME)
_PADDED_G: Final = _pad(_G)
_K: Final = int.from_bytes(_hash(_P, _PADDED_G), "big")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One question to the client, good for one answer: our secret exponent and what follows from it."""

    srp_id: int
    exponent: int
    public: bytes


class CloudPassword:
    """What the server keeps of a password: two salts, a verifier and the owner's hint."""

    def __init__(self, password: str, hint: str) -> None:
        self.hint = hint
        self._salt1 = os.urandom(40)
        self._salt2 = os.urandom(16)
        self._verifier = pow(_G, int.from_bytes(self._derive(password), "big"), DH_PRIME)

    def _derive(self, password: str) -> bytes:
        """Derive x: salted twice, stretched, salted again."""
        once = _hash(self._salt1, password.encode(), self._salt1)
        twice = _hash(self._salt2, once, self._salt2)
        stretched = hashlib.pbkdf2_hmac("sha512", twice, self._salt1, _ROUNDS)
        return _hash(self._salt2, stretched, self._salt2)

    @property
    def algorithm(self) -> TLObject:
        """How the client is to derive its side."""
        return types.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow(
            salt1=self._salt1, salt2=self._salt2, g=_G, p=_P
        )

    def challenge(self) -> Challenge:
        """A new question; the former one is worthless from then on, because the key remembers the last alone."""
        exponent = secrets.randbits(2040)
        public = (_K * self._verifier + pow(_G, exponent, DH_PRIME)) % DH_PRIME
        return Challenge(secrets.randbits(62), exponent, _pad(public))

    def accepts(self, challenge: Challenge, public: bytes, proof: bytes) -> bool:
        """Whether who sent A (`public`) and M1 (`proof`) knows the password."""
        a = int.from_bytes(public, "big")
        if a % DH_PRIME == 0 or len(public) > _BYTES:
            return False
        padded_a = _pad(a)
        u = int.from_bytes(_hash(padded_a, challenge.public), "big")
        shared = pow(a * pow(self._verifier, u, DH_PRIME), challenge.exponent, DH_PRIME)
        mixed = bytes(x ^ y for x, y in zip(_hash(_P), _hash(_PADDED_G), strict=True))
        expected = _hash(
            mixed, _hash(self._salt1), _hash(self._salt2), padded_a, challenge.public, _hash(_pad(shared))
        )
        return secrets.compare_digest(expected, proof)
