"""Jobs of ended campaigns and ended commands go when their time is over; counters and everything else stay."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from tests.integration.ledger.conftest import Scene
from tests.support.stage import Stage, make_result
from vestnik.db import retention as rows
from vestnik.db.engine import open_session
from vestnik.db.transitions import retry_failed
from vestnik.domain.errors import ConflictError
from vestnik.domain.ids import CampaignId
from vestnik.domain.states import JobStatus
from vestnik.services import retention
from vestnik.worker import retention as worker

WEEK = timedelta(days=7)
YEAR = timedelta(days=365)
FOR_EVER = timedelta()


@pytest.fixture(autouse=True)
def _in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten jobs take three transactions, and none waits for the next."""
    monkeypatch.setattr(rows, "BATCH", 4)
    monkeypatch.setattr(worker, "REST", 0.0)


async def _end(stage: Stage, campaign_id: CampaignId, *, days_ago: float) -> None:
    """Complete a campaign, with one failure, as if it had happened then."""
    await stage.execute(
        "UPDATE jobs SET status = CASE WHEN id % 10 = 0 THEN 'FAILED' ELSE 'SENT' END, claims = 1,"
        " error_code = CASE WHEN id % 10 = 0 THEN 'TIMEOUT' END WHERE campaign_id = :id",
        id=campaign_id,
    )
    await stage.execute(
        "UPDATE campaign_progress SET queued = 0, sending = 0, sent = total - 1, failed = 1 WHERE campaign_id = :id",
        id=campaign_id,
    )
    await stage.execute(
        "UPDATE campaigns SET status = 'COMPLETED', ended_at = clock_timestamp() - :ago WHERE id = :id",
        id=campaign_id,
        ago=timedelta(days=days_ago),
    )


async def _purge(stage: Stage, keep_for: timedelta = WEEK) -> None:
    await worker.purge_everything_due(stage.engine, keep_for)


async def _purge_part(stage: Stage, campaign_id: CampaignId) -> rows.PurgedJobs | None:
    async with open_session(stage.engine) as session:
        return await retention.purge_campaign_jobs(session, campaign_id, WEEK)


async def _read_audit(stage: Stage) -> list[Any]:
    return await stage.execute(
        "SELECT actor_kind, entity_id, after FROM audit_logs WHERE action = 'campaign.purged' ORDER BY id"
    )


async def test_jobs_go_after_their_time_and_the_counters_stay(scene: Scene) -> None:
    stage = scene.stage
    younger, running = [await stage.add_campaign(scene.account_id) for _ in range(2)]
    await _end(stage, scene.campaign_id, days_ago=7.01)
    await _end(stage, younger, days_ago=6.99)
    before = await stage.one("SELECT * FROM campaign_progress WHERE campaign_id = :id", id=scene.campaign_id)
    with capture_logs() as logs:
        await _purge(stage)
    assert await stage.count_jobs(scene.campaign_id) == {}
    assert await stage.count_jobs(younger) == {"SENT": 9, "FAILED": 1}
    assert await stage.count_jobs(running) == {"QUEUED": 10}
    assert before == await stage.one(
        "SELECT * FROM campaign_progress WHERE campaign_id = :id", id=scene.campaign_id
    )
    campaign = await stage.read_campaign(scene.campaign_id)
    assert (campaign.status, campaign.purged_at is None) == ("COMPLETED", False)
    assert (await stage.read_campaign(younger)).purged_at is None
    assert await _read_audit(stage) == [("SYSTEM", str(scene.campaign_id), {"jobs": 10})]
    assert [(entry["event"], entry["count"]) for entry in logs] == [("campaign.purged", 10)]


async def test_failures_cannot_be_retried_from_the_first_part_on(scene: Scene) -> None:
    stage = scene.stage
    await _end(stage, scene.campaign_id, days_ago=8)
    part = await _purge_part(stage, scene.campaign_id)
    assert part is not None
    assert (part.is_first, part.total, part.deleted, part.next_after is None) == (True, 10, 4, False)
    with pytest.raises(ConflictError, match="were purged at"):
        async with open_session(stage.engine) as session:
            await retry_failed(session, scene.campaign_id, None)
    assert await stage.read_status(scene.campaign_id) == "COMPLETED"
    assert sum((await stage.count_jobs(scene.campaign_id)).values()) == 6


