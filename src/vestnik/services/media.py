"""Stored files: taken in and checked first, kept in a transaction of their own afterwards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import media as rows
from vestnik.db.audit import record_audit
from vestnik.db.media_intake import ReceivedMedia, keep_media, receive_media
from vestnik.db.models import Media
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConflictError, MediaMissingError, NotFoundError
from vestnik.domain.ids import MediaId
from vestnik.domain.media import MediaType
from vestnik.domain.media_store import MediaReader, MediaStore

__all__ = [
    "MediaView",
    "ReceivedMedia",
    "delete_media",
    "get_media",
    "list_media",
    "open_media",
    "read_chunks",
    "receive_media",
    "store_media",
]

_SUGGESTIONS: Final = 5
_CHUNK: Final = 256 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class MediaView:
    """A stored file as it is shown. `duration` is in seconds; `is_new` is false for one that was there before."""

    id: UUID
    kind: MediaType
    name: str
    size: int
    mime_type: str
    sha256: str
    width: int | None
    height: int | None
    duration: float | None
    created_by: str
    created_at: datetime
    is_new: bool = False


async def store_media(session: AsyncSession, actor: Actor, received: ReceivedMedia) -> MediaView:
    """Make a received file known. The same bytes under the same kind and name are the file that is there.

    Raises ConflictError when somebody deleted the same file in this moment.
    """
    media, is_new = await keep_media(session, actor, received)
    return _view(media, is_new=is_new)


async def get_media(session: AsyncSession, media_id: MediaId) -> MediaView:
    """Raises NotFoundError."""
    return _view(await _require_media(session, media_id))


async def list_media(
    session: AsyncSession,
    *,
    limit: int,
    kind: MediaType | None = None,
    after: tuple[datetime, MediaId] | None = None,
) -> list[MediaView]:
    """The newest first; `after` is (created_at, id) of the last one already seen."""
    return [_view(media) for media in await rows.list_media(session, limit=limit, kind=kind, after=after)]


async def delete_media(
    session: AsyncSession, actor: Actor, store: MediaStore, media_id: MediaId
) -> MediaView:
    """Remove a file that nothing needs; its bytes go with the last row of them.

    Raises NotFoundError, ConflictError while a template or a campaign needs it, MediaStoreError.
    """
    media = await _require_media(session, media_id)
    await rows.lock_file(session, media.sha256)  # before the row, as those do who store the same file again
    users = await rows.list_users(session, media_id, limit=_SUGGESTIONS)
    if users:
        raise ConflictError(f"'{media.name}' is used by {', '.join(users)}; take it out there first")
    view = _view(media)
    if await rows.delete_media(session, media):
        # While the digest is locked: nobody stores the same bytes between this and the commit. Should that fail,
        # the row is left without its file, which whoever reads it is told; the same upload brings it back.
        await store.remove(view.sha256)
    before = {"kind": view.kind, "name": view.name, "size": view.size, "sha256": view.sha256}
    await record_audit(session, actor, "media.deleted", "media", media_id, before=before)
    return view


@asynccontextmanager
async def open_media(store: MediaStore, view: MediaView) -> AsyncIterator[MediaReader]:
    """The file's bytes. Raises NotFoundError where another process keeps them, MediaStoreError."""
    try:
        async with store.open(view.sha256) as reader:
            yield reader
    except MediaMissingError as exc:
        raise NotFoundError(
            f"the bytes of '{view.name}' are not here: {exc.message}", field="media_id"
        ) from exc


async def read_chunks(reader: MediaReader) -> AsyncIterator[bytes]:
    """The whole file, part by part."""
    offset = 0
    while chunk := await reader.read(offset, _CHUNK):
        yield chunk
        offset += len(chunk)


async def _require_media(session: AsyncSession, media_id: MediaId) -> Media:
    media = await rows.get_media(session, media_id)
    if media is None:
        raise NotFoundError(f"there is no stored file {media_id}", field="media_id")
    return media


def _view(media: Media, *, is_new: bool = False) -> MediaView:
    names = ("id", "name", "size", "mime_type", "width", "height", "duration", "created_by", "created_at")
    fields = {name: getattr(media, name) for name in names}
    return MediaView(kind=MediaType(media.kind), sha256=media.sha256.hex(), is_new=is_new, **fields)
