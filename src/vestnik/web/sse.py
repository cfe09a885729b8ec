"""Server-sent events: answers that go on until the listener leaves or the process stops."""

from collections.abc import AsyncGenerator

from vestnik.web.streams import ClosingStream


class EventStream(ClosingStream):
    """Sends the events that a generator yields.

    FastAPI's EventSourceResponse takes a route that is itself a generator, which cannot answer 404 any more.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        # Proxies such as nginx would hold events back until a buffer is full.
        super().__init__(events, headers={"X-Accel-Buffering": "no"})
