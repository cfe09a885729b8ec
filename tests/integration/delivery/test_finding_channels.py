"""Addresses: from the dialogs first, by name for the rest, and one post for entries that lead to one channel."""

import pytest

from tests.integration.delivery.rig import Rig
from vestnik.domain.ids import AccountId
from vestnik.simulator.faults import Fault, FaultKind

RESOLVE = "contacts.resolveUsername"


@pytest.fixture
def member(rig: Rig, account_id: AccountId) -> str:
    """The account's name in the simulator, and one of another account that has the channels ours has not."""
    rig.server.simulator.add_account(str(account_id))
    rig.server.simulator.add_account("stranger")
    return str(account_id)


async def test_only_what_the_dialogs_do_not_have_is_looked_up_by_name(
    rig: Rig, account_id: AccountId, member: str
) -> None:
    simulator = rig.server.simulator
    await rig.stage.add_channels(10)
    simulator.ensure_channels([f"first_{number:05}" for number in range(1, 9)], member)
    simulator.ensure_channels(["first_00009"], "stranger")  # and nobody has first_00010
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker(plain=True)
    await rig.finish(campaign_id)
    rig.check_each_once(9)
    assert simulator.posts.calls[RESOLVE] == 2
    assert await rig.read_errors(campaign_id) == ["CHANNEL_INACTIVE"]
    row = await rig.stage.one("SELECT * FROM channels WHERE NOT is_active")
    assert (row.username, row.inactive_reason) == ("first_00010", "USERNAME_NOT_OCCUPIED")


async def test_a_private_channel_that_is_not_among_the_dialogs_is_given_up(
    rig: Rig, account_id: AccountId, member: str
) -> None:
    channels = await rig.stage.add_channels(3)
    rig.server.simulator.ensure_channels(["first_00001", "first_00003"], member)
    await rig.stage.execute(
        "UPDATE channels SET username = NULL, tg_id = 4711 WHERE id = :id", id=channels[1]
    )
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker(plain=True)
    await rig.finish(campaign_id)
    rig.check_each_once(2)
    peer = await rig.stage.read_peer(account_id, channels[1])
    assert (peer.is_active, peer.inactive_reason) == (False, "PEER_NOT_FOUND")


async def test_a_name_that_leads_to_a_channel_already_posted_to_gets_no_second_post(
    rig: Rig, account_id: AccountId, member: str
) -> None:
    """The channel was renamed between its post and the look-up of an older entry."""
    simulator = rig.server.simulator
    await rig.stage.add_channels(3)
    simulator.ensure_channels(["first_00002", "first_00003"], member)
    rig.set_faults(Fault(method=RESOLVE, kind=FaultKind.ERROR, count=1))
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker(plain=True)
    await rig.wait_for_posts(2)
    channel = simulator.find_channel("first_00003")
    simulator.channels._by_username["first_00001"] = channel
    channel.username = "first_00001"
    await rig.finish(campaign_id)
    assert await rig.read_errors(campaign_id) == ["DUPLICATE_CHANNEL"]
    rig.check_each_once(2)


@pytest.mark.timed
async def test_a_wait_for_look_ups_holds_nothing_else(rig: Rig, account_id: AccountId, member: str) -> None:
    simulator = rig.server.simulator
    await rig.stage.add_channels(30)
    simulator.ensure_channels([f"first_{number:05}" for number in range(1, 30)], member)
    simulator.ensure_channels(["first_00030"], "stranger")
    rig.set_faults(Fault(method=RESOLVE, kind=FaultKind.ERROR, code=420, name="FLOOD_WAIT_1", count=1))
    campaign_id = await rig.stage.add_campaign(account_id, rate=30)
    await rig.start_worker(plain=True)
    await rig.wait_for_posts(29)
    rig.check_pace(28 / 30, slack=0.1)
    (hold,) = await rig.stage.execute("SELECT scope FROM account_holds")
    assert hold.scope == "RESOLVE"
    await rig.finish(campaign_id)
    rig.check_each_once(30)
