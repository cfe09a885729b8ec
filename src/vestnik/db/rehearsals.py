"""Rehearsals: what a simulator has to know before an account posts, and what came of it."""

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import AccountHold, BatchChannel, Campaign, Channel, ChannelPeer, Job
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.domain.states import CampaignStatus, JobStatus

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


async def list_unnamed_channels(session: AsyncSession, account_id: AccountId) -> list[ChannelName]:
    """The channels without a username among those of the account's running campaigns."""
    query = (
        select(Channel.tg_id)
        .join(BatchChannel, BatchChannel.channel_id == Channel.id)
        .join(Campaign, Campaign.batch_id == BatchChannel.batch_id)
        .where(
            Campaign.account_id == account_id,
            Campaign.status == CampaignStatus.RUNNING,
            Channel.username.is_(None),
            Channel.deleted_at.is_(None),
        )
        .distinct()
    )
    return [(None, tg_id) for tg_id in await session.scalars(query)]


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
        .where(Job.campaign_id == campaign_id, Job.status == JobStatus.FAILED, Channel.username.is_not(None))
    )
    return [username for username in await session.scalars(query) if username is not None]
