"""Stored files and templates that name them, as the API makes them."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from vestnik.db.engine import open_session
from vestnik.db.media_files import LocalMediaStore
from vestnik.domain.actors import Actor
from vestnik.services.media import MediaView, receive_media, store_media


async def as_chunks(data: bytes, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    """A file as it comes in."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def add_media(
    engine: AsyncEngine, data_dir: Path, data: bytes, *, kind: str = "photo", name: str = "photo.jpg"
) -> MediaView:
    """Store a file."""
    received = await receive_media(LocalMediaStore(data_dir), as_chunks(data), kind=kind, name=name)
    async with open_session(engine) as session:
        return await store_media(session, Actor.system("test"), received)


async def put_into_template(engine: AsyncEngine, content: str, media_id: UUID) -> None:
    """Let the templates of a content name the file."""
    async with open_session(engine) as session:
        await session.execute(
            text(
                "UPDATE templates t SET media_id = m.id, media_type = m.kind FROM media m"
                " WHERE m.id = :media_id AND t.content = :content"
            ),
            {"media_id": media_id, "content": content},
        )
