"""Small pictures that came from Telegram: shown, and nothing else."""

from typing import Final

from fastapi.responses import Response

_HEADERS: Final = {
    "Content-Encoding": "identity",
    "Content-Disposition": "inline",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    # A sync may bring another one.
    "Cache-Control": "private, max-age=300",
}


def send_jpeg(data: bytes) -> Response:
    """A JPEG whose bytes somebody else made; a browser takes it for nothing but a picture."""
    return Response(data, media_type="image/jpeg", headers=_HEADERS)
