"""The error-rate brake: a campaign pauses itself when too many of its results are failures."""

import pytest

from tests.integration.ledger.conftest import Scene
from tests.support.stage import Stage, make_result
from vestnik.domain.states import CampaignStatus, JobStatus


@pytest.fixture
async def long_scene(stage: Stage) -> Scene:
    account_id = await stage.add_account()
    channels = await stage.add_channels(60)
    await stage.give_peers(account_id, channels)
    campaign_id = await stage.add_campaign(account_id, max_error_rate=0.1)
    lease = await stage.acquire(account_id)
    return Scene(stage=stage, account_id=account_id, channels=channels, campaign_id=campaign_id, lease=lease)


async def _deliver(scene: Scene, outcomes: str) -> CampaignStatus | None:
    """Claim and record one job for each letter (s: sent, f: failed); what became of the campaign."""
    jobs = await scene.claim(len(outcomes))
    assert len(jobs) == len(outcomes)
    results = [
        make_result(
            job,
            JobStatus.SENT if letter == "s" else JobStatus.FAILED,
            error_code=None if letter == "s" else "X",
            message_ids=(7,) if letter == "s" else (),
        )
        for job, letter in zip(jobs, outcomes, strict=True)
    ]
    recorded = await scene.stage.ledger.record(results)
    (status,) = {item.campaign_status for item in recorded}
    return status


async def test_what_is_recorded_beside_posts_that_brake_a_campaign_says_so_too(long_scene: Scene) -> None:
    assert await _deliver(long_scene, "f" * 10) is None
    assert await _deliver(long_scene, "s" * 10 + "f" * 5) is CampaignStatus.PAUSED


async def test_too_many_failures_pause_the_campaign_and_say_so(long_scene: Scene) -> None:
    assert await _deliver(long_scene, "s" * 17 + "fff") is CampaignStatus.PAUSED
    campaign = await long_scene.stage.read_campaign(long_scene.campaign_id)
    assert (campaign.status, campaign.pause_reason) == ("PAUSED", "ERROR_RATE")
    assert "3 of the last 20 results" in campaign.status_detail
    assert "10.0 %" in campaign.status_detail
    assert await long_scene.claim(1) == []
    audit = await long_scene.stage.one("SELECT * FROM audit_logs WHERE action = 'campaign.paused'")
    assert (audit.actor_kind, audit.after["reason"]) == ("SYSTEM", "ERROR_RATE")


async def test_fewer_than_twenty_results_judge_nothing(long_scene: Scene) -> None:
    assert await _deliver(long_scene, "f" * 19) is None
    assert await _deliver(long_scene, "s") is CampaignStatus.PAUSED


async def test_exactly_the_permitted_share_goes_on(long_scene: Scene) -> None:
    assert await _deliver(long_scene, "s" * 18 + "ff") is None


async def test_results_before_a_resume_do_not_count_again(long_scene: Scene) -> None:
    assert await _deliver(long_scene, "s" * 15 + "f" * 5) is CampaignStatus.PAUSED
    await long_scene.stage.resume(long_scene.campaign_id)
    assert await _deliver(long_scene, "f" * 19) is None
    assert await _deliver(long_scene, "f") is CampaignStatus.PAUSED


async def test_the_last_results_complete_the_campaign_whatever_they_are(stage: Stage) -> None:
    account_id = await stage.add_account()
    await stage.give_peers(account_id, await stage.add_channels(25))
    campaign_id = await stage.add_campaign(account_id, max_error_rate=0.1)
    scene = Scene(stage, account_id, [], campaign_id, await stage.acquire(account_id))
    assert await _deliver(scene, "f" * 25) is CampaignStatus.COMPLETED


async def test_channels_that_were_never_tried_are_not_results(long_scene: Scene) -> None:
    stage = long_scene.stage
    await stage.execute(
        "UPDATE channels SET is_active = false WHERE id IN"
        " (SELECT channel_id FROM jobs WHERE campaign_id = :id ORDER BY id DESC LIMIT 30)",
        id=long_scene.campaign_id,
    )
    failed, _ = await stage.ledger.fail_unsendable(long_scene.campaign_id)
    assert failed == 30
    assert await _deliver(long_scene, "s" * 20) is None
