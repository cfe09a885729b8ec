"""Stored files as answers: shown where a browser cannot be made to run anything by them."""

from collections.abc import AsyncGenerator
from typing import Final
from urllib.parse import quote

from vestnik.domain.media_store import MediaStore
from vestnik.services.media import MediaView, open_media, read_chunks
from vestnik.web.streams import ClosingStream

OTHER_TYPE: Final = "application/octet-stream"
_SHOWN_TYPES: Final = frozenset({
    "image/jpeg", "image/png", "image/webp", "image/gif", "video/mp4", "audio/mpeg", "audio/mp4", "audio/ogg",
})  # fmt: skip
"""What browsers show and cannot be made to run; everything else is only offered for saving."""


async def send_file(store: MediaStore, view: MediaView) -> ClosingStream:
    """The file itself. Raises NotFoundError where another process keeps it, MediaStoreError."""
    async with open_media(store, view):
        pass  # what is wrong is told now: once the answer has begun, it could not be

    async def read() -> AsyncGenerator[bytes, None]:
        async with open_media(store, view) as reader:
            async for chunk in read_chunks(reader):
                yield chunk

    is_shown = view.mime_type in _SHOWN_TYPES
    return ClosingStream(
        read(),
        media_type=view.mime_type if is_shown else OTHER_TYPE,
        headers={
            "Content-Length": str(view.size),
            "Content-Encoding": "identity",  # or it would be compressed a second time
            "Content-Disposition": f"{'inline' if is_shown else 'attachment'}; filename*=UTF-8''{quote(view.name)}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, max-age=31536000, immutable",
        },
    )
