"""Accounts: the one that the environment describes, and which one a campaign speaks as."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import accounts as rows
from vestnik.db.account_sessions import ReadSessionKey, store_session
from vestnik.db.audit import record_audit
from vestnik.db.models import Account
from vestnik.db.notifications import notify_account
from vestnik.db.secrets import OpenKeys, identify_secret
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConflictError, InvalidInputError, NotFoundError, StaleRevisionError
from vestnik.domain.ids import AccountId
from vestnik.domain.limits import DEFAULT_LOOKUPS_PER_DAY
from vestnik.domain.names import check_name
from vestnik.domain.states import AccountKind, AccountState, Mode

DEFAULT_ACCOUNT = "default"
"""Made of the session in the environment."""
REHEARSAL_ACCOUNT = "rehearsal"
"""The simulated account that the first migration made."""
REAL_KINDS = (AccountKind.USER, AccountKind.BOT)


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountView:
    """An account as it is shown; without any secret."""

    id: UUID
    name: str
    kind: AccountKind
    state: AccountState
    state_reason: str | None
    rate: Decimal
    """Messages per second over all its campaigns."""
    hold_until: datetime | None
    hold_reason: str | None
    is_delivering: bool
    """Whether a process speaks for it now."""
    lookups_used: int
    """Usernames looked up today, as UTC has it."""
    lookups_limit: int
    telegram_id: int | None
    """Of one that rehearses there is none: what the simulator makes up means nothing to anybody."""
    telegram_name: str | None
    has_session: bool
    revision: int
    created_at: datetime

    @property
    def needs_login(self) -> bool:
        """Whether a login would help; one that was logged out while Telegram restricts it stays LIMITED."""
        is_logged_out = self.state is AccountState.LIMITED and not self.has_session
        return self.kind is not AccountKind.SIMULATED and (
            is_logged_out or self.state is AccountState.NEEDS_LOGIN
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentAccount:
    """TELEGRAM_SESSION and what belongs to it. `read_key` raises when the session string is unusable."""

    session: str = field(repr=False)
    api_id: int
    api_hash: str = field(repr=False)
    read_key: ReadSessionKey = field(repr=False)

    @property
    def session_digest(self) -> bytes:
        """Tells a new session from an unchanged one."""
        return hashlib.sha256(self.session.encode()).digest()

    @property
    def digest(self) -> bytes:
        """The session's digest and, after it, that of the API's credentials, which may change alone."""
        return self.session_digest + hashlib.sha256(f"{self.api_id}:{self.api_hash}".encode()).digest()


async def list_accounts(session: AsyncSession) -> list[AccountView]:
    """All accounts by name."""
    return [_view(standing) for standing in await rows.list_accounts(session)]


def _view(standing: rows.AccountStanding) -> AccountView:
    account = standing.account
    is_simulated = account.kind == AccountKind.SIMULATED
    return AccountView(
        id=account.id,
        name=account.name,
        kind=AccountKind(account.kind),
        state=AccountState(account.state),
        state_reason=account.state_reason,
        rate=account.rate,
        hold_until=standing.hold_until,
        hold_reason=standing.hold_reason,
        is_delivering=standing.is_leased,
        lookups_used=standing.lookups_used,
        lookups_limit=(DEFAULT_LOOKUPS_PER_DAY if standing.lookups_limit is None else standing.lookups_limit),
        telegram_id=None if is_simulated else account.tg_user_id,
        telegram_name=None if is_simulated else account.tg_name,
        has_session=account.session_ciphertext is not None,
        revision=account.revision,
        created_at=account.created_at,
    )


async def is_worker_alive(session: AsyncSession) -> bool:
    """Whether anything would deliver a campaign that is started now."""
    return await rows.is_worker_alive(session)


async def ensure_default_account(
    session: AsyncSession,
    actor: Actor,
    given: EnvironmentAccount,
    *,
    rate: Decimal,
    open_keys: OpenKeys,
) -> None:
    """Make or update the account "default" from the environment.

    A session that was renewed in the database stays while the environment's value is unchanged; a changed value
    replaces it and makes the account ACTIVE, unless somebody switched it off or Telegram restricted it. Keys are
    opened only when there is something to store. `rate` is that of a new account. Raises what `given.read_key`
    raises, and ConflictError when the name is taken by a simulated account or another account has the session.
    """
    stored = await rows.find_account_by_name(session, DEFAULT_ACCOUNT)
    if stored is not None and stored.environment_digest == given.digest:
        return
    given.read_key(given.session)
    account = await _lock_default_account(session, rate)
    if account.environment_digest == given.digest:
        return
    if AccountKind(account.kind) is AccountKind.SIMULATED:
        raise ConflictError(
            f"TELEGRAM_SESSION is set, but the account '{DEFAULT_ACCOUNT}' is a simulated one; rename it",
            field="TELEGRAM_SESSION",
        )
    is_new = account.environment_digest is None
    is_session_new = (account.environment_digest or b"")[:32] != given.session_digest
    ring = await open_keys(session)
    account.api_id = given.api_id
    account.api_hash_ciphertext = ring.encrypt(
        given.api_hash, identify_secret("accounts", account.id, "api_hash")
    )
    if is_session_new:
        try:
            await store_session(session, account, given.session, keys=ring, read_key=given.read_key)
        except ConflictError as exc:
            raise ConflictError(f"TELEGRAM_SESSION: {exc.message}", field="TELEGRAM_SESSION") from exc
        _make_active(account)
    account.environment_digest = given.digest
    account.updated_at = func.now()
    await session.flush()
    await record_audit(
        session,
        actor,
        "account.created" if is_new else "account.updated",
        "account",
        account.id,
        after={
            "name": account.name,
            "api_id": given.api_id,
            "session": "replaced" if is_session_new else "kept",
        },
    )
    await notify_account(session, AccountId(account.id))


async def _lock_default_account(session: AsyncSession, rate: Decimal) -> Account:
    await rows.insert_account(session, name=DEFAULT_ACCOUNT, kind=AccountKind.USER, rate=rate)
    account = await rows.find_account_by_name(session, DEFAULT_ACCOUNT, for_update=True)
    assert account is not None
    return account


def _make_active(account: Account) -> None:
    """With a new session the end of the old one is over; a restriction is the user's, a switch a person's."""
    if account.state == AccountState.DISABLED:
        if account.state_before != AccountState.LIMITED:
            account.state_before = AccountState.ACTIVE
    elif account.state != AccountState.LIMITED:
        account.state, account.state_reason = AccountState.ACTIVE, None


async def apply_account_rate(session: AsyncSession, actor: Actor, rate: Decimal) -> None:
    """Give the accounts "default" and "rehearsal" the rate that the environment sets explicitly."""
    for account in await rows.set_account_rate(session, (DEFAULT_ACCOUNT, REHEARSAL_ACCOUNT), rate):
        await record_audit(
            session, actor, "account.rate_changed", "account", account.id, after={"rate": float(rate)}
        )
        await notify_account(session, AccountId(account.id))


async def lock_account(session: AsyncSession, reference: str, expected_revision: int | None) -> Account:
    """The account of this name or id, locked. Raises NotFoundError, StaleRevisionError."""
    found = await find_account(session, reference)
    account = await rows.get_account(session, AccountId(found.id), for_update=True)
    assert account is not None  # accounts are never deleted
    if expected_revision is not None and account.revision != expected_revision:
        raise StaleRevisionError(
            f"account '{account.name}' was changed meanwhile: it is at revision {account.revision}, not "
            f"{expected_revision}; read it again",
            field="If-Match",
        )
    return account


async def get_view(session: AsyncSession, account: Account) -> AccountView:
    """An account as it is shown."""
    standings = await rows.list_accounts(session)
    return next(_view(standing) for standing in standings if standing.account.id == account.id)


async def choose_account(session: AsyncSession, mode: Mode, reference: str | None) -> Account:
    """The account to post with in this mode: the named one, or the one that needs no name.

    Raises NotFoundError, and InvalidInputError when the account does not go with the mode or must be named.
    """
    if reference is not None:
        account = await find_account(session, reference)
        _require_kind(account, mode)
        return account
    if mode is Mode.TEST:
        return _choose_simulated(await rows.list_accounts_of_kind(session, [AccountKind.SIMULATED]))
    return _choose_real(await rows.list_accounts_of_kind(session, REAL_KINDS))


async def find_account(session: AsyncSession, reference: str) -> Account:
    """The account of this id or name. Raises NotFoundError, which names those there are.

    The id comes first: an account may have been given another one's as its name.
    """
    reference = check_name(reference, field="account")
    account_id = parse_id(reference)
    account = None if account_id is None else await rows.get_account(session, AccountId(account_id))
    account = account or await rows.find_account_by_name(session, reference)
    if account is None:
        names = [standing.account.name for standing in await rows.list_accounts(session)]
        raise NotFoundError(
            f"there is no account '{reference}'; the accounts are {quote_names(names)}", field="account"
        )
    return account


def parse_id(reference: str) -> UUID | None:
    """The id, if the text is one and not a name."""
    try:
        return UUID(reference) if reference.isascii() else None
    except ValueError:
        return None


def quote_names(names: Sequence[str]) -> str:
    """Names for a message."""
    return ", ".join(f"'{name}'" for name in names)


def _require_kind(account: Account, mode: Mode) -> None:
    is_simulated = AccountKind(account.kind) is AccountKind.SIMULATED
    if mode is Mode.LIVE and is_simulated:
        raise InvalidInputError(
            f"account '{account.name}' is simulated and cannot post LIVE; name a real one",
            field="account",
        )
    if mode is Mode.TEST and not is_simulated:
        raise InvalidInputError(
            f"account '{account.name}' is real, and TEST runs on a simulated one; leave the account out, "
            "or use mode LIVE",
            field="account",
        )


def _choose_simulated(accounts: Sequence[Account]) -> Account:
    for account in accounts:
        if account.name == REHEARSAL_ACCOUNT:
            return account
    if accounts:
        return accounts[0]
    raise NotFoundError("there is no simulated account to rehearse on", field="account")


def _choose_real(accounts: Sequence[Account]) -> Account:
    if not accounts:
        raise InvalidInputError(
            "there is no Telegram account to post LIVE with; add one: 'vestnik account add', or Accounts in the "
            "console",
            field="account",
        )
    for account in accounts:
        if account.name == DEFAULT_ACCOUNT or len(accounts) == 1:
            return account
    names = quote_names([account.name for account in accounts])
    raise InvalidInputError(f"name the account to post with: {names}", field="account")
