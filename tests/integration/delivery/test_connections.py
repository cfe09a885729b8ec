"""Lost connections, silence and doubt: whatever happens on the way, each post is out once."""

import asyncio

import pytest

from tests.integration.delivery.rig import SEND, Rig
from vestnik.domain.ids import AccountId
from vestnik.simulator.faults import Fault, FaultKind
from vestnik.simulator.options import RandomIdAnswer


@pytest.mark.parametrize("kind", [FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER])
async def test_dropped_connections_cost_no_post_and_double_none(
    rig: Rig, account_id: AccountId, kind: FaultKind
) -> None:
    await rig.stage.add_channels(40)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    rig.set_faults(
        Fault(method=SEND, kind=kind, skip=5, count=1), Fault(method=SEND, kind=kind, skip=20, count=1)
    )
    await rig.start_worker()
    await rig.finish(campaign_id)
    rig.check_each_once(40)
    assert rig.server.simulator.faults.hits == 2
    repeats = rig.server.simulator.posts.absorbed_repeats
    assert repeats >= 2 if kind is FaultKind.DROP_AFTER else repeats == 0
    rows = await rig.stage.execute("SELECT attempts, maybe_sent, message_ids FROM jobs")
    assert all((row.attempts, row.maybe_sent, len(row.message_ids)) == (0, False, 1) for row in rows)


@pytest.mark.parametrize("kind", [FaultKind.SILENCE, FaultKind.SILENCE_AFTER])
async def test_a_call_without_an_answer_is_settled_by_the_same_random_id(
    rig: Rig, account_id: AccountId, kind: FaultKind
) -> None:
    await rig.stage.add_channels(10)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    rig.set_faults(Fault(method=SEND, kind=kind, skip=3, count=1))
    await rig.start_worker()
    await rig.finish(campaign_id)
    rig.check_each_once(10)
    assert rig.server.simulator.posts.absorbed_repeats == (1 if kind is FaultKind.SILENCE_AFTER else 0)


@pytest.mark.parametrize(
    "answer",
    [RandomIdAnswer.ORIGINAL, RandomIdAnswer.DUPLICATE, RandomIdAnswer.DUPLICATE_WHILE_RUNNING],
)
async def test_both_answers_to_a_repeated_random_id_name_the_message(
    rig: Rig, account_id: AccountId, answer: RandomIdAnswer
) -> None:
    await rig.stage.add_channels(6)
    simulator = rig.server.simulator
    simulator.options = type(simulator.options)(random_id=answer)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    rig.set_faults(Fault(method=SEND, kind=FaultKind.DROP_AFTER, skip=2, count=1))
    await rig.start_worker()
    await rig.finish(campaign_id)
    rig.check_each_once(6)
    messages = {(post.username, post.message_id) for post in rig.posts}
    rows = await rig.stage.execute(
        "SELECT c.username, j.message_ids FROM jobs j JOIN channels c ON c.id = j.channel_id"
    )
    assert {(row.username, row.message_ids[0]) for row in rows} == messages


async def test_what_never_gets_an_answer_ends_as_unknown_and_is_listed(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(3)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    rig.set_faults(Fault(method=SEND, kind=FaultKind.DROP_BEFORE, channel="first_00002"))
    await rig.stage.execute(
        "UPDATE jobs SET claims = 8 FROM channels c WHERE c.id = channel_id AND c.username = 'first_00002'"
    )
    await rig.start_worker()
    await rig.finish(campaign_id)
    assert await rig.read_errors(campaign_id) == ["UNKNOWN_OUTCOME"]
    rig.check_each_once(2)


async def test_nothing_goes_out_after_a_pause_because_a_connection_comes_back(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(20)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker()
    await rig.wait_for_posts(5)
    await rig.stage.pause(campaign_id)
    rig.server.drop_connections()
    await asyncio.sleep(0.1)
    await rig.stay_silent(1.0)
    await rig.stage.resume(campaign_id)
    await rig.finish(campaign_id)
    rig.check_each_once(20)


async def test_connections_that_are_cut_again_and_again(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(60)
    campaign_id = await rig.stage.add_campaign(account_id, rate=50)
    await rig.start_worker()
    for number in (5, 15, 25, 35):
        await rig.wait_for_posts(number)
        rig.server.drop_connections()
    await rig.finish(campaign_id)
    rig.check_each_once(60)
    assert max(rig.server.simulator.summarize().max_connections_per_account.values()) == 1


@pytest.mark.timed
async def test_slow_answers_do_not_slow_the_pace(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(40)
    simulator = rig.server.simulator
    simulator.options = type(simulator.options)(latency=0.3)
    campaign_id = await rig.stage.add_campaign(account_id, rate=20)
    await rig.start_worker()
    await rig.finish(campaign_id)
    rig.check_each_once(40)
    rig.check_pace(39 / 20, slack=0.03)


async def test_entries_that_turn_out_to_be_one_channel_get_one_post(rig: Rig, account_id: AccountId) -> None:
    channels = await rig.stage.add_channels(6)
    simulator = rig.server.simulator
    simulator.add_account(str(account_id))
    (tg_id,) = simulator.ensure_channels(["first_00004"], str(account_id))
    await rig.stage.execute(
        "UPDATE channels SET username = NULL, tg_id = :tg_id WHERE id = :id", tg_id=tg_id, id=channels[1]
    )
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker()
    await rig.finish(campaign_id)
    assert await rig.read_errors(campaign_id) == ["DUPLICATE_CHANNEL"]
    rig.check_each_once(5)
