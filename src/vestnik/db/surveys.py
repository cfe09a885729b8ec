"""Commands that only look at channels: the lease holder's statements, and the rows behind requests."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.leases import Lease
from vestnik.db.models import AccountCommand
from vestnik.db.statements import StatementRunner, load_statement
from vestnik.domain.commands import MOST_CLAIMS, CommandKind, CommandStatus
from vestnik.domain.ids import AccountId, ChannelId, CommandId
from vestnik.domain.surveys import EXPIRES_AFTER
from vestnik.domain.transport import ChannelDetails, Peer

OPEN = (CommandStatus.PENDING, CommandStatus.STARTED)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimedSurvey:
    """A command in STARTED under our epoch; `at` is when, by the database's clock."""

    command_id: CommandId
    kind: CommandKind
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class UndetailedChannel:
    """A channel of which Telegram can be asked for more."""

    channel_id: ChannelId
    peer: Peer


class SurveyLedger:
    """The statements of the lease holder. Every method raises DatabaseUnavailableError."""

    def __init__(self, runner: StatementRunner) -> None:
        self._runner = runner

    async def claim(self, lease: Lease) -> ClaimedSurvey | None:
        """The next command; None when there is none or the lease is lost."""
        await self._runner.fetch("settle_surveys", account_id=lease.account_id, most_claims=MOST_CLAIMS)
        rows = await self._runner.fetch(
            "claim_survey", account_id=lease.account_id, epoch=lease.epoch, most_claims=MOST_CLAIMS
        )
        if not rows:
            return None
        (row,) = rows
        return ClaimedSurvey(command_id=CommandId(row.id), kind=CommandKind(row.kind), at=row.at)

    async def record(
        self,
        lease: Lease,
        command_id: CommandId,
        result: dict[str, Any],
        *,
        status: CommandStatus = CommandStatus.STARTED,
        give_back_for: timedelta | None = None,
    ) -> bool:
        """Note progress, the end, or that it begins anew after a while; False once it is not ours any more."""
        rows = await self._runner.fetch(
            "record_survey",
            command_id=command_id,
            epoch=lease.epoch,
            status=status.value,
            result=json.dumps(result),
            delay=None if give_back_for is None else give_back_for.total_seconds(),
        )
        return bool(rows)

    async def mark_gone(self, lease: Lease, seen: Sequence[int]) -> int:
        """Note which channels are not among the dialogs any more; how many of ours are gone in all."""
        (row,) = await self._runner.fetch(
            "mark_gone", account_id=lease.account_id, epoch=lease.epoch, seen=list(seen)
        )
        return int(row.gone)

    async def list_undetailed(
        self, account_id: AccountId, fresh_for: timedelta, most: int
    ) -> list[UndetailedChannel]:
        """Channels to ask details of."""
        rows = await self._runner.fetch(
            "list_undetailed", account_id=account_id, fresh_for=fresh_for, most=most
        )
        return [
            UndetailedChannel(
                channel_id=ChannelId(row.channel_id),
                peer=Peer(tg_id=row.tg_id, access_hash=row.access_hash),
            )
            for row in rows
        ]

    async def store_details(
        self, account_id: AccountId, channel_id: ChannelId, details: ChannelDetails | None
    ) -> None:
        """Keep what was told; None: nothing, but it was asked."""
        slow_mode = None if details is None else details.slow_mode
        await self._runner.fetch(
            "store_details",
            account_id=account_id,
            channel_id=channel_id,
            is_told=details is not None,
            member_count=None if details is None else details.member_count,
            slow_mode_seconds=None if slow_mode is None else int(slow_mode.total_seconds()),
        )


# ---- the side of those who ask ------------------------------------------------------------------------------


async def insert_survey(
    session: AsyncSession, account_id: AccountId, kind: CommandKind, command_id: CommandId
) -> None:
    """Ask the process that speaks for the account."""
    now = func.clock_timestamp()
    await session.execute(
        insert(AccountCommand).values(
            id=command_id, account_id=account_id, kind=kind, created_at=now, expires_at=now + EXPIRES_AFTER
        )
    )


async def find_open(session: AsyncSession, account_id: AccountId, kind: CommandKind) -> CommandId | None:
    """One that waits or is being carried out."""
    query = (
        select(AccountCommand.id)
        .where(
            AccountCommand.account_id == account_id,
            AccountCommand.kind == kind,
            AccountCommand.status.in_(OPEN),
        )
        .order_by(AccountCommand.created_at)
        .limit(1)
    )
    found = await session.scalar(query)
    return None if found is None else CommandId(found)


async def settle_surveys(session: AsyncSession, account_id: AccountId) -> None:
    """End what nobody will carry out any more."""
    await session.execute(
        load_statement("settle_surveys"), {"account_id": account_id, "most_claims": MOST_CLAIMS}
    )


async def get_command(session: AsyncSession, command_id: CommandId) -> AccountCommand | None:
    """The row as it is now."""
    return await session.get(AccountCommand, command_id, populate_existing=True)


async def find_latest(
    session: AsyncSession, account_id: AccountId, kind: CommandKind
) -> AccountCommand | None:
    """The one asked for last; None when there was none, or it was cleared away."""
    query = (
        select(AccountCommand)
        .where(AccountCommand.account_id == account_id, AccountCommand.kind == kind)
        .order_by(AccountCommand.created_at.desc(), AccountCommand.id.desc())
        .limit(1)
        .execution_options(populate_existing=True)
    )
    return await session.scalar(query)