async def test_an_interrupted_purge_is_finished_at_the_next_look_and_audited_once(scene: Scene) -> None:
    await _end(scene.stage, scene.campaign_id, days_ago=8)
    await _purge_part(scene.stage, scene.campaign_id)  # and its worker dies
    await _purge(scene.stage)
    assert await scene.stage.count_jobs(scene.campaign_id) == {}
    assert len(await _read_audit(scene.stage)) == 1


async def test_a_campaign_is_purged_once(scene: Scene) -> None:
    await _end(scene.stage, scene.campaign_id, days_ago=8)
    await _purge(scene.stage)
    first = (await scene.stage.read_campaign(scene.campaign_id)).purged_at
    with capture_logs() as logs:
        await _purge(scene.stage)
    assert (await scene.stage.read_campaign(scene.campaign_id)).purged_at == first
    assert len(await _read_audit(scene.stage)) == 1
    assert logs == []


@pytest.mark.parametrize("status", ["QUEUED", "SENDING"])
async def test_a_campaign_with_something_on_its_way_is_left_alone(scene: Scene, status: str) -> None:
    """One that was cancelled keeps such rows for a while."""
    await _end(scene.stage, scene.campaign_id, days_ago=8)
    await scene.stage.execute("UPDATE campaigns SET status = 'CANCELLED'")
    await scene.stage.execute("UPDATE jobs SET status = :status WHERE status = 'FAILED'", status=status)
    await scene.stage.execute(f"UPDATE campaign_progress SET failed = 0, {status.lower()} = 1")
    await _purge(scene.stage)
    assert await _purge_part(scene.stage, scene.campaign_id) is None
    assert await scene.stage.count_jobs(scene.campaign_id) == {"SENT": 9, status: 1}
    assert (await scene.stage.read_campaign(scene.campaign_id)).purged_at is None


@pytest.mark.parametrize("status", ["RUNNING", "PAUSED"])
async def test_a_campaign_that_runs_again_is_left_alone(scene: Scene, status: str) -> None:
    await _end(scene.stage, scene.campaign_id, days_ago=8)
    reason = "OPERATOR" if status == "PAUSED" else None
    await scene.stage.execute(
        "UPDATE campaigns SET status = :status, pause_reason = :reason", status=status, reason=reason
    )
    await _purge(scene.stage)
    assert await _purge_part(scene.stage, scene.campaign_id) is None
    assert sum((await scene.stage.count_jobs(scene.campaign_id)).values()) == 10


async def test_a_draft_that_was_cancelled_has_nothing_to_purge(scene: Scene) -> None:
    draft = await scene.stage.add_campaign(scene.account_id, start=False)
    await scene.stage.cancel(draft)
    await scene.stage.execute("UPDATE campaigns SET ended_at = ended_at - interval '8 days'")
    await _purge(scene.stage)
    assert (await scene.stage.read_campaign(draft)).purged_at is None
    assert await _read_audit(scene.stage) == []


async def test_several_workers_purge_side_by_side(scene: Scene) -> None:
    stage = scene.stage
    campaigns = [scene.campaign_id, *[await stage.add_campaign(scene.account_id) for _ in range(5)]]
    for campaign_id in campaigns:
        await _end(stage, campaign_id, days_ago=8)
    async with asyncio.timeout(30):
        await asyncio.gather(*(_purge(stage) for _ in range(4)))
    await _purge(stage)  # what one passed over because another had it
    assert await stage.execute("SELECT 1 FROM jobs") == []
    assert len(await _read_audit(stage)) == len(campaigns)


