"""Whether anything of an account may go out at this moment."""

import asyncio
from collections.abc import Callable

from vestnik.delivery.clock import read_clock
from vestnik.delivery.lease import LeaseKeeper


class Gate:
    """Open while the lease is held, the lane is not ending and Telegram has not told the account to wait.

    Closed until `note_looked`, because only the database knows of holds that an earlier lane was told.
    `facts` counts what the lane learned before the database did; a look at the database that began at an earlier
    count is out of date. `on_close` is called when a hold begins.
    """

    def __init__(self, keeper: LeaseKeeper) -> None:
        self._keeper = keeper
        self._over = asyncio.Event()
        self._has_looked = False
        self._held_until = 0.0
        self.facts = 0
        self.on_close: Callable[[], None] = lambda: None

    def is_open(self) -> bool:
        """Ask before every claim, send, re-send and connect."""
        return (
            self._has_looked
            and self._keeper.is_valid
            and not self._over.is_set()
            and read_clock() >= self._held_until
        )

    def note_looked(self) -> None:
        """The holds that the database knows of have been taken over."""
        self._has_looked = True

    @property
    def is_over(self) -> bool:
        """Whether the lane is ending."""
        return self._over.is_set()

    @property
    def held_until(self) -> float:
        """The instant (seconds of the engine's clock) at which the longest hold so far ends."""
        return self._held_until

    def hold_until(self, instant: float) -> None:
        """Close until `instant`; a shorter hold never shortens a longer one."""
        if instant > self._held_until:
            self._held_until = instant
            self.on_close()

    def end(self) -> None:
        """Close for good."""
        self._over.set()

    async def wait_until_over(self) -> None:
        """Returns once `end` was called."""
        await self._over.wait()
