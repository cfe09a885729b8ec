"""Scheduled starts and the rest of large cancels: rows, found by looking, so nothing is lost or done twice.

Any number of workers may look at once: each takes a row that no other has locked and does its part in the same
transaction.
"""

import asyncio

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from vestnik.db.engine import open_session
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.services.campaigns import finish_cancel
from vestnik.services.schedules import start_due_campaign

log = structlog.get_logger()

LOOK_EVERY = 1.0
CANCEL_PAUSE = 0.05
"""Seconds between two parts of a cancel, in which others get at the campaign's row."""


async def run_scheduler(engine: AsyncEngine) -> None:
    """Start campaigns whose time has come, until cancelled."""
    while True:
        try:
            while await _start_next(engine):
                pass
        except DatabaseUnavailableError as exc:
            log.debug("scheduler.database_away", reason=exc.message)
        await asyncio.sleep(LOOK_EVERY)


async def run_cancels(engine: AsyncEngine) -> None:
    """End what was cancelled, beside the starts, which a large cancel must not hold up; until cancelled itself."""
    while True:
        try:
            await _finish_cancels(engine)
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


async def _finish_cancels(engine: AsyncEngine) -> None:
    while True:
        async with open_session(engine) as session:
            if not await finish_cancel(session):
                return
        await asyncio.sleep(CANCEL_PAUSE)
