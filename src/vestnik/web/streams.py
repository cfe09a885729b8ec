"""Answers that are made while they are sent."""

from collections.abc import AsyncGenerator, Mapping
from http import HTTPStatus

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class ClosingStream(StreamingResponse):
    """Sends what a generator yields, and closes it as soon as the answer ends, for whatever reason.

    A listener that leaves, or who asked for the headers only, would else leave files and connections of the
    generator open until somebody collects the garbage.
    """

    def __init__(
        self,
        parts: AsyncGenerator[bytes, None],
        *,
        status_code: int = HTTPStatus.OK,
        media_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        # FastAPI reads the default of `status_code` for the description of a route.
        super().__init__(parts, status_code=status_code, media_type=media_type, headers=headers)
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._parts.aclose()
