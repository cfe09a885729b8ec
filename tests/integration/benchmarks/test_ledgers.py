"""The ledgers that benchmarks fill and drain are those of real campaigns."""

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.filling import add_batch, add_channels, forget_campaigns, prepare_channels
from benchmarks.growth import grow_once
from benchmarks.ledger import drain, queue_campaign, take_lease
from benchmarks.start import time_start
from vestnik.db.engine import open_session
from vestnik.db.ledger import Ledger


async def count(engine: AsyncEngine, table: str, condition: str = "true") -> int:
    async with open_session(engine) as session:
        return int(await session.scalar(text(f"SELECT count(*) FROM {table} WHERE {condition}")) or 0)


async def test_campaigns_that_share_claims_are_all_drained(engine: AsyncEngine) -> None:
    account_id, batch_ids = await prepare_channels(engine, [3, 20, 7])
    ledger = Ledger(engine)
    campaign_ids = [
        await queue_campaign(engine, account_id, f"{size}", batch_id) for size, batch_id in batch_ids.items()
    ]
    figures = await drain(ledger, await take_lease(ledger, account_id), campaign_ids, 4)
    assert figures.jobs == 30
    assert len(figures.claims) == len(figures.records) == len(figures.memory)
    assert await count(engine, "jobs", "status = 'SENT'") == 30
    assert await count(engine, "campaigns", "status = 'COMPLETED'") == 3


async def test_a_ledger_is_empty_again_for_the_next_run(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.growth.LEAST_JOBS", 20)  # twice
    account_id, batch_ids = await prepare_channels(engine, [5])
    lease = await take_lease(Ledger(engine), account_id)
    growth = await grow_once(engine, lease, [batch_ids[5]] * 2, 10)
    assert growth.cost > 0
    assert await count(engine, "jobs") == 10
    await forget_campaigns(engine)
    assert await count(engine, "jobs") == await count(engine, "campaigns") == 0
    assert await count(engine, "channels") == 5


async def test_a_start_is_timed_to_the_last_part_that_a_lane_expands(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vestnik.db.transitions.EXPANSION_CHUNK", 4)
    monkeypatch.setattr("vestnik.db.transitions.LANE_CHUNK", 3)
    account_id, batch_ids = await prepare_channels(engine, [12])
    start = await time_start(engine, account_id, batch_ids[12], 12)
    assert 0 < start.waited < start.whole
    assert await count(engine, "jobs", "status = 'QUEUED'") == 12


async def test_a_start_that_leaves_channels_out_is_no_figure(engine: AsyncEngine) -> None:
    account_id, batch_ids = await prepare_channels(engine, [5])
    async with open_session(engine) as session:
        await session.execute(text("UPDATE channels SET is_active = false WHERE username = 'bench_3'"))
    with pytest.raises(SystemExit, match="4 jobs are queued of 5"):
        await time_start(engine, account_id, batch_ids[5], 5)


async def test_a_batch_has_its_channels_in_the_order_of_their_kinds(engine: AsyncEngine) -> None:
    async with open_session(engine) as session:
        await add_channels(session, 10, prefix="near")
        await add_channels(session, 2, prefix="far")
        batch_id = await add_batch(session, "all", ("near", "far"), limit=11)
        rows = await session.scalars(
            text(
                "SELECT c.username FROM batch_channels b JOIN channels c ON c.id = b.channel_id"
                " WHERE b.batch_id = :id ORDER BY b.position"
            ),
            {"id": batch_id},
        )
        names = list(rows)
    assert names == [*(f"near_{number}" for number in range(1, 11)), "far_1"]
