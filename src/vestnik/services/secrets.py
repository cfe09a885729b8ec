"""The keys of secrets at rest: a new one for all that is stored, and what each of them opens."""

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from vestnik.db.account_sessions import SESSION_KEYS, ReadSessionKey
from vestnik.db.audit import record_audit
from vestnik.db.engine import limit_lock_wait, open_session
from vestnik.db.secret_rows import (
    PLACES,
    SESSIONS,
    StoredSecret,
    hold_keys,
    list_secrets,
    list_used_keys,
    lock_keys,
    make_first_keys,
    replace_ciphertext,
)
from vestnik.db.secrets import (
    KEY_FILE,
    KeyRing,
    StoredKeys,
    add_first_key,
    drop_keys,
    generate_key,
    mark_key_file,
    read_key_id,
)
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConfigurationError, ConflictError, InvalidInputError, SecretError

BATCH: Final = 100
"""Secrets in one transaction."""
SETTLES_AFTER: Final = 60.0
"""Seconds until no process is still about to open a secret that it read before it was encrypted anew: between the
two is never more than a request, or what one claim takes."""
LONGEST_LOCK_WAIT: Final = 10.0
"""In seconds. Meanwhile others wait to store secrets."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UnreadableSecret:
    """A secret that none of the keys opens. `key_id` is None for what is no ciphertext at all."""

    secret: str
    key_id: str | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotation:
    """What a rotation did. Keys are named by their ids.

    `is_resumed`: no new key was made, because not all was encrypted under the first one yet. `new_key` is a key to
    put before the others where they are not ours to change.
    """

    source: str
    first_key: str
    is_new: bool
    reencrypted: int
    no_longer_needed: tuple[str, ...]
    dropped: tuple[str, ...]
    unreadable: tuple[UnreadableSecret, ...]
    is_resumed: bool = False
    new_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyUse:
    """A key, and how many of the stored secrets it opens. It is needed for those too that it no longer opens."""

    key_id: str
    is_first: bool
    secrets: int
    is_needed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SecretsStatus:
    """Where the keys come from, what each opens, and what none does."""

    source: str
    keys: tuple[KeyUse, ...]
    unreadable: tuple[UnreadableSecret, ...]


async def rotate_secrets(
    engine: AsyncEngine, actor: Actor, keys: StoredKeys, *, read_key: ReadSessionKey
) -> Rotation:
    """Make a new key the first one and encrypt all secrets with it; every key from before stays behind it.

    May be cut off anywhere and be repeated: a rotation that was begun is finished before another one makes a key.
    Where VESTNIK_SECRET_KEY holds the keys, all is encrypted with the first of them, and if that is so already,
    the answer has a new key to put there. Raises ConfigurationError, BusyError, DatabaseUnavailableError.
    """
    async with open_session(engine) as session:
        await _lock_keys(session)
        is_resumed = await _is_unfinished(session, keys)
        is_new = not (is_resumed or keys.is_in_environment)
        if is_new:
            await _make_first_key(session, keys)
    done = await _finish(engine, actor, keys, read_key, is_new=is_new)
    if keys.is_in_environment and not is_resumed:
        return replace(done, new_key=generate_key())
    return replace(done, is_resumed=is_resumed)


async def prune_keys(
    engine: AsyncEngine, actor: Actor, keys: StoredKeys, *, read_key: ReadSessionKey
) -> Rotation:
    """Take the keys out of the key file that nothing needs any more.

    If there is still something to encrypt anew, as after a rotation that was cut off, that is done instead, and no
    key is dropped yet. Keys of VESTNIK_SECRET_KEY are only named. Raises ConflictError while a process may still
    read something under an old key; ConfigurationError, BusyError, DatabaseUnavailableError.
    """
    _require_settled(keys)
    return await _finish(engine, actor, keys, read_key, is_pruning=True)


async def get_secrets_status(engine: AsyncEngine, keys: StoredKeys) -> SecretsStatus:
    """Try to open every secret. Raises ConfigurationError for keys that cannot be used."""
    opened: Counter[str] = Counter()
    unreadable: list[UnreadableSecret] = []
    for place in PLACES:
        after: UUID | None = None
        while True:
            async with open_session(engine) as session:
                found = await list_secrets(session, place, after=after, limit=BATCH)
            ring = keys.read_ring()  # after what it is to open: another key may have come meanwhile
            for secret in found:
                try:
                    _open(ring, keys, secret)
                    opened[read_key_id(secret.ciphertext)] += 1
                except SecretError as exc:
                    unreadable.append(_describe_unreadable(secret, exc))
            if len(found) < BATCH:
                break
            after = found[-1].key
    async with open_session(engine) as session:
        used = await list_used_keys(session)
    ring = keys.read_ring()
    uses = [
        KeyUse(key_id=key_id, is_first=position == 0, secrets=opened[key_id], is_needed=key_id in used)
        for position, key_id in enumerate(ring.key_ids if ring is not None else ())
    ]
    return SecretsStatus(source=keys.source, keys=tuple(uses), unreadable=tuple(unreadable))


def _open(ring: KeyRing | None, keys: StoredKeys, secret: StoredSecret) -> str:
    if ring is None:
        return keys.decrypt(secret.ciphertext, secret.identity)  # which says that there is no key
    return ring.decrypt(secret.ciphertext, secret.identity)


async def _lock_keys(session: AsyncSession) -> None:
    await limit_lock_wait(session, LONGEST_LOCK_WAIT)
    await lock_keys(session)


async def _is_unfinished(session: AsyncSession, keys: StoredKeys) -> bool:
    """Whether something is under an old key that could be encrypted anew; what nothing opens waits for nobody."""
    ring = keys.read_ring()
    if ring is None:
        return False
    for place in PLACES:
        after: UUID | None = None
        while found := await list_secrets(session, place, after=after, limit=BATCH, other_than=ring):
            if any(_is_readable(ring, secret) for secret in found):
                return True
            after = found[-1].key
    return False


def _is_readable(ring: KeyRing, secret: StoredSecret) -> bool:
    try:
        ring.decrypt(secret.ciphertext, secret.identity)
    except SecretError:
        return False
    return True


async def _make_first_key(session: AsyncSession, keys: StoredKeys) -> None:
    if keys.read_ring() is None:
        await make_first_keys(session, keys, announce=lambda _text: None)
    else:
        add_first_key(keys.data_dir)


def _require_settled(keys: StoredKeys) -> None:
    ring = keys.read_ring()
    if ring is None:
        raise ConfigurationError(f"there is no key to drop: the key file {keys.source} does not exist")
    if keys.is_in_environment or len(ring.key_ids) == 1:
        return
    age = time.time() - (keys.data_dir / KEY_FILE).stat().st_mtime
    if 0 <= age < SETTLES_AFTER:
        raise ConflictError(
            f"secrets were encrypted with another key {age:.0f} s ago, and a process may be about to open one that it "
            f"read before; repeat this in {SETTLES_AFTER - age:.0f} s"
        )


async def _finish(
    engine: AsyncEngine,
    actor: Actor,
    keys: StoredKeys,
    read_key: ReadSessionKey,
    *,
    is_new: bool = False,
    is_pruning: bool = False,
) -> Rotation:
    """Encrypt what is under old keys, then say or drop what is no longer needed."""
    reencrypted, unreadable = await _reencrypt_all(engine, keys, read_key)
    if reencrypted and not keys.is_in_environment:
        mark_key_file(keys.data_dir)
    async with open_session(engine) as session:
        await _lock_keys(session)
        ring = keys.open_ring("secrets")
        used = await list_used_keys(session)
        unneeded = tuple(key_id for key_id in ring.key_ids[1:] if key_id not in used)
        can_drop = is_pruning and not reencrypted and not keys.is_in_environment
        if can_drop:
            _require_settled(keys)  # somebody else may have made a key since
        rotation = Rotation(
            source=keys.source,
            first_key=ring.key_ids[0],
            is_new=is_new,
            reencrypted=reencrypted,
            no_longer_needed=() if can_drop else unneeded,
            dropped=unneeded if can_drop else (),
            unreadable=tuple(unreadable),
        )
        await _record(session, actor, rotation)
        if rotation.dropped:
            drop_keys(keys.data_dir, rotation.dropped)
    return rotation


async def _record(session: AsyncSession, actor: Actor, rotation: Rotation) -> None:
    if not (rotation.is_new or rotation.reencrypted or rotation.dropped):
        return
    after = {
        "key": rotation.first_key,
        "new": rotation.is_new,
        "reencrypted": rotation.reencrypted,
        "dropped": list(rotation.dropped),
        "unreadable": len(rotation.unreadable),
    }
    await record_audit(session, actor, "secrets.rotated", "secrets", "secrets", after=after)


async def _reencrypt_all(
    engine: AsyncEngine, keys: StoredKeys, read_key: ReadSessionKey
) -> tuple[int, list[UnreadableSecret]]:
    """One pass over all places, in transactions of at most BATCH secrets.

    One is enough: who stores a secret holds the keys, so nothing comes under an old key once there is a new one.
    """
    done = 0
    unreadable: list[UnreadableSecret] = []
    for place in PLACES:
        after: UUID | None = None
        while True:
            async with open_session(engine) as session:
                await limit_lock_wait(session, LONGEST_LOCK_WAIT)
                ring = await hold_keys(session, keys)
                found = await list_secrets(session, place, after=after, limit=BATCH, other_than=ring)
                for secret in found:
                    try:
                        done += await _reencrypt(session, secret, ring, read_key)
                    except SecretError as exc:
                        unreadable.append(_describe_unreadable(secret, exc))
            if len(found) < BATCH:
                break
            after = found[-1].key
    return done, unreadable


async def _reencrypt(
    session: AsyncSession, secret: StoredSecret, ring: KeyRing, read_key: ReadSessionKey
) -> bool:
    """Raises SecretError for what cannot be opened."""
    text = ring.decrypt(secret.ciphertext, secret.identity)
    digest: bytes | None = None
    if secret.place is SESSIONS:
        with suppress(InvalidInputError):  # nobody can use it as it is, so it cannot be used twice either
            digest = ring.digest(read_key(text), SESSION_KEYS)
    return await replace_ciphertext(session, secret, ring.encrypt(text, secret.identity), digest=digest)


def _describe_unreadable(secret: StoredSecret, error: SecretError) -> UnreadableSecret:
    try:
        key_id = read_key_id(secret.ciphertext)
    except SecretError:
        key_id = None
    return UnreadableSecret(secret=secret.identity, key_id=key_id, reason=error.message)
