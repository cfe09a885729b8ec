"""Auth keys, their salts, and the sessions that clients open under them."""

import hashlib
import random
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Protocol

from vestnik.simulator.endpoint import SIMULATED_DC
from vestnik.simulator.failures import RpcFailure

if TYPE_CHECKING:
    from vestnik.simulator.accounts import Account
    from vestnik.simulator.passwords import Challenge

SALT_SECONDS: Final = 1800
"""How long a salt counts; Telegram's own figure (https://core.telegram.org/mtproto/description)."""
_REMEMBERED_IDS: Final = 1000
_SESSIONS_PER_KEY: Final = 64

MSG_ID_TOO_LOW: Final = 16
MSG_ID_TOO_HIGH: Final = 17
MSG_ID_NOT_DIVISIBLE_BY_4: Final = 18
CONTAINER_ID_REUSED: Final = 19
BAD_SALT: Final = 48
INVALID_CONTAINER: Final = 64
"""Codes of bad_msg_notification (https://core.telegram.org/mtproto/service_messages_about_messages)."""

_MAX_AGE: Final = 300
_MAX_AHEAD: Final = 30


def _random_long(rng: random.Random) -> int:
    return rng.getrandbits(64) - 2**63


class Session:
    """One client session: which messages it has sent, and the numbering of our answers."""

    def __init__(self, session_id: int, unique_id: int) -> None:
        self.session_id = session_id
        self.unique_id = unique_id
        self.announced = False
        self._content_sent = 0
        self._last_msg_id = 0
        self._order: deque[int] = deque()
        self._seen: set[int] = set()

    def remember(self, msg_id: int) -> bool:
        """Note a message of the client; False if it was noted before."""
        if msg_id in self._seen:
            return False
        self._seen.add(msg_id)
        self._order.append(msg_id)
        if len(self._order) > _REMEMBERED_IDS:
            self._seen.discard(self._order.popleft())
        return True

    def has_seen(self, msg_id: int) -> bool:
        """Whether the message is among the last ones received."""
        return msg_id in self._seen

    def next_msg_id(self, *, is_answer: bool) -> int:
        """A server message id: Unix time in the upper half, 1 (answer) or 3 modulo 4, always growing."""
        now = time.time()
        base = int(now) << 32 | int((now % 1) * 2**30) << 2
        base = max(base, (self._last_msg_id | 3) + 1)
        self._last_msg_id = base | (1 if is_answer else 3)
        return self._last_msg_id

    def next_seq_no(self, *, content_related: bool) -> int:
        """Twice the number of content-related messages before, plus 1 for such a message itself."""
        number = self._content_sent * 2 + content_related
        self._content_sent += content_related
        return number


def check_msg_id(msg_id: int, now: float) -> int | None:
    """The code of bad_msg_notification for an unacceptable id of a client's message."""
    if msg_id % 4:
        return MSG_ID_NOT_DIVISIBLE_BY_4
    sent_at = msg_id >> 32
    if sent_at < now - _MAX_AGE:
        return MSG_ID_TOO_LOW
    if sent_at > now + _MAX_AHEAD:
        return MSG_ID_TOO_HIGH
    return None


class Listener(Protocol):
    """A connection under a key."""

    def push(self, key: "AuthKey", update: bytes) -> None:
        """Send an update, unless the client wants none."""
        ...


class AuthKey:
    """A key, whose account it opens (none before a login), its salt and its sessions.

    It is good in the data centre in which it was made and nowhere else.
    """

    def __init__(self, key: bytes, rng: random.Random, dc_id: int) -> None:
        self.key = key
        self.dc_id = dc_id
        self.key_id = hashlib.sha1(key, usedforsecurity=False).digest()[-8:]
        self.account: Account | None = None
        self.revoked: RpcFailure | None = None
        self.half_admitted: Account | None = None
        """Who has shown a right code and has yet to prove the password."""
        self.challenge: Challenge | None = None
        self.connections: set[Listener] = set()
        self.salt = _random_long(rng)
        self._rng = rng
        self._sessions: dict[int, Session] = {}

    def log_in(self, account: "Account") -> None:
        """From now on the key opens this account."""
        self.account = account
        self.half_admitted = self.challenge = self.revoked = None

    def log_out(self) -> None:
        """From now on requests under this key are AUTH_KEY_UNREGISTERED."""
        self.half_admitted = self.challenge = None
        self.revoked = RpcFailure(401, "AUTH_KEY_UNREGISTERED")

    def push(self, update: bytes) -> None:
        """Send an update to the clients that want some."""
        for connection in list(self.connections):
            connection.push(self, update)

    def open_session(self, session_id: int) -> Session:
        """The session of this id, made if it is new; the oldest is forgotten beyond 64."""
        session = self._sessions.get(session_id)
        if session is None:
            session = Session(session_id, _random_long(self._rng))
            self._sessions[session_id] = session
            if len(self._sessions) > _SESSIONS_PER_KEY:
                del self._sessions[next(iter(self._sessions))]
        return session

    def destroy_session(self, session_id: int) -> bool:
        """Forget a session; False if it is not known."""
        return self._sessions.pop(session_id, None) is not None

    def rotate_salt(self) -> None:
        """Make every client ask again: its next message gets bad_server_salt."""
        self.salt = _random_long(self._rng)

    def list_future_salts(self, count: int, now: float) -> Iterator[tuple[int, int, int]]:
        """(valid since, valid until, salt), the present one first. Only the present one is ever accepted."""
        start = int(now)
        for position in range(count):
            salt = self.salt if position == 0 else _random_long(self._rng)
            since = start + position * SALT_SECONDS
            yield since, since + SALT_SECONDS, salt


class Keyring:
    """All auth keys that the server knows, by the 8 bytes that every packet begins with."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._keys: dict[bytes, AuthKey] = {}

    def add(self, key: bytes, dc_id: int = SIMULATED_DC) -> AuthKey:
        """Make a key known; a key that is known already is given back as it is."""
        entry = AuthKey(key, self._rng, dc_id)
        return self._keys.setdefault(entry.key_id, entry)

    def find(self, key_id: bytes, dc_id: int) -> AuthKey | None:
        """The key of this id, if it is one of this data centre."""
        entry = self._keys.get(key_id)
        return entry if entry is not None and entry.dc_id == dc_id else None

    def forget(self, entry: AuthKey) -> None:
        """From now on the key gets the transport error -404."""
        self._keys.pop(entry.key_id, None)

    def __iter__(self) -> Iterator[AuthKey]:
        return iter(self._keys.values())
