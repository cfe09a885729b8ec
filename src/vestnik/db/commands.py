"""Commands to the process that speaks for an account: the engine's statements, and the rows behind requests."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Text, any_, func, literal, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.leases import Lease
from vestnik.db.ledger import FAILURES_TO_DEACTIVATE
from vestnik.db.models import Account, AccountCommand, Channel, ChannelPeer
from vestnik.db.statements import StatementRunner, clean_text, load_statement
from vestnik.domain.channels import ChannelName
from vestnik.domain.commands import MOST_CLAIMS, SETTLE_FOR, CommandKind, CommandResult
from vestnik.domain.ids import AccountId, ChannelId, CommandId
from vestnik.domain.transport import Peer

PAYLOAD = "payload"
"""The column's name in the identity that a payload is bound to."""


# ---- the engine's side --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimedCommand:
    """A post in STARTED under our epoch; `payload` is still encrypted. See `ClaimedJob` for the rest."""

    command_id: CommandId
    channel_id: ChannelId
    random_id: int
    peer: Peer
    payload: bytes = field(repr=False)
    attempts: int
    claims: int
    claim_epoch: int
    was_maybe_sent: bool
    error_code: str | None


class CommandLedger:
    """The statements of the lease holder. Every method raises DatabaseUnavailableError."""

    def __init__(self, runner: StatementRunner) -> None:
        self._runner = runner

    async def claim(self, lease: Lease, count: int) -> list[ClaimedCommand]:
        """Claim at most so many, the oldest first; none once the lease is lost or the account held or blocked."""
        rows = await self._runner.fetch(
            "claim_commands",
            account_id=lease.account_id,
            epoch=lease.epoch,
            count=count,
            most_claims=MOST_CLAIMS,
            settle_for=SETTLE_FOR,
        )
        return [
            ClaimedCommand(
                command_id=CommandId(row.id),
                channel_id=ChannelId(row.channel_id),
                random_id=row.random_id,
                peer=Peer(tg_id=row.tg_id, access_hash=row.access_hash),
                payload=bytes(row.payload_ciphertext),
                attempts=row.attempts,
                claims=row.claims,
                claim_epoch=lease.epoch,
                was_maybe_sent=row.was_maybe_sent,
                error_code=row.error_code,
            )
            for row in rows
        ]

    async def settle(self, account_id: AccountId) -> bool:
        """End what will not be carried out any more; whether a command waits for its channel's address."""
        rows = await self._runner.fetch(
            "settle_commands", account_id=account_id, most_claims=MOST_CLAIMS, settle_for=SETTLE_FOR
        )
        return bool(rows[0].is_unresolved)

    async def record(self, result: CommandResult) -> None:
        """Write what became of a command. Safe to repeat."""
        await self._runner.fetch(
            "record_command",
            result=json.dumps(_encode(result)),
            failures_to_deactivate=FAILURES_TO_DEACTIVATE,
        )


def _encode(result: CommandResult) -> dict[str, Any]:
    detail: dict[str, Any] = {}
    if result.message_ids:
        detail["message_ids"] = list(result.message_ids)
    if result.error_code is not None:
        detail["error_code"] = clean_text(result.error_code)
        detail["error_message"] = clean_text(result.error_message)
    return {
        "id": str(result.command_id),
        "claim_epoch": result.claim_epoch,
        "claims": result.claims,
        "outcome": result.status.value,
        "detail": detail,
        "error_code": clean_text(result.error_code),
        "delay": result.delay.total_seconds(),
        "attempted": result.attempted,
        "maybe_sent": result.maybe_sent,
        "counts_against_channel": result.counts_against_channel,
        "deactivate": None if result.deactivate is None else result.deactivate.value,
        "channel_hold": None if result.channel_hold is None else result.channel_hold.total_seconds(),
        "forget_peer": result.forget_peer,
    }


# ---- the side of those who ask ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A channel as the account may post to it. `hold_until` is the end of its slow mode, if that is to come."""

    channel: Channel
    is_pair_active: bool
    pair_reason: str | None
    hold_until: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCommand:
    """A post to ask for; the payload is encrypted for `command_id`."""

    command_id: CommandId
    channel_id: ChannelId
    payload: bytes = field(repr=False)
    random_id: int


