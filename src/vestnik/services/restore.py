"""What an operator does after a backup was restored."""

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.audit import record_audit
from vestnik.db.restore import AfterRestore, settle_restored_backup
from vestnik.domain.actors import Actor
from vestnik.domain.states import CampaignStatus, PauseReason


async def settle_restore(session: AsyncSession, actor: Actor) -> AfterRestore:
    """Make a restored backup harmless: what ran or was scheduled is PAUSED (RESTORED) until somebody resumes it.

    Workers from before the restore can neither send nor record failures any more, whatever they held. Posts that
    went out after the backup was made are asked for again under the same random_id, so Telegram shows them once.
    """
    done = await settle_restored_backup(session)
    for campaign in done.campaigns:
        await record_audit(
            session,
            actor,
            "campaign.paused",
            "campaign",
            campaign.campaign_id,
            before={"status": campaign.was},
            after={"status": CampaignStatus.PAUSED, "reason": PauseReason.RESTORED},
        )
    await record_audit(
        session,
        actor,
        "database.restored",
        "database",
        "database",
        after={"campaigns": len(done.campaigns), "accounts": done.accounts, "commands": done.commands},
    )
    return done
