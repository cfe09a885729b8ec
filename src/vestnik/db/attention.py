"""Campaigns that wait for a person."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import Campaign
from vestnik.domain.states import CampaignStatus, PauseReason

FAILED_FOR: Final = timedelta(days=1)
"""For so long a failed campaign is news."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StuckCampaign:
    """A campaign that does not go on by itself, and why."""

    id: UUID
    name: str
    status: CampaignStatus
    pause_reason: PauseReason | None
    detail: str | None


async def list_stuck_campaigns(session: AsyncSession, *, limit: int) -> list[StuckCampaign]:
    """Those that paused themselves, missed their time or failed lately; the one that changed last first.

    A DRAFT has a detail only when its time was missed.
    """
    query = (
        select(Campaign.id, Campaign.name, Campaign.status, Campaign.pause_reason, Campaign.status_detail)
        .where(
            Campaign.deleted_at.is_(None),
            or_(
                and_(Campaign.status == CampaignStatus.PAUSED, Campaign.pause_reason != PauseReason.OPERATOR),
                and_(Campaign.status == CampaignStatus.DRAFT, Campaign.status_detail.is_not(None)),
                and_(
                    Campaign.status == CampaignStatus.FAILED,
                    Campaign.updated_at > func.clock_timestamp() - FAILED_FOR,
                ),
            ),
        )
        .order_by(Campaign.updated_at.desc(), Campaign.id)
        .limit(limit)
    )
    return [
        StuckCampaign(
            id=row.id,
            name=row.name,
            status=CampaignStatus(row.status),
            pause_reason=None if row.pause_reason is None else PauseReason(row.pause_reason),
            detail=row.status_detail,
        )
        for row in await session.execute(query)
    ]