async def list_targets(
    session: AsyncSession, account_id: AccountId, names: Sequence[ChannelName], ids: Sequence[UUID]
) -> list[Target]:
    """The channels of these names and ids that exist and are not deleted."""
    usernames = [name.username.lower() for name in names if name.username is not None]
    tg_ids = [name.tg_id for name in names if name.tg_id is not None]
    hold = ChannelPeer.hold_until
    rows = await session.execute(
        select(Channel, ChannelPeer.is_active, ChannelPeer.inactive_reason, hold)
        .outerjoin(
            ChannelPeer, (ChannelPeer.channel_id == Channel.id) & (ChannelPeer.account_id == account_id)
        )
        .where(
            Channel.deleted_at.is_(None),
            or_(
                func.lower(Channel.username) == any_(literal(usernames, ARRAY(Text))),
                Channel.username.is_(None) & (Channel.tg_id == any_(literal(tg_ids, ARRAY(BigInteger)))),
                Channel.id.in_(ids),
            ),
        )
        .add_columns((hold > func.clock_timestamp()).label("is_held"))
    )
    return [
        Target(
            channel=row.Channel,
            is_pair_active=row.is_active is not False,
            pair_reason=row.inactive_reason,
            hold_until=row.hold_until if row.is_held else None,
        )
        for row in rows
    ]


async def lock_idempotency_key(session: AsyncSession, key: str) -> None:
    """Let requests with the same key take turns until this transaction ends."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
        {"key": f"vestnik command {key}"},
    )


async def list_commands_of_key(session: AsyncSession, key: str) -> list[tuple[CommandId, bytes]]:
    """Earlier commands with this key, of any account, as they were made; with their requests' digests."""
    rows = await session.execute(
        select(AccountCommand.id, AccountCommand.request_digest)
        .where(AccountCommand.idempotency_key == key)
        .order_by(AccountCommand.created_at, AccountCommand.id)
    )
    return [(CommandId(row.id), row.request_digest or b"") for row in rows]


async def insert_commands(
    session: AsyncSession,
    account_id: AccountId,
    commands: Sequence[NewCommand],
    *,
    expires_in: timedelta,
    idempotency_key: str | None,
    request_digest: bytes,
) -> None:
    """Ask for posts, in this order."""
    now = func.clock_timestamp()
    for command in commands:
        await session.execute(
            insert(AccountCommand).values(
                id=command.command_id,
                account_id=account_id,
                kind=CommandKind.SEND,
                channel_id=command.channel_id,
                payload_ciphertext=command.payload,
                random_id=command.random_id,
                created_at=now,
                expires_at=now + expires_in,
                idempotency_key=idempotency_key,
                request_digest=request_digest,
            )
        )


async def list_commands(
    session: AsyncSession, ids: Sequence[CommandId]
) -> list[tuple[AccountCommand, Channel, bool]]:
    """Commands with their channels, and whether each would have had to start by now; in no order."""
    late = AccountCommand.expires_at <= func.clock_timestamp()
    rows = await session.execute(
        select(AccountCommand, Channel, late)
        .join(Channel, Channel.id == AccountCommand.channel_id)
        .where(AccountCommand.id.in_(ids))
        .execution_options(populate_existing=True)
    )
    return [(command, channel, bool(is_late)) for command, channel, is_late in rows]


async def list_request(
    session: AsyncSession, command_id: CommandId
) -> tuple[Account, list[CommandId]] | None:
    """Whose command it is, and all that were asked for with the same key, as they were made; None without it."""
    row = (
        await session.execute(
            select(Account, AccountCommand.idempotency_key)
            .join(AccountCommand, AccountCommand.account_id == Account.id)
            .where(AccountCommand.id == command_id, AccountCommand.kind == CommandKind.SEND)
        )
    ).one_or_none()
    if row is None:
        return None
    if row.idempotency_key is None:
        return row.Account, [command_id]
    ids = await session.scalars(
        select(AccountCommand.id)
        .where(
            AccountCommand.account_id == row.Account.id,
            AccountCommand.idempotency_key == row.idempotency_key,
        )
        .order_by(AccountCommand.created_at, AccountCommand.id)
    )
    return row.Account, [CommandId(found) for found in ids]


async def settle_commands(session: AsyncSession, account_id: AccountId) -> None:
    """As `CommandLedger.settle`, by those who wait for an answer when nobody else may be left to do it."""
    await session.execute(
        load_statement("settle_commands"),
        {"account_id": account_id, "most_claims": MOST_CLAIMS, "settle_for": SETTLE_FOR},
    )
