"""Posts that went out have a statement of their own, which must record what the one for all results does."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import text

from tests.integration.ledger.conftest import Scene
from tests.support.stage import Stage, make_result
from vestnik.db.engine import open_session
from vestnik.db.ledger import ClaimedJob
from vestnik.db.statements import load_statement
from vestnik.domain.outcomes import JobResult
from vestnik.domain.states import CampaignStatus, JobStatus

LOCKED_AS_BY_A_CLAIM = text("SELECT id FROM campaigns WHERE id = :id FOR NO KEY UPDATE")
LOCKED_AS_BY_A_CANCEL = text("SELECT id FROM campaigns WHERE id = :id FOR UPDATE")
OF_THE_ROW = {"id", "channel_id", "random_id", "started_at", "sent_at", "not_before", "message_ids"}
"""What differs between two jobs however they were recorded, or is of no use once a job has ended."""


async def _record_posted(scene: Scene, job: ClaimedJob, *, in_parts: bool) -> dict[str, Any]:
    """Record that it went out, as one message or as two, which the other statement takes."""
    message_ids = (7, 8) if in_parts else (7,)
    await scene.stage.ledger.record([make_result(job, JobStatus.SENT, message_ids=message_ids)])
    row = await scene.stage.read_job(job.job_id)
    assert tuple(row.message_ids) == message_ids
    assert row.sent_at is not None
    return {key: value for key, value in row._mapping.items() if key not in OF_THE_ROW}


async def test_both_statements_leave_the_same_in_the_ledger(scene: Scene) -> None:
    jobs = await scene.claim(4)
    # Both have failed before, and their channels, too.
    await scene.stage.ledger.record(
        [
            make_result(
                job,
                JobStatus.QUEUED,
                error_code="X",
                error_message="no",
                attempted=True,
                counts_against_channel=True,
            )
            for job in jobs[:2]
        ]
    )
    jobs = [*await scene.claim(2), *jobs[2:]]
    alone = [await _record_posted(scene, job, in_parts=False) for job in jobs[::2]]
    in_parts = [await _record_posted(scene, job, in_parts=True) for job in jobs[1::2]]
    assert alone == in_parts
    assert await scene.counts() == {"SENT": 4, "QUEUED": 6}
    for job in jobs:
        peer = await scene.stage.read_peer(scene.account_id, job.channel_id)
        assert (peer.consecutive_failures, peer.is_active) == (0, True)


async def test_posts_and_other_results_are_recorded_together(scene: Scene) -> None:
    jobs = await scene.claim(10)
    results = [
        make_result(job, JobStatus.SENT, message_ids=(number,))
        if number % 2
        else make_result(job, JobStatus.FAILED)
        for number, job in enumerate(jobs)
    ]
    recorded = await scene.stage.ledger.record(results)
    assert {item.job_id: item.status for item in recorded} == {item.job_id: item.status for item in results}
    assert {item.campaign_status for item in recorded} == {CampaignStatus.COMPLETED}
    assert await scene.counts() == {"SENT": 5, "FAILED": 5}
    assert await scene.stage.ledger.record(results) == []
    assert await scene.counts() == {"SENT": 5, "FAILED": 5}


async def test_a_post_whose_claim_stands_no_more_is_a_fact_all_the_same(scene: Scene) -> None:
    (stale, standing) = await scene.claim(2)
    await scene.stage.ledger.record([make_result(stale, JobStatus.QUEUED, maybe_sent=True)])
    (again,) = await scene.claim(1)
    assert (again.job_id, again.claims) == (stale.job_id, 2)
    recorded = await scene.stage.ledger.record(
        [make_result(job, JobStatus.SENT, message_ids=(7,)) for job in (stale, standing)]
    )
    assert {item.job_id for item in recorded} == {stale.job_id, standing.job_id}
    assert await scene.counts() == {"SENT": 2, "QUEUED": 8}
    assert await scene.stage.ledger.record([make_result(again, JobStatus.SENT, message_ids=(7,))]) == []
    assert await scene.counts() == {"SENT": 2, "QUEUED": 8}


async def test_a_cancelled_campaign_takes_posts_that_were_under_way(scene: Scene) -> None:
    jobs = await scene.claim(3)
    await scene.stage.cancel(scene.campaign_id)
    await scene.stage.ledger.record([make_result(job, JobStatus.SENT, message_ids=(7,)) for job in jobs])
    assert await scene.counts() == {"SENT": 3, "CANCELLED": 7}
    assert await scene.status() == "CANCELLED"


async def test_the_last_posts_complete_the_campaign_once(scene: Scene) -> None:
    jobs = await scene.claim(10)
    recorded = await scene.stage.ledger.record(
        [make_result(job, JobStatus.SENT, message_ids=(7,)) for job in jobs]
    )
    assert {item.campaign_status for item in recorded} == {CampaignStatus.COMPLETED}
    entry = await scene.stage.one("SELECT * FROM audit_logs WHERE action = 'campaign.completed'")
    assert entry.entity_id == str(scene.campaign_id)


@pytest.mark.parametrize("jobs", [50, 500])
async def test_recording_posts_reads_their_jobs_and_no_others(stage: Stage, jobs: int) -> None:
    """Joined to the whole ledger, they would cost the more the larger it is."""
    account_id = await stage.add_account()
    await stage.give_peers(account_id, await stage.add_channels(8_000))
    campaign_id = await stage.add_campaign(account_id)
    await stage.execute("ANALYZE jobs, channels, channel_peers, campaigns, campaign_progress")
    claimed = await stage.claim(await stage.acquire(account_id), campaign_id, jobs)
    numbers: dict[str, list[int]] = {
        "job_ids": [job.job_id for job in claimed],
        "epochs": [job.claim_epoch for job in claimed],
        "claims": [job.claims for job in claimed],
        "message_ids": [7] * len(claimed),
    }
    parameters: dict[str, object] = {key: f"{{{','.join(map(str, all_))}}}" for key, all_ in numbers.items()}
    async with stage.engine.connect() as connection:
        explained = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {load_statement('record_posts').text}")
        plan = (await connection.execute(explained, parameters | {"brake_results": 20})).scalar_one()
        await connection.rollback()
    nodes = [(json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]]
    for node in nodes:
        nodes.extend(node.get("Plans", []))
    read = [node for node in nodes if node.get("Relation Name") == "jobs" and "Scan" in node["Node Type"]]
    assert {node.get("Index Name") for node in read} == {"jobs_pkey"}
    for node in read:
        found = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        assert found * node["Actual Loops"] == len(claimed)


def _make_posts(jobs: list[ClaimedJob]) -> list[JobResult]:
    return [make_result(job, JobStatus.SENT, message_ids=(7,)) for job in jobs]


async def test_posts_wait_for_no_claim_but_for_the_last_ones(scene: Scene) -> None:
    first = await scene.claim(8)
    async with open_session(scene.stage.engine) as session:
        await session.execute(LOCKED_AS_BY_A_CLAIM, {"id": scene.campaign_id})
        assert len(await scene.stage.ledger.record(_make_posts(first))) == 8
    last = await scene.claim(2)
    async with open_session(scene.stage.engine) as session:
        await session.execute(LOCKED_AS_BY_A_CLAIM, {"id": scene.campaign_id})
        recording = asyncio.create_task(scene.stage.ledger.record(_make_posts(last)))
        await scene.wait_until_blocked()
    assert {item.campaign_status for item in await recording} == {CampaignStatus.COMPLETED}


async def test_posts_wait_for_a_cancel(scene: Scene) -> None:
    jobs = await scene.claim(3)
    async with open_session(scene.stage.engine) as session:
        await session.execute(LOCKED_AS_BY_A_CANCEL, {"id": scene.campaign_id})
        recording = asyncio.create_task(scene.stage.ledger.record(_make_posts(jobs)))
        await scene.wait_until_blocked()
    assert len(await recording) == 3


async def test_posts_that_may_brake_a_campaign_wait_for_claims(scene: Scene) -> None:
    await scene.stage.execute("UPDATE campaigns SET max_error_rate = 0.1")
    failing, *jobs = await scene.claim(4)
    await scene.stage.ledger.record([make_result(failing, JobStatus.FAILED)])
    async with open_session(scene.stage.engine) as session:
        await session.execute(LOCKED_AS_BY_A_CLAIM, {"id": scene.campaign_id})
        recording = asyncio.create_task(scene.stage.ledger.record(_make_posts(jobs)))
        await scene.wait_until_blocked()
    assert len(await recording) == 3


@pytest.mark.parametrize("is_paused", [False, True])
async def test_a_campaign_whose_queue_ends_while_its_last_posts_are_recorded_is_completed(
    scene: Scene, *, is_paused: bool
) -> None:
    jobs = await scene.claim(8)
    if is_paused:
        await scene.stage.pause(scene.campaign_id)
    async with open_session(scene.stage.engine) as session:
        # Two are still queued when the statement begins, and none when it comes to the counters.
        await session.execute(
            text(
                "UPDATE campaign_progress SET queued = 0, failed = 2, brake_failed = 2 WHERE campaign_id = :id"
            ),
            {"id": scene.campaign_id},
        )
        recording = asyncio.create_task(scene.stage.ledger.record(_make_posts(jobs)))
        await scene.wait_until_blocked()
        await session.execute(
            text(
                "UPDATE jobs SET status = 'FAILED', failed_at = clock_timestamp(), error_code = 'CHANNEL_INACTIVE'"
                " WHERE campaign_id = :id AND status = 'QUEUED'"
            ),
            {"id": scene.campaign_id},
        )
    assert {item.campaign_status for item in await recording} == {CampaignStatus.COMPLETED}
    assert await scene.status() == "COMPLETED"
    assert await scene.count_audited("campaign.completed") == 1
