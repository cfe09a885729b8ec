"""A campaign from start to end: each channel once, at its pace, and as an operator says."""

import asyncio
import time

import pytest

from tests.integration.delivery.rig import Rig
from vestnik.content import FrozenContent
from vestnik.db import transitions
from vestnik.db.ledger import Ledger
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.simulator.faults import Fault, FaultKind


@pytest.mark.timed
async def test_every_channel_gets_one_post_at_the_campaigns_pace(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(40)
    await rig.start_worker()
    campaign_id = await rig.stage.add_campaign(account_id, rate=20, words="Hello")
    await rig.finish(campaign_id)
    rig.check_each_once(40)
    assert rig.count_posts("Hello") == 40
    assert rig.most_in_a_second <= 21
    rig.check_pace(39 / 20, slack=0.03)
    rows = await rig.stage.execute("SELECT message_ids, claims, attempts FROM jobs")
    assert {(len(row.message_ids), row.claims, row.attempts) for row in rows} == {(1, 1, 0)}


@pytest.mark.timed
async def test_an_idle_worker_picks_a_start_up_at_once(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(5)
    campaign_id = await rig.stage.add_campaign(account_id, start=False)
    await rig.start_worker()

    async def is_connected() -> bool:
        return rig.server.connection_count > 0

    await rig.until(is_connected)
    await rig.stage.start(campaign_id)
    committed = time.monotonic()
    await rig.wait_for_posts(1)
    assert rig.arrivals[0] - committed < 0.3


@pytest.mark.timed
async def test_an_accounts_rate_binds_all_its_campaigns_in_proportion(rig: Rig) -> None:
    account_id = await rig.stage.add_account(rate=30)
    await rig.stage.add_channels(60)
    fast = await rig.stage.add_campaign(account_id, rate=40, words="fast")
    slow = await rig.stage.add_campaign(account_id, rate=20, words="slow")
    await rig.start_worker()
    await rig.wait_for_posts(60)
    assert rig.count_posts("fast") == pytest.approx(40, abs=4)
    assert rig.most_in_a_second <= 30 * 1.05 + 1
    await rig.finish(fast, slow)
    rig.check_each_once(120)
    # The fast one is done after 3 s; then the slow one has 30 left, at its own rate.
    rig.check_pace(60 / 20 + 30 / 20, slack=0.05)


@pytest.mark.timed
async def test_a_campaign_that_is_stuck_does_not_hold_up_another(rig: Rig, account_id: AccountId) -> None:
    """All of the first one's posts fail for now and wait for their retry."""
    await rig.stage.add_channels(10, "stuck")
    await rig.stage.add_channels(40, "lucky")
    faults = [
        Fault(method="messages.sendMessage", kind=FaultKind.ERROR, channel=f"stuck_{number:05}")
        for number in range(1, 11)
    ]
    rig.set_faults(*faults)
    stuck = await rig.stage.add_campaign(account_id, batch="stuck", rate=20, retry_limit=20)
    lucky = await rig.stage.add_campaign(account_id, batch="lucky", rate=20)
    await rig.start_worker(retry_base_seconds=1.0)
    await rig.finish(lucky)
    rig.check_pace(39 / 20, slack=0.05)
    assert await rig.stage.read_status(stuck) == "RUNNING"
    rig.set_faults()
    await rig.stage.execute("UPDATE jobs SET not_before = clock_timestamp() WHERE status = 'QUEUED'")
    await rig.finish(stuck)
    rig.check_each_once(50)


@pytest.mark.timed
async def test_accounts_deliver_side_by_side_each_at_its_own_rate(rig: Rig) -> None:
    await rig.stage.add_channels(30)
    campaigns = [await rig.stage.add_campaign(await rig.stage.add_account(rate=20)) for _ in range(4)]
    await rig.start_worker()
    await rig.finish(*campaigns)
    rig.check_each_once(120)
    for account in {post.account for post in rig.posts}:
        arrivals = [post.arrived_monotonic for post in rig.posts if post.account == account]
        rig.check_pace(29 / 20, arrivals, slack=0.05)


@pytest.mark.timed
async def test_a_pause_is_followed_by_silence_and_a_resume_by_the_rest(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(60)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker()
    await rig.wait_for_posts(10)
    await rig.stage.pause(campaign_id)
    paused = time.monotonic()
    await asyncio.sleep(0.1)
    await rig.stay_silent(0.6)
    assert rig.arrivals[-1] - paused < 0.1
    posted = len(rig.posts)
    await rig.until_counts(campaign_id, SENT=posted, QUEUED=60 - posted)
    await rig.stage.resume(campaign_id)
    resumed = time.monotonic()
    await rig.finish(campaign_id)
    assert rig.arrivals[posted] - resumed < 0.3
    rig.check_each_once(60)
    assert rig.most_in_a_second <= 43


@pytest.mark.timed
async def test_a_pause_takes_effect_within_a_second_without_notifications(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(100)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker()
    await rig.wait_for_posts(5)
    await rig.stage.execute(
        "UPDATE campaigns SET status = 'PAUSED', pause_reason = 'OPERATOR' WHERE id = :id", id=campaign_id
    )
    paused = time.monotonic()
    await asyncio.sleep(1.1)
    await rig.stay_silent(0.3)
    assert rig.arrivals[-1] - paused < 1.05


async def test_a_cancelled_campaign_posts_nothing_more_and_leaves_nothing_queued(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(60)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker()
    await rig.wait_for_posts(10)
    await rig.stage.cancel(campaign_id)
    await asyncio.sleep(0.1)
    await rig.stay_silent(0.4)
    posted = len(rig.posts)
    await rig.until_counts(campaign_id, SENT=posted, CANCELLED=60 - posted)
    assert await rig.stage.read_status(campaign_id) == "CANCELLED"


@pytest.mark.timed
async def test_corrected_content_is_posted_after_a_short_pause(rig: Rig, account_id: AccountId) -> None:
    """Paused, corrected and resumed in one moment: the worker never sees the pause."""
    await rig.stage.add_channels(40)
    campaign_id = await rig.stage.add_campaign(account_id, rate=20, words="wrong")
    await rig.start_worker()
    await rig.wait_for_posts(5)
    await rig.stage.execute(
        """UPDATE campaigns SET revision = revision + 2, content = '{"text": "right", "link_preview": true}'"""
    )
    corrected = time.monotonic()
    await rig.finish(campaign_id)
    late = [post for post in rig.posts if post.text == "wrong" and post.arrived_monotonic > corrected + 1.2]
    assert late == []
    assert rig.count_posts("right") > 10


async def test_a_campaign_may_be_deleted_between_two_statements_of_a_look_at_the_database(
    rig: Rig, account_id: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was frozen there goes on with what it read hours ago."""
    await rig.stage.add_channels(5)
    deleted = await rig.stage.add_campaign(account_id, words="Deleted")
    campaign_id = await rig.stage.add_campaign(account_id, rate=40, words="Kept")
    read_content = Ledger.read_content

    async def read_late(ledger: Ledger, key: CampaignId) -> FrozenContent | None:
        if key == deleted:
            await rig.stage.execute("DELETE FROM jobs WHERE campaign_id = :id", id=key)
            await rig.stage.execute("DELETE FROM campaigns WHERE id = :id", id=key)
        return await read_content(ledger, key)

    monkeypatch.setattr(Ledger, "read_content", read_late)
    await rig.start_worker()
    await rig.finish(campaign_id)
    assert (rig.count_posts("Kept"), rig.count_posts("Deleted")) == (5, 0)


@pytest.mark.timed
async def test_another_rate_takes_effect_within_a_second(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(60)
    campaign_id = await rig.stage.add_campaign(account_id, rate=2)
    await rig.start_worker()
    await rig.wait_for_posts(2)
    await rig.stage.execute("UPDATE campaigns SET delivery_rate = 40, revision = revision + 1")
    changed = time.monotonic()
    await rig.finish(campaign_id)
    assert rig.arrivals[-1] - changed < 1.0 + 58 / 40 + 0.2
    assert rig.most_in_a_second <= 43


async def test_a_large_audience_is_expanded_while_it_is_delivered(
    rig: Rig, account_id: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transitions, "EXPANSION_CHUNK", 15)
    await rig.stage.add_channels(50)
    campaign_id = await rig.stage.add_campaign(account_id, rate=50)
    await rig.start_worker()
    await rig.finish(campaign_id)
    rig.check_each_once(50)


async def test_the_operator_sees_who_telegram_says_the_account_is(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(1)
    campaign_id = await rig.stage.add_campaign(account_id)
    await rig.start_worker()
    await rig.finish(campaign_id)
    row = await rig.stage.one("SELECT tg_user_id, tg_name FROM accounts WHERE id = :id", id=account_id)
    assert row.tg_user_id > 0
    assert row.tg_name
