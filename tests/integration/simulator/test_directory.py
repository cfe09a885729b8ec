"""Who am I, which channels do I have, and what is that username."""

from typing import Any

import pytest
from telethon import errors
from telethon.tl import functions, types

from tests.integration.simulator.conftest import ACCOUNT, peer_of, send_request
from vestnik.domain.errors import SimulatorError
from vestnik.simulator.channels import ChannelSpec, Forbidden, Right
from vestnik.simulator.floods import FloodLimit, FloodScope
from vestnik.simulator.state import Simulator


def ask_dialogs(*, date: Any = None, offset_id: int = 0, peer: Any = None, limit: int = 100) -> Any:
    peer = peer if peer is not None else types.InputPeerEmpty()
    return functions.messages.GetDialogsRequest(date, offset_id, peer, limit, 0)


async def test_get_me_names_the_account_and_says_whether_it_is_a_bot(server, connect):
    server.simulator.add_account("robot", is_bot=True)
    me, robot = await (await connect()).get_me(), await (await connect(account="robot")).get_me()
    assert (me.first_name, me.bot, me.is_self) == (ACCOUNT, False, True)
    assert (robot.first_name, robot.bot) == ("robot", True)
    assert me.id != robot.id


async def test_accounts_see_each_other_only_with_their_access_hash(server, connect):
    other_id = server.simulator.add_account("other")
    client = await connect()
    access_hash = server.simulator.find_account(ACCOUNT).access_hash("user", other_id)
    found = await client(functions.users.GetUsersRequest([types.InputUser(other_id, access_hash)]))
    assert found[0].first_name == "other"
    with pytest.raises(errors.UserIdInvalidError):
        await client(functions.users.GetUsersRequest([types.InputUser(other_id, access_hash + 1)]))


async def test_telethon_pages_through_250_dialogs(server, connect):
    names = [f"channel_{index}" for index in range(250)]
    server.simulator.ensure_channels(names, ACCOUNT)
    client = await connect()
    found = [dialog async for dialog in client.iter_dialogs()]
    assert len(found) == len({dialog.id for dialog in found}) == 252
    assert {dialog.entity.username for dialog in found} == {*names, "alpha_news", "beta_news"}
    assert server.simulator.posts.calls["messages.getDialogs"] == 3


async def test_raw_pages_neither_overlap_nor_leave_gaps_and_are_at_most_100_long(server, connect):
    server.simulator.ensure_channels([f"channel_{index}" for index in range(248)], ACCOUNT)
    client = await connect()
    seen = []
    page = await client(ask_dialogs(limit=1000))
    sizes = [len(page.dialogs)]
    while page.dialogs:
        assert isinstance(page, types.messages.DialogsSlice)
        assert page.count == 250
        seen += [dialog.peer.channel_id for dialog in page.dialogs]
        last, message = page.dialogs[-1], page.messages[-1]
        chat = page.chats[-1]
        peer = types.InputPeerChannel(chat.id, chat.access_hash)
        page = await client(ask_dialogs(date=message.date, offset_id=last.top_message, peer=peer))
        sizes.append(len(page.dialogs))
    assert sizes == [100, 100, 50, 0]
    assert len(seen) == len(set(seen)) == 250


async def test_a_page_that_holds_everything_is_no_slice(connect):
    page = await (await connect())(ask_dialogs())
    assert isinstance(page, types.messages.Dialogs)
    assert {chat.username for chat in page.chats} == {"alpha_news", "beta_news"}


async def test_the_channel_posted_to_last_comes_first(server, connect):
    client = await connect()
    for name in ("beta_news", "alpha_news", "alpha_news"):
        await client(send_request(peer_of(server, name)))
    page = await client(ask_dialogs())
    # Both were posted to in the same second, so the greater message id decides.
    assert page.chats[0].username == "alpha_news"
    assert page.messages[0].message == "Hello"


async def test_usernames_resolve_whatever_their_case(server, connect):
    client = await connect()
    resolved = await client(functions.contacts.ResolveUsernameRequest("Alpha_NEWS"))
    channel = resolved.chats[0]
    assert channel.username == "alpha_news"
    assert resolved.peer.channel_id == channel.id
    assert channel.admin_rights.post_messages
    assert (await client.get_entity("@alpha_news")).id == channel.id


@pytest.mark.parametrize(
    ("name", "error"), [("nobody_here", errors.UsernameNotOccupiedError), ("a!", errors.UsernameInvalidError)]
)
async def test_unknown_and_impossible_usernames_are_told_apart(connect, name, error):
    client = await connect()
    with pytest.raises(error):
        await client(functions.contacts.ResolveUsernameRequest(name))


async def test_look_ups_have_a_flood_limit_of_their_own(server, connect):
    server.simulator.set_flood_limit(
        ACCOUNT, FloodLimit(posts=1, seconds=86_400, wait=3600), FloodScope.RESOLVE
    )
    client = await connect()
    await client(functions.contacts.ResolveUsernameRequest("alpha_news"))
    with pytest.raises(errors.FloodWaitError) as caught:
        await client(functions.contacts.ResolveUsernameRequest("beta_news"))
    assert caught.value.seconds == 3600
    await client(send_request(peer_of(server, "alpha_news")))


