"""What accounts make of a batch's channels, and which channels are in a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import Account, BatchChannel, Channel, ChannelPeer
from vestnik.domain.ids import BatchId


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountReach:
    """To how many of a batch's channels a campaign of an account would post."""

    account_id: UUID
    account_name: str
    account_kind: str
    sendable: int


async def list_reach(session: AsyncSession, batch_id: BatchId) -> list[AccountReach]:
    """Of every account, by name; counted like `db.batches.count_sendable`."""
    members = (
        select(Channel.id)
        .join(BatchChannel, BatchChannel.channel_id == Channel.id)
        .where(BatchChannel.batch_id == batch_id, Channel.deleted_at.is_(None), Channel.is_active)
    )
    active = await session.scalar(select(func.count()).select_from(members.subquery())) or 0
    stopped = (
        select(ChannelPeer.account_id, func.count().label("number"))
        .where(ChannelPeer.channel_id.in_(members), ~ChannelPeer.is_active)
        .group_by(ChannelPeer.account_id)
        .subquery()
    )
    query = (
        select(Account.id, Account.name, Account.kind, func.coalesce(stopped.c.number, 0))
        .outerjoin(stopped, stopped.c.account_id == Account.id)
        .order_by(Account.name)
    )
    return [
        AccountReach(account_id=account_id, account_name=name, account_kind=kind, sendable=active - number)
        for account_id, name, kind, number in await session.execute(query)
    ]


async def find_members(session: AsyncSession, batch_id: BatchId, channel_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the channels that are in a batch."""
    query = select(BatchChannel.channel_id).where(
        BatchChannel.batch_id == batch_id,
        BatchChannel.channel_id == any_(literal(list(channel_ids), ARRAY(Uuid))),
    )
    return set(await session.scalars(query))
