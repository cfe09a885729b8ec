"""A campaign of ten channels, ready to be claimed."""

import asyncio
from dataclasses import dataclass

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.stage import Stage
from vestnik.db.leases import Lease
from vestnik.db.ledger import ClaimedJob
from vestnik.domain.ids import AccountId, CampaignId, ChannelId

BLOCKED = """
SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@dataclass
class Scene:
    """One account that holds its lease and one running campaign, of ten channels as a fixture."""

    stage: Stage
    account_id: AccountId
    channels: list[ChannelId]
    campaign_id: CampaignId
    lease: Lease

    async def claim(self, number: int = 1, *, cursor: int = 0) -> list[ClaimedJob]:
        return await self.stage.claim(self.lease, self.campaign_id, number, cursor=cursor)

    async def counts(self) -> dict[str, int]:
        """Jobs by status, after making sure that the counters say the same."""
        counted = await self.stage.count_jobs(self.campaign_id)
        assert await self.stage.read_progress(self.campaign_id) == counted
        return counted

    async def status(self) -> str:
        return await self.stage.read_status(self.campaign_id)

    async def count_audited(self, action: str) -> int:
        """Entries of the audit log about the campaign."""
        query = "SELECT count(*) AS n FROM audit_logs WHERE entity_id = :id AND action = :action"
        row = await self.stage.one(query, id=str(self.campaign_id), action=action)
        return int(row.n)

    async def wait_until_blocked(self) -> None:
        """Returns when some statement waits for a lock."""
        for _ in range(1000):
            if (await self.stage.one(BLOCKED)).n:
                return
            await asyncio.sleep(0.01)
        pytest.fail("nothing waited for a lock within 10 s")


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


async def make_scene(stage: Stage, channels: int) -> Scene:
    """An account that knows all channels there are, and a campaign for them."""
    account_id = await stage.add_account()
    added = await stage.add_channels(channels)
    await stage.give_peers(account_id, added)
    campaign_id = await stage.add_campaign(account_id)
    lease = await stage.acquire(account_id)
    return Scene(stage=stage, account_id=account_id, channels=added, campaign_id=campaign_id, lease=lease)


@pytest.fixture
async def scene(stage: Stage) -> Scene:
    return await make_scene(stage, 10)
