"""Waiting for what another process does, by looking again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, TypeVar

Seen = TypeVar("Seen")

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 0.5


async def poll_until(
    read: Callable[[], Awaitable[Seen]], is_over: Callable[[Seen], bool], *, timeout: timedelta
) -> Seen:
    """Read until it is over or `timeout` has passed; what was read last. Holds nothing in between."""
    deadline = asyncio.get_running_loop().time() + timeout.total_seconds()
    pause = _FIRST_PAUSE
    while True:
        seen = await read()
        left = deadline - asyncio.get_running_loop().time()
        if is_over(seen) or left <= 0:
            return seen
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
