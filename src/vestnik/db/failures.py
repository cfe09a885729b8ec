"""Why messages failed, over all campaigns that are of interest now."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.job_parts import IS_FAILED
from vestnik.db.models import Campaign, CampaignProgress, Job
from vestnik.domain.states import CampaignStatus

RECENT: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignFailures:
    """How many messages of a campaign failed for one reason."""

    code: str
    campaign_id: UUID
    campaign_name: str
    count: int


async def count_recent_failures(session: AsyncSession) -> list[CampaignFailures]:
    """Of campaigns that run, pause or ended within a day; read from the index of failed messages."""
    code = func.coalesce(Job.error_code, "UNKNOWN")
    query = (
        select(code, Campaign.id, Campaign.name, func.count())
        .join(CampaignProgress, CampaignProgress.campaign_id == Campaign.id)
        .join(Job, (Job.campaign_id == Campaign.id) & IS_FAILED)
        .where(
            Campaign.deleted_at.is_(None),
            CampaignProgress.failed > 0,
            or_(
                Campaign.status.in_((CampaignStatus.RUNNING, CampaignStatus.PAUSED)),
                Campaign.ended_at > func.clock_timestamp() - RECENT,
            ),
        )
        .group_by(code, Campaign.id, Campaign.name)
        .order_by(func.count().desc(), Campaign.id)
    )
    return [
        CampaignFailures(code=code, campaign_id=campaign_id, campaign_name=name, count=count)
        for code, campaign_id, name, count in await session.execute(query)
    ]
