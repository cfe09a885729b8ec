"""retry-failed puts failed jobs back into the queue."""

import asyncio

import pytest

from tests.integration.ledger.conftest import Scene
from tests.support.stage import make_result
from vestnik.db.engine import open_session
from vestnik.db.transitions import RetriedJobs, retry_failed
from vestnik.domain.errors import ConflictError
from vestnik.domain.states import JobStatus


async def _retry(scene: Scene, *codes: str) -> RetriedJobs:
    async with open_session(scene.stage.engine) as session:
        return await retry_failed(session, scene.campaign_id, codes or None)


async def _finish(scene: Scene, *codes: str | None) -> None:
    """End all ten jobs: sent, or failed with the code given at that place."""
    jobs = await scene.claim(10)
    results = []
    for number, job in enumerate(jobs):
        code = codes[number] if number < len(codes) else None
        status = JobStatus.SENT if code is None else JobStatus.FAILED
        results.append(make_result(job, status, error_code=code, attempted=code is not None))
    await scene.stage.ledger.record(results)
    assert await scene.status() == "COMPLETED"


async def test_a_completed_campaign_runs_again_with_the_same_random_ids(scene: Scene) -> None:
    before = {row.id: row.random_id for row in await scene.stage.execute("SELECT id, random_id FROM jobs")}
    await _finish(scene, "RPC_CALL_FAIL", "CHAT_SEND_PLAIN_FORBIDDEN")
    assert await _retry(scene) == RetriedJobs(reopened=2, skipped=0)
    assert await scene.status() == "RUNNING"
    assert await scene.counts() == {"SENT": 8, "QUEUED": 2}
    jobs = await scene.claim(10, cursor=10**6)
    assert {job.job_id: job.random_id for job in jobs}.items() <= before.items()
    assert [(job.attempts, job.error_code) for job in jobs] == [(0, None), (0, None)]
    await scene.stage.ledger.record([make_result(job, JobStatus.SENT) for job in jobs])
    assert await scene.status() == "COMPLETED"
    assert await scene.counts() == {"SENT": 10}


async def test_only_the_named_codes_are_retried(scene: Scene) -> None:
    await _finish(scene, "RPC_CALL_FAIL", "TIMEOUT", "TIMEOUT")
    assert (await _retry(scene, "TIMEOUT")).reopened == 2
    assert await scene.counts() == {"SENT": 7, "QUEUED": 2, "FAILED": 1}


async def test_unknown_outcomes_are_retried_only_when_named(scene: Scene) -> None:
    await _finish(scene, "UNKNOWN_OUTCOME")
    with pytest.raises(ConflictError, match="UNKNOWN_OUTCOME are retried only when that code is named"):
        await _retry(scene)
    assert await scene.status() == "COMPLETED"
    assert (await _retry(scene, "UNKNOWN_OUTCOME")).reopened == 1


async def test_inactive_channels_are_skipped_and_counted(scene: Scene) -> None:
    await _finish(scene, "CHANNEL_PRIVATE", "RPC_CALL_FAIL")
    await scene.stage.execute(
        "UPDATE channel_peers SET is_active = false WHERE channel_id IN"
        " (SELECT channel_id FROM jobs WHERE error_code = 'CHANNEL_PRIVATE')"
    )
    assert await _retry(scene) == RetriedJobs(reopened=1, skipped=1)
    with pytest.raises(ConflictError, match="inactive"):
        await _retry(scene)


async def test_purged_and_cancelled_campaigns_are_refused(scene: Scene) -> None:
    await _finish(scene, "TIMEOUT")
    await scene.stage.execute("UPDATE campaigns SET purged_at = now()")
    with pytest.raises(ConflictError, match="purged"):
        await _retry(scene)
    await scene.stage.execute("UPDATE campaigns SET purged_at = NULL, status = 'CANCELLED'")
    with pytest.raises(ConflictError, match="is CANCELLED"):
        await _retry(scene)


async def test_a_paused_campaign_stays_paused(scene: Scene) -> None:
    jobs = await scene.claim(1)
    await scene.stage.ledger.record([make_result(jobs[0], JobStatus.FAILED, error_code="TIMEOUT")])
    await scene.stage.pause(scene.campaign_id)
    assert (await _retry(scene)).reopened == 1
    assert await scene.status() == "PAUSED"


async def test_retry_cancel_and_record_at_once_leave_counters_right_and_nothing_queued(scene: Scene) -> None:
    jobs = await scene.claim(10)
    failed, rest = jobs[:5], jobs[5:]
    await scene.stage.ledger.record(
        [make_result(job, JobStatus.FAILED, error_code="TIMEOUT") for job in failed]
    )
    returned = [make_result(job, JobStatus.QUEUED, maybe_sent=True) for job in rest]
    outcomes = await asyncio.gather(
        _retry(scene),
        scene.stage.cancel(scene.campaign_id),
        scene.stage.ledger.record(returned),
        return_exceptions=True,
    )
    assert all(isinstance(outcome, (RetriedJobs, list, ConflictError, type(None))) for outcome in outcomes), (
        outcomes
    )
    assert await scene.status() == "CANCELLED"
    assert "QUEUED" not in await scene.counts()
