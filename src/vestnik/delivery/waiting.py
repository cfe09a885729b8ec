"""Waiting for an event, but not for longer than until an instant."""

import asyncio
import random


async def wait_for_event(event: asyncio.Event, timeout: float) -> bool:
    """Wait up to `timeout` seconds for the event and clear it; whether it came."""
    if not event.is_set() and timeout > 0:
        try:
            async with asyncio.timeout(timeout):
                await event.wait()
        except TimeoutError:
            return False
    came = event.is_set()
    event.clear()
    return came


async def back_off(attempt: int, *, longest: float = 1.0) -> None:
    """Sleep 0.2 s doubling up to `longest`, with jitter so that many waiters do not return at once."""
    await asyncio.sleep(min(0.2 * 2 ** min(attempt, 10), longest) * random.uniform(0.75, 1.25))  # noqa: S311
