"""What a claim takes, and everything that must keep it from taking anything."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.integration.ledger.conftest import Scene
from tests.support.stage import NOW, Stage, make_result
from vestnik.db import ledger
from vestnik.db.ledger import CampaignClaim
from vestnik.domain.states import AccountState, HoldScope, JobStatus


async def test_a_claim_takes_the_first_jobs_in_the_batchs_order(scene: Scene) -> None:
    jobs = await scene.claim(4)
    assert [job.channel_id for job in jobs] == scene.channels[:4]
    assert {job.claim_epoch for job in jobs} == {scene.lease.epoch}
    assert all(job.is_fresh and job.claims == 1 and not job.was_maybe_sent for job in jobs)
    assert await scene.counts() == {"SENDING": 4, "QUEUED": 6}
    row = await scene.stage.read_job(jobs[0].job_id)
    assert (row.maybe_sent, row.claim_epoch, row.claims) == (True, scene.lease.epoch, 1)


async def test_no_job_is_claimed_twice(scene: Scene) -> None:
    first, second = await scene.claim(7), await scene.claim(7)
    assert len({job.job_id for job in first + second}) == len(first) + len(second) == 10
    assert await scene.claim(7) == []


async def test_a_claim_needs_the_epoch_of_the_lease(scene: Scene) -> None:
    old = replace(scene.lease, epoch=scene.lease.epoch - 1)
    assert await scene.stage.claim(old, scene.campaign_id) == []
    newer = await scene.stage.acquire(scene.account_id)
    assert newer.epoch == scene.lease.epoch + 1
    assert await scene.claim() == []
    assert len(await scene.stage.claim(newer, scene.campaign_id)) == 1


async def test_a_claim_needs_a_lease_that_has_not_ended(scene: Scene) -> None:
    await scene.stage.ledger.release_lease(scene.lease)
    assert await scene.claim() == []


async def test_a_claim_for_another_accounts_campaign_takes_nothing(scene: Scene) -> None:
    other = await scene.stage.add_account()
    lease = await scene.stage.acquire(other)
    assert await scene.stage.claim(lease, scene.campaign_id) == []


@pytest.mark.parametrize("state", ["NEEDS_LOGIN", "LIMITED", "DISABLED"])
async def test_a_blocked_account_claims_nothing(scene: Scene, state: str) -> None:
    await scene.stage.ledger.block_account(scene.account_id, AccountState(state), "a reason")
    assert await scene.claim() == []


async def test_a_held_account_claims_nothing_until_the_hold_ends(scene: Scene) -> None:
    await scene.stage.ledger.hold(scene.account_id, HoldScope.SEND, timedelta(minutes=1), "FLOOD_WAIT")
    assert await scene.claim() == []
    await scene.stage.execute("UPDATE account_holds SET until = clock_timestamp()")
    assert len(await scene.claim()) == 1


async def test_a_hold_of_look_ups_does_not_stop_posting(scene: Scene) -> None:
    await scene.stage.ledger.hold(scene.account_id, HoldScope.RESOLVE, timedelta(days=1), "FLOOD_WAIT")
    assert len(await scene.claim()) == 1


async def test_a_paused_campaign_is_not_claimed_and_a_resumed_one_is(scene: Scene) -> None:
    await scene.stage.pause(scene.campaign_id)
    assert await scene.claim() == []
    await scene.stage.resume(scene.campaign_id)
    assert len(await scene.claim()) == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE channel_peers SET access_hash = NULL",
        "UPDATE channel_peers SET is_active = false",
        "UPDATE channel_peers SET hold_until = clock_timestamp() + interval '1 minute'",
        "UPDATE channels SET is_active = false",
        "DELETE FROM channel_peers",
    ],
)
async def test_channels_that_cannot_be_posted_to_are_passed_over(scene: Scene, change: str) -> None:
    where = " WHERE id = :id" if "channels SET" in change else " WHERE channel_id = :id"
    await scene.stage.execute(change + where, id=scene.channels[0])
    assert [job.channel_id for job in await scene.claim(2)] == scene.channels[1:3]


async def test_fresh_jobs_are_taken_beyond_the_cursor_and_returned_ones_before_it(scene: Scene) -> None:
    jobs = await scene.claim(3)
    await scene.stage.ledger.record([make_result(jobs[1], JobStatus.QUEUED)])
    again = await scene.claim(3, cursor=jobs[2].job_id + 1)
    assert [job.job_id for job in again] == [jobs[1].job_id, jobs[2].job_id + 2, jobs[2].job_id + 3]
    assert [job.is_fresh for job in again] == [False, True, True]
    assert again[0].claims == 2


async def test_a_returned_job_is_not_taken_before_its_time(scene: Scene) -> None:
    (job,) = await scene.claim()
    await scene.stage.ledger.record([make_result(job, JobStatus.QUEUED, delay=timedelta(minutes=1))])
    assert job.job_id not in {other.job_id for other in await scene.claim(10)}
    await scene.stage.execute("UPDATE jobs SET not_before = clock_timestamp() WHERE id = :id", id=job.job_id)
    assert [other.job_id for other in await scene.claim(10)] == [job.job_id]


async def test_a_claim_knows_what_the_one_before_ended_with(scene: Scene) -> None:
    (job,) = await scene.claim()
    result = make_result(job, JobStatus.QUEUED, error_code="RPC_CALL_FAIL", attempted=True, maybe_sent=True)
    await scene.stage.ledger.record([result])
    (again,) = await scene.claim()
    assert (again.error_code, again.attempts, again.was_maybe_sent) == ("RPC_CALL_FAIL", 1, True)
    assert again.random_id == job.random_id


async def test_ten_unsettled_claims_are_the_end(scene: Scene) -> None:
    """Settled ones (definite answers) are not counted: those have their own limit."""
    for _ in range(10):
        jobs = await scene.claim(2)
        await scene.stage.ledger.record(
            [
                make_result(jobs[0], JobStatus.QUEUED, maybe_sent=True),
                make_result(jobs[1], JobStatus.QUEUED, maybe_sent=False),
            ]
        )
        unsettled, settled = sorted(jobs, key=lambda job: job.job_id)
    assert unsettled.claims == 10
    assert [job.job_id for job in await scene.claim(1)] == [settled.job_id]


async def test_several_campaigns_are_claimed_at_once_each_its_number(scene: Scene) -> None:
    other = await scene.stage.add_campaign(scene.account_id)
    wanted = [
        CampaignClaim(campaign_id=scene.campaign_id, count=2, cursor=0, next_slot_in=timedelta(seconds=3)),
        CampaignClaim(campaign_id=other, count=5, cursor=0, next_slot_in=timedelta(seconds=4)),
    ]
    jobs = (await scene.stage.ledger.claim(scene.lease, wanted, timedelta(seconds=5))).jobs
    assert [job.campaign_id for job in jobs].count(other) == 5
    assert len(jobs) == 7
    lane = await scene.stage.ledger.read_lane(scene.account_id)
    slots = {item.campaign_id: item.next_slot_in.total_seconds() for item in lane.campaigns}
    assert slots[scene.campaign_id] == pytest.approx(3, abs=0.5)
    assert slots[other] == pytest.approx(4, abs=0.5)
    successor = await scene.stage.acquire(scene.account_id)
    assert successor.next_slot_in.total_seconds() == pytest.approx(5, abs=0.5)


async def test_a_claim_that_finds_nothing_takes_no_slot(scene: Scene) -> None:
    await scene.stage.pause(scene.campaign_id)
    wanted = CampaignClaim(campaign_id=scene.campaign_id, count=2, cursor=0, next_slot_in=timedelta(hours=1))
    claim = await scene.stage.ledger.claim(scene.lease, [wanted], timedelta(hours=1))
    assert (claim.jobs, claim.looked_to) == ([], {})
    assert (await scene.stage.acquire(scene.account_id)).next_slot_in < NOW


class TestWhereLittleIsClaimable:
    """A claim looks at a part of the queue only, and the next one goes on behind it."""

    async def test_the_next_parts_are_looked_at_until_the_end(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ledger, "LOOKED_AT", 4)
        await scene.stage.execute(
            "UPDATE channel_peers SET access_hash = NULL WHERE channel_id <> :last", last=scene.channels[-1]
        )
        cursor, found, looked = 0, [], []
        while True:
            wanted = CampaignClaim(campaign_id=scene.campaign_id, count=2, cursor=cursor, next_slot_in=NOW)
            claim = await scene.stage.ledger.claim(scene.lease, [wanted], NOW)
            found += [job.channel_id for job in claim.jobs]
            if not claim.looked_to:
                break
            looked.append(claim.looked_to[scene.campaign_id] - cursor)
            cursor = claim.looked_to[scene.campaign_id]
        assert found == [scene.channels[-1]]
        assert looked[1:] == [4]
        assert looked[0] >= 4

    async def test_ids_of_other_campaigns_are_no_part_of_the_queue(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ledger, "LOOKED_AT", 1)
        last = await scene.stage.one("SELECT max(id) AS id FROM jobs")
        await scene.stage.add_campaign(scene.account_id)
        behind = await scene.stage.add_campaign(scene.account_id)
        jobs = await scene.stage.claim(scene.lease, behind, 1, cursor=last.id)
        assert [job.channel_id for job in jobs] == scene.channels[:1]

    async def test_one_that_found_enough_or_all_there_is_does_not_say_how_far_it_looked(
        self, scene: Scene
    ) -> None:
        for number in (3, 20):
            wanted = CampaignClaim(campaign_id=scene.campaign_id, count=number, cursor=0, next_slot_in=NOW)
            claim = await scene.stage.ledger.claim(scene.lease, [wanted], NOW)
            assert claim.looked_to == {}
        assert await scene.counts() == {"SENDING": 10}


async def test_read_lane_shows_holds_campaigns_and_when_a_returned_job_is_due(scene: Scene) -> None:
    (job,) = await scene.claim()
    await scene.stage.ledger.record([make_result(job, JobStatus.QUEUED, delay=timedelta(seconds=30))])
    await scene.stage.ledger.hold(scene.account_id, HoldScope.SEND, timedelta(seconds=20), "FLOOD_WAIT")
    await scene.stage.add_campaign(scene.account_id, start=False)
    lane = await scene.stage.ledger.read_lane(scene.account_id)
    assert (lane.state, lane.rate, lane.resolve_hold) == (AccountState.ACTIVE, 20.0, None)
    assert lane.send_hold is not None
    assert lane.send_hold.total_seconds() == pytest.approx(20, abs=1)
    (campaign,) = lane.campaigns
    assert (campaign.queued, campaign.sending, campaign.is_expanded) == (10, 0, True)
    assert campaign.next_return_in is not None
    assert campaign.next_return_in.total_seconds() == pytest.approx(30, abs=1)


async def test_read_lane_of_an_account_that_is_gone_or_has_nothing_to_do(stage: Stage) -> None:
    account_id = await stage.add_account()
    assert (await stage.ledger.read_lane(account_id)).campaigns == ()
    await stage.execute("DELETE FROM accounts WHERE id = :id", id=account_id)
    assert (await stage.ledger.read_lane(account_id)).state is AccountState.DISABLED
