"""Accounts that come with a session: add one, give it another session."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import accounts as rows
from vestnik.db.account_logins import end_stale_logins
from vestnik.db.account_sessions import ReadSessionKey, store_session
from vestnik.db.audit import record_audit
from vestnik.db.models import Account
from vestnik.db.notifications import notify_account
from vestnik.db.secrets import KeyRing, OpenKeys, identify_secret
from vestnik.domain.actors import Actor
from vestnik.domain.campaigns import check_rate
from vestnik.domain.errors import ConflictError, InvalidInputError
from vestnik.domain.ids import AccountId
from vestnik.domain.names import check_name
from vestnik.domain.states import AccountKind, AccountState
from vestnik.services.accounts import AccountView, get_view, lock_account

LONGEST_SESSION: Final = 2_000
LONGEST_HASH: Final = 200
MAX_API_ID: Final = 2**31 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountSetup:
    """What an installation has to make accounts with.

    `read_key` reads sessions that are stored, `read_given_key` those that somebody hands over, which it may refuse
    for where they lead. `api_id` and `api_hash` are its application at Telegram, `rate` is the pace of a new
    account.
    """

    open_keys: OpenKeys = field(repr=False)
    read_key: ReadSessionKey = field(repr=False)
    read_given_key: ReadSessionKey = field(repr=False)
    api_id: int | None = None
    api_hash: str | None = field(default=None, repr=False)
    rate: Decimal = Decimal(20)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewAccount:
    """An account to add. Without a session it has to log in; without an application it uses the installation's."""

    name: str
    session: str | None = field(default=None, repr=False)
    api_id: int | None = None
    api_hash: str | None = field(default=None, repr=False)
    rate: str | None = None


async def add_account(
    session: AsyncSession, actor: Actor, new: NewAccount, *, setup: AccountSetup
) -> AccountView:
    """Add an account; with a session it posts as soon as a worker has found out who it is.

    Raises InvalidInputError, and ConflictError when the name or the session is taken. Nothing is stored then.
    """
    name = check_name(new.name)
    text = None if new.session is None else check_session(new.session, setup.read_given_key)
    api_id, api_hash = choose_application(new.api_id, new.api_hash, setup)
    rate = setup.rate if new.rate is None else check_rate(new.rate)
    account_id = await rows.insert_account(session, name=name, kind=AccountKind.USER, rate=rate)
    if account_id is None:
        raise _make_name_taken(name)
    account = await rows.get_account(session, account_id, for_update=True)
    assert account is not None
    ring = await setup.open_keys(session)
    _store_application(account, api_id, api_hash, ring)
    account.state = AccountState.NEEDS_LOGIN
    if text is not None:
        await store_session(session, account, text, keys=ring, read_key=setup.read_key)
        account.state = AccountState.ACTIVE
    await session.flush()
    after = {
        "name": name, "api_id": api_id, "rate": str(rate), "session": "none" if text is None else "given",
    }  # fmt: skip
    await record_audit(session, actor, "account.created", "account", account_id, after=after)
    await notify_account(session, account_id)
    return await get_view(session, account)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewSession:
    """Another session of the same Telegram user, and its application if that is another one too."""

    session: str = field(repr=False)
    api_id: int | None = None
    api_hash: str | None = field(default=None, repr=False)