async def test_an_access_hash_is_worth_nothing_to_another_account(server, connect):
    server.simulator.add_account("other")
    client = await connect(account="other")
    assert peer_of(server, "alpha_news") != peer_of(server, "alpha_news", "other")
    with pytest.raises(errors.ChannelInvalidError):
        await client(send_request(peer_of(server, "alpha_news")))
    await client(send_request(peer_of(server, "alpha_news", "other")))


async def test_channels_are_described_by_id_and_access_hash(server, connect):
    client = await connect()
    peer = peer_of(server, "alpha_news")
    good = types.InputChannel(peer.channel_id, peer.access_hash)
    answer = await client(functions.channels.GetChannelsRequest([good]))
    assert answer.chats[0].username == "alpha_news"
    wrong = types.InputChannel(peer.channel_id, 1)
    with pytest.raises(errors.ChannelInvalidError):
        await client(functions.channels.GetChannelsRequest([wrong]))


async def test_rights_show_in_the_description(server, connect):
    simulator = server.simulator
    simulator.ensure_channels(
        [
            ChannelSpec(username="read_only", right=Right.READ),
            ChannelSpec(username="shut_out", right=Right.NONE),
            ChannelSpec(username="slow_group", title="Slow", slow_mode=30),
        ],
        ACCOUNT,
    )
    client = await connect()
    page = await client(ask_dialogs())
    chats = {chat.title: chat for chat in page.chats}
    assert chats["read_only"].admin_rights is None
    assert isinstance(chats["shut_out"], types.ChannelForbidden)
    assert chats["Slow"].megagroup
    assert chats["Slow"].slowmode_enabled
    assert not chats["Slow"].default_banned_rights.send_messages
    full = await client(functions.channels.GetFullChannelRequest(peer_of(server, "slow_group")))
    assert full.full_chat.slowmode_seconds == 30


async def test_ids_and_access_hashes_are_the_same_in_the_next_run(server):
    again = Simulator(seed=99)
    again.add_account("filler")
    again.add_account(ACCOUNT)
    again.ensure_channels(["beta_news", "alpha_news"], ACCOUNT)
    ours, theirs = server.simulator.find_channel("alpha_news"), again.find_channel("alpha_news")
    assert ours.channel_id == theirs.channel_id
    assert peer_of(server, "alpha_news").access_hash == again.find_account(ACCOUNT).access_hash(
        "channel", theirs.channel_id
    )
    assert server.simulator.find_account(ACCOUNT).user_id == again.find_account(ACCOUNT).user_id


async def test_unknown_methods_say_so(connect):
    client = await connect()
    with pytest.raises(errors.BadRequestError) as caught:
        await client(functions.contacts.GetContactsRequest(0))
    assert caught.value.message == "METHOD_NOT_SIMULATED: contacts.getContacts"


async def test_a_client_with_updates_on_works_too(server, connect):
    client = await connect(receive_updates=True)
    await client.get_me()
    sent = await client.send_message("alpha_news", "with updates")
    assert sent.id == 2
    assert (await client.get_messages("alpha_news", ids=2)).message == "with updates"


async def test_logging_out_ends_the_session(server, connect):
    client = await connect()
    await client(functions.auth.LogOutRequest())
    with pytest.raises(errors.AuthKeyUnregisteredError):
        await client(functions.updates.GetStateRequest())


async def test_what_a_group_does_not_take_and_its_picture_show_in_the_description(server, connect):
    server.simulator.ensure_channels(
        [
            ChannelSpec(username="plain_group", group=True, forbidden=[Forbidden.PHOTOS], picture=True),
            ChannelSpec(username="alpha_news", members=1234),
        ],
        ACCOUNT,
    )
    client = await connect()
    chats = {chat.username: chat for chat in (await client(ask_dialogs())).chats}
    group = chats["plain_group"]
    assert (group.megagroup, group.slowmode_enabled) == (True, False)
    assert group.default_banned_rights.send_photos
    assert not group.default_banned_rights.send_videos
    assert group.photo.stripped_thumb[0] == 1
    assert isinstance(chats["alpha_news"].photo, types.ChatPhotoEmpty)
    assert chats["alpha_news"].participants_count is None  # only the full description has it for certain
    full = await client(functions.channels.GetFullChannelRequest(peer_of(server, "alpha_news")))
    assert full.full_chat.participants_count == 1234


async def test_a_channel_that_gets_other_names_is_found_by_them_alone(server, connect):
    directory = server.simulator.channels
    directory.rename(server.simulator.find_channel("alpha_news"), "gamma_news", ["gamma_extra"])
    client = await connect()
    for name in ("gamma_news", "GAMMA_extra"):
        found = await client(functions.contacts.ResolveUsernameRequest(name))
        assert [(item.username, item.active) for item in found.chats[0].usernames] == [
            ("gamma_news", True),
            ("gamma_extra", True),
        ]
    with pytest.raises(errors.UsernameNotOccupiedError):
        await client(functions.contacts.ResolveUsernameRequest("alpha_news"))
    with pytest.raises(SimulatorError, match="another channel's"):
        directory.rename(server.simulator.find_channel("beta_news"), "gamma_extra")
    directory.rename(server.simulator.find_channel("gamma_news"), None)
    page = await client(ask_dialogs())
    assert {chat.username for chat in page.chats} == {None, "beta_news"}
