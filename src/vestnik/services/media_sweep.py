"""Stored files that nothing has needed for a while, and bytes that no row names."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import media as rows
from vestnik.db.audit import record_audit
from vestnik.domain.actors import Actor
from vestnik.domain.ids import MediaId
from vestnik.domain.media_store import MediaStore

PART = 100
"""Files looked at in one transaction."""


async def list_unused(
    session: AsyncSession, unused_for: timedelta, *, after: MediaId | None = None
) -> list[MediaId]:
    """The next files, by id, that no template names and nobody used for that long; campaigns may need them yet."""
    return await rows.list_unused(session, unused_for, after=after, limit=PART)


async def remove_unused(
    session: AsyncSession, store: MediaStore, media_id: MediaId, unused_for: timedelta
) -> bool:
    """Remove a file unless something has begun to use it; its bytes go with the last row of them.

    Whoever saves a template, starts a campaign, sends or uploads the same file at this moment is waited for, or
    waits and finds the file gone. Raises MediaStoreError, and then nothing is removed.
    """
    media = await rows.get_media(session, media_id)
    if media is None:
        return False
    await rows.lock_file(session, media.sha256)
    if await rows.list_users(session, media_id, limit=1):
        return False
    if not await rows.is_unused(session, media_id, unused_for):
        return False
    before = {"kind": media.kind, "name": media.name, "size": media.size, "sha256": media.sha256.hex()}
    if await rows.delete_media(session, media):
        await store.remove(media.sha256.hex())
    await record_audit(session, Actor.system("retention"), "media.deleted", "media", media_id, before=before)
    return True


async def remove_nameless(session: AsyncSession, store: MediaStore, sha256: str) -> bool:
    """Remove bytes that no row names; who stores them at this moment keeps them, or is told to repeat it."""
    await rows.lock_file(session, bytes.fromhex(sha256))
    if await rows.is_stored(session, bytes.fromhex(sha256)):
        return False
    await store.remove(sha256)
    return True
