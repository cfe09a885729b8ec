"""Reading back, editing and deleting."""

import asyncio
from typing import Any

import pytest
from telethon import errors
from telethon.tl import functions, types

from tests.integration.simulator.conftest import peer_of, send_request
from vestnik.simulator.server import SimulatorServer


@pytest.fixture
async def client(server, connect):
    """A client after five posts, ids 2 to 6, in alpha_news."""
    connected = await connect()
    for index in range(5):
        await connected(send_request(peer_of(server, "alpha_news"), f"text {index}"))
    return connected


def channel_of(server: SimulatorServer) -> Any:
    peer = peer_of(server, "alpha_news")
    return types.InputChannel(peer.channel_id, peer.access_hash)


async def test_history_is_newest_first_and_ends_with_the_creation(server, client):
    found = [message async for message in client.iter_messages(peer_of(server, "alpha_news"))]
    assert [message.id for message in found] == [6, 5, 4, 3, 2, 1]
    assert found[0].message == "text 4"
    assert isinstance(found[-1], types.MessageService)


@pytest.mark.parametrize(
    ("bounds", "ids"),
    [
        ({"offset_id": 4}, [3, 2, 1]),
        ({"offset_id": 4, "add_offset": -2, "limit": 3}, [5, 4, 3]),
        ({"add_offset": 2, "limit": 2}, [4, 3]),
        ({"min_id": 3}, [6, 5, 4]),
        ({"max_id": 3}, [2, 1]),
    ],
    ids=str,
)
async def test_history_takes_offsets(server, client, bounds, ids):
    given = {"offset_id": 0, "add_offset": 0, "limit": 100, "max_id": 0, "min_id": 0} | bounds
    request = functions.messages.GetHistoryRequest(
        peer_of(server, "alpha_news"), offset_date=None, hash=0, **given
    )
    answer = await client(request)
    assert [message.id for message in answer.messages] == ids
    assert answer.count == 6


async def test_history_takes_a_date(server, client):
    (newest,) = await client.get_messages(peer_of(server, "alpha_news"), limit=1)
    before = await client.get_messages(peer_of(server, "alpha_news"), offset_date=newest.date, limit=100)
    assert all(message.date < newest.date for message in before)


async def test_long_histories_are_paged(server, client):
    peer = peer_of(server, "alpha_news")
    await asyncio.gather(*(client(send_request(peer, f"more {index}")) for index in range(300)))
    found = [message.id async for message in client.iter_messages(peer, limit=1000)]
    assert found == list(range(306, 0, -1))


async def test_messages_are_read_by_id_and_missing_ones_are_empty(server, client):
    found = await client(
        functions.channels.GetMessagesRequest(
            channel_of(server), [types.InputMessageID(2), types.InputMessageID(99)]
        )
    )
    assert found.messages[0].message == "text 0"
    assert isinstance(found.messages[1], types.MessageEmpty)
    private = await client(functions.messages.GetMessagesRequest([types.InputMessageID(2)]))
    assert isinstance(private.messages[0], types.MessageEmpty)


async def test_edits_change_what_is_read_but_not_the_record(server, client):
    edited = await client.edit_message(peer_of(server, "alpha_news"), 3, "new text")
    assert edited.message == "new text"
    assert edited.edit_date is not None
    again = await client.get_messages(peer_of(server, "alpha_news"), ids=3)
    assert again.message == "new text"
    assert server.simulator.list_posts()[1].text == "text 1"


@pytest.mark.parametrize(
    ("message_id", "text", "error"),
    [
        (3, "text 1", errors.MessageNotModifiedError),
        (99, "x", errors.MessageIdInvalidError),
        (1, "x", errors.MessageIdInvalidError),
        (3, "x" * 4097, errors.MessageTooLongError),
    ],
    ids=["unchanged", "missing", "creation", "long"],
)
async def test_edits_that_make_no_sense_are_refused(server, client, message_id, text, error):
    with pytest.raises(error):
        await client.edit_message(peer_of(server, "alpha_news"), message_id, text)


async def test_deleted_messages_are_gone_and_their_ids_are_not_used_again(server, client):
    affected = await client(functions.channels.DeleteMessagesRequest(channel_of(server), [3, 6, 99]))
    assert affected.pts_count == 2
    peer = peer_of(server, "alpha_news")
    assert [message.id async for message in client.iter_messages(peer)] == [5, 4, 2, 1]
    with pytest.raises(errors.MessageIdInvalidError):
        await client.edit_message(peer, 3, "new text")
    assert (await client(send_request(peer))).updates[0].id == 7
    dialogs = await client.get_dialogs()
    assert dialogs[0].message.id == 7
    assert len(server.simulator.posts) == 6


async def test_telethons_own_deletion_works(server, client):
    await client.delete_messages(peer_of(server, "alpha_news"), [2])
    assert (await client.get_messages(peer_of(server, "alpha_news"), ids=2)) is None


async def test_deleting_private_messages_affects_nothing(client):
    assert (await client(functions.messages.DeleteMessagesRequest([2]))).pts_count == 0
