"""Server-sent events: answers that go on until the listener leaves or the process stops."""

from collections.abc import AsyncGenerator

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class EventStream(StreamingResponse):
    """Sends what a generator yields; it is closed as soon as the answer ends, for whatever reason.

    FastAPI's EventSourceResponse takes a route that is itself a generator, which cannot answer 404 any more.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        # Proxies such as nginx would hold events back until a buffer is full.
        super().__init__(events, headers={"X-Accel-Buffering": "no"})
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._events.aclose()
