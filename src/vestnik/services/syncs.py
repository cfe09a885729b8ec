"""Syncs: our channels brought up to what an account sees in Telegram, by the process that speaks for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import surveys as rows
from vestnik.db.accounts import get_account
from vestnik.db.audit import record_audit
from vestnik.db.commands import lock_idempotency_key
from vestnik.db.models import Account, AccountCommand
from vestnik.db.notifications import notify_account
from vestnik.db.sync import ChannelFace, read_faces, read_picture
from vestnik.domain.actors import Actor
from vestnik.domain.commands import CommandKind, CommandStatus
from vestnik.domain.errors import ConflictError, NotFoundError
from vestnik.domain.ids import AccountId, ChannelId, CommandId
from vestnik.domain.states import AccountKind
from vestnik.domain.surveys import SyncReport
from vestnik.services.accounts import find_account
from vestnik.services.direct_send import require_ready

_EXPLANATIONS: Final = {
    "NO_WORKER": "No worker took it in time; ask again once one speaks for the account.",
    "INTERRUPTED": "It was interrupted too often; ask again.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SyncView:
    """A sync as it stands; the report grows while it is on its way."""

    id: UUID
    account_id: UUID
    account_name: str
    status: CommandStatus
    report: SyncReport
    error_code: str | None
    error_message: str | None
    requested_at: datetime
    finished_at: datetime | None


async def request_sync(session: AsyncSession, actor: Actor, reference: str) -> SyncView:
    """Have the account's channels read; one that is on its way already is the answer then.

    Raises NotFoundError; ConflictError for an account that has no dialogs of its own or cannot be used now,
    AccountHeldError, NoWorkerError.
    """
    account = await find_account(session, reference)
    _require_dialogs(account)
    account_id = AccountId(account.id)
    await lock_idempotency_key(session, f"sync {account_id}")
    open_id = await rows.find_open(session, account_id, CommandKind.SYNC)
    if open_id is not None:
        return await get_sync(session, account_id, open_id)
    await require_ready(session, account)
    command_id = CommandId(uuid4())
    await rows.insert_survey(session, account_id, CommandKind.SYNC, command_id)
    await record_audit(
        session, actor, "account.sync_requested", "account", account_id, after={"account": account.name}
    )
    await notify_account(session, account_id)
    return await get_sync(session, account_id, command_id)


def _require_dialogs(account: Account) -> None:
    match AccountKind(account.kind):
        case AccountKind.SIMULATED:
            raise ConflictError(
                f"account '{account.name}' only rehearses, and the channels that it sees are made up; sync a real one",
                field="account",
            )
        case AccountKind.BOT:
            raise ConflictError(
                f"account '{account.name}' is a bot, and Telegram shows bots no list of their channels; import the "
                "channels by their names",
                field="account",
            )
        case AccountKind.USER:
            return


async def get_sync(session: AsyncSession, account_id: AccountId, sync_id: CommandId) -> SyncView:
    """How far it has come. Raises NotFoundError."""
    command = await rows.get_command(session, sync_id)
    if command is None or command.kind != CommandKind.SYNC or command.account_id != account_id:
        raise NotFoundError(f"account {account_id} has no sync {sync_id}", field="sync_id")
    return await _view(session, command)


async def get_latest_sync(session: AsyncSession, account_id: AccountId) -> SyncView:
    """The one asked for last. Raises NotFoundError."""
    found = await find_latest_sync(session, account_id)
    if found is None:
        raise NotFoundError(f"account {account_id} was not synchronised lately", field="account_id")
    return found


async def find_latest_sync(session: AsyncSession, account_id: AccountId) -> SyncView | None:
    """The one asked for last; None when there was none, or it was cleared away."""
    command = await rows.find_latest(session, account_id, CommandKind.SYNC)
    return None if command is None else await _view(session, command)


async def _view(session: AsyncSession, command: AccountCommand) -> SyncView:
    if not CommandStatus(command.status).is_final:
        # Should no process be left that would end it.
        await rows.settle_surveys(session, AccountId(command.account_id))
        await session.refresh(command)
    account = await get_account(session, AccountId(command.account_id))
    assert account is not None  # its commands would have gone with it
    result = command.result or {}
    code = result.get("error_code")
    return SyncView(
        id=command.id,
        account_id=account.id,
        account_name=account.name,
        status=CommandStatus(command.status),
        report=SyncReport.from_json(result),
        error_code=code,
        error_message=result.get("error_message") or _EXPLANATIONS.get(code or ""),
        requested_at=command.created_at,
        finished_at=command.finished_at,
    )


async def find_faces(session: AsyncSession, channel_ids: Sequence[UUID]) -> dict[UUID, ChannelFace]:
    """Pictures and members of a page's channels, as far as syncs have brought them."""
    return await read_faces(session, channel_ids)


async def get_picture(session: AsyncSession, channel_id: ChannelId) -> bytes:
    """A channel's small picture, a JPEG. Raises NotFoundError."""
    picture = await read_picture(session, channel_id)
    if picture is None:
        raise NotFoundError(f"there is no picture of channel {channel_id}", field="channel_id")
    return picture
