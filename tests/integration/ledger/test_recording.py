"""Results: written once, for the claim they belong to, and with everything that follows from them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.ledger.conftest import Scene
from tests.support.stage import Stage, make_result
from vestnik.db.engine import open_session
from vestnik.db.ledger import FAILURES_TO_DEACTIVATE
from vestnik.db.transitions import cancel_campaign
from vestnik.domain.outcomes import Deactivation
from vestnik.domain.states import HoldScope, JobStatus, PauseReason

SENT, FAILED, QUEUED = JobStatus.SENT, JobStatus.FAILED, JobStatus.QUEUED


async def test_a_post_is_recorded_with_its_message(scene: Scene) -> None:
    (job,) = await scene.claim()
    (recorded,) = await scene.stage.ledger.record([make_result(job, SENT, message_ids=(5, 6))])
    assert (recorded.job_id, recorded.status, recorded.campaign_finished) == (job.job_id, SENT, False)
    row = await scene.stage.read_job(job.job_id)
    assert (row.status, row.message_ids, row.maybe_sent, row.error_code) == ("SENT", [5, 6], False, None)
    assert row.started_at <= row.sent_at
    assert await scene.counts() == {"SENT": 1, "QUEUED": 9}


async def test_the_same_results_again_change_nothing(scene: Scene) -> None:
    jobs = await scene.claim(3)
    results = [
        make_result(jobs[0], SENT),
        make_result(jobs[1], FAILED, error_code="CHANNEL_PRIVATE", attempted=True),
        make_result(jobs[2], QUEUED, error_code="RPC_CALL_FAIL", attempted=True),
    ]
    assert len(await scene.stage.ledger.record(results)) == 3
    rows = [await scene.stage.read_job(job.job_id) for job in jobs]
    assert await scene.stage.ledger.record(results) == []
    assert [await scene.stage.read_job(job.job_id) for job in jobs] == rows
    assert await scene.counts() == {"SENT": 1, "FAILED": 1, "QUEUED": 8}


async def test_a_repeated_result_does_not_touch_a_later_claim_of_the_same_holder(scene: Scene) -> None:
    """The answer to the first write got lost, the job was claimed again, and then the write is repeated."""
    (job,) = await scene.claim()
    result = make_result(job, QUEUED, error_code="RPC_CALL_FAIL", attempted=True)
    await scene.stage.ledger.record([result])
    (again,) = await scene.claim()
    assert (again.job_id, again.claim_epoch) == (job.job_id, job.claim_epoch)
    assert await scene.stage.ledger.record([result]) == []
    row = await scene.stage.read_job(job.job_id)
    assert (row.status, row.attempts) == ("SENDING", 1)


async def test_a_post_stays_sent_whatever_is_recorded_later(scene: Scene) -> None:
    (job,) = await scene.claim()
    await scene.stage.ledger.record([make_result(job, SENT)])
    for status in (FAILED, QUEUED):
        assert await scene.stage.ledger.record([make_result(job, status)]) == []
    assert (await scene.stage.read_job(job.job_id)).status == "SENT"


async def test_an_old_holders_post_counts_and_its_failure_does_not(scene: Scene) -> None:
    first, second = await scene.claim(2)
    lease = await scene.stage.acquire(scene.account_id)
    assert await scene.stage.ledger.return_orphans(lease) == 2
    again = {job.job_id: job for job in await scene.stage.claim(lease, scene.campaign_id, 2)}
    assert again.keys() == {first.job_id, second.job_id}
    assert await scene.stage.ledger.record([make_result(first, FAILED, error_code="X")]) == []
    assert len(await scene.stage.ledger.record([make_result(second, SENT)])) == 1
    assert await scene.counts() == {"SENT": 1, "SENDING": 1, "QUEUED": 8}
    # The new holder asked as well and learned that it is out: nothing more to count.
    assert await scene.stage.ledger.record([make_result(again[second.job_id], SENT)]) == []


async def test_a_failure_that_turns_out_to_be_a_post_is_a_post(scene: Scene) -> None:
    (job,) = await scene.claim()
    await scene.stage.ledger.record([make_result(job, FAILED, error_code="UNKNOWN_OUTCOME", maybe_sent=True)])
    await scene.stage.ledger.record([make_result(job, SENT, message_ids=(9,))])
    row = await scene.stage.read_job(job.job_id)
    assert (row.status, row.error_code, row.error_message, row.failed_at) == ("SENT", None, None, None)
    assert await scene.counts() == {"SENT": 1, "QUEUED": 9}


async def test_attempts_delay_and_reason_of_a_retry_are_kept(scene: Scene) -> None:
    (job,) = await scene.claim()
    result = make_result(
        job,
        QUEUED,
        error_code="RPC_CALL_FAIL",
        error_message="Telegram is busy.",
        delay=timedelta(seconds=20),
        attempted=True,
        maybe_sent=True,
    )
    await scene.stage.ledger.record([result])
    row = await scene.stage.read_job(job.job_id)
    assert (row.attempts, row.error_code, row.error_message) == (1, "RPC_CALL_FAIL", "Telegram is busy.")
    assert row.maybe_sent
    assert (row.not_before - datetime.now(UTC)).total_seconds() == pytest.approx(20, abs=2)


async def test_the_last_result_completes_the_campaign_even_if_some_failed(scene: Scene) -> None:
    jobs = await scene.claim(10)
    results = [make_result(job, SENT if job.job_id % 3 else FAILED, error_code="X") for job in jobs]
    assert not any(item.campaign_finished for item in await scene.stage.ledger.record(results[:9]))
    (last,) = await scene.stage.ledger.record(results[9:])
    assert last.campaign_finished
    assert await scene.status() == "COMPLETED"
    assert (await scene.stage.read_campaign(scene.campaign_id)).ended_at is not None


async def test_a_paused_campaign_whose_last_posts_arrive_is_completed(scene: Scene) -> None:
    jobs = await scene.claim(10)
    await scene.stage.pause(scene.campaign_id)
    await scene.stage.ledger.record([make_result(job, SENT) for job in jobs])
    assert await scene.status() == "COMPLETED"
    assert (await scene.stage.read_campaign(scene.campaign_id)).pause_reason is None


async def test_a_campaign_is_not_complete_before_its_expansion_is(scene: Scene) -> None:
    await scene.stage.execute("UPDATE campaigns SET expanded_at = NULL")
    jobs = await scene.claim(10)
    await scene.stage.ledger.record([make_result(job, SENT) for job in jobs])
    assert await scene.status() == "RUNNING"
    assert not await scene.stage.ledger.complete(scene.campaign_id)
    await scene.stage.execute("UPDATE campaigns SET expanded_at = clock_timestamp()")
    assert await scene.stage.ledger.complete(scene.campaign_id)
    assert await scene.status() == "COMPLETED"


async def test_a_job_that_comes_back_to_a_cancelled_campaign_ends(scene: Scene) -> None:
    jobs = await scene.claim(4)
    await scene.stage.cancel(scene.campaign_id)
    assert await scene.counts() == {"SENDING": 4, "CANCELLED": 6}
    await scene.stage.ledger.record(
        [
            make_result(jobs[0], QUEUED),
            make_result(jobs[1], QUEUED, maybe_sent=True),
            make_result(jobs[2], SENT),
            make_result(jobs[3], FAILED, error_code="CHANNEL_PRIVATE"),
        ]
    )
    assert await scene.counts() == {"CANCELLED": 7, "FAILED": 2, "SENT": 1}
    assert (await scene.stage.read_job(jobs[1].job_id)).error_code == "UNKNOWN_OUTCOME"
    assert (await scene.stage.read_job(jobs[3].job_id)).error_code == "CHANNEL_PRIVATE"
    assert await scene.status() == "CANCELLED"


async def test_cancelling_calls_nothing_cancelled_that_may_be_out(scene: Scene) -> None:
    (job,) = await scene.claim()
    await scene.stage.ledger.record([make_result(job, QUEUED, maybe_sent=True)])
    await scene.stage.cancel(scene.campaign_id)
    assert await scene.counts() == {"CANCELLED": 9, "FAILED": 1}
    assert (await scene.stage.read_job(job.job_id)).error_code == "UNKNOWN_OUTCOME"


async def test_orphans_of_earlier_holders_return_in_doubt_and_our_own_jobs_stay(scene: Scene) -> None:
    (orphan,) = await scene.claim()
    lease = await scene.stage.acquire(scene.account_id)
    (own,) = await scene.stage.claim(lease, scene.campaign_id)
    assert await scene.stage.ledger.return_orphans(lease) == 1
    row = await scene.stage.read_job(orphan.job_id)
    assert (row.status, row.maybe_sent) == ("QUEUED", True)
    assert (await scene.stage.read_job(own.job_id)).status == "SENDING"
    assert await scene.counts() == {"SENDING": 1, "QUEUED": 9}


async def test_only_the_holder_returns_orphans(scene: Scene) -> None:
    await scene.claim(2)
    await scene.stage.acquire(scene.account_id)
    assert await scene.stage.ledger.return_orphans(scene.lease) == 0
    assert await scene.counts() == {"SENDING": 2, "QUEUED": 8}


async def test_orphans_of_a_cancelled_campaign_end(scene: Scene) -> None:
    jobs = await scene.claim(2)
    await scene.stage.cancel(scene.campaign_id)
    await scene.stage.execute("UPDATE jobs SET maybe_sent = false WHERE id = :id", id=jobs[0].job_id)
    assert await scene.stage.ledger.return_orphans(await scene.stage.acquire(scene.account_id)) == 2
    assert await scene.counts() == {"CANCELLED": 9, "FAILED": 1}


async def test_five_failed_deliveries_in_a_row_deactivate_the_pair(stage: Stage) -> None:
    account_id, other = await stage.add_account(), await stage.add_account()
    channels = await stage.add_channels(1)
    for account in (account_id, other):
        await stage.give_peers(account, channels)
    lease = await stage.acquire(account_id)
    for number in range(FAILURES_TO_DEACTIVATE):
        peer = await stage.read_peer(account_id, channels[0])
        assert (peer.is_active, peer.consecutive_failures) == (True, number)
        campaign_id = await stage.add_campaign(account_id)
        (job,) = await stage.claim(lease, campaign_id)
        await stage.ledger.record(
            [make_result(job, FAILED, error_code="RPC_CALL_FAIL", counts_against_channel=True)]
        )
    peer = await stage.read_peer(account_id, channels[0])
    assert (peer.is_active, peer.inactive_reason) == (False, "RPC_CALL_FAIL")
    assert peer.inactive_campaign_id == campaign_id
    assert (await stage.read_peer(other, channels[0])).is_active


async def test_one_success_forgives_all_failures(scene: Scene) -> None:
    await scene.stage.execute("UPDATE channel_peers SET consecutive_failures = 4")
    jobs = await scene.claim(2)
    await scene.stage.ledger.record([make_result(jobs[0], SENT)])
    peers = [await scene.stage.read_peer(scene.account_id, job.channel_id) for job in jobs]
    assert [peer.consecutive_failures for peer in peers] == [0, 4]


async def test_a_channel_error_deactivates_the_pair_and_a_nobodys_name_the_channel(scene: Scene) -> None:
    first, second = await scene.claim(2)
    await scene.stage.ledger.record(
        [
            make_result(first, FAILED, error_code="CHANNEL_PRIVATE", deactivate=Deactivation.PAIR),
            make_result(second, FAILED, error_code="USERNAME_INVALID", deactivate=Deactivation.CHANNEL),
        ]
    )
    pair = await scene.stage.read_peer(scene.account_id, first.channel_id)
    assert (pair.is_active, pair.inactive_reason) == (False, "CHANNEL_PRIVATE")
    rows = await scene.stage.execute("SELECT id, inactive_reason FROM channels WHERE NOT is_active")
    assert [(row.id, row.inactive_reason) for row in rows] == [(second.channel_id, "USERNAME_INVALID")]


async def test_a_channel_is_held_and_never_for_less_than_before(scene: Scene) -> None:
    (job,) = await scene.claim()
    await scene.stage.ledger.record([make_result(job, QUEUED, channel_hold=timedelta(minutes=5))])
    until = (await scene.stage.read_peer(scene.account_id, job.channel_id)).hold_until
    other = await scene.stage.add_campaign(scene.account_id)
    await scene.stage.execute("UPDATE channel_peers SET hold_until = NULL")
    (again,) = await scene.stage.claim(scene.lease, other)
    await scene.stage.execute("UPDATE channel_peers SET hold_until = :until", until=until)
    await scene.stage.ledger.record([make_result(again, QUEUED, channel_hold=timedelta(seconds=1))])
    assert (await scene.stage.read_peer(scene.account_id, job.channel_id)).hold_until == until


async def test_a_refused_peer_is_forgotten(scene: Scene) -> None:
    (job,) = await scene.claim()
    await scene.stage.ledger.record([make_result(job, QUEUED, forget_peer=True)])
    (missing,) = await scene.stage.ledger.list_unresolved(scene.account_id, None, 10)
    assert missing.channel_id == job.channel_id


async def test_a_hold_of_the_account_is_never_shortened(scene: Scene) -> None:
    ledger = scene.stage.ledger
    await ledger.hold(scene.account_id, HoldScope.SEND, timedelta(minutes=5), "FLOOD_WAIT long")
    before = await scene.stage.one("SELECT * FROM account_holds")
    await ledger.hold(scene.account_id, HoldScope.SEND, timedelta(seconds=5), "FLOOD_WAIT short")
    assert await scene.stage.one("SELECT * FROM account_holds") == before
    await ledger.hold(scene.account_id, HoldScope.SEND, timedelta(minutes=9), "FLOOD_WAIT longer")
    after = await scene.stage.one("SELECT * FROM account_holds")
    assert after.until > before.until
    assert (after.reason, after.created_at) == ("FLOOD_WAIT longer", before.created_at)


async def test_an_operators_pause_or_cancel_wins_over_the_engines(scene: Scene) -> None:
    await scene.stage.pause(scene.campaign_id)
    assert not await scene.stage.ledger.pause(scene.campaign_id, PauseReason.CONTENT_ERROR, "MESSAGE_EMPTY")
    assert (await scene.stage.read_campaign(scene.campaign_id)).pause_reason == "OPERATOR"
    await scene.stage.resume(scene.campaign_id)
    assert await scene.stage.ledger.pause(scene.campaign_id, PauseReason.CONTENT_ERROR, "MESSAGE_EMPTY")
    row = await scene.stage.read_campaign(scene.campaign_id)
    assert (row.status, row.pause_reason, row.status_detail) == ("PAUSED", "CONTENT_ERROR", "MESSAGE_EMPTY")


async def test_nothing_to_record_is_no_error(stage: Stage) -> None:
    assert await stage.ledger.record([]) == []


@pytest.mark.parametrize("message", ["zero \x00 byte", "half \ud800 of a pair", "\u2028 and 'quotes' \\"])
async def test_whatever_an_error_says_can_be_recorded(scene: Scene, message: str) -> None:
    (job,) = await scene.claim()
    await scene.stage.ledger.record([make_result(job, FAILED, error_code="X", error_message=message)])
    assert (await scene.stage.read_job(job.job_id)).status == "FAILED"


async def test_a_late_success_after_a_cancel_at_the_same_moment_keeps_the_counters(scene: Scene) -> None:
    """The cancel commits while the result waits for the campaign's row, whose counters it read before."""
    job, *rest = await scene.claim(3)
    await scene.stage.ledger.record([make_result(item, QUEUED) for item in [job, *rest]])
    async with open_session(scene.stage.engine) as session:
        await cancel_campaign(session, scene.campaign_id)
        recording = asyncio.create_task(scene.stage.ledger.record([make_result(job, SENT)]))
        await scene.wait_until_blocked()
    (recorded,) = await recording
    assert recorded.status is SENT
    assert await scene.counts() == {"SENT": 1, "CANCELLED": 9}
