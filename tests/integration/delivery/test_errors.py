"""Telegram's refusals: retried, given up, charged to the channel, the content or the account, as each deserves."""

import asyncio
import time

import pytest

from tests.integration.delivery.rig import SEND, Rig
from vestnik.domain.ids import AccountId
from vestnik.simulator.channels import ChannelSpec, Right
from vestnik.simulator.faults import Fault, FaultKind


@pytest.mark.timed
async def test_transient_errors_are_retried_with_growing_waits(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(5)
    rig.break_sending("WORKER_BUSY_TOO_LONG_RETRY", code=500, channel="first_00003", count=3)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker(retry_base_seconds=0.2)
    await rig.finish(campaign_id)
    rig.check_each_once(5)
    assert rig.arrivals[-1] - rig.arrivals[0] >= 0.2 + 0.4 + 0.8 - 0.05
    rows = await rig.stage.execute("SELECT attempts, claims FROM jobs ORDER BY attempts")
    assert [tuple(row) for row in rows] == [(0, 1)] * 4 + [(3, 4)]


async def test_the_retry_limit_ends_a_job_and_not_the_campaign(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(5)
    rig.break_sending("RPC_CALL_FAIL", code=500, channel="first_00003")
    campaign_id = await rig.stage.add_campaign(account_id, rate=40, retry_limit=2)
    await rig.start_worker()
    await rig.finish(campaign_id)
    assert await rig.read_errors(campaign_id) == ["RPC_CALL_FAIL"]
    assert rig.send_calls == 4 + 3
    peers = await rig.stage.execute("SELECT is_active, consecutive_failures FROM channel_peers")
    assert sorted(tuple(row) for row in peers) == [(True, 0)] * 4 + [(True, 1)]


async def test_a_channel_that_refuses_the_account_is_deactivated_for_it_at_once(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(6)
    simulator = rig.server.simulator
    simulator.add_account(str(account_id))
    simulator.ensure_channels([ChannelSpec(username="first_00002", right=Right.READ)], str(account_id))
    campaigns = [await rig.stage.add_campaign(account_id, rate=40)]
    await rig.start_worker()
    await rig.finish(*campaigns)
    assert await rig.read_errors(campaigns[0]) == ["CHAT_WRITE_FORBIDDEN"]
    assert (simulator.posts.rejected["CHAT_WRITE_FORBIDDEN"], len(rig.posts)) == (1, 5)
    row = await rig.stage.one("SELECT * FROM channel_peers WHERE NOT is_active")
    assert (row.inactive_reason, row.inactive_campaign_id) == ("CHAT_WRITE_FORBIDDEN", campaigns[0])
    assert await rig.stage.execute("SELECT 1 FROM channels WHERE NOT is_active") == []
    campaigns.append(await rig.stage.add_campaign(account_id, rate=40))
    await rig.finish(*campaigns)
    assert (simulator.posts.rejected["CHAT_WRITE_FORBIDDEN"], len(rig.posts)) == (1, 10)


async def test_a_pair_that_became_inactive_ends_the_jobs_of_other_campaigns(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(10)
    rig.break_sending("CHANNEL_PRIVATE", channel="first_00001")
    first = await rig.stage.add_campaign(account_id, rate=20)
    second = await rig.stage.add_campaign(account_id, rate=1)
    await rig.stage.execute(
        "UPDATE campaigns SET next_slot_at = clock_timestamp() + interval '1 second', delivery_rate = 40"
        " WHERE id = :id",
        id=second,
    )
    await rig.start_worker()
    await rig.finish(first, second)
    assert await rig.read_errors(first) == ["CHANNEL_PRIVATE"]
    assert await rig.read_errors(second) == ["CHANNEL_INACTIVE"]


async def test_content_that_a_channel_does_not_take_leaves_the_channel_active(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(4)
    rig.break_sending("CHAT_SEND_PLAIN_FORBIDDEN", code=403, channel="first_00001")
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker()
    await rig.finish(campaign_id)
    assert await rig.read_errors(campaign_id) == ["CHAT_SEND_PLAIN_FORBIDDEN"]
    assert await rig.stage.execute("SELECT 1 FROM channel_peers WHERE NOT is_active") == []


async def test_a_peer_that_telegram_forgot_is_looked_up_again(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(4)
    await rig.start_worker()
    await rig.finish(await rig.stage.add_campaign(account_id, rate=40))
    await rig.stage.execute("UPDATE channel_peers SET access_hash = 1")
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.finish(campaign_id)
    rig.check_each_once(8)
    assert rig.server.simulator.posts.rejected == {"CHANNEL_INVALID": 4}


async def test_a_peer_that_stays_unknown_is_given_up_after_one_look(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(3)
    rig.break_sending("CHANNEL_INVALID", channel="first_00002")
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker()
    await rig.finish(campaign_id)
    assert await rig.read_errors(campaign_id) == ["CHANNEL_INVALID"]
    assert rig.send_calls == 4


async def test_wrong_content_pauses_the_campaign_and_loses_no_job(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(20)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    rig.break_sending("MESSAGE_TOO_LONG", code=400, count=100)
    await rig.start_worker()
    await rig.until_status("PAUSED", campaign_id)
    row = await rig.stage.read_campaign(campaign_id)
    assert row.pause_reason == "CONTENT_ERROR"
    assert "MESSAGE_TOO_LONG" in row.status_detail
    await rig.until_counts(campaign_id, QUEUED=20)
    assert rig.server.simulator.posts.rejected["MESSAGE_TOO_LONG"] <= 3
    rig.set_faults()
    await rig.finish(await rig.stage.add_campaign(account_id, rate=40, words="short"))
    await rig.stage.resume(campaign_id)
    await rig.finish(campaign_id)
    rig.check_each_once(40)


async def test_a_dead_session_stops_its_account_and_no_other(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(30)
    other = await rig.stage.add_account(rate=20)
    campaign_id = await rig.stage.add_campaign(account_id, rate=20)
    going = await rig.stage.add_campaign(other, rate=20)
    await rig.start_worker()
    await rig.wait_for_posts(10)
    rig.server.simulator.revoke_keys(str(account_id))
    await rig.finish(going)

    async def needs_login() -> bool:
        return bool((await rig.read_account(account_id)).state == "NEEDS_LOGIN")

    await rig.until(needs_login)
    account = await rig.read_account(account_id)
    assert account.state_reason.startswith("AUTH_KEY_")
    posted = sum(post.account == str(account_id) for post in rig.posts)
    await rig.until_counts(campaign_id, SENT=posted, QUEUED=30 - posted)
    assert await rig.stage.read_status(campaign_id) == "RUNNING"
    # After a new login it goes on by itself, under the same random_ids.
    await rig.stage.execute("UPDATE accounts SET state = 'ACTIVE'")
    await rig.finish(campaign_id)
    rig.check_each_once(60)


async def test_peer_flood_stops_the_account_until_a_person_releases_it(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(20)
    campaign_id = await rig.stage.add_campaign(account_id, rate=20)
    rig.break_sending("PEER_FLOOD", skip=5, count=1)
    await rig.start_worker()

    async def is_limited() -> bool:
        return bool((await rig.read_account(account_id)).state == "LIMITED")

    await rig.until(is_limited)
    await rig.until_counts(campaign_id, SENT=len(rig.posts), QUEUED=20 - len(rig.posts))
    await rig.stay_silent(1.2)
    await rig.stage.execute("UPDATE accounts SET state = 'ACTIVE'")
    await rig.finish(campaign_id)
    rig.check_each_once(20)


async def test_three_bans_in_a_row_limit_the_account_and_two_do_not(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(12)
    banned = [
        Fault(
            method=SEND,
            kind=FaultKind.ERROR,
            code=400,
            name="USER_BANNED_IN_CHANNEL",
            channel=f"first_{number:05}",
        )
        for number in (1, 2, 5, 6, 7)
    ]
    rig.set_faults(*banned)
    campaign_id = await rig.stage.add_campaign(account_id, rate=20)
    await rig.start_worker()

    async def is_limited() -> bool:
        return bool((await rig.read_account(account_id)).state == "LIMITED")

    await rig.until(is_limited)
    await rig.until_counts(campaign_id, SENT=len(rig.posts), FAILED=5, QUEUED=7 - len(rig.posts))
    assert len(rig.posts) in {2, 3}
    assert await rig.read_errors(campaign_id) == ["USER_BANNED_IN_CHANNEL"] * 5


@pytest.mark.timed
async def test_too_many_failures_pause_the_campaign(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(60)
    rig.break_sending("CHAT_SEND_PLAIN_FORBIDDEN", code=403, probability=0.5)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40, max_error_rate=0.1)
    await rig.start_worker()
    await rig.until_status("PAUSED", campaign_id)
    assert (await rig.stage.read_campaign(campaign_id)).pause_reason == "ERROR_RATE"
    stopped = time.monotonic()
    await asyncio.sleep(0.1)  # what is handed over before the lane has the answer of the database
    await rig.stay_silent(0.5)
    assert max(rig.arrivals) < stopped + 0.1
    assert rig.send_calls < 35
