"""Accounts, and whether anything delivers for them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import ColumnElement, Date, case, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import Account, AccountHold, AccountLease, AccountLogin, AccountLookups
from vestnik.domain.ids import AccountId
from vestnik.domain.states import AccountKind, HoldScope

WORKER_APPLICATION = "vestnik-worker"
"""How a worker's connections call themselves (see `make_engine`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountStanding:
    """An account with what holds it back now. `is_leased`: a process speaks for it at this moment."""

    account: Account
    hold_until: datetime | None
    hold_reason: str | None
    is_leased: bool
    lookups_used: int
    """Usernames looked up today, as UTC has it."""
    lookups_limit: int | None
    """None until a process has spoken for the account."""


async def list_accounts(session: AsyncSession) -> list[AccountStanding]:
    """All accounts by name; there are few."""
    hold, lease, lookups = AccountHold, AccountLease, AccountLookups
    rows = await session.execute(
        select(
            Account,
            hold.until,
            hold.reason,
            lease.account_id.is_not(None),
            case((lookups.day >= _today(), lookups.used), else_=0),
            lookups.daily_limit,
        )
        .outerjoin(lookups, lookups.account_id == Account.id)
        .outerjoin(
            hold,
            (hold.account_id == Account.id)
            & (hold.scope == HoldScope.SEND)
            & (hold.until > func.clock_timestamp()),
        )
        .outerjoin(lease, (lease.account_id == Account.id) & (lease.lease_until > func.clock_timestamp()))
        .order_by(Account.name)
    )
    return [
        AccountStanding(
            account=account,
            hold_until=until,
            hold_reason=reason,
            is_leased=leased,
            lookups_used=used,
            lookups_limit=limit,
        )
        for account, until, reason, leased, used, limit in rows
    ]


def _today() -> ColumnElement[date]:
    return func.timezone("UTC", func.clock_timestamp()).cast(Date)


async def get_account(
    session: AsyncSession, account_id: AccountId, *, for_update: bool = False
) -> Account | None:
    """The account, or None; `for_update` locks its row."""
    query = select(Account).where(Account.id == account_id).execution_options(populate_existing=True)
    return await session.scalar(query.with_for_update(key_share=True) if for_update else query)


async def find_account_by_name(
    session: AsyncSession, name: str, *, for_update: bool = False
) -> Account | None:
    """The account of that name, or None; `for_update` locks its row."""
    query = select(Account).where(Account.name == name).execution_options(populate_existing=True)
    return await session.scalar(query.with_for_update() if for_update else query)


async def list_accounts_of_kind(session: AsyncSession, kinds: Sequence[AccountKind]) -> list[Account]:
    """The accounts of some kinds by name."""
    query = select(Account).where(Account.kind.in_(kinds)).order_by(Account.name)
    return list(await session.scalars(query))


async def list_simulated(session: AsyncSession, ids: Collection[UUID]) -> set[UUID]:
    """Those of the accounts that only rehearse."""
    query = select(Account.id).where(Account.id.in_(ids), Account.kind == AccountKind.SIMULATED)
    return set(await session.scalars(query))


async def insert_account(
    session: AsyncSession, *, name: str, kind: AccountKind, rate: Decimal
) -> AccountId | None:
    """Make an account without a session; None when the name is taken."""
    account_id = await session.scalar(
        insert(Account)
        .values(name=name, kind=kind, rate=rate)
        .on_conflict_do_nothing(index_elements=[Account.name])
        .returning(Account.id)
    )
    return None if account_id is None else AccountId(account_id)


async def rename_account(session: AsyncSession, account_id: AccountId, name: str) -> bool:
    """Give an account, whose row is locked, another name; False when it is taken."""
    try:
        async with session.begin_nested():
            await session.execute(update(Account).where(Account.id == account_id).values(name=name))
    except IntegrityError:
        return False
    return True


async def is_logging_in(session: AsyncSession, account_id: AccountId) -> bool:
    """Whether a login of the account, or its log-out, is not over yet."""
    query = select(AccountLogin).where(
        AccountLogin.account_id == account_id, AccountLogin.finished_at.is_(None)
    )
    return bool(await session.scalar(select(query.exists())))


async def set_account_rate(session: AsyncSession, names: Sequence[str], rate: Decimal) -> list[Account]:
    """Give the named accounts a rate; returns those that had another one."""
    query = (
        update(Account)
        .where(Account.name.in_(names), Account.rate != rate)
        .values(rate=rate, revision=Account.revision + 1, updated_at=func.now())
        .returning(Account)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    return list(await session.scalars(query))


async def is_worker_alive(session: AsyncSession) -> bool:
    """Whether a worker is connected to this database or holds a lease, so that a started campaign is delivered."""
    leased = select(AccountLease.account_id).where(AccountLease.lease_until > func.clock_timestamp())
    connected = text(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity "
        "WHERE datname = current_database() AND application_name = :application)"
    )
    if await session.scalar(select(leased.exists())):
        return True
    return bool(await session.scalar(connected, {"application": WORKER_APPLICATION}))
