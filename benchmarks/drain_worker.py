"""Takes whole campaigns from the queue as fast as it can, as a process of its own.

`python -m benchmarks.drain_worker` with a `Share` as JSON in DRAIN and the database's address in DRAIN_DATABASE
drains the smaller of the two campaigns that each account has, to warm up, and says in a line that it is ready. It
begins with the larger ones at the next line of its standard input, and prints a `Drained`.

It claims and records as a lane does, and claims ahead while it sends and records, too. What it does without is the
pace: no lane of ours sends without one, so what would be measured else is how finely asyncio can wait.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC
from typing import Final
from uuid import UUID

from benchmarks.ledger import LONG, NOW
from vestnik.cli.child import spare_memory_checks
from vestnik.db.engine import make_engine, parse_database_url
from vestnik.db.leases import Lease
from vestnik.db.ledger import CampaignClaim, Claim, Ledger
from vestnik.delivery.contents import CampaignContent
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.domain.outcomes import judge_success
from vestnik.domain.transport import Content, Peer

VARIABLE: Final = "DRAIN"
DATABASE: Final = "DRAIN_DATABASE"


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """Accounts by their ids; `batch` is how many jobs a claim is for."""

    accounts: Sequence[str]
    batch: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Drained:
    """Seconds on the clock that all processes of the machine share, and how many were posted."""

    began_at: float
    ended_at: float
    jobs: int


class InstantTransport:
    """The end of the line: whatever is handed over has been posted."""

    def __init__(self) -> None:
        self.posted = 0

    async def send(self, peer: Peer, content: Content, random_id: int) -> tuple[int, ...]:  # noqa: ARG002
        """As a transport does."""
        self.posted += 1
        return (self.posted,)


async def drain_campaign(
    ledger: Ledger, lease: Lease, campaign_id: CampaignId, transport: InstantTransport, batch: int
) -> None:
    """Until nothing is left of it and all is recorded."""
    frozen = await ledger.read_content(campaign_id)
    assert frozen is not None
    content = CampaignContent(frozen, UTC)

    def claim(cursor: int) -> "asyncio.Task[Claim]":
        wanted = CampaignClaim(campaign_id=campaign_id, count=batch, cursor=cursor, next_slot_in=NOW)
        return asyncio.create_task(ledger.claim(lease, [wanted], NOW))

    claiming = claim(0)
    recording: asyncio.Task[object] | None = None
    while jobs := (await claiming).jobs:
        claiming = claim(jobs[-1].job_id)
        # This transport never waits, so the claim would go out behind all of its posts.
        await asyncio.sleep(0)
        results = [
            judge_success(job, await transport.send(job.peer, content.render(job.values), job.random_id))
            for job in jobs
        ]
        if recording is not None:
            await recording
        recording = asyncio.create_task(ledger.record(results))
    if recording is not None:
        await recording


async def drain(share: Share, database_url: str) -> Drained:
    """All campaigns of the accounts, side by side."""
    engine = make_engine(
        parse_database_url(database_url),
        name="benchmark",
        pool_size=2 * len(share.accounts),
        repeats_itself=True,
    )
    ledger, transport = Ledger(engine), InstantTransport()
    try:
        warm_up, work = [], []
        for name in share.accounts:
            account_id = AccountId(UUID(name))
            lease = await ledger.acquire_lease(account_id, "benchmark", LONG)
            assert lease is not None
            running = (await ledger.read_lane(account_id)).campaigns
            small, large = sorted(running, key=lambda campaign: campaign.queued)
            warm_up.append((lease, small.campaign_id))
            work.append((lease, large.campaign_id))
        for lease, campaign_id in warm_up:
            await drain_campaign(ledger, lease, campaign_id, transport, share.batch)
        warmed_up = transport.posted
        spare_memory_checks()  # as a worker does when it is ready
        print(json.dumps({"ready": True}), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        began_at = time.time()
        async with asyncio.TaskGroup() as group:
            for lease, campaign_id in work:
                group.create_task(drain_campaign(ledger, lease, campaign_id, transport, share.batch))
        return Drained(began_at=began_at, ended_at=time.time(), jobs=transport.posted - warmed_up)
    finally:
        await engine.dispose()


def main() -> None:
    """As the module says."""
    share = Share(**json.loads(os.environ[VARIABLE]))
    print(json.dumps(asdict(asyncio.run(drain(share, os.environ[DATABASE])))), flush=True)


if __name__ == "__main__":
    main()
