"""Files that nothing needs: found by looking, removed one by one.

Any number of workers may look at once: a file's lock lets them take turns, and the second finds nothing. A worker
that dies leaves the rest to the next look.
"""

import asyncio
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from vestnik.db.engine import open_session
from vestnik.domain.errors import DatabaseUnavailableError, MediaStoreError
from vestnik.domain.media_store import MediaStore
from vestnik.services import media_sweep

log = structlog.get_logger()

LOOK_EVERY = 3600.0
REST = 0.05
"""Seconds between two files, so that deleting never keeps the database from delivering."""
UNUSED_FOR: Final = timedelta(days=7)
NAMELESS_FOR: Final = timedelta(days=1)
"""How old bytes are that no row names before they are taken for those of a process that died."""


async def run_media_sweep(engine: AsyncEngine, store: MediaStore) -> None:
    """Remove what nothing needs, until cancelled."""
    while True:
        try:
            await sweep_media(engine, store)
        except (DatabaseUnavailableError, MediaStoreError) as exc:
            log.debug("media.not_swept", reason=exc.message)
        await asyncio.sleep(LOOK_EVERY)


async def sweep_media(
    engine: AsyncEngine,
    store: MediaStore,
    *,
    unused_for: timedelta = UNUSED_FOR,
    nameless_for: timedelta = NAMELESS_FOR,
) -> int:
    """Remove what nothing needs now; how many. Raises DatabaseUnavailableError, MediaStoreError."""
    removed = 0
    after = None
    while True:
        async with open_session(engine) as session:
            found = await media_sweep.list_unused(session, unused_for, after=after)
        if not found:
            break
        for media_id in found:
            async with open_session(engine) as session:
                removed += await media_sweep.remove_unused(session, store, media_id, unused_for)
            await asyncio.sleep(REST)
        after = found[-1]
    async for sha256 in store.list_files(older_than=nameless_for):
        async with open_session(engine) as session:
            removed += await media_sweep.remove_nameless(session, store, sha256)
        await asyncio.sleep(REST)
    if removed:
        log.info("media.swept", count=removed)
    return removed
