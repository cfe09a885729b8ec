"""Posting through real Telethon code to the simulator."""

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.telegram.conftest import ACCOUNT, TEXT, fail_to_send, set_fault
from vestnik.domain.transport import Content, ErrorClass, TransportError
from vestnik.simulator.channels import Right
from vestnik.simulator.faults import FaultKind
from vestnik.simulator.floods import FloodLimit
from vestnik.simulator.options import Options, RandomIdAnswer


async def test_a_message_is_posted_and_its_id_is_known(server, transport, channel):
    target = await transport.resolve(channel)
    ids = await transport.send(target.peer, Content(text="Привет 👋"), 77)
    (post,) = server.simulator.list_posts()
    assert ids == (post.message_id,)
    assert (post.account, post.username, post.text, post.random_id) == (ACCOUNT, channel, "Привет 👋", 77)


@pytest.mark.parametrize("random_id", [-(2**63), -1, 1, 2**63 - 1])
async def test_every_random_id_of_64_bits_is_sent_as_it_is(server, transport, channel, random_id):
    target = await transport.resolve(channel)
    await transport.send(target.peer, TEXT, random_id)
    assert server.simulator.list_posts()[0].random_id == random_id


async def test_a_random_id_beyond_64_bits_is_refused_here(server, transport, channel):
    target = await transport.resolve(channel)
    error = await fail_to_send(transport, target, 2**63)
    assert (error.name, error.definite, error.disconnected) == ("REQUEST_NOT_SENDABLE", True, False)
    assert len(server.simulator.posts) == 0
    assert await transport.send(target.peer, TEXT, 1)


async def test_nothing_is_asked_that_the_engine_did_not_ask_for(server, transport, channel):
    target = await transport.resolve(channel)
    for random_id in (1, 2, 3):
        await transport.send(target.peer, TEXT, random_id)
    assert server.simulator.posts.calls == Counter(
        {"users.getUsers": 1, "contacts.resolveUsername": 1, "messages.sendMessage": 3}
    )


@pytest.mark.timed
async def test_sends_do_not_wait_for_each_other(server, transport, channel):
    target = await transport.resolve(channel)
    server.simulator.options = Options(latency=0.3)
    begin = time.monotonic()
    async with asyncio.TaskGroup() as group:
        sends = [group.create_task(transport.send(target.peer, TEXT, n)) for n in range(1, 201)]
    elapsed = time.monotonic() - begin
    assert sorted(send.result()[0] for send in sends) == sorted(
        post.message_id for post in server.simulator.list_posts()
    )
    assert len({send.result() for send in sends}) == 200
    assert 0.3 <= elapsed < 0.3 * 10  # one after another they would take 60 s


async def test_a_repeated_random_id_gets_the_original_message(server, transport, channel):
    server.simulator.options = Options(random_id=RandomIdAnswer.ORIGINAL)
    target = await transport.resolve(channel)
    assert await transport.send(target.peer, TEXT, 5) == await transport.send(target.peer, TEXT, 5)
    assert len(server.simulator.posts) == 1


@pytest.mark.timed
async def test_a_duplicate_is_reported_at_once_and_found_in_the_history(server, transport, channel):
    server.simulator.options = Options(random_id=RandomIdAnswer.DUPLICATE)
    since = datetime.now(UTC)
    target = await transport.resolve(channel)
    (message_id,) = await transport.send(target.peer, TEXT, 5)
    await transport.send(target.peer, Content(text="Other news"), 6)
    begin = time.monotonic()
    error = await fail_to_send(transport, target, 5)
    assert time.monotonic() - begin < 1  # TelegramClient sleeps 2 s before it raises this one
    assert (error.name, error.error_class, error.definite) == (
        "RANDOM_ID_DUPLICATE",
        ErrorClass.SENT,
        False,
    )
    assert await transport.find_messages(target.peer, TEXT, since) == (message_id,)
    assert len(server.simulator.posts) == 2


async def test_a_message_is_found_by_its_text_and_time_only(server, transport, channel):
    since = datetime.now(UTC)
    target = await transport.resolve(channel)
    (first,) = await transport.send(target.peer, TEXT, 1)
    assert await transport.find_messages(target.peer, Content(text="Nobody wrote this"), since) == ()
    assert await transport.find_messages(target.peer, TEXT, since + timedelta(hours=1)) == ()
    assert await transport.find_messages(target.peer, Content(text="  Good news\n"), since) == (first,)
    (second,) = await transport.send(target.peer, TEXT, 2)
    assert await transport.find_messages(target.peer, TEXT, since) == (second,)


async def test_a_message_is_found_beyond_the_first_page_of_the_history(transport, channel):
    since = datetime.now(UTC)
    target = await transport.resolve(channel)
    (wanted,) = await transport.send(target.peer, TEXT, 1)
    for n in range(2, 252):
        await transport.send(target.peer, Content(text=f"News {n}"), n)
    assert await transport.find_messages(target.peer, TEXT, since) == (wanted,)
    assert await transport.find_messages(target.peer, Content(text="Nothing"), since) == ()


