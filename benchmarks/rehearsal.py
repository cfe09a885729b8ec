"""What an operator does with campaigns, and what the simulator sees of it; for one simulated account.

Instants are seconds of the machine's monotonic clock, which all its processes share.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from benchmarks.system import System
from vestnik.db.accounts import find_account_by_name
from vestnik.db.engine import make_engine, open_session
from vestnik.domain.actors import Actor
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.services import campaigns
from vestnik.services.account_edits import AccountChanges, change_account
from vestnik.simulator.control import SimulatorControl
from vestnik.simulator.posts import Post

ACTOR = Actor.system("benchmark")
ACCOUNT = "rehearsal"
PAGE = 10_000
SLOWEST_LOOK_UP = 50
"""Channels a second, by a list of dialogs, below which something is wrong."""


class Rehearsal:
    """Each change returns the instant just before its COMMIT, so that no figure is better than what was."""

    def __init__(self, engine: AsyncEngine, control: SimulatorControl) -> None:
        self._engine = engine
        self.control = control
        self._numbers = count(1)
        self.attempts: list[float] = []
        """When each request to post arrived, whatever became of it."""
        self._senders: list[str] = []
        """The account of each."""
        self.posts: list[Post] = []

    async def commit(self, act: Callable[[AsyncSession], Awaitable[object]]) -> float:
        """Do something in one transaction."""
        async with open_session(self._engine) as session:
            await act(session)
            await session.flush()
            return time.monotonic()

    async def set_account_rate(self, rate: float) -> None:
        """Messages per second of the account over all its campaigns."""
        await self.commit(
            lambda session: change_account(session, ACTOR, ACCOUNT, AccountChanges(rate=str(rate)))
        )

    async def create(self, channels: int, rate: float) -> CampaignId:
        """A draft that posts a text of its own to the first so many channels, which are the same for all."""
        name = f"benchmark {next(self._numbers)}"
        new = campaigns.NewCampaign(
            name=name,
            channels_file="\n".join(f"bench_{number:05d}" for number in range(channels)).encode(),
            text=name,
            rate=str(rate),
            account=ACCOUNT,
        )
        async with open_session(self._engine) as session:
            return CampaignId((await campaigns.create_campaign(session, ACTOR, new)).campaign.id)

    async def start(self, campaign_id: CampaignId) -> float:
        """Make the messages and let them go."""
        return await self.commit(lambda session: campaigns.start_campaign(session, ACTOR, campaign_id))

    async def pause(self, campaign_id: CampaignId) -> float:
        """Stop sending until `resume`."""
        return await self.commit(lambda session: campaigns.pause_campaign(session, ACTOR, campaign_id))

    async def resume(self, campaign_id: CampaignId) -> float:
        """Go on."""
        return await self.commit(lambda session: campaigns.resume_campaign(session, ACTOR, campaign_id))

    async def cancel(self, campaign_id: CampaignId) -> float:
        """End it for good."""
        return await self.commit(lambda session: campaigns.cancel_campaign(session, ACTOR, campaign_id))

    async def change_rate(self, campaign_id: CampaignId, rate: float) -> float:
        """Change the campaign's own pace."""
        return await self.commit(
            lambda session: campaigns.change_pace(session, ACTOR, campaign_id, rate=str(rate))
        )

    async def wait_for_posts(self, more: int, seconds: float) -> None:
        """Wait for so many posts since the last look. Raises SystemExit after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self.control.wait_for_posts(len(self.posts) + more)
        except TimeoutError:
            raise SystemExit(f"{more} posts were not there after {seconds:.0f} s") from None

    async def wait_for_addresses(self, channels: int) -> None:
        """Wait until the account knows so many channels. Raises SystemExit when that takes too long."""
        async with open_session(self._engine) as session:
            account = await find_account_by_name(session, ACCOUNT)
        assert account is not None, "a migration makes it"
        await wait_for_addresses(self._engine, [AccountId(account.id)], channels)

    async def look(self) -> None:
        """Take over what the simulator has seen since the last look; best while nothing is being posted."""
        while page := await self.control.list_attempts(first=len(self.attempts), limit=PAGE):
            self.attempts += [attempt.arrived_monotonic for attempt in page]
            self._senders += [attempt.account for attempt in page]
        while posts := await self.control.list_posts(first=len(self.posts), limit=PAGE):
            self.posts += posts

    def list_attempts(
        self, begin: float, end: float = math.inf, account_id: str | None = None
    ) -> list[float]:
        """When requests to post, refused ones too, arrived between two instants; of one account or of all."""
        attempts = zip(self.attempts, self._senders, strict=True)
        return sorted(at for at, sender in attempts if begin < at < end and account_id in {None, sender})


async def wait_for_addresses(engine: AsyncEngine, account_ids: Sequence[AccountId], channels: int) -> None:
    """Until each account knows so many channels. Raises SystemExit when that takes too long."""
    known = text(
        "SELECT count(*) FROM channel_peers WHERE access_hash IS NOT NULL AND account_id = ANY (:account_ids)"
    )
    try:
        async with asyncio.timeout(60 + channels / SLOWEST_LOOK_UP):
            while True:
                async with open_session(engine) as session:
                    found = await session.scalar(known, {"account_ids": list(account_ids)})
                if (found or 0) >= channels * len(account_ids):
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise SystemExit("the accounts did not learn their channels' addresses in time") from None


@asynccontextmanager
async def open_rehearsal(system: System) -> AsyncIterator[Rehearsal]:
    """For the length of the block."""
    engine = make_engine(system.url, name="benchmark", pool_size=1)
    try:
        async with await SimulatorControl.connect(system.endpoint) as control:
            yield Rehearsal(engine, control)
    finally:
        await engine.dispose()
