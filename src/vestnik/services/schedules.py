"""Scheduled starts, as a worker finds them due."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import transitions
from vestnik.db.audit import record_audit
from vestnik.domain.actors import Actor
from vestnik.domain.errors import VestnikError
from vestnik.domain.ids import CampaignId
from vestnik.domain.times import format_time

LATEST_START = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True, slots=True)
class DueStart:
    """A scheduled campaign whose time had come; `refused` says why it was not started."""

    campaign_id: CampaignId
    refused: str | None


async def start_due_campaign(session: AsyncSession) -> DueStart | None:
    """Start one campaign whose scheduled time has come; None when there is none.

    More than 15 minutes late, or with nothing to send to, it becomes a DRAFT again and says why: an operator has
    to decide whether the news is still news.
    """
    campaign = await transitions.take_due_campaign(session)
    if campaign is None:
        return None
    campaign_id = CampaignId(campaign.id)
    assert campaign.scheduled_at is not None
    before = {"status": campaign.status, "scheduled_at": format_time(campaign.scheduled_at)}
    refused = None
    late = await transitions.read_lateness(session, campaign)
    if late > LATEST_START:
        refused = f"nothing ran at the scheduled time; {int(late.total_seconds() // 60)} minutes later it is too late"
    else:
        try:
            async with session.begin_nested():
                await transitions.start_campaign(session, campaign_id)
        except VestnikError as exc:
            refused = exc.message
            await session.refresh(campaign)
    if refused is not None:
        await transitions.miss_schedule(session, campaign, refused)
    action = "campaign.started" if refused is None else "campaign.schedule_missed"
    await record_audit(
        session,
        Actor.system("scheduler"),
        action,
        "campaign",
        campaign_id,
        before=before,
        after={"status": campaign.status, "refused": refused},
    )
    return DueStart(campaign_id=campaign_id, refused=refused)
