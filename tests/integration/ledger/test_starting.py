"""The start: everything or nothing, once, and in parts when the audience is large."""

import asyncio

import pytest

from tests.support.stage import Stage
from vestnik.content import frozen_from_json, read_content
from vestnik.db import transitions
from vestnik.domain.errors import ConflictError, InvalidInputError


async def test_a_start_makes_one_job_per_channel_in_the_batchs_order(stage: Stage) -> None:
    account_id, channels = await stage.add_account(), await stage.add_channels(50)
    campaign_id = await stage.add_campaign(account_id, start=False)
    assert await stage.start(campaign_id) == 50
    rows = await stage.execute("SELECT * FROM jobs ORDER BY id")
    assert [row.channel_id for row in rows] == channels
    assert len({row.random_id for row in rows}) == 50
    assert {(row.status, row.account_id, row.campaign_id) for row in rows} == {
        ("QUEUED", account_id, campaign_id)
    }
    campaign = await stage.read_campaign(campaign_id)
    assert campaign.expanded_at is not None
    assert frozen_from_json(campaign.content) == read_content(campaign.name, None)
    assert await stage.read_progress(campaign_id) == {"QUEUED": 50}


async def test_the_same_campaign_and_channel_get_the_same_random_id_again(stage: Stage) -> None:
    await stage.add_channels(5)
    campaign_id = await stage.add_campaign(await stage.add_account())
    before = await stage.execute("SELECT channel_id, random_id FROM jobs ORDER BY id")
    await stage.execute("DELETE FROM jobs")
    await stage.execute("DELETE FROM campaign_progress")
    await stage.execute("UPDATE campaigns SET status = 'DRAFT', expansion_position = NULL")
    await stage.start(campaign_id)
    assert await stage.execute("SELECT channel_id, random_id FROM jobs ORDER BY id") == before


async def test_of_eight_starts_at_once_one_wins(stage: Stage) -> None:
    await stage.add_channels(200)
    campaign_id = await stage.add_campaign(await stage.add_account(), start=False)
    results = await asyncio.gather(*(stage.start(campaign_id) for _ in range(8)), return_exceptions=True)
    assert sum(result == 200 for result in results) == 1
    conflicts = [result for result in results if isinstance(result, ConflictError)]
    assert len(conflicts) == 7
    assert "is RUNNING" in conflicts[0].message
    assert await stage.count_jobs(campaign_id) == await stage.read_progress(campaign_id) == {"QUEUED": 200}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE channels SET is_active = false",
        "UPDATE channels SET deleted_at = now()",
        "DELETE FROM batch_channels",
        """INSERT INTO channel_peers (account_id, channel_id, is_active)
           SELECT a.id, c.id, false FROM accounts a, channels c""",
    ],
)
async def test_a_batch_with_no_sendable_channel_is_refused_and_leaves_nothing(
    stage: Stage, change: str
) -> None:
    await stage.add_channels(3)
    campaign_id = await stage.add_campaign(await stage.add_account(), start=False)
    await stage.execute(change)
    with pytest.raises(InvalidInputError, match="batch 'first' has no channel that can be sent to"):
        await stage.start(campaign_id)
    assert await stage.read_status(campaign_id) == "DRAFT"
    assert await stage.execute("SELECT 1 FROM jobs UNION ALL SELECT 1 FROM campaign_progress") == []


async def test_channels_that_refuse_the_account_are_left_out(stage: Stage) -> None:
    account_id, channels = await stage.add_account(), await stage.add_channels(4)
    await stage.ledger.deactivate_channel(channels[0], "USERNAME_NOT_OCCUPIED")
    await stage.ledger.deactivate_peer(account_id, channels[1], "CHANNEL_PRIVATE")
    await stage.ledger.deactivate_peer(await stage.add_account(), channels[2], "CHANNEL_PRIVATE")
    campaign_id = await stage.add_campaign(account_id, start=False)
    assert await stage.start(campaign_id) == 2


async def test_a_large_audience_is_expanded_in_parts(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transitions, "EXPANSION_CHUNK", 20)
    monkeypatch.setattr(transitions, "LANE_CHUNK", 20)
    channels = await stage.add_channels(50)
    campaign_id = await stage.add_campaign(await stage.add_account(), start=False)
    assert await stage.start(campaign_id) == 20
    for total in (40, 50):
        assert (await stage.read_campaign(campaign_id)).expanded_at is None
        await stage.ledger.expand(campaign_id)
        assert await stage.read_progress(campaign_id) == {"QUEUED": total}
    assert (await stage.read_campaign(campaign_id)).expanded_at is not None
    await stage.ledger.expand(campaign_id)
    rows = await stage.execute("SELECT channel_id FROM jobs ORDER BY id")
    assert [row.channel_id for row in rows] == channels


async def test_an_audience_that_fills_its_parts_exactly_comes_to_an_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transitions, "EXPANSION_CHUNK", 10)
    monkeypatch.setattr(transitions, "LANE_CHUNK", 10)
    await stage.add_channels(20)
    campaign_id = await stage.add_campaign(await stage.add_account())
    await stage.ledger.expand(campaign_id)
    await stage.ledger.expand(campaign_id)
    assert (await stage.read_campaign(campaign_id)).expanded_at is not None
    assert await stage.count_jobs(campaign_id) == await stage.read_progress(campaign_id) == {"QUEUED": 20}


async def test_a_first_part_without_a_sendable_channel_is_not_the_whole_audience(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transitions, "EXPANSION_CHUNK", 10)
    monkeypatch.setattr(transitions, "LANE_CHUNK", 10)
    channels = await stage.add_channels(25)
    for channel_id in channels[:21]:
        await stage.ledger.deactivate_channel(channel_id, "USERNAME_NOT_OCCUPIED")
    campaign_id = await stage.add_campaign(await stage.add_account(), start=False)
    assert await stage.start(campaign_id) == 4


@pytest.mark.parametrize("end", ["pause", "cancel"])
async def test_only_a_running_campaign_is_expanded(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(transitions, "EXPANSION_CHUNK", 10)
    monkeypatch.setattr(transitions, "LANE_CHUNK", 10)
    await stage.add_channels(30)
    campaign_id = await stage.add_campaign(await stage.add_account())
    await (stage.pause if end == "pause" else stage.cancel)(campaign_id)
    await stage.ledger.expand(campaign_id)
    assert sum((await stage.count_jobs(campaign_id)).values()) == 10


async def test_every_other_transition_asks_the_stored_status(stage: Stage) -> None:
    await stage.add_channels(1)
    campaign_id = await stage.add_campaign(await stage.add_account(), start=False)
    for act in (stage.pause, stage.resume):
        with pytest.raises(ConflictError, match="is DRAFT"):
            await act(campaign_id)
    await stage.start(campaign_id)
    with pytest.raises(ConflictError, match="is RUNNING; only PAUSED"):
        await stage.resume(campaign_id)
    await stage.pause(campaign_id)
    with pytest.raises(ConflictError, match="is PAUSED"):
        await stage.pause(campaign_id)
    await stage.cancel(campaign_id)
    with pytest.raises(ConflictError, match="is CANCELLED"):
        await stage.start(campaign_id)
    for act in (stage.pause, stage.resume, stage.cancel):
        with pytest.raises(ConflictError, match="is CANCELLED"):
            await act(campaign_id)