async def replace_session(
    session: AsyncSession,
    actor: Actor,
    reference: str,
    new: NewSession,
    *,
    setup: AccountSetup,
    expected_revision: int | None = None,
) -> AccountView:
    """Give an account another session; its campaigns go on once a worker found the same Telegram user behind it.

    An account that needed a login is ACTIVE then; one that is restricted or switched off stays so. Raises
    NotFoundError, InvalidInputError, StaleRevisionError; ConflictError when another account has the session, when
    the account rehearses, or while a login is under way.
    """
    text = check_session(new.session, setup.read_given_key)
    account = await lock_account(session, reference, expected_revision)
    require_real(account)
    await require_no_login(session, account)
    ring = await setup.open_keys(session)
    if new.api_id is not None or new.api_hash is not None or account.api_id is None:
        api_id, api_hash = choose_application(new.api_id, new.api_hash, setup)
        _store_application(account, api_id, api_hash, ring)
    await store_session(session, account, text, keys=ring, read_key=setup.read_key)
    before = {"state": account.state}
    if account.state == AccountState.NEEDS_LOGIN:
        account.state, account.state_reason = AccountState.ACTIVE, None
    account.revision += 1
    account.updated_at = func.now()
    await session.flush()
    after = {"state": account.state, "session": "replaced", "api_id": account.api_id}
    await record_audit(
        session, actor, "account.session_replaced", "account", account.id, before=before, after=after
    )
    await notify_account(session, AccountId(account.id))
    return await get_view(session, account)


async def check_name_is_free(session: AsyncSession, name: str) -> None:
    """Raise at once what `add_account` would raise for the name, so that nobody types a session in vain."""
    if await rows.find_account_by_name(session, check_name(name)) is not None:
        raise _make_name_taken(name)


async def check_replaceable(session: AsyncSession, reference: str) -> None:
    """Raise at once what `replace_session` would raise whatever the session is."""
    account = await lock_account(session, reference, None)
    require_real(account)
    await require_no_login(session, account)


def _make_name_taken(name: str) -> ConflictError:
    return ConflictError(f"there is an account '{name}' already; take another name", field="name")


def choose_application(api_id: int | None, api_hash: str | None, setup: AccountSetup) -> tuple[int, str]:
    """The application at Telegram that an account uses. Raises InvalidInputError, which names what is missing."""
    if api_id is None and api_hash is None:
        if setup.api_id is None or setup.api_hash is None:
            raise InvalidInputError(
                "Telegram wants to know the application: give its API id and API hash, or set TELEGRAM_API_ID and "
                "TELEGRAM_API_HASH; both are made at my.telegram.org",
                field="api_id",
            )
        return setup.api_id, setup.api_hash
    if api_id is None:
        raise InvalidInputError("an API hash goes with its API id; give both or neither", field="api_id")
    if api_hash is None or not api_hash.strip():
        raise InvalidInputError("an API id goes with its API hash; give both or neither", field="api_hash")
    if not 0 < api_id <= MAX_API_ID:
        raise InvalidInputError(
            "an API id is a whole number above zero, as my.telegram.org shows it", field="api_id"
        )
    cleaned = api_hash.strip()
    if len(cleaned) > LONGEST_HASH or not (cleaned.isascii() and cleaned.isalnum()):
        raise InvalidInputError(
            "an API hash is letters and digits, as my.telegram.org shows it; copy it whole", field="api_hash"
        )
    return api_id, cleaned


def check_session(text: str, read_key: ReadSessionKey) -> str:
    """A session string as it is stored. Raises InvalidInputError, which never quotes it."""
    if len(text) > LONGEST_SESSION:
        raise InvalidInputError(
            f"The session string is longer than {LONGEST_SESSION} characters, which none is.", field="session"
        )
    read_key(text)
    return text.strip()


def require_real(account: Account) -> None:
    """Raises ConflictError for an account that only rehearses."""
    if AccountKind(account.kind) is AccountKind.SIMULATED:
        raise ConflictError(
            f"account '{account.name}' is simulated and needs no login; add another account for Telegram",
            field="account",
        )


async def require_no_login(session: AsyncSession, account: Account) -> None:
    """Raises ConflictError while somebody logs the account in."""
    await end_stale_logins(session, AccountId(account.id))
    if await rows.is_logging_in(session, AccountId(account.id)):
        raise ConflictError(
            f"a login of account '{account.name}' is under way; finish or cancel it first", field="account"
        )


def _store_application(account: Account, api_id: int, api_hash: str, keys: KeyRing) -> None:
    account.api_id = api_id
    account.api_hash_ciphertext = keys.encrypt(api_hash, identify_secret("accounts", account.id, "api_hash"))
