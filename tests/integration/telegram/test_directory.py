"""Finding channels through the simulator."""

from datetime import timedelta

import pytest

from tests.integration.telegram.conftest import ACCOUNT, TEXT
from tests.support.dialogs import read_dialogs
from vestnik.domain.rights import PostKind
from vestnik.domain.transport import ChannelDetails, ErrorClass, TransportError
from vestnik.simulator.channels import ChannelSpec, Forbidden, Right
from vestnik.simulator.endpoint import derive_auth_key
from vestnik.simulator.floods import FloodLimit, FloodScope
from vestnik.telegram.channels import SHORTEST_SLOW_MODE


async def test_all_pages_of_the_dialogs_are_read(server, transport):
    names = [f"channel_{n:03}" for n in range(250)]
    server.simulator.ensure_channels(names, ACCOUNT)
    channels = await read_dialogs(transport)
    assert sorted(str(known.username) for known in channels) == names
    assert all(known.can_post for known in channels)
    assert server.simulator.posts.calls["messages.getDialogs"] <= 6


async def test_a_listed_channel_can_be_posted_in_without_looking_it_up(server, transport, channel):
    (known,) = await read_dialogs(transport)
    assert await transport.send(known.peer, TEXT, 1)
    assert server.simulator.posts.calls["contacts.resolveUsername"] == 0


async def test_rights_and_slow_mode_are_shown(server, transport):
    specs = [
        ChannelSpec(username="writable"),
        ChannelSpec(username="readable", right=Right.READ),
        ChannelSpec(username="forbidden", right=Right.NONE, title="Forbidden"),
        ChannelSpec(username="slow_group", slow_mode=60),
    ]
    server.simulator.ensure_channels(specs, ACCOUNT)
    found = {known.title: known for known in await read_dialogs(transport)}
    assert {title: known.can_post for title, known in found.items()} == {
        "writable": True,
        "readable": False,
        "Forbidden": False,
        "slow_group": True,
    }
    assert found["slow_group"].slow_mode == SHORTEST_SLOW_MODE
    assert found["writable"].slow_mode is None


async def test_the_details_of_a_channel_are_asked_for_one_by_one(server, transport):
    specs = [
        ChannelSpec(username="large_channel", members=70_000, picture=True),
        ChannelSpec(username="slow_group", slow_mode=60, forbidden=[Forbidden.VIDEOS]),
    ]
    server.simulator.ensure_channels(specs, ACCOUNT)
    found = {known.username: known for known in await read_dialogs(transport)}
    large, slow = found["large_channel"], found["slow_group"]
    assert large.member_count is None
    assert slow.forbidden == {PostKind.VIDEOS}
    assert (large.picture or b"")[:2] == b"\xff\xd8"
    assert await transport.read_details(large.peer) == ChannelDetails(member_count=70_000, slow_mode=None)
    details = await transport.read_details(slow.peer)
    assert details.slow_mode == timedelta(seconds=60)


async def test_an_account_without_dialogs_has_no_channels(transport):
    assert await read_dialogs(transport) == []


async def test_a_bot_has_no_dialogs_and_is_not_asked_for_them(server, make_transport):
    key = derive_auth_key(server.endpoint.token, "robot")
    server.simulator.add_account("robot", key, is_bot=True)
    server.simulator.ensure_channels(["first_channel"], "robot")
    transport = make_transport(auth_key=key)
    assert (await transport.connect()).is_bot is True
    assert await read_dialogs(transport) == []
    assert server.simulator.posts.calls["messages.getDialogs"] == 0


@pytest.mark.parametrize("spelling", ["first_channel", "@first_channel", "FIRST_channel"])
async def test_a_username_is_resolved_in_any_spelling(transport, channel, spelling):
    known = await transport.resolve(spelling)
    assert (known.username, known.can_post) == (channel, True)


@pytest.mark.parametrize(
    ("username", "name"), [("nobody_here", "USERNAME_NOT_OCCUPIED"), ("x", "USERNAME_INVALID")]
)
async def test_a_username_that_leads_nowhere_is_so_for_every_account(transport, username, name):
    with pytest.raises(TransportError) as caught:
        await transport.resolve(username)
    assert (caught.value.name, caught.value.error_class) == (name, ErrorClass.CHANNEL_FOR_ALL)


async def test_too_many_look_ups_have_a_wait_of_their_own(server, transport, channel):
    limit = FloodLimit(posts=1, seconds=3600, wait=120)
    server.simulator.set_flood_limit(ACCOUNT, limit, FloodScope.RESOLVE)
    known = await transport.resolve(channel)
    with pytest.raises(TransportError) as caught:
        await transport.resolve(channel)
    assert caught.value.wait == timedelta(seconds=120)
    assert await transport.send(known.peer, TEXT, 1)
