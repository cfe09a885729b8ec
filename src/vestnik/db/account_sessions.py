"""Sessions of accounts: stored encrypted, and each at one account alone.

Telegram ends a session that two connections use at once (AUTH_KEY_DUPLICATED). What makes two sessions the same
one is the key inside, not the string, which each library writes in its own way; so a keyed digest of it is unique.
"""

from collections.abc import Callable
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import Account
from vestnik.db.secrets import KeyRing, identify_secret
from vestnik.domain.errors import ConflictError, InvalidInputError, SecretError

ReadSessionKey = Callable[[str], bytes]
"""The key in a session string of either layout. Raises InvalidInputError for what is none."""
SESSION_KEYS: Final = "session keys"
"""What digests of keys are made for (see `KeyRing.digest`)."""


async def store_session(
    session: AsyncSession, account: Account, text: str, *, keys: KeyRing, read_key: ReadSessionKey
) -> None:
    """Give an account, whose row is locked, another session.

    Raises what `read_key` raises, and ConflictError when another account has the session.
    """
    digest = keys.digest(read_key(text), SESSION_KEYS)
    await _renew_digests(session, keys, read_key)
    owner = await _find_owner(session, digest, account)
    if owner is not None:
        raise _make_conflict(f"account '{owner}'")
    account.session_ciphertext = keys.encrypt(text, identify_secret("accounts", account.id, "session"))
    account.session_digest = digest
    account.session_version += 1
    try:
        await session.flush()
    except IntegrityError as exc:
        # Somebody gave it to another account at the same moment.
        raise _make_conflict("another account") from exc


def forget_session(account: Account) -> None:
    """Take the session away from an account, whose row is locked."""
    account.session_ciphertext = None
    account.session_digest = None
    account.session_version += 1


async def _find_owner(session: AsyncSession, digest: bytes, account: Account) -> str | None:
    return await session.scalar(
        select(Account.name).where(Account.session_digest == digest, Account.id != account.id)
    )


async def _renew_digests(session: AsyncSession, keys: KeyRing, read_key: ReadSessionKey) -> None:
    """Make those comparable that are missing, or were made before the key was changed; there are few accounts."""
    stored = await session.scalars(
        select(Account).where(Account.session_ciphertext.is_not(None)).order_by(Account.id)
    )
    accounts = stored.all()
    taken = {account.session_digest for account in accounts}
    for account in accounts:
        if account.session_digest is not None and keys.is_current_digest(account.session_digest):
            continue
        assert account.session_ciphertext is not None
        try:
            text = keys.decrypt(
                account.session_ciphertext, identify_secret("accounts", account.id, "session")
            )
            digest = keys.digest(read_key(text), SESSION_KEYS)
        except (SecretError, InvalidInputError):
            continue  # nobody can use it as it is, so it cannot be used twice either
        if digest not in taken:  # two accounts may have had one session since before digests
            account.session_digest = digest
            taken.add(digest)
    await session.flush()


def _make_conflict(owner: str) -> ConflictError:
    return ConflictError(
        f"{owner} has this session already, and Telegram ends a session that is used twice; log in once more to get "
        "another one",
        field="session",
    )
