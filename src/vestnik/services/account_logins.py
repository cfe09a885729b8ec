"""Logging an account in at Telegram, step by step, and out: what people ask for, and what they are shown of it.

The conversation itself is a worker's (`delivery.account_logins`); a phone number, code, password or token is
handed to it as a command, encrypted, and is kept nowhere else.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import account_logins as rows
from vestnik.db.accounts import is_worker_alive
from vestnik.db.audit import record_audit
from vestnik.db.models import Account, AccountLogin
from vestnik.db.notifications import notify_account
from vestnik.db.secrets import KeyRing, OpenKeys, identify_secret
from vestnik.domain.account_logins import (
    INPUT_WITHIN,
    MOST_STARTS,
    MOST_STARTS_OF_ALL,
    MOST_WRONG,
    STARTS_WITHIN,
    LoginMethod,
    LoginStep,
    compute_next_start,
    explain_login_error,
)
from vestnik.domain.actors import Actor
from vestnik.domain.commands import CommandKind
from vestnik.domain.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    NoWorkerError,
    SecretError,
    TooManyRequestsError,
)
from vestnik.domain.ids import AccountId
from vestnik.domain.states import AccountState
from vestnik.domain.telegram_login import (
    check_password_text,
    clean_bot_token,
    clean_code,
    clean_phone,
)
from vestnik.services.account_sessions import require_real
from vestnik.services.accounts import find_account, lock_account

LOGGED_OUT: Final = "Somebody logged it out; log it in again, and its campaigns go on."
WAITING: Final = (LoginStep.CODE, LoginStep.PASSWORD)


@dataclass(frozen=True, kw_only=True, slots=True)
class LoginView:
    """How far a login is, and what its owner is asked for. `qr_url` is as good as a password while it lasts."""

    account_id: UUID
    account_name: str
    account_state: AccountState
    method: LoginMethod
    step: LoginStep
    code_kind: str | None
    code_length: int | None
    next_kind: str | None
    resend_at: datetime | None
    hint: str | None
    qr_url: str | None = field(repr=False)
    qr_expires_at: datetime | None
    attempts_left: int
    error_code: str | None
    error: str | None
    error_field: str | None
    retry_at: datetime | None
    started_at: datetime
    expires_at: datetime
    finished_at: datetime | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens."""
        return self.step.is_final


@dataclass(frozen=True, kw_only=True, slots=True)
class NewLogin:
    """A login to begin: with a phone number, a bot's token, or neither for a QR code."""

    method: LoginMethod
    phone: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)


async def start_login(
    session: AsyncSession, actor: Actor, reference: str, new: NewLogin, *, open_keys: OpenKeys
) -> LoginView:
    """Begin to log an account in; a worker takes it up at once.

    Raises NotFoundError, InvalidInputError; ConflictError when the account needs no login or one is under way;
    TooManyRequestsError after five within an hour, or fifty of all accounts, or while Telegram wants to be left
    alone; NoWorkerError.
    """
    payload = _read_payload(new)
    account = await lock_account(session, reference, None)
    login, now = await _require_startable(session, account)
    earlier = [] if login is None else login.recent_starts
    starts = [start for start in earlier if start > now - STARTS_WITHIN]
    begun = await rows.replace_login(session, AccountId(account.id), new.method)
    begun.recent_starts = [*starts[-MOST_STARTS + 1 :], now]
    await session.flush()
    ring = await open_keys(session) if payload is not None else None
    await rows.insert_login_command(session, AccountId(account.id), CommandKind.LOGIN, payload, ring)
    after = {"method": new.method}
    await record_audit(session, actor, "account.login_started", "account", account.id, after=after)
    await notify_account(session, AccountId(account.id))
    return _view(account, begun)


async def check_start(session: AsyncSession, reference: str) -> None:
    """Raise at once what `start_login` would raise whatever is typed, so that nobody types it in vain."""
    await _require_startable(session, await lock_account(session, reference, None))


async def _require_startable(session: AsyncSession, account: Account) -> tuple[AccountLogin | None, datetime]:
    """The login before this one, and what time it is."""
    require_real(account)
    _require_login_needed(account)
    await _require_worker(session, account)
    login = await _find_login(session, account)
    now = await _read_clock(session)
    _require_patience(login, now)
    next_start = compute_next_start(await rows.list_starts(session), now, most=MOST_STARTS_OF_ALL)
    _require_patience_until(next_start, now, "begin a login of any account")
    return login, now


def _read_payload(new: NewLogin) -> str | None:
    match new.method:
        case LoginMethod.PHONE:
            if new.phone is None:
                raise InvalidInputError("give the phone number of the account", field="phone")
            return clean_phone(new.phone)
        case LoginMethod.BOT:
            if new.token is None:
                raise InvalidInputError("give the bot's token", field="token")
            return clean_bot_token(new.token)
        case LoginMethod.QR:
            return None
        case LoginMethod.LOG_OUT:
            raise InvalidInputError("log in by PHONE, QR or BOT", field="method")


