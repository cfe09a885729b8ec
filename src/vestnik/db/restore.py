"""What a restored backup needs before anything may run on it again."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.statements import load_statement
from vestnik.domain.ids import CampaignId
from vestnik.domain.lifecycle import CampaignAction, campaign_sources, next_campaign_status
from vestnik.domain.states import CampaignStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class RestoredCampaign:
    """A campaign that is PAUSED (RESTORED) now, and what it was in the backup."""

    campaign_id: CampaignId
    name: str
    was: CampaignStatus


@dataclass(frozen=True, kw_only=True, slots=True)
class AfterRestore:
    """What was done: campaigns paused, accounts whose leases are free under new epochs, direct posts ended."""

    campaigns: tuple[RestoredCampaign, ...]
    accounts: int
    commands: int


async def settle_restored_backup(session: AsyncSession) -> AfterRestore:
    """Pause what would go on by itself, fence off every lease holder, end open direct posts. Safe to repeat."""
    sources = campaign_sources(CampaignAction.RESTORE)
    (becomes,) = {next_campaign_status("", status, CampaignAction.RESTORE) for status in sources}
    row = (
        await session.execute(
            load_statement("after_restore"), {"statuses": list(sources), "restored_status": becomes}
        )
    ).one()
    return AfterRestore(
        campaigns=tuple(
            RestoredCampaign(
                campaign_id=CampaignId(UUID(found["id"])),
                name=found["name"],
                was=CampaignStatus(found["status"]),
            )
            for found in row.campaigns
        ),
        accounts=row.accounts,
        commands=row.commands,
    )
