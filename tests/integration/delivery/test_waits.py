"""FLOOD_WAIT and slow mode: silence for as long as Telegram says, and then on by itself."""

import asyncio
import time

import pytest

from tests.integration.delivery.rig import Rig
from vestnik.domain.ids import AccountId
from vestnik.domain.outcomes import HOLD_MARGIN
from vestnik.simulator.channels import ChannelSpec
from vestnik.simulator.faults import Fault, FaultKind
from vestnik.simulator.floods import FloodLimit

MARGIN = HOLD_MARGIN.total_seconds()


@pytest.mark.timed
async def test_a_flood_wait_silences_the_whole_account_and_then_it_goes_on_by_itself(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(20)
    campaigns = [await rig.stage.add_campaign(account_id, rate=25) for _ in range(2)]
    rig.break_sending("FLOOD_WAIT_1", code=420, skip=10, count=1)
    await rig.start_worker()

    async def is_held() -> bool:
        return bool(await rig.stage.execute("SELECT 1 FROM account_holds"))

    await rig.until(is_held)
    held = time.monotonic()
    calls = rig.send_calls
    await rig.finish(*campaigns)
    rig.check_each_once(40)
    refused = rig.server.simulator.list_attempts()[10].arrived_monotonic
    resumed = next(at for at in rig.arrivals if at > held)
    assert calls <= 12  # what was on its way
    assert 1 + MARGIN <= resumed - refused < 1 + MARGIN + 0.4
    assert rig.most_in_a_second <= 53
    row = await rig.stage.one("SELECT * FROM account_holds")
    assert (row.account_id, row.scope, row.reason) == (account_id, "SEND", "FLOOD_WAIT")
    rows = await rig.stage.execute("SELECT attempts, error_code FROM jobs")
    assert {(row.attempts, row.error_code) for row in rows} == {(0, None)}


async def test_waits_do_not_grow_because_nobody_knocks(rig: Rig, account_id: AccountId) -> None:
    """Telegram's limit is lower than the campaign's rate; knocking during a wait would double it."""
    await rig.stage.add_channels(12)
    limit = FloodLimit(posts=5, seconds=1.0, wait=1.0, growth=10.0)
    rig.server.simulator.add_account(str(account_id))
    rig.server.simulator.set_flood_limit(str(account_id), limit)
    campaign_id = await rig.stage.add_campaign(account_id, rate=20)
    await rig.start_worker()
    await rig.finish(campaign_id)
    rig.check_each_once(12)
    assert rig.server.simulator.posts.rejected["FLOOD_WAIT_10"] == 0


async def test_a_pause_during_a_wait_outlasts_it(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(20)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    rig.break_sending("FLOOD_WAIT_1", code=420, skip=5, count=1)
    await rig.start_worker()
    await rig.wait_for_posts(5)
    await asyncio.sleep(0.1)
    await rig.stage.pause(campaign_id)
    await rig.stay_silent(1 + MARGIN + 0.5)
    assert await rig.stage.read_status(campaign_id) == "PAUSED"
    await rig.stage.resume(campaign_id)
    await rig.finish(campaign_id)
    rig.check_each_once(20)


@pytest.mark.timed
async def test_a_worker_that_starts_during_a_wait_does_not_even_connect(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(5)
    await rig.stage.execute(
        "INSERT INTO account_holds (account_id, scope, until, reason)"
        " VALUES (:id, 'SEND', clock_timestamp() + interval '1.5 seconds', 'FLOOD_WAIT')",
        id=account_id,
    )
    held = time.monotonic()
    await rig.stage.execute("DELETE FROM accounts WHERE id <> :id", id=account_id)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker()
    await asyncio.sleep(1.3 - (time.monotonic() - held))
    assert rig.server.simulator.posts.calls.total() == 0
    await rig.finish(campaign_id)
    assert 1.4 < rig.arrivals[0] - held < 2.2


@pytest.mark.timed
async def test_a_campaign_started_during_a_wait_goes_out_right_after_it(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(3, "first")
    await rig.stage.add_channels(3, "second")
    first = await rig.stage.add_campaign(account_id, batch="first", rate=40)
    rig.break_sending("FLOOD_WAIT_1", code=420, count=1)
    await rig.start_worker()

    async def is_held() -> bool:
        return bool(await rig.stage.execute("SELECT 1 FROM account_holds"))

    await rig.until(is_held)
    held = time.monotonic()
    second = await rig.stage.add_campaign(account_id, batch="second", rate=40)
    await rig.finish(first, second)
    assert max(rig.arrivals) - held < 1 + MARGIN + 1.5


async def test_another_accounts_wait_is_none_of_ours(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(10)
    other = await rig.stage.add_account(rate=50)
    rig.break_sending("FLOOD_WAIT_300", code=420, account=str(other))
    waiting = await rig.stage.add_campaign(other, rate=20)
    campaign_id = await rig.stage.add_campaign(account_id, rate=20)
    await rig.start_worker()
    await rig.finish(campaign_id)
    assert await rig.stage.read_progress(waiting) == {"QUEUED": 10}


@pytest.mark.timed
async def test_slow_mode_holds_one_channel_only(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(30)
    simulator = rig.server.simulator
    simulator.add_account(str(account_id))
    simulator.ensure_channels([ChannelSpec(username="first_00003", slow_mode=1)], str(account_id))
    campaigns = [await rig.stage.add_campaign(account_id, rate=20) for _ in range(2)]
    await rig.start_worker()
    await rig.finish(*campaigns)
    rig.check_each_once(60)
    slow = [post.arrived_monotonic for post in rig.posts if post.username == "first_00003"]
    assert slow[1] - slow[0] >= 1
    assert simulator.posts.rejected.total() <= 2
    others = sorted(post.arrived_monotonic for post in rig.posts if post.username != "first_00003")
    assert others[-1] - others[0] < 29 / 20 + 0.3 + rig.lag  # the hold alone takes 2 s
    assert await rig.stage.execute("SELECT 1 FROM account_holds") == []


@pytest.mark.timed
async def test_a_channel_held_for_one_campaign_is_not_forgotten_by_another(
    rig: Rig, account_id: AccountId
) -> None:
    """The second campaign passes the held channel over; it must come back to it soon after the hold."""
    await rig.stage.add_channels(10)
    await rig.start_worker()
    await rig.finish(await rig.stage.add_campaign(account_id, rate=40))
    await rig.stage.execute(
        "UPDATE channel_peers SET hold_until = clock_timestamp() + interval '2 seconds' WHERE channel_id ="
        " (SELECT id FROM channels WHERE username = 'first_00001')"
    )
    held = time.monotonic()
    await rig.finish(await rig.stage.add_campaign(account_id, rate=40))
    assert rig.arrivals[-1] - held < 5


@pytest.mark.timed
async def test_a_wait_for_look_ups_does_not_stop_posting(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(10, "first")
    await rig.stage.add_channels(2, "later")
    await rig.start_worker()
    await rig.finish(await rig.stage.add_campaign(account_id, batch="first", rate=40))
    rig.set_faults(
        Fault(method="messages.getDialogs", kind=FaultKind.ERROR, code=420, name="FLOOD_WAIT_1", count=1)
    )
    waiting = await rig.stage.add_campaign(account_id, batch="later", rate=40)
    going = await rig.stage.add_campaign(account_id, batch="first", rate=20)
    await rig.finish(going)

    async def is_stored() -> bool:
        return bool(await rig.stage.execute("SELECT 1 FROM account_holds WHERE scope = 'RESOLVE'"))

    await rig.until(is_stored)
    assert await rig.stage.read_progress(waiting) == {"QUEUED": 2}
    await rig.finish(waiting)
    assert rig.server.simulator.posts.rejected.keys() == {"FLOOD_WAIT_1"}
