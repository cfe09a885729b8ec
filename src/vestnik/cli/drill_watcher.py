"""Watches a drill from outside the workers: requests in the simulator, leases and holds in the database."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from vestnik.cli.drill_analysis import Sending, Span
from vestnik.cli.drill_sample import Part
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.domain.states import CampaignStatus

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from vestnik.simulator.control import SimulatorControl

_SIMULATOR_POLL: Final = 0.05
_DATABASE_POLL: Final = 0.2
_PAGE: Final = 10_000


class Watcher:
    """Everything seen so far; `run` keeps it up to date.

    `by_process` and `last_at` count and date the requests to post by the process that made them and by account.
    """

    def __init__(self, control: "SimulatorControl", engine: "AsyncEngine", parts: Sequence[Part]) -> None:
        self._control = control
        self._engine = engine
        self._account_ids = [part.account_id for part in parts]
        self._campaign_ids = [part.campaign_id for part in parts]
        self._holds: dict[tuple[AccountId, float], float] = {}
        self._wall_offset = time.time() - time.monotonic()
        self.sendings: list[Sending] = []
        self.posts = 0
        self.moved_at = time.monotonic()
        """When something was sent last; at first when the watch began."""
        self.by_process: Counter[str] = Counter()
        self.last_at: dict[str, float] = {}
        self.holders: dict[AccountId, str] = {}
        self.statuses: dict[CampaignId, CampaignStatus] = {}
        self.on_look: list[Callable[[], None]] = []
        """Called after each look at the simulator."""

    @property
    def are_all_final(self) -> bool:
        """Whether every campaign has ended."""
        return len(self.statuses) == len(self._campaign_ids) and all(
            status.is_final for status in self.statuses.values()
        )

    @property
    def holds(self) -> list[Span]:
        """The waits that Telegram imposed, from when they were stored."""
        return [
            Span(begin - self._wall_offset, end - self._wall_offset, str(account_id))
            for (account_id, begin), end in self._holds.items()
        ]

    async def run(self) -> None:
        """Look again and again; ended by cancellation."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_simulator())
            group.create_task(self._watch_database())

    async def look(self, control: "SimulatorControl") -> None:
        """Take over what the simulator has seen since the last look."""
        while True:
            page = await control.list_attempts(first=len(self.sendings))
            if page:
                self.moved_at = time.monotonic()
            for attempt in page:
                sending = Sending(
                    attempt.account, attempt.connection, attempt.device, attempt.arrived_monotonic
                )
                self.sendings.append(sending)
                self.by_process[sending.process] += 1
                self.last_at[sending.account] = sending.at
            if len(page) < _PAGE:
                break
        self.posts += (await control.summarize(with_arrivals=False, first=self.posts)).posts

    async def read_database(self) -> None:
        """Take over leases, holds and statuses. Raises DatabaseUnavailableError."""
        from vestnik.db.engine import open_session
        from vestnik.db.rehearsals import read_standing

        async with open_session(self._engine) as session:
            standing = await read_standing(session, self._account_ids, self._campaign_ids)
        self.holders = standing.holders
        self.statuses = standing.statuses
        for account_id, begin, end in standing.holds:
            self._holds[account_id, begin.timestamp()] = end.timestamp()

    async def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait for something that a look may show; whether it came true in time."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_SIMULATOR_POLL)
        return True

    async def _watch_simulator(self) -> None:
        while True:
            await self.look(self._control)
            for callback in self.on_look:
                callback()
            await asyncio.sleep(_SIMULATOR_POLL)

    async def _watch_database(self) -> None:
        while True:
            with suppress(DatabaseUnavailableError):  # it may have been taken away on purpose
                await self.read_database()
            await asyncio.sleep(_DATABASE_POLL)