async def submit_code(session: AsyncSession, reference: str, code: str, *, open_keys: OpenKeys) -> LoginView:
    """Hand over the login code.

    Raises NotFoundError, InvalidInputError; ConflictError when no code is asked for; TooManyRequestsError.
    """
    return await _hand_over(
        session, reference, CommandKind.CODE, clean_code(code), step=LoginStep.CODE, open_keys=open_keys
    )


async def submit_password(
    session: AsyncSession, reference: str, password: str, *, open_keys: OpenKeys
) -> LoginView:
    """Hand over the two-step password; see `submit_code`."""
    return await _hand_over(
        session,
        reference,
        CommandKind.PASSWORD,
        check_password_text(password),
        step=LoginStep.PASSWORD,
        open_keys=open_keys,
    )


async def resend_code(session: AsyncSession, reference: str) -> LoginView:
    """Have the code sent in the next way.

    Raises NotFoundError; ConflictError when no code is asked for or there is no other way; TooManyRequestsError
    while it is too early.
    """
    account, login = await _lock_login(session, reference, LoginStep.CODE)
    if login.next_kind is None:
        raise ConflictError("Telegram has no other way to send this code", field="login")
    now = await _read_clock(session)
    _require_patience_until(login.retry_at, now, "ask for another code")
    _require_patience_until(login.resend_at, now, "ask for another code")
    return await _put_command(session, account, login, CommandKind.RESEND)


async def cancel_login(session: AsyncSession, actor: Actor, reference: str) -> LoginView:
    """End a login that is under way. Raises NotFoundError, ConflictError when there is none."""
    account = await lock_account(session, reference, None)
    login = await _find_login(session, account)
    if login is None or login.finished_at is not None:
        raise ConflictError(f"no login of account '{account.name}' is under way", field="login")
    login.step = LoginStep.CANCELLED
    login.hint = login.qr_ciphertext = login.qr_expires_at = login.resend_at = None
    login.error_code = login.error_message = login.error_field = None
    login.finished_at = func.clock_timestamp()
    await session.flush()
    await rows.wipe_login_commands(session, AccountId(account.id))
    after = {"method": login.method}
    await record_audit(session, actor, "account.login_cancelled", "account", account.id, after=after)
    await notify_account(session, AccountId(account.id))
    await session.refresh(login)
    return _view(account, login)


async def log_out(session: AsyncSession, actor: Actor, reference: str) -> LoginView:
    """End an account's session at Telegram; from now on nothing of it is sent, and it needs a login.

    One that Telegram restricts stays LIMITED all the same: the restriction is the user's and not the session's.

    Raises NotFoundError; ConflictError when it has no session or a login is under way; NoWorkerError.
    """
    account = await lock_account(session, reference, None)
    require_real(account)
    if account.session_ciphertext is None:
        raise ConflictError(f"account '{account.name}' is not logged in", field="account")
    login = await _find_login(session, account)
    if login is not None and login.finished_at is None:
        raise _make_under_way(account)
    await _require_worker(session, account)
    before = {"state": account.state}
    _note_log_out(account)
    begun = await rows.replace_login(session, AccountId(account.id), LoginMethod.LOG_OUT)
    await rows.insert_login_command(session, AccountId(account.id), CommandKind.LOG_OUT, None, None)
    after = {"state": account.state}
    await record_audit(
        session, actor, "account.log_out_started", "account", account.id, before=before, after=after
    )
    await notify_account(session, AccountId(account.id))
    return _view(account, begun)


def _note_log_out(account: Account) -> None:
    """Nothing is sent from now on; that it is switched off or restricted is not forgotten meanwhile."""
    match AccountState(account.state):
        case AccountState.LIMITED:
            return
        case AccountState.DISABLED:
            if account.state_before != AccountState.LIMITED:
                account.state_before = AccountState.NEEDS_LOGIN
        case AccountState.ACTIVE | AccountState.NEEDS_LOGIN:
            account.state, account.state_reason = AccountState.NEEDS_LOGIN, LOGGED_OUT


async def get_login(
    session: AsyncSession, reference: str, *, open_keys: OpenKeys | None = None
) -> LoginView | None:
    """How far the last login of an account is; None if there never was one. With keys the QR code can be read.

    Raises NotFoundError.
    """
    account = await find_account(session, reference)
    await rows.end_stale_logins(session, AccountId(account.id))
    login = await rows.get_login(session, AccountId(account.id))
    return None if login is None else _view(account, login, await _read_qr(session, login, open_keys))


async def end_abandoned_logins(session: AsyncSession) -> None:
    """End what nobody carries out any more, of all accounts, and wipe what was typed and not taken up in time."""
    await rows.end_stale_logins(session, None)


async def require_login(
    session: AsyncSession, reference: str, *, open_keys: OpenKeys | None = None
) -> LoginView:
    """As `get_login`. Raises NotFoundError also when nobody ever logged the account in here."""
    found = await get_login(session, reference, open_keys=open_keys)
    if found is None:
        raise NotFoundError("nobody has logged this account in here yet", field="login")
    return found


# ---- parts --------------------------------------------------------------------------------------------------


