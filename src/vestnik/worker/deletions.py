"""Deleted campaigns of many messages: rows, found by looking, deleted in small transactions.

Any number of workers may look at once: each passes over a campaign that another has locked. A worker that dies
leaves the rest to the next look.
"""

import asyncio

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from vestnik.db.engine import open_session
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.ids import CampaignId
from vestnik.services import retention

log = structlog.get_logger()

LOOK_EVERY = 2.0
REST = 0.05
"""Seconds between two transactions, so that deleting never keeps the database from delivering."""


async def run_deletions(engine: AsyncEngine) -> None:
    """Delete what is left of deleted campaigns, until cancelled."""
    while True:
        try:
            await erase_deleted_campaigns(engine)
        except DatabaseUnavailableError as exc:
            log.debug("deletions.database_away", reason=exc.message)
        await asyncio.sleep(LOOK_EVERY)


async def erase_deleted_campaigns(engine: AsyncEngine) -> None:
    """Delete what is left now, but for campaigns that another worker has.

    Raises DatabaseUnavailableError.
    """
    async with open_session(engine) as session:
        found = await retention.list_deleted_campaigns(session)
    for campaign_id in found:
        await _erase(engine, campaign_id)


async def _erase(engine: AsyncEngine, campaign_id: CampaignId) -> None:
    deleted = 0
    after = retention.BEFORE_ALL
    while True:
        async with open_session(engine) as session:
            part = await retention.erase_campaign(session, campaign_id, after=after)
        if part is None:
            return
        deleted += part.deleted
        await asyncio.sleep(REST)
        if part.next_after is None:
            break
        after = part.next_after
    log.info("campaign.erased", campaign_id=str(campaign_id), count=deleted)
