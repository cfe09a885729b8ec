"""What people decide about an account: its name, its pace, whether it may post at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import accounts as rows
from vestnik.db.audit import record_audit
from vestnik.db.models import Account
from vestnik.db.notifications import notify_account
from vestnik.domain.actors import Actor
from vestnik.domain.campaigns import check_rate
from vestnik.domain.errors import ConflictError
from vestnik.domain.ids import AccountId
from vestnik.domain.names import check_name
from vestnik.domain.states import AccountKind, AccountState
from vestnik.services.account_sessions import require_no_login
from vestnik.services.accounts import REHEARSAL_ACCOUNT, AccountView, get_view, lock_account

STILL_LIMITED: Final = (
    "Telegram had restricted it before it was switched off; release it once the restriction is over."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountChanges:
    """What is to be different; None stays as it is. `rate` is messages per second over all campaigns."""

    name: str | None = None
    rate: str | None = None


async def change_account(
    session: AsyncSession,
    actor: Actor,
    reference: str,
    changes: AccountChanges,
    *,
    expected_revision: int | None = None,
) -> AccountView:
    """Rename an account or change its pace; running campaigns follow at once.

    Raises NotFoundError, InvalidInputError, StaleRevisionError; ConflictError for a taken name, and for accounts
    that are known by theirs.
    """
    name = None if changes.name is None else check_name(changes.name)
    rate = None if changes.rate is None else check_rate(changes.rate)
    account = await lock_account(session, reference, expected_revision)
    is_changed = False
    if name is not None and name != account.name:
        await _rename(session, actor, account, name)
        is_changed = True
    if rate is not None and rate != account.rate:
        before, account.rate = account.rate, rate
        await session.flush()
        await record_audit(
            session,
            actor,
            "account.rate_changed",
            "account",
            account.id,
            before={"rate": str(before)},
            after={"rate": str(account.rate)},
        )
        await notify_account(session, AccountId(account.id))
        is_changed = True
    if is_changed:
        account.revision += 1
        account.updated_at = func.now()
        await session.flush()
    return await get_view(session, account)


async def _rename(session: AsyncSession, actor: Actor, account: Account, name: str) -> None:
    if account.name == REHEARSAL_ACCOUNT:
        raise ConflictError(
            f"the account '{account.name}' is the one that rehearses, and keeps its name", field="name"
        )
    if account.environment_digest is not None:
        raise ConflictError(
            f"the account '{account.name}' is made of TELEGRAM_SESSION and keeps its name", field="name"
        )
    before = account.name
    if not await rows.rename_account(session, AccountId(account.id), name):
        raise ConflictError(f"there is an account '{name}' already; take another name", field="name")
    await session.refresh(account)
    await record_audit(
        session,
        actor,
        "account.renamed",
        "account",
        account.id,
        before={"name": before},
        after={"name": name},
    )


async def disable_account(session: AsyncSession, actor: Actor, reference: str) -> AccountView:
    """Switch an account off: nothing of it is sent from now on, and its campaigns wait.

    Raises NotFoundError; ConflictError when it is off already or a login is under way.
    """
    account = await lock_account(session, reference, None)
    if account.state == AccountState.DISABLED:
        raise ConflictError(f"account '{account.name}' is switched off already", field="account")
    await require_no_login(session, account)
    before = {"state": account.state, "reason": account.state_reason}
    account.state_before, account.state, account.state_reason = account.state, AccountState.DISABLED, None
    return await _finish(session, actor, account, "account.disabled", before)


async def enable_account(session: AsyncSession, actor: Actor, reference: str) -> AccountView:
    """Switch an account on again: it posts, unless it has no session or Telegram had restricted it before.

    Raises NotFoundError; ConflictError when it is not off, or is being logged out.
    """
    account = await lock_account(session, reference, None)
    if account.state != AccountState.DISABLED:
        raise ConflictError(
            f"account '{account.name}' is {account.state}; only accounts that are switched off are switched on",
            field="account",
        )
    await require_no_login(session, account)
    before = {"state": account.state}
    was, account.state_before = account.state_before, None
    account.state, account.state_reason = AccountState.ACTIVE, None
    if was == AccountState.LIMITED:
        account.state, account.state_reason = AccountState.LIMITED, STILL_LIMITED
    elif was == AccountState.NEEDS_LOGIN and account.session_ciphertext is None:
        account.state = AccountState.NEEDS_LOGIN
    return await _finish(session, actor, account, "account.enabled", before)


async def release_account(session: AsyncSession, actor: Actor, reference: str) -> AccountView:
    """End a restriction; only a person can know that Telegram lifted it. The account posts, or needs a login.

    Raises NotFoundError; ConflictError in any other state, or while it is logged in or out.
    """
    account = await lock_account(session, reference, None)
    if account.state != AccountState.LIMITED:
        hint = "; it needs a new session" if account.state == AccountState.NEEDS_LOGIN else ""
        raise ConflictError(
            f"account '{account.name}' is {account.state}; only LIMITED accounts are released{hint}",
            field="account",
        )
    await require_no_login(session, account)
    before = {"state": account.state, "reason": account.state_reason}
    has_session = account.session_ciphertext is not None or account.kind == AccountKind.SIMULATED
    account.state = AccountState.ACTIVE if has_session else AccountState.NEEDS_LOGIN
    account.state_reason = None
    return await _finish(session, actor, account, "account.released", before)


async def _finish(
    session: AsyncSession, actor: Actor, account: Account, action: str, before: Mapping[str, str | None]
) -> AccountView:
    account.updated_at = func.now()
    await session.flush()
    after = {"state": account.state}
    await record_audit(session, actor, action, "account", account.id, before=dict(before), after=after)
    await notify_account(session, AccountId(account.id))
    return await get_view(session, account)