async def _find_login(session: AsyncSession, account: Account) -> AccountLogin | None:
    await rows.end_stale_logins(session, AccountId(account.id))
    return await rows.get_login(session, AccountId(account.id), for_update=True)


def _require_login_needed(account: Account) -> None:
    match AccountState(account.state):
        case AccountState.NEEDS_LOGIN:
            return
        case AccountState.ACTIVE:
            problem = "is logged in; log it out first"
        case AccountState.LIMITED:
            if account.session_ciphertext is None:
                return
            problem = "is logged in, and Telegram restricts it; a login would not help"
        case AccountState.DISABLED:
            problem = "is switched off; switch it on first"
    raise ConflictError(f"account '{account.name}' {problem}", field="account")


async def _require_worker(session: AsyncSession, account: Account) -> None:
    if not await is_worker_alive(session):
        raise NoWorkerError(
            f"no worker is running, and one has to talk to Telegram for account '{account.name}'; run 'vestnik up' "
            "or 'vestnik worker'",
            field="account",
        )


def _require_patience(login: AccountLogin | None, now: datetime) -> None:
    if login is None:
        return
    if login.finished_at is None:
        raise ConflictError(
            "a login of this account is under way already; cancel it to begin anew", field="login"
        )
    _require_patience_until(login.retry_at, now, "begin another login")
    _require_patience_until(compute_next_start(login.recent_starts, now), now, "begin another login")


def _require_patience_until(moment: datetime | None, now: datetime, wish: str) -> None:
    if moment is not None and moment > now:
        raise TooManyRequestsError(
            f"it is too early to {wish}: wait until {moment.astimezone(UTC):%H:%M:%S} UTC",
            retry_after=(moment - now).total_seconds(),
            field="login",
        )


def _make_under_way(account: Account) -> ConflictError:
    return ConflictError(
        f"a login of account '{account.name}' is under way; finish or cancel it first", field="account"
    )


async def _lock_login(session: AsyncSession, reference: str, step: LoginStep) -> tuple[Account, AccountLogin]:
    """The login that waits for this. Raises NotFoundError, ConflictError."""
    account = await lock_account(session, reference, None)
    login = await _find_login(session, account)
    if login is None or login.finished_at is not None:
        raise ConflictError(f"no login of account '{account.name}' is under way; begin one", field="login")
    if login.step == LoginStep.CHECKING:
        raise ConflictError("Telegram is still checking what was typed before", field="login")
    if login.step != step:
        raise ConflictError(f"the login waits for something else now: {login.step}", field="login")
    return account, login


async def _hand_over(
    session: AsyncSession,
    reference: str,
    kind: CommandKind,
    secret: str,
    *,
    step: LoginStep,
    open_keys: OpenKeys,
) -> LoginView:
    account, login = await _lock_login(session, reference, step)
    _require_patience_until(login.retry_at, await _read_clock(session), "try again")
    ring = await open_keys(session)
    return await _put_command(session, account, login, kind, secret=secret, ring=ring)


async def _put_command(
    session: AsyncSession,
    account: Account,
    login: AccountLogin,
    kind: CommandKind,
    *,
    secret: str | None = None,
    ring: KeyRing | None = None,
) -> LoginView:
    login.step = LoginStep.CHECKING
    login.error_code = login.error_message = login.error_field = login.retry_at = None
    login.expires_at = func.clock_timestamp() + INPUT_WITHIN
    await session.flush()
    await rows.insert_login_command(session, AccountId(account.id), kind, secret, ring)
    await notify_account(session, AccountId(account.id))
    await session.refresh(login)
    return _view(account, login)


async def _read_clock(session: AsyncSession) -> datetime:
    now: datetime | None = await session.scalar(select(func.clock_timestamp()))
    assert now is not None
    return now


def _view(account: Account, login: AccountLogin, qr_url: str | None = None) -> LoginView:
    return LoginView(
        account_id=account.id,
        account_name=account.name,
        account_state=AccountState(account.state),
        method=LoginMethod(login.method),
        step=LoginStep(login.step),
        code_kind=login.code_kind,
        code_length=login.code_length,
        next_kind=login.next_kind,
        resend_at=login.resend_at,
        hint=login.hint,
        qr_url=qr_url,
        qr_expires_at=login.qr_expires_at,
        attempts_left=max(MOST_WRONG - login.attempts, 0),
        error_code=login.error_code,
        error=login.error_message or explain_login_error(login.error_code),
        error_field=login.error_field,
        retry_at=login.retry_at,
        started_at=login.started_at,
        expires_at=login.expires_at,
        finished_at=login.finished_at,
    )


async def _read_qr(session: AsyncSession, login: AccountLogin, open_keys: OpenKeys | None) -> str | None:
    if open_keys is None or login.qr_ciphertext is None:
        return None
    ring = await open_keys(session)
    try:
        return ring.decrypt(
            login.qr_ciphertext, identify_secret("account_logins", login.login_id, rows.QR_URL)
        )
    except SecretError:
        return None  # another installation's worker made it
