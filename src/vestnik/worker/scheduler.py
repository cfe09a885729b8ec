"""Scheduled starts: a due campaign is a row, found by looking, so nothing can be lost or run twice.

Any number of workers may look at once: each takes a row that no other has locked and starts it in the same
transaction.
"""

import asyncio

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from vestnik.db.engine import open_session
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.services.schedules import start_due_campaign

log = structlog.get_logger()

LOOK_EVERY = 1.0


async def run_scheduler(engine: AsyncEngine) -> None:
    """Start campaigns whose time has come, until cancelled."""
    while True:
        try:
            while await _start_next(engine):
                pass
        except DatabaseUnavailableError as exc:
            log.debug("scheduler.database_away", reason=exc.message)
        await asyncio.sleep(LOOK_EVERY)


async def _start_next(engine: AsyncEngine) -> bool:
    async with open_session(engine) as session:
        outcome = await start_due_campaign(session)
    if outcome is None:
        return False
    if outcome.refused is None:
        log.info("campaign.started_on_schedule", campaign_id=str(outcome.campaign_id))
    else:
        log.error("campaign.schedule_missed", campaign_id=str(outcome.campaign_id), reason=outcome.refused)
    return True
