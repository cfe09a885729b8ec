"""Queued jobs that no claim would ever take come to an end, each with its reason and none of them twice."""

import asyncio

import pytest
from sqlalchemy import text

from tests.integration.ledger.conftest import Scene
from tests.support.stage import make_result
from vestnik.db.peers import FoundPeer
from vestnik.domain.ids import ChannelId
from vestnik.domain.states import JobStatus
from vestnik.domain.transport import Peer


async def reasons(scene: Scene) -> dict[ChannelId, str]:
    rows = await scene.stage.execute("SELECT channel_id, error_code FROM jobs WHERE status = 'FAILED'")
    return {row.channel_id: row.error_code for row in rows}


async def point_at(scene: Scene, channel_ids: list[ChannelId], tg_id: int = 77) -> None:
    """Several entries turn out to be the same Telegram channel."""
    await scene.stage.ledger.store_peers(
        scene.lease,
        [
            FoundPeer(channel_id=key, peer=Peer(tg_id=tg_id, access_hash=1), can_post=True, slow_mode=None)
            for key in channel_ids
        ],
    )


async def test_a_campaign_in_which_everything_can_be_sent_is_left_alone(scene: Scene) -> None:
    assert await scene.stage.ledger.fail_unsendable(scene.campaign_id) == (0, False)
    assert await scene.counts() == {"QUEUED": 10}


async def test_where_nothing_has_to_end_nobody_waits_for_the_search(scene: Scene) -> None:
    """Regression: the campaign stayed locked while all that is queued was read, and claims waited."""
    async with scene.stage.engine.begin() as connection:
        await connection.execute(
            text("SELECT FROM campaigns WHERE id = :id FOR NO KEY UPDATE"), {"id": scene.campaign_id}
        )
        async with asyncio.timeout(30):
            assert await scene.stage.ledger.fail_unsendable(scene.campaign_id) == (0, False)


async def test_inactive_channels_and_pairs_end(scene: Scene) -> None:
    first, second, third = scene.channels[:3]
    await scene.stage.ledger.deactivate_channel(first, "USERNAME_NOT_OCCUPIED")
    await scene.stage.ledger.deactivate_peer(scene.account_id, second, "CHANNEL_PRIVATE")
    await scene.stage.ledger.deactivate_peer(await scene.stage.add_account(), third, "CHANNEL_PRIVATE")
    assert await scene.stage.ledger.fail_unsendable(scene.campaign_id) == (2, False)
    assert await reasons(scene) == {first: "CHANNEL_INACTIVE", second: "CHANNEL_INACTIVE"}
    assert await scene.counts() == {"QUEUED": 8, "FAILED": 2}


async def test_the_last_ones_complete_the_campaign(scene: Scene) -> None:
    jobs = await scene.claim(9)
    await scene.stage.ledger.record([make_result(job, JobStatus.SENT) for job in jobs])
    await scene.stage.ledger.deactivate_channel(scene.channels[9], "USERNAME_NOT_OCCUPIED")
    assert await scene.stage.ledger.fail_unsendable(scene.campaign_id) == (1, True)
    assert await scene.status() == "COMPLETED"
    assert await scene.count_audited("campaign.completed") == 1


async def test_what_may_be_out_ends_as_unknown(scene: Scene) -> None:
    (job,) = await scene.claim()
    await scene.stage.ledger.record([make_result(job, JobStatus.QUEUED, maybe_sent=True)])
    await scene.stage.ledger.deactivate_channel(job.channel_id, "USERNAME_NOT_OCCUPIED")
    await scene.stage.ledger.fail_unsendable(scene.campaign_id)
    assert await reasons(scene) == {job.channel_id: "UNKNOWN_OUTCOME"}


async def test_ten_unsettled_claims_end_as_unknown(scene: Scene) -> None:
    await scene.stage.execute(
        "UPDATE jobs SET claims = 10, maybe_sent = true WHERE channel_id = :id", id=scene.channels[0]
    )
    await scene.stage.execute("UPDATE jobs SET claims = 10 WHERE channel_id = :id", id=scene.channels[1])
    await scene.stage.ledger.fail_unsendable(scene.campaign_id)
    assert await reasons(scene) == {scene.channels[0]: "UNKNOWN_OUTCOME"}


@pytest.mark.parametrize("status", ["PAUSED", "CANCELLED"])
async def test_only_running_campaigns_are_swept(scene: Scene, status: str) -> None:
    await scene.stage.ledger.deactivate_channel(scene.channels[0], "USERNAME_NOT_OCCUPIED")
    await (scene.stage.pause if status == "PAUSED" else scene.stage.cancel)(scene.campaign_id)
    assert await scene.stage.ledger.fail_unsendable(scene.campaign_id) == (0, False)
