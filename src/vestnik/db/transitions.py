"""What people do to a campaign's status: start, pause, resume, cancel.

Each locks the campaign's row first (reliability order: lease, campaigns, jobs, progress) and changes the status
only from a status that allows it. They run in the caller's transaction and wake the account's lane when that
commits.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import AccountHold, Batch, Campaign, Template
from vestnik.db.notifications import notify_account
from vestnik.db.statements import load_statement
from vestnik.domain.errors import ConflictError, InvalidInputError, NotFoundError
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.domain.states import CampaignStatus, HoldScope, PauseReason

EXPANSION_CHUNK = 100_000
"""Channels expanded within the start's own transaction; the lane expands the rest in parts of this size."""


async def start_campaign(session: AsyncSession, campaign_id: CampaignId) -> int:
    """Freeze the content, make the jobs and set RUNNING; returns the number of jobs made so far.

    Raises NotFoundError; ConflictError unless the campaign is DRAFT or SCHEDULED; InvalidInputError when no
    channel of the batch can be sent to.
    """
    campaign = await _lock_campaign(session, campaign_id)
    _require(campaign, {CampaignStatus.DRAFT, CampaignStatus.SCHEDULED}, "started")
    template = await session.get_one(Template, campaign.template_id)
    campaign.content = freeze_content(template)
    campaign.status = CampaignStatus.RUNNING
    campaign.started_at = func.clock_timestamp()
    campaign.revision += 1
    total = await expand_campaign(session, campaign)
    if total == 0:
        batch = await session.get_one(Batch, campaign.batch_id)
        raise InvalidInputError(
            f"batch '{batch.name}' has no channel that can be sent to: it is empty, or all its channels are "
            "inactive; add channels or reactivate some",
            field="batch",
        )
    await notify_account(session, AccountId(campaign.account_id))
    return total


def freeze_content(template: Template) -> dict[str, Any]:
    """The copy of a template that a campaign keeps."""
    return {"text": template.content, "link_preview": template.link_preview}


async def expand_campaign(session: AsyncSession, campaign: Campaign) -> int:
    """Make the next jobs of a locked campaign; returns its total so far and sets `expanded_at` at the end."""
    await session.flush()
    row = (
        await session.execute(
            load_statement("expand_campaign"),
            {
                "campaign_id": campaign.id,
                "account_id": campaign.account_id,
                "batch_id": campaign.batch_id,
                "after": campaign.expansion_position or 0,
                "chunk": EXPANSION_CHUNK,
            },
        )
    ).one()
    if row.position is not None:
        campaign.expansion_position = row.position
    if row.seen < EXPANSION_CHUNK:
        campaign.expanded_at = func.clock_timestamp()
    await session.flush()
    return int(row.total)


async def pause_campaign(session: AsyncSession, campaign_id: CampaignId) -> None:
    """Set PAUSED (OPERATOR). Accepted during a hold of the account, whose end then changes nothing.

    Raises NotFoundError; ConflictError unless RUNNING is stored.
    """
    campaign = await _lock_campaign(session, campaign_id)
    _require(campaign, {CampaignStatus.RUNNING}, "paused")
    campaign.status = CampaignStatus.PAUSED
    campaign.pause_reason = PauseReason.OPERATOR
    campaign.status_detail = None
    await _changed_by_a_person(session, campaign)


async def resume_campaign(session: AsyncSession, campaign_id: CampaignId) -> None:
    """Set RUNNING again; with the account on hold, sending starts when the hold ends.

    Raises NotFoundError; ConflictError unless PAUSED is stored, with the time at which a hold ends.
    """
    campaign = await _lock_campaign(session, campaign_id)
    if campaign.status == CampaignStatus.RUNNING:
        until = await _hold_until(session, AccountId(campaign.account_id))
        if until is not None:
            raise ConflictError(
                f"campaign '{campaign.name}' is RUNNING and waits for Telegram until "
                f"{until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC; it goes on by itself"
            )
    _require(campaign, {CampaignStatus.PAUSED}, "resumed")
    campaign.status = CampaignStatus.RUNNING
    campaign.pause_reason = None
    campaign.status_detail = None
    await _changed_by_a_person(session, campaign)


async def cancel_campaign(session: AsyncSession, campaign_id: CampaignId) -> None:
    """Set CANCELLED and end the queued jobs; what was already handed to Telegram is still recorded.

    Raises NotFoundError; ConflictError when the campaign has already ended.
    """
    campaign = await _lock_campaign(session, campaign_id)
    _require(
        campaign,
        {CampaignStatus.DRAFT, CampaignStatus.SCHEDULED, CampaignStatus.RUNNING, CampaignStatus.PAUSED},
        "cancelled",
    )
    campaign.status = CampaignStatus.CANCELLED
    campaign.pause_reason = None
    campaign.status_detail = None
    campaign.ended_at = func.clock_timestamp()
    await session.flush()
    await session.execute(load_statement("cancel_jobs"), {"campaign_id": campaign.id})
    await _changed_by_a_person(session, campaign)


async def _changed_by_a_person(session: AsyncSession, campaign: Campaign) -> None:
    campaign.revision += 1
    campaign.updated_at = func.clock_timestamp()
    await session.flush()
    await notify_account(session, AccountId(campaign.account_id))


async def _lock_campaign(session: AsyncSession, campaign_id: CampaignId) -> Campaign:
    campaign = await session.scalar(
        select(Campaign)
        .where(Campaign.id == campaign_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    if campaign is None:
        raise NotFoundError(f"there is no campaign {campaign_id}")
    return campaign


def _require(campaign: Campaign, allowed: set[CampaignStatus], action: str) -> None:
    if CampaignStatus(campaign.status) not in allowed:
        names = " or ".join(status for status in CampaignStatus if status in allowed)
        raise ConflictError(
            f"campaign '{campaign.name}' is {campaign.status}; only {names} can be {action}", field="status"
        )


async def _hold_until(session: AsyncSession, account_id: AccountId) -> datetime | None:
    return await session.scalar(
        select(AccountHold.until).where(
            AccountHold.account_id == account_id,
            AccountHold.scope == HoldScope.SEND,
            AccountHold.until > func.clock_timestamp(),
        )
    )
