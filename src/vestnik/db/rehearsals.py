"""Rehearsals: what a simulator has to know before an account posts, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.accounts import find_account_by_name, insert_account, set_account_rate
from vestnik.db.job_parts import IS_FAILED
from vestnik.db.models import (
    AccountCommand,
    AccountHold,
    AccountLease,
    BatchChannel,
    Campaign,
    Channel,
    ChannelPeer,
    Job,
    Preflight,
)
from vestnik.domain.commands import CommandStatus
from vestnik.domain.ids import AccountId, CampaignId, ChannelId
from vestnik.domain.states import AccountKind, CampaignStatus, HoldScope

ChannelName = tuple[str | None, int | None]
"""Username and Telegram id; at least one of the two."""


async def list_met_channels(session: AsyncSession, account_id: AccountId) -> list[ChannelName]:
    """The channels whose address the account has stored; a simulator that started anew must make them again."""
    query = (
        select(Channel.username, ChannelPeer.tg_id)
        .join(Channel, Channel.id == ChannelPeer.channel_id)
        .where(
            ChannelPeer.account_id == account_id, ChannelPeer.tg_id.is_not(None), Channel.deleted_at.is_(None)
        )
    )
    return [(username, tg_id) for username, tg_id in await session.execute(query)]


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedChannel:
    """A channel that an account is going to post in and has no address of yet."""

    channel_id: ChannelId
    name: ChannelName


async def list_wanted_channels(
    session: AsyncSession, account_id: AccountId, after: ChannelId | None, limit: int
) -> list[WantedChannel]:
    """At most `limit` channels of the account's running campaigns and open commands, by id from beyond `after`."""
    of_commands = select(AccountCommand.channel_id).where(
        AccountCommand.account_id == account_id,
        AccountCommand.status.in_([CommandStatus.PENDING, CommandStatus.STARTED]),
    )
    of_campaigns = (
        select(BatchChannel.channel_id)
        .join(Campaign, Campaign.batch_id == BatchChannel.batch_id)
        .where(Campaign.account_id == account_id, Campaign.status == CampaignStatus.RUNNING)
    )
    of_preflights = (
        select(BatchChannel.channel_id)
        .join(Campaign, Campaign.batch_id == BatchChannel.batch_id)
        .join(Preflight, Preflight.campaign_id == Campaign.id)
        .join(AccountCommand, AccountCommand.id == Preflight.id)
        .where(AccountCommand.account_id == account_id, AccountCommand.status == CommandStatus.STARTED)
    )
    known = exists().where(
        ChannelPeer.account_id == account_id,
        ChannelPeer.channel_id == Channel.id,
        ChannelPeer.access_hash.is_not(None),
    )
    query = (
        select(Channel.id, Channel.username, Channel.tg_id)
        .where(Channel.id.in_(of_commands) | Channel.id.in_(of_campaigns) | Channel.id.in_(of_preflights))
        .where(Channel.deleted_at.is_(None), ~known)
        .order_by(Channel.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(Channel.id > after)
    return [
        WantedChannel(
            channel_id=ChannelId(row.id),
            # A simulator gives a named channel an id of its own.
            name=(row.username, None if row.username else row.tg_id),
        )
        for row in await session.execute(query)
    ]


async def forget_simulator(session: AsyncSession, account_id: AccountId) -> None:
    """Forget what a simulated account learnt from a simulator that is no more: addresses, refusals, waits."""
    await session.execute(delete(ChannelPeer).where(ChannelPeer.account_id == account_id))
    await session.execute(delete(AccountHold).where(AccountHold.account_id == account_id))


async def list_unfinished_campaigns(session: AsyncSession, account_id: AccountId) -> list[CampaignId]:
    """The account's campaigns that are running or paused."""
    query = select(Campaign.id).where(
        Campaign.account_id == account_id,
        Campaign.status.in_([CampaignStatus.RUNNING, CampaignStatus.PAUSED]),
    )
    return [CampaignId(campaign_id) for campaign_id in await session.scalars(query)]


async def list_failed_usernames(session: AsyncSession, campaign_id: CampaignId) -> list[str]:
    """The channels of a campaign whose message ended FAILED."""
    query = (
        select(Channel.username)
        .join(Job, Job.channel_id == Channel.id)
        .where(Job.campaign_id == campaign_id, IS_FAILED, Channel.username.is_not(None))
    )
    return [username for username in await session.scalars(query) if username is not None]


async def ensure_simulated_account(session: AsyncSession, name: str, rate: Decimal) -> AccountId:
    """A simulated account of this name with this rate, made if it is missing."""
    await insert_account(session, name=name, kind=AccountKind.SIMULATED, rate=rate)
    await set_account_rate(session, [name], rate)
    account = await find_account_by_name(session, name)
    assert account is not None
    return AccountId(account.id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What holds simulated accounts at one moment: who speaks for each, and the waits that Telegram imposed.

    `holds` are (account, when it was stored, when it ends), over or not.
    """

    holders: dict[AccountId, str]
    holds: list[tuple[AccountId, datetime, datetime]]
    statuses: dict[CampaignId, CampaignStatus]


async def read_standing(
    session: AsyncSession, account_ids: Sequence[AccountId], campaign_ids: Sequence[CampaignId]
) -> Standing:
    """Leases that are valid now, stored holds, and the stored statuses of campaigns."""
    leases = await session.execute(
        select(AccountLease.account_id, AccountLease.holder).where(
            AccountLease.account_id.in_(account_ids), AccountLease.lease_until > func.clock_timestamp()
        )
    )
    holds = await session.execute(
        select(AccountHold.account_id, AccountHold.created_at, AccountHold.until).where(
            AccountHold.account_id.in_(account_ids), AccountHold.scope == HoldScope.SEND
        )
    )
    statuses = await session.execute(
        select(Campaign.id, Campaign.status).where(Campaign.id.in_(campaign_ids))
    )
    return Standing(
        holders={AccountId(account_id): holder for account_id, holder in leases},
        holds=[(AccountId(account_id), begin, end) for account_id, begin, end in holds],
        statuses={CampaignId(campaign_id): CampaignStatus(status) for campaign_id, status in statuses},
    )
