"""Large campaigns end in parts, so that nobody waits for long behind them."""

import pytest
from sqlalchemy.exc import DataError

from tests.support.stage import Stage, make_result
from vestnik.db import ledger, transitions
from vestnik.db.engine import open_session
from vestnik.db.transitions import finish_cancel
from vestnik.domain.ids import CampaignId
from vestnik.domain.states import JobStatus


@pytest.fixture
async def campaign_id(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> CampaignId:
    """Twenty-five jobs, of which a transaction cancels ten."""
    monkeypatch.setattr(transitions, "CANCEL_CHUNK", 10)
    account_id = await stage.add_account()
    await stage.give_peers(account_id, await stage.add_channels(25))
    return await stage.add_campaign(account_id)


async def finish(stage: Stage) -> bool:
    async with open_session(stage.engine) as session:
        return await finish_cancel(session)


async def test_a_cancel_ends_the_first_jobs_and_workers_the_rest(
    stage: Stage, campaign_id: CampaignId
) -> None:
    await stage.cancel(campaign_id)
    for cancelled in (10, 20):
        assert await stage.read_progress(campaign_id) == {"QUEUED": 25 - cancelled, "CANCELLED": cancelled}
        assert (await stage.read_campaign(campaign_id)).ended_at is None
        assert await finish(stage)
    assert await stage.read_progress(campaign_id) == await stage.count_jobs(campaign_id) == {"CANCELLED": 25}
    assert (await stage.read_campaign(campaign_id)).ended_at is not None
    assert not await finish(stage)


async def test_what_is_still_queued_of_a_cancelled_campaign_is_not_claimed(
    stage: Stage, campaign_id: CampaignId
) -> None:
    campaign = await stage.read_campaign(campaign_id)
    lease = await stage.acquire(campaign.account_id)
    jobs = await stage.claim(lease, campaign_id, 3)
    await stage.cancel(campaign_id)
    assert await stage.claim(lease, campaign_id, 3) == []
    await stage.ledger.record([make_result(job, JobStatus.QUEUED) for job in jobs])
    while await finish(stage):
        pass
    assert await stage.read_progress(campaign_id) == await stage.count_jobs(campaign_id) == {"CANCELLED": 25}


async def test_two_workers_do_not_wait_for_each_other(stage: Stage, campaign_id: CampaignId) -> None:
    await stage.cancel(campaign_id)
    async with open_session(stage.engine) as session:
        assert await finish_cancel(session)
        assert not await finish(stage)


async def test_returned_jobs_are_cancelled_as_well(stage: Stage, campaign_id: CampaignId) -> None:
    await stage.execute("UPDATE jobs SET claims = 1 WHERE id % 2 = 0")
    await stage.execute("UPDATE jobs SET maybe_sent = true WHERE id IN (SELECT min(id) FROM jobs)")
    await stage.cancel(campaign_id)
    while await finish(stage):
        pass
    counted = {"CANCELLED": 24, "FAILED": 1}
    assert await stage.read_progress(campaign_id) == await stage.count_jobs(campaign_id) == counted


async def test_an_expansion_that_cannot_go_on_fails_the_campaign_and_says_why(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transitions, "EXPANSION_CHUNK", 10)
    await stage.add_channels(30)
    campaign_id = await stage.add_campaign(await stage.add_account())

    async def refuse(*_: object) -> None:
        raise DataError("statement", {}, Exception("value out of range"))

    monkeypatch.setattr(ledger, "expand_running_campaign", refuse)
    await stage.ledger.expand(campaign_id)
    campaign = await stage.read_campaign(campaign_id)
    assert campaign.status == "FAILED"
    assert campaign.status_detail.endswith("value out of range")
    assert campaign.ended_at is not None
    assert await stage.read_progress(campaign_id) == {"CANCELLED": 10}
    entry = await stage.one("SELECT * FROM audit_logs WHERE action = 'campaign.failed'")
    assert (entry.actor_kind, entry.entity_id) == ("SYSTEM", str(campaign_id))


async def test_a_campaign_that_was_paused_before_it_ever_started_begins_when_resumed(stage: Stage) -> None:
    """A restored backup pauses scheduled campaigns too."""
    await stage.add_channels(3)
    campaign_id = await stage.add_campaign(await stage.add_account(), start=False)
    await stage.execute("UPDATE campaigns SET status = 'PAUSED', pause_reason = 'RESTORED'")
    await stage.resume(campaign_id)
    campaign = await stage.read_campaign(campaign_id)
    assert (campaign.status, campaign.content is not None) == ("RUNNING", True)
    assert await stage.read_progress(campaign_id) == {"QUEUED": 3}
