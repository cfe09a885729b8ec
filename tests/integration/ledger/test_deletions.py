"""A deleted campaign's messages go in parts, whoever is at it and however often it is interrupted."""

import asyncio

import pytest
from structlog.testing import capture_logs

from tests.integration.ledger.conftest import Scene
from vestnik.db import retention as rows
from vestnik.db.engine import open_session
from vestnik.domain.actors import Actor, ActorKind
from vestnik.services import campaign_edits, retention
from vestnik.worker import deletions

ACTOR = Actor(kind=ActorKind.CLI, name="tester")


@pytest.fixture(autouse=True)
def _in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten jobs take three transactions, the first of them the request's, and none waits for the next."""
    monkeypatch.setattr(rows, "BATCH", 4)
    monkeypatch.setattr(deletions, "REST", 0.0)


async def _delete(scene: Scene) -> None:
    await scene.stage.execute("UPDATE jobs SET status = 'SENT'")
    await scene.stage.execute("UPDATE campaign_progress SET queued = 0, sent = total")
    await scene.stage.execute("UPDATE campaigns SET status = 'COMPLETED', ended_at = clock_timestamp()")
    async with open_session(scene.stage.engine) as session:
        await campaign_edits.delete_campaign(session, ACTOR, scene.campaign_id, expected_revision=None)


async def _count(scene: Scene) -> tuple[int, int, int]:
    row = await scene.stage.one(
        "SELECT (SELECT count(*) FROM jobs), (SELECT count(*) FROM campaign_progress),"
        " (SELECT count(*) FROM campaigns)"
    )
    return row[0], row[1], row[2]


async def test_a_worker_finds_deleted_campaigns_by_itself(scene: Scene) -> None:
    await _delete(scene)
    assert await _count(scene) == (6, 1, 1)
    running = asyncio.create_task(deletions.run_deletions(scene.stage.engine))
    try:
        async with asyncio.timeout(10):
            while await _count(scene) != (0, 0, 0):  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.02)
    finally:
        running.cancel()


async def test_the_next_worker_goes_on_where_a_dead_one_left_it(scene: Scene) -> None:
    await _delete(scene)
    async with open_session(scene.stage.engine) as session:
        part = await retention.erase_campaign(session, scene.campaign_id)
    assert part is not None
    assert (part.deleted, await _count(scene)) == (4, (2, 1, 1))
    with capture_logs() as logs:
        await deletions.erase_deleted_campaigns(scene.stage.engine)
    assert await _count(scene) == (0, 0, 0)
    assert [(entry["event"], entry["count"]) for entry in logs] == [("campaign.erased", 2)]


async def test_several_workers_at_once_do_no_harm(scene: Scene) -> None:
    await _delete(scene)
    await asyncio.gather(*(deletions.erase_deleted_campaigns(scene.stage.engine) for _ in range(4)))
    await deletions.erase_deleted_campaigns(scene.stage.engine)
    assert await _count(scene) == (0, 0, 0)


async def test_campaigns_that_nobody_deleted_stay(scene: Scene) -> None:
    other = await scene.stage.add_campaign(scene.account_id)
    await scene.stage.execute("UPDATE campaigns SET status = 'CANCELLED', ended_at = now()")
    await scene.stage.execute("UPDATE jobs SET status = 'CANCELLED'")
    await scene.stage.execute("UPDATE campaign_progress SET queued = 0, cancelled = total")
    async with open_session(scene.stage.engine) as session:
        await campaign_edits.delete_campaign(session, ACTOR, scene.campaign_id, expected_revision=None)
    await deletions.erase_deleted_campaigns(scene.stage.engine)
    assert await scene.stage.count_jobs(other) == {"CANCELLED": 10}
    assert await _count(scene) == (10, 1, 1)
