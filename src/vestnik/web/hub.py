"""Live progress: one poller per process for any number of listeners.

While somebody listens, it reads the progress of all watched campaigns in one query twice a second; a
notification of the database only shortens the wait. Each listener keeps the latest state of a campaign and nothing
else, so a slow one neither holds up the others nor costs memory. Whether all of them may still listen is another
query, every other second.
"""

import asyncio
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final
from uuid import UUID

import structlog

from vestnik.domain.errors import VestnikError
from vestnik.domain.ids import CampaignId
from vestnik.services.campaign_views import StandingView

log = structlog.get_logger(__name__)

POLL_SECONDS: Final = 0.5
SHORTEST_POLL_SECONDS: Final = 0.1
"""However many notifications arrive."""
ADMIT_SECONDS: Final = 1.5
"""How often it is asked who may still listen; with a poll's time it is below 2 s until a listener has to go."""

Read = Callable[[Sequence[CampaignId]], Awaitable[Mapping[CampaignId, StandingView]]]

Admit = Callable[[Collection[UUID]], Awaitable[Collection[UUID]]]
"""Those of some tokens and sessions that are still good."""
WakeSource = Callable[[Callable[[], None]], Coroutine[Any, Any, None]]
"""Calls what it is given at each sign of news, until cancelled; see `db.listener.Listener`."""


class Watcher:
    """What one listener has not been told yet: of each campaign the latest state, or None once it is deleted."""

    def __init__(self, campaign_ids: Collection[CampaignId], credential_id: UUID | None) -> None:
        self.campaign_ids = frozenset(campaign_ids)
        self.credential_id = credential_id
        self.is_closed = False
        """The process stops, or the listener may not listen any more; nothing more will come."""
        self.is_offline = False
        """The database does not answer; the watcher hears of it when it does again."""
        self._news: dict[CampaignId, StandingView | None] = {}
        self._keys: dict[CampaignId, object] = {}
        self._stirred = asyncio.Event()

    def take(self) -> dict[CampaignId, StandingView | None]:
        """The states that changed since the last call."""
        news, self._news = self._news, {}
        return news

    async def wait(self, timeout: float) -> bool:
        """Wait until something changed, `is_offline` and `is_closed` included; False if nothing did."""
        try:
            async with asyncio.timeout(timeout):
                await self._stirred.wait()
        except TimeoutError:
            return False
        self._stirred.clear()
        return True

    def offer(self, campaign_id: CampaignId, standing: StandingView | None) -> None:
        """Keep a state if it is news."""
        key = None if standing is None else standing.key
        if campaign_id in self._keys and self._keys[campaign_id] == key:
            return
        self._keys[campaign_id] = key
        self._news[campaign_id] = standing
        self._stirred.set()

    def tell_offline(self, is_offline: bool) -> None:
        """Note whether the database answers."""
        if self.is_offline != is_offline:
            self.is_offline = is_offline
            self._stirred.set()

    def close(self) -> None:
        """End it."""
        self.is_closed = True
        self._stirred.set()


class ProgressHub:
    """Tells listeners what changes; does nothing while there are none."""

    def __init__(
        self,
        read: Read,
        admit: Admit,
        *,
        wake_source: WakeSource | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._read = read
        self._admit = admit
        self._admitted_at = float("-inf")
        self._wake_source = wake_source
        self._poll_seconds = poll_seconds
        self._watchers: set[Watcher] = set()
        self._wanted = asyncio.Event()
        self._stirred = asyncio.Event()
        self._is_closed = False
        self._is_offline = False

    @contextmanager
    def watch(
        self, standings: Mapping[CampaignId, StandingView], *, credential_id: UUID | None = None
    ) -> Iterator[Watcher]:
        """Watch these campaigns, whose states the listener has just been given as news.

        The watcher is closed once the token or session of `credential_id` is not good any more; without one the
        listener looks to that itself.
        """
        watcher = Watcher(standings, credential_id)
        for campaign_id, standing in standings.items():
            watcher.offer(campaign_id, standing)
        if self._is_closed:
            watcher.close()
        self._watchers.add(watcher)
        self._wanted.set()
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            if not self._watchers:
                self._wanted.clear()
                self._stirred.set()  # so that an idle process does not keep listening

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._watchers)

    def close(self) -> None:
        """End all listeners, so that the process can stop; those that come later end at once."""
        self._is_closed = True
        for watcher in self._watchers:
            watcher.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve listeners for as long as the block runs."""
        async with asyncio.TaskGroup() as tasks:
            polling = tasks.create_task(self._run())
            try:
                yield
            finally:
                self.close()
                polling.cancel()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            async with asyncio.TaskGroup() as tasks:
                listening = None
                if self._wake_source is not None:
                    listening = tasks.create_task(self._wake_source(self._stirred.set))
                await self._poll()
                if listening is not None:
                    listening.cancel()

    async def _poll(self) -> None:
        """Read and tell until nobody listens any more."""
        while self._watchers:
            started_at = time.monotonic()
            self._stirred.clear()
            await self._look()
            await asyncio.sleep(max(started_at + SHORTEST_POLL_SECONDS - time.monotonic(), 0))
            rest = max(started_at + self._poll_seconds - time.monotonic(), 0)
            with suppress(TimeoutError):
                async with asyncio.timeout(rest):
                    await self._stirred.wait()

    async def _look(self) -> None:
        # Those that come during the read have read something newer themselves.
        watchers = list(self._watchers)
        watched = frozenset[CampaignId]().union(*(watcher.campaign_ids for watcher in watchers))
        try:
            found = await self._read(sorted(watched))
            await self._dismiss(watchers)
        except VestnikError as exc:
            self._set_offline(True, exc.message)
            return
        except Exception:
            # The edge of the process: one bad answer must not end the live displays for good.
            log.exception("hub.poll_failed")
            self._set_offline(True, "unexpected error")
            return
        self._set_offline(False, None)
        for watcher in watchers:
            for campaign_id in watcher.campaign_ids:
                watcher.offer(campaign_id, found.get(campaign_id))

    async def _dismiss(self, watchers: Collection[Watcher]) -> None:
        """Close those who may not listen any more; while nobody can be asked, all stay."""
        now = time.monotonic()
        if now - self._admitted_at < ADMIT_SECONDS:
            return
        self._admitted_at = now
        asked = {watcher.credential_id for watcher in watchers if watcher.credential_id is not None}
        admitted = await self._admit(asked) if asked else ()
        for watcher in watchers:
            if watcher.credential_id in asked and watcher.credential_id not in admitted:
                watcher.close()

    def _set_offline(self, is_offline: bool, reason: str | None) -> None:
        if is_offline != self._is_offline:
            self._is_offline = is_offline
            log.info("hub.database_away" if is_offline else "hub.database_back", reason=reason)
        for watcher in self._watchers:
            watcher.tell_offline(is_offline)
