"""What proves who somebody is: passwords (argon2id), and the random texts of tokens and cookies."""

import asyncio
import hashlib
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from vestnik.domain.errors import TooManyRequestsError

Result = TypeVar("Result")

TOKEN_PREFIX: Final = "vst_"  # noqa: S105 - by which scanners for leaked secrets know one
HINT_LENGTH: Final = 4
_SECRET_BYTES: Final = 32
_MOST_WAITING: Final = 32
_COME_AGAIN_SECONDS: Final = 5

# OWASP's first choice (2024): 46 MiB, one pass, one thread: 50 to 200 ms, and one core at most for each hash.
_HASHER: Final = PasswordHasher(
    time_cost=1, memory_cost=47104, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)
# Two at once: what signs in must not take the processor and the memory from everything else.
_THREADS: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="password")


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether a password was right; `is_aged` asks for a new hash, because better parameters are usual now."""

    is_right: bool
    is_aged: bool = False


async def hash_password(password: str) -> str:
    """The hash to store. Takes 50 to 200 ms, in a thread. Raises TooManyRequestsError when many are waiting."""
    return await _QUEUE.run(lambda: _hash(password))


async def verify_password(password_hash: str | None, password: str) -> Verdict:
    """Whether it is the password; without a hash it takes as long and is wrong.

    Raises TooManyRequestsError when many are waiting.
    """
    return await _QUEUE.run(lambda: _verify(password_hash, password))


def make_token() -> str:
    """A new API token; only its `hash_secret` is ever stored."""
    return TOKEN_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)


def make_cookie() -> str:
    """A new session's cookie; only its `hash_secret` is ever stored."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def make_password() -> str:
    """A password that is to be changed soon."""
    return secrets.token_urlsafe(15)


def hash_secret(secret: str) -> bytes:
    """What is stored of a token or a cookie; they hold 256 random bits, so a fast hash keeps them."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def _hash(password: str) -> str:
    return _HASHER.hash(_normalise(password))


def _verify(password_hash: str | None, password: str) -> Verdict:
    dummy = _make_dummy()  # the first one is made for whoever comes first, known or not
    try:
        _HASHER.verify(password_hash or dummy, _normalise(password))
    except (VerificationError, InvalidHashError):
        return Verdict(is_right=False)
    if password_hash is None:
        return Verdict(is_right=False)
    return Verdict(is_right=True, is_aged=_HASHER.check_needs_rehash(password_hash))


def _normalise(password: str) -> bytes:
    """The same bytes for the same password, whichever way a keyboard composes its letters."""
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")


@cache
def _make_dummy() -> str:
    """The hash of a password that nobody has, with the parameters of all others."""
    return _HASHER.hash(secrets.token_bytes(_SECRET_BYTES))


class _Queue:
    """Counts what waits for the threads; `ThreadPoolExecutor` does not tell."""

    def __init__(self) -> None:
        self._count = 0

    async def run(self, work: Callable[[], Result]) -> Result:
        if self._count >= _MOST_WAITING:
            raise TooManyRequestsError(
                "too many sign-ins at once; try again soon", retry_after=_COME_AGAIN_SECONDS
            )
        self._count += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(_THREADS, work)
        finally:
            self._count -= 1


_QUEUE: Final = _Queue()
