"""Retention, as workers carry it out: what has been kept for JOB_RETENTION_DAYS goes, the counters stay."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import alerts, campaigns, idempotency, logins, rates, retention, sessions
from vestnik.db.audit import record_audit
from vestnik.db.retention import PurgedJobs
from vestnik.domain.actors import Actor
from vestnik.domain.ids import CampaignId, JobId

BEFORE_ALL = retention.BEFORE_ALL


async def list_purgeable_campaigns(session: AsyncSession, keep_for: timedelta) -> list[CampaignId]:
    """Campaigns that ended that long ago and have jobs left, those of an interrupted purge included."""
    return await retention.list_purgeable_campaigns(session, keep_for)


async def purge_campaign_jobs(
    session: AsyncSession,
    campaign_id: CampaignId,
    keep_for: timedelta,
    *,
    after: JobId = BEFORE_ALL,
) -> PurgedJobs | None:
    """Delete the next part of a campaign's jobs; from the first part on they cannot be retried.

    With the first part its posts minute by minute go as well. None when another process has the campaign, or when
    it may not be purged (any more). Audited once a campaign.
    """
    purged = await retention.purge_jobs(session, campaign_id, keep_for, after)
    if purged is not None and purged.is_first:
        await rates.forget_minutes(session, campaign_id)
        await record_audit(
            session,
            Actor.system("retention"),
            "campaign.purged",
            "campaign",
            campaign_id,
            after={"jobs": purged.total},
        )
    return purged


async def list_deleted_campaigns(session: AsyncSession) -> list[CampaignId]:
    """Campaigns that a person deleted and that have messages left, some at most."""
    return await campaigns.list_deleted_campaigns(session, limit=retention.CAMPAIGNS_AT_ONCE)


async def erase_campaign(
    session: AsyncSession, campaign_id: CampaignId, *, after: JobId = BEFORE_ALL
) -> PurgedJobs | None:
    """Delete the next part of an ended campaign's messages, and with the last of them the campaign.

    None when another process has the campaign, or when it is gone. That it is deleted was audited when somebody
    asked for it.
    """
    part = await retention.purge_jobs(session, campaign_id, timedelta(0), after)
    if part is not None and part.next_after is None:
        await campaigns.delete_campaign(session, campaign_id)
    return part


async def forget_aged(session: AsyncSession) -> int:
    """Delete answers kept for repeated requests and tried sign-ins, after a day, ended sessions and aged alerts.

    How many rows.
    """
    kept = await idempotency.forget_aged_keys(session) + await logins.forget_aged_attempts(session)
    kept += await alerts.purge_alerts(session)
    return kept + await sessions.forget_ended_sessions(session)


async def purge_commands(session: AsyncSession, keep_for: timedelta) -> int:
    """Delete the next part of the direct sends and other commands that ended that long ago; how many."""
    return await retention.purge_commands(session, keep_for)


async def purge_audit(session: AsyncSession, keep_for: timedelta, *, is_going_on: bool) -> int:
    """Delete the next part of the audit log that is that old, once a day; how many. The log says that it went."""
    return await retention.purge_audit(session, keep_for, is_going_on=is_going_on)
