"""What there is to do, who does it and what is waited for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import queue as rows
from vestnik.db.queue import AccountLoad, Hold, JobSums, OldestSending, WorkerStanding
from vestnik.domain.errors import NotFoundError
from vestnik.domain.states import CampaignStatus
from vestnik.services.accounts import AccountView, list_accounts

__all__ = [
    "ALIVE_FOR",
    "AccountStanding",
    "QueueStats",
    "WorkerStanding",
    "get_account_standing",
    "list_account_standings",
    "read_queue_stats",
]

ALIVE_FOR: Final = timedelta(seconds=8)
"""A worker says twice a second that it lives."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountStanding:
    """An account with all its holds, the process that speaks for it, and what it has to do."""

    account: AccountView
    holds: Sequence[Hold]
    leased_by: str | None
    load: AccountLoad


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueStats:
    """The whole system at one moment."""

    jobs: JobSums
    campaigns: dict[CampaignStatus, int]
    accounts: Sequence[AccountStanding]
    workers: Sequence[WorkerStanding]
    oldest_sending: OldestSending | None


async def list_account_standings(session: AsyncSession) -> list[AccountStanding]:
    """All accounts by name."""
    holds = await rows.list_holds(session)
    holders = await rows.list_holders(session)
    loads = await rows.list_account_loads(session)
    return [
        AccountStanding(
            account=account,
            holds=holds.get(account.id, ()),
            leased_by=holders.get(account.id),
            load=loads.get(account.id, AccountLoad()),
        )
        for account in await list_accounts(session)
    ]


async def read_queue_stats(session: AsyncSession) -> QueueStats:
    """Sums over counters; no job is counted."""
    return QueueStats(
        jobs=await rows.sum_jobs(session),
        campaigns=await rows.count_campaigns(session),
        accounts=await list_account_standings(session),
        workers=await rows.list_workers(session),
        oldest_sending=await rows.find_oldest_sending(session),
    )


async def get_account_standing(session: AsyncSession, account_id: UUID) -> AccountStanding:
    """The account of this id. Raises NotFoundError."""
    for standing in await list_account_standings(session):
        if standing.account.id == account_id:
            return standing
    raise NotFoundError(f"there is no account {account_id}", field="account")
