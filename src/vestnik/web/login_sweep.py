"""Wiping what was typed for logins of accounts and not taken up in time.

Workers do it as well; but it is when there is none that nothing is taken up.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import structlog

from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.services.account_logins import end_abandoned_logins
from vestnik.web.database import Database

log = structlog.get_logger(__name__)

SWEEP_EVERY: Final = timedelta(seconds=5)


@asynccontextmanager
async def sweep_logins(database: Database, every: timedelta = SWEEP_EVERY) -> AsyncIterator[None]:
    """Wipe it as long as the block runs."""
    sweeping = asyncio.create_task(_sweep(database, every))
    try:
        yield
    finally:
        sweeping.cancel()
        await asyncio.wait([sweeping])


async def _sweep(database: Database, every: timedelta) -> None:
    while True:
        try:
            await database.look(end_abandoned_logins)
        except DatabaseUnavailableError as exc:
            log.debug("logins.sweep_put_off", reason=exc.message)
        await asyncio.sleep(every.total_seconds())
