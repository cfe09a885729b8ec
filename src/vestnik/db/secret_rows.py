"""Where secrets are stored: every encrypted column by one name, to be counted, read and encrypted anew.

What stores a secret holds the keys meanwhile (`hold_keys`), so that after another key has become the first one
nothing is stored any more under the keys before it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    CursorResult,
    LargeBinary,
    Table,
    func,
    or_,
    select,
    text,
    union,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.account_logins import QR_URL
from vestnik.db.alert_destinations import SECRET
from vestnik.db.commands import PAYLOAD
from vestnik.db.models import Account, Base
from vestnik.db.secrets import KeyRing, StoredKeys, identify_secret, open_key_ring
from vestnik.domain.errors import ConfigurationError

# One lock for all: shared by what stores secrets, exclusive for what changes the keys.
_LOCK_SHARED: Final = text("SELECT pg_advisory_xact_lock_shared(hashtextextended('secrets:keys', 0))")
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('secrets:keys', 0))")
_KEY_ID_FROM: Final = 2
_KEY_ID_LENGTH: Final = 4
"""In bytes, as PostgreSQL counts them; see `vestnik.db.secrets` for what a ciphertext looks like."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretPlace:
    """A column of secrets: the text of one is bound to `row_id` under `name`; `key` is the primary key."""

    table: Table
    key: Column[UUID]
    row_id: Column[UUID]
    ciphertext: Column[bytes | None]
    name: str

    @property
    def key_id(self) -> ColumnElement[bytes]:
        """The id of the key that a secret here was encrypted with."""
        return func.substring(self.ciphertext, _KEY_ID_FROM, _KEY_ID_LENGTH, type_=LargeBinary)


def _find_place(
    table_name: str, column: str, name: str, *, key: str = "id", row_id: str = "id"
) -> SecretPlace:
    table = Base.metadata.tables[table_name]
    return SecretPlace(
        table=table, key=table.c[key], row_id=table.c[row_id], ciphertext=table.c[column], name=name
    )


SESSIONS: Final = _find_place("accounts", "session_ciphertext", "session")
PLACES: Final = (
    SESSIONS,
    _find_place("accounts", "api_hash_ciphertext", "api_hash"),
    _find_place("account_logins", "qr_ciphertext", QR_URL, key="account_id", row_id="login_id"),
    _find_place("account_commands", "payload_ciphertext", PAYLOAD),
    _find_place("alert_destinations", "secret_ciphertext", SECRET),
)
"""All there are; a test looks for encrypted columns that are missing here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredSecret:
    """A secret as it is stored. `key` is the primary key of its row."""

    place: SecretPlace
    key: UUID
    identity: str
    ciphertext: bytes = field(repr=False)


async def list_secrets(
    session: AsyncSession,
    place: SecretPlace,
    *,
    after: UUID | None,
    limit: int,
    other_than: KeyRing | None = None,
) -> list[StoredSecret]:
    """The secrets of one place in the order of their rows; `other_than` leaves out those under its first key.

    A session whose digest was made with another key counts as one that is not under the first.
    """
    query = (
        select(place.key, place.row_id, place.ciphertext)
        .where(place.ciphertext.is_not(None))
        .order_by(place.key)
        .limit(limit)
    )
    if after is not None:
        query = query.where(place.key > after)
    if other_than is not None:
        query = query.where(_is_outdated(place, bytes.fromhex(other_than.key_ids[0])))
    return [
        StoredSecret(
            place=place,
            key=key,
            identity=identify_secret(place.table.name, row_id, place.name),
            ciphertext=bytes(ciphertext or b""),
        )
        for key, row_id, ciphertext in await session.execute(query)
    ]


def _is_outdated(place: SecretPlace, current: bytes) -> ColumnElement[bool]:
    outdated = place.key_id != current
    return or_(outdated, _digest_key_id() != current) if place is SESSIONS else outdated


def _digest_key_id() -> ColumnElement[bytes]:
    """NULL where there is no digest, so that nothing follows from it."""
    return func.substring(Account.session_digest, 1, _KEY_ID_LENGTH, type_=LargeBinary)


async def list_used_keys(session: AsyncSession) -> set[str]:
    """The ids of all keys that some secret, or the digest of one, was made with."""
    used = [select(place.key_id).where(place.ciphertext.is_not(None)) for place in PLACES]
    digests = select(_digest_key_id()).where(Account.session_digest.is_not(None))
    found = await session.execute(union(*used, digests))
    return {bytes(key_id).hex() for (key_id,) in found}


async def replace_ciphertext(
    session: AsyncSession, secret: StoredSecret, sealed: bytes, *, digest: bytes | None
) -> bool:
    """Store a secret under another key; False when it was changed or wiped since it was read.

    `digest` is that of a session, and of nothing else. A session that another account has too, which can only be
    from before there were digests, keeps none.
    """
    if secret.place is not SESSIONS:
        return await _swap(session, secret, sealed)
    try:
        async with session.begin_nested():
            return await _swap(session, secret, sealed, session_digest=digest)
    except IntegrityError:
        return await _swap(session, secret, sealed, session_digest=None)


async def _swap(session: AsyncSession, secret: StoredSecret, sealed: bytes, **others: object) -> bool:
    place = secret.place
    done = await session.execute(
        update(place.table)
        .where(place.key == secret.key, place.ciphertext == secret.ciphertext)
        .values({place.ciphertext.name: sealed, **others})
    )
    assert isinstance(done, CursorResult)
    return done.rowcount == 1


async def hold_keys(
    session: AsyncSession, keys: StoredKeys, *, announce: Callable[[str], None] = lambda _text: None
) -> KeyRing:
    """The keys to store a secret with: until the transaction ends no other key comes first, and none is dropped.

    Makes the key file, and announces that, for the first secret of an installation. Raises ConfigurationError.
    """
    await session.execute(_LOCK_SHARED)
    return keys.read_ring() or await make_first_keys(session, keys, announce=announce)


async def lock_keys(session: AsyncSession) -> None:
    """Let nobody use the keys to store something, or change them, until the transaction ends."""
    await session.execute(_LOCK)


async def make_first_keys(
    session: AsyncSession, keys: StoredKeys, *, announce: Callable[[str], None]
) -> KeyRing:
    """Make the key file of an installation that has no key yet. Raises ConfigurationError if its file got lost."""
    used = sorted(await list_used_keys(session))
    if used:
        raise ConfigurationError(
            f"the key file {keys.source} does not exist, but secrets are stored under another key ({', '.join(used)}): "
            "put that file there, or set VESTNIK_SECRET_KEY to what is in it; if it is lost, put what 'vestnik secrets "
            "generate' prints into the file, and log the accounts in anew"
        )
    return open_key_ring(None, keys.data_dir, announce=announce)
