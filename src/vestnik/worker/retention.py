"""Retention: a purge is found by looking, done in small transactions, and goes on where a dead worker left it.

Any number of workers may look at once: each passes over the rows that another has locked.
"""

import asyncio
from datetime import timedelta

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from vestnik.db.engine import open_session
from vestnik.domain.errors import BusyError, DatabaseUnavailableError
from vestnik.domain.ids import CampaignId
from vestnik.services import retention

log = structlog.get_logger()

LOOK_EVERY = 600.0
REST = 0.1
"""Seconds between two transactions, so that deleting never keeps the database from delivering."""


async def run_retention(engine: AsyncEngine, keep_for: timedelta, keep_audit_for: timedelta) -> None:
    """Delete what ended longer than `keep_for` ago and older entries of the audit log than that, until cancelled.

    With zero they are kept for ever.
    """
    while True:
        try:
            async with open_session(engine) as session:
                await retention.forget_aged(session)
            if keep_for:
                await purge_everything_due(engine, keep_for)
            if keep_audit_for:
                await purge_audit(engine, keep_audit_for)
        except DatabaseUnavailableError as exc:
            log.debug("retention.database_away", reason=exc.message)
        except (BusyError, DBAPIError) as exc:  # a role without the rights, say: no reason to stop delivering
            log.warning("retention.failed", reason=_describe(exc))
        await asyncio.sleep(LOOK_EVERY)


def _describe(error: BusyError | DBAPIError) -> str:
    """Without the rows that a later line of the database's words may quote."""
    return error.message if isinstance(error, BusyError) else str(error.orig).partition("\n")[0]


async def purge_everything_due(engine: AsyncEngine, keep_for: timedelta) -> None:
    """Delete what is due now; campaigns that another worker is purging are left to it.

    Raises DatabaseUnavailableError.
    """
    while True:
        async with open_session(engine) as session:
            found = await retention.list_purgeable_campaigns(session, keep_for)
        purged = [await _purge_campaign(engine, campaign_id, keep_for) for campaign_id in found]
        if not any(purged):
            break
    await _purge_commands(engine, keep_for)


async def _purge_campaign(engine: AsyncEngine, campaign_id: CampaignId, keep_for: timedelta) -> bool:
    """Whether nothing is left of its jobs."""
    deleted = 0
    after = retention.BEFORE_ALL
    while True:
        async with open_session(engine) as session:
            part = await retention.purge_campaign_jobs(session, campaign_id, keep_for, after=after)
        if part is None:
            return False
        deleted += part.deleted
        await asyncio.sleep(REST)  # after the last part as well: the next campaign may be small too
        if part.next_after is None:
            break
        after = part.next_after
    log.info("campaign.purged", campaign_id=str(campaign_id), count=deleted)
    return True


async def _purge_commands(engine: AsyncEngine, keep_for: timedelta) -> None:
    deleted = 0
    while True:
        async with open_session(engine) as session:
            part = await retention.purge_commands(session, keep_for)
        if part == 0:
            break
        deleted += part
        await asyncio.sleep(REST)
    if deleted:
        log.info("commands.purged", count=deleted)


async def purge_audit(engine: AsyncEngine, keep_for: timedelta) -> None:
    """Delete entries of the audit log that are older, once a day. Raises DatabaseUnavailableError."""
    deleted = 0
    while True:
        async with open_session(engine) as session:
            part = await retention.purge_audit(session, keep_for, is_going_on=deleted > 0)
        if part == 0:
            break
        deleted += part
        await asyncio.sleep(REST)
    if deleted:
        log.info("audit.purged", count=deleted)