async def test_between_small_campaigns_too_the_database_has_rest(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million jobs may be those of a thousand campaigns."""
    stage = scene.stage
    monkeypatch.setattr(rows, "BATCH", 100)
    monkeypatch.setattr(worker, "REST", 0.0123)
    for campaign_id in (scene.campaign_id, *[await stage.add_campaign(scene.account_id) for _ in range(2)]):
        await _end(stage, campaign_id, days_ago=8)
    rests: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float) -> None:
        if seconds == worker.REST:
            rests.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr(asyncio, "sleep", note)
    await _purge(stage)
    assert len(await _read_audit(stage)) == 3
    assert len(rests) >= 3


async def test_a_purge_that_the_database_refuses_is_reported_and_tried_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker delivers on meanwhile; it ends with any part of it that ends."""
    stage = scene.stage
    monkeypatch.setattr(worker, "LOOK_EVERY", 0.02)
    await _end(stage, scene.campaign_id, days_ago=8)
    await stage.execute("ALTER TABLE campaigns RENAME COLUMN purged_at TO elsewhere")
    with capture_logs() as logs:
        running = asyncio.create_task(worker.run_retention(stage.engine, WEEK, FOR_EVER))
        try:
            async with asyncio.timeout(30):
                while len([entry for entry in logs if entry["event"] == "retention.failed"]) < 2:
                    assert not running.done()
                    await asyncio.sleep(0.02)
                await stage.execute("ALTER TABLE campaigns RENAME COLUMN elsewhere TO purged_at")
                while await stage.count_jobs(scene.campaign_id):  # noqa: ASYNC110 - the database has no event for it
                    await asyncio.sleep(0.02)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert "purged_at" in logs[0]["reason"]


async def test_a_campaign_that_somebody_else_has_locked_is_passed_over(scene: Scene) -> None:
    await _end(scene.stage, scene.campaign_id, days_ago=8)
    async with asyncio.timeout(10), open_session(scene.stage.engine) as session:
        await rows.purge_jobs(session, scene.campaign_id, WEEK, rows.BEFORE_ALL)
        await _purge(scene.stage)  # neither waits nor fails
        assert len(await scene.stage.execute("SELECT 1 FROM jobs")) == 10
    await _purge(scene.stage)
    assert await scene.stage.execute("SELECT 1 FROM jobs") == []


async def test_a_late_result_of_a_purged_job_changes_nothing(scene: Scene) -> None:
    jobs = await scene.claim(1)
    await _end(scene.stage, scene.campaign_id, days_ago=8)
    await _purge(scene.stage)
    before = await scene.stage.read_progress(scene.campaign_id)
    assert await scene.stage.ledger.record([make_result(jobs[0], JobStatus.SENT)]) == []
    assert await scene.stage.read_progress(scene.campaign_id) == before


async def test_commands_go_after_their_time_and_only_when_they_have_ended(scene: Scene) -> None:
    stage = scene.stage
    for number, (status, days) in enumerate(
        [("DONE", 8), ("FAILED", 8), ("EXPIRED", 8), ("DONE", 9), ("FAILED", 9), ("DONE", 6)]
    ):
        await _add_command(scene, number, status, finished_days_ago=days)
    await _add_command(scene, 10, "PENDING", finished_days_ago=None)
    await _add_command(scene, 11, "STARTED", finished_days_ago=None)
    with capture_logs() as logs:
        await asyncio.gather(_purge(stage), _purge(stage))
    left = await stage.execute("SELECT random_id FROM account_commands ORDER BY random_id")
    assert [row.random_id for row in left] == [5, 10, 11]
    assert sum(entry["count"] for entry in logs) == 5


async def _add_command(scene: Scene, number: int, status: str, *, finished_days_ago: float | None) -> None:
    await scene.stage.execute(
        "INSERT INTO account_commands (account_id, kind, channel_id, random_id, status, created_at, expires_at,"
        " finished_at) VALUES (:account_id, 'SEND', :channel_id, :random_id, :status,"
        " now() - interval '10 days', now() - interval '10 days', now() - CAST(:ago AS interval))",
        account_id=scene.account_id,
        channel_id=scene.channels[0],
        random_id=number,
        status=status,
        ago=None if finished_days_ago is None else timedelta(days=finished_days_ago),
    )


async def test_the_worker_looks_by_itself_again_and_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LOOK_EVERY", 0.02)
    stage = scene.stage
    running = asyncio.create_task(worker.run_retention(stage.engine, WEEK, FOR_EVER))
    try:
        for campaign_id in (scene.campaign_id, await stage.add_campaign(scene.account_id)):
            await _end(stage, campaign_id, days_ago=8)
            async with asyncio.timeout(15):
                while await stage.count_jobs(campaign_id):  # noqa: ASYNC110 - the database has no event for it
                    await asyncio.sleep(0.02)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert len(await _read_audit(stage)) == 2


async def test_zero_days_keep_everything_for_ever(scene: Scene) -> None:
    await _end(scene.stage, scene.campaign_id, days_ago=10_000)
    await scene.stage.execute(
        "INSERT INTO login_attempts (at, email, address, succeeded) VALUES (now() - interval '2 days', 'a', 'b', true)"
    )
    running = asyncio.create_task(worker.run_retention(scene.stage.engine, FOR_EVER, FOR_EVER))
    async with asyncio.timeout(5):
        # That goes after a day all the same.
        while await scene.stage.execute("SELECT FROM login_attempts"):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
    running.cancel()
    assert sum((await scene.stage.count_jobs(scene.campaign_id)).values()) == 10


async def _add_audit(stage: Stage, *days_ago: float) -> None:
    for days in days_ago:
        await stage.execute(
            "INSERT INTO audit_logs (created_at, actor_kind, actor, action, entity_type, entity_id)"
            " VALUES (now() - CAST(:ago AS interval), 'SYSTEM', 'test', 'old', 'b', 'c')",
            ago=timedelta(days=days),
        )


async def _list_audit(stage: Stage) -> list[tuple[str, Any]]:
    rows = await stage.execute("SELECT action, after FROM audit_logs ORDER BY created_at, id")
    return [(row.action, row.after) for row in rows]


async def test_old_entries_of_the_audit_log_go_and_the_log_says_so(stage: Stage) -> None:
    await _add_audit(stage, 400, 399, 398, 397, 396, 366, 365.5, 364, 1)
    await worker.purge_audit(stage.engine, YEAR)
    found = await _list_audit(stage)
    assert [action for action, _ in found] == ["old", "old", "audit.purged", "audit.purged"]
    assert [after["entries"] for action, after in found if action == "audit.purged"] == [4, 3]
    assert all(after["until"] for action, after in found if action == "audit.purged")


async def test_the_audit_log_is_purged_once_a_day(stage: Stage) -> None:
    await _add_audit(stage, 365.5, 1)
    await worker.purge_audit(stage.engine, YEAR)
    assert [action for action, _ in await _list_audit(stage)] == ["old", "old"]


async def test_nobody_deletes_young_entries_even_by_the_way_that_the_purge_goes(stage: Stage) -> None:
    await _add_audit(stage, 40, 29)
    with pytest.raises(DBAPIError, match="kept for 30 days at least"):
        await stage.execute("SELECT vestnik_purge_audit(interval '29 days', 10)")
    with pytest.raises(DBAPIError, match="append-only"):
        await stage.execute(
            "WITH set AS MATERIALIZED (SELECT set_config('vestnik.purging_before', 'tomorrow', true) AS done)"
            " DELETE FROM audit_logs WHERE (SELECT done FROM set) IS NOT NULL"
        )
    with pytest.raises(DBAPIError, match="append-only"):
        await stage.execute("DELETE FROM audit_logs")
    assert len(await _list_audit(stage)) == 2


async def test_the_worker_purges_the_audit_log_only_when_asked_to(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LOOK_EVERY", 0.02)
    stage = scene.stage
    await _add_audit(stage, 400)
    for keep_audit_for, left in ((FOR_EVER, True), (YEAR, False)):
        running = asyncio.create_task(worker.run_retention(stage.engine, FOR_EVER, keep_audit_for))
        try:
            async with asyncio.timeout(15):
                # A sign-in that was tried long ago goes at each look.
                for _ in range(2):
                    await stage.execute(
                        "INSERT INTO login_attempts (at, email, address, succeeded)"
                        " VALUES (now() - interval '2 days', 'a', 'b', true)"
                    )
                    while await stage.execute("SELECT FROM login_attempts"):  # noqa: ASYNC110 - it has no event
                        await asyncio.sleep(0.01)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert any(action == "old" for action, _ in await _list_audit(stage)) == left