@pytest.mark.timed
@pytest.mark.parametrize(
    ("code", "name", "error_class", "definite"),
    [
        (400, "CHANNEL_PRIVATE", ErrorClass.CHANNEL, True),
        (406, "CHANNEL_PRIVATE", ErrorClass.CHANNEL, True),
        (403, "CHAT_SEND_PLAIN_FORBIDDEN", ErrorClass.CHANNEL_CONTENT, True),
        (400, "ENTITY_BOUNDS_INVALID", ErrorClass.CONTENT, True),
        (400, "NEVER_HEARD_OF", ErrorClass.REJECTED, True),
        (403, "NEVER_HEARD_OF", ErrorClass.CHANNEL, True),
        (420, "NEVER_HEARD_OF", ErrorClass.WAIT_ACCOUNT, True),
        (401, "NEVER_HEARD_OF", ErrorClass.ACCOUNT_DEAD, True),
        (500, "NEVER_HEARD_OF", ErrorClass.TRANSIENT, False),
        (-503, "Timeout", ErrorClass.TRANSIENT, False),
        (-500, "No workers running", ErrorClass.TRANSIENT, False),
        (420, "FROZEN_METHOD_INVALID", ErrorClass.ACCOUNT_LIMITED, True),
        (303, "USER_MIGRATE_4", ErrorClass.TRANSIENT, True),
    ],
)
async def test_an_error_answer_is_reported_once_and_at_once(
    server, transport, channel, code, name, error_class, definite
):
    target = await transport.resolve(channel)
    set_fault(server, FaultKind.ERROR, code=code, name=name, count=1)
    begin = time.monotonic()
    error = await fail_to_send(transport, target)
    assert time.monotonic() - begin < 1
    assert (error.error_class, error.definite, error.disconnected) == (error_class, definite, False)
    assert server.simulator.posts.calls["messages.sendMessage"] == 1
    assert transport.is_connected
    assert await transport.send(target.peer, TEXT, 1)


async def test_an_error_after_execution_is_settled_by_the_same_random_id(server, transport, channel):
    target = await transport.resolve(channel)
    set_fault(server, FaultKind.ERROR_AFTER, code=500, name="RPC_CALL_FAIL", count=1)
    error = await fail_to_send(transport, target, 9)
    assert error.definite is False
    (message_id,) = await transport.send(target.peer, TEXT, 9)
    (post,) = server.simulator.list_posts()
    assert post.message_id == message_id


async def test_a_flood_wait_is_reported_and_not_remembered_here(server, transport, channel):
    target = await transport.resolve(channel)
    set_fault(server, FaultKind.ERROR, code=420, name="FLOOD_WAIT_3600", count=1)
    error = await fail_to_send(transport, target)
    assert (error.error_class, error.wait) == (ErrorClass.WAIT_ACCOUNT, timedelta(hours=1))
    # When the engine thinks that the wait is over, Telegram is asked, not a clock of Telethon.
    assert await transport.send(target.peer, TEXT, 1)


async def test_the_simulators_own_flood_limit_is_understood(server, transport, channel):
    server.simulator.set_flood_limit(ACCOUNT, FloodLimit(posts=1, seconds=3600, wait=30))
    target = await transport.resolve(channel)
    await transport.send(target.peer, TEXT, 1)
    error = await fail_to_send(transport, target, 2)
    assert (error.name, error.wait) == ("FLOOD_WAIT", timedelta(seconds=30))


async def test_a_channel_where_the_account_may_not_write_is_refused(server, transport, channel):
    target = await transport.resolve(channel)
    server.simulator.set_right(channel, Right.READ)
    assert (await fail_to_send(transport, target)).name == "CHAT_WRITE_FORBIDDEN"
    server.simulator.set_right(channel, Right.NONE)
    assert (await fail_to_send(transport, target)).name == "CHANNEL_PRIVATE"


async def test_a_wrong_access_hash_asks_for_a_new_peer(transport, channel):
    target = await transport.resolve(channel)
    wrong = type(target.peer)(tg_id=target.peer.tg_id, access_hash=target.peer.access_hash ^ 1)
    with pytest.raises(TransportError) as caught:
        await transport.send(wrong, TEXT, 1)
    assert caught.value.error_class is ErrorClass.REFRESH_PEER


async def test_a_text_over_the_limit_is_wrong_for_every_channel(transport, channel):
    target = await transport.resolve(channel)
    with pytest.raises(TransportError) as caught:
        await transport.send(target.peer, Content(text="x" * 4097), 1)
    assert (caught.value.name, caught.value.error_class) == ("MESSAGE_TOO_LONG", ErrorClass.CONTENT)


async def test_new_salts_do_not_disturb_sending(server, transport, channel):
    target = await transport.resolve(channel)
    for n in range(1, 6):
        server.simulator.rotate_salts(ACCOUNT)
        await asyncio.gather(*(transport.send(target.peer, TEXT, n * 10 + item) for item in range(5)))
    assert len(server.simulator.posts) == 25
    assert len({post.random_id for post in server.simulator.list_posts()}) == 25
