"""Posts: what is answered, what is refused, and that a random_id posts once."""

import asyncio
import time
from dataclasses import replace

import pytest
from telethon import errors
from telethon.tl import functions, types

from tests.integration.simulator.conftest import ACCOUNT, peer_of, posted_id, send_request
from tests.integration.simulator.raw import DEADLINE
from vestnik.simulator.channels import ChannelSpec, Right
from vestnik.simulator.floods import FloodLimit
from vestnik.simulator.options import RandomIdAnswer
from vestnik.simulator.server import SimulatorServer


def set_random_id_answer(server: SimulatorServer, answer: RandomIdAnswer) -> None:
    server.simulator.options = replace(server.simulator.options, random_id=answer)


async def test_the_answer_holds_the_id_under_the_random_id_and_the_message(server, connect):
    client = await connect()
    before = time.time()
    answer = await client(send_request(peer_of(server, "alpha_news"), "Text", random_id=-77))
    number, news = answer.updates
    assert (type(number), number.id, number.random_id) == (types.UpdateMessageID, 2, -77)
    assert isinstance(news, types.UpdateNewChannelMessage)
    message = news.message
    assert (message.id, message.message, message.post, message.out) == (2, "Text", True, True)
    assert message.peer_id.channel_id == answer.chats[0].id
    (post,) = server.simulator.list_posts()
    assert (post.account, post.username, post.message_id, post.random_id, post.text) == (
        ACCOUNT,
        "alpha_news",
        2,
        -77,
        "Text",
    )
    assert before <= post.arrived_at <= time.time()
    assert post.arrived_monotonic <= time.monotonic()


async def test_formatting_comes_back(server, connect):
    client = await connect()
    sent = await client.send_message("alpha_news", "**bold** and plain", parse_mode="md")
    assert sent.message == "bold and plain"
    (again,) = await client.get_messages("alpha_news", limit=1)
    assert [type(entity) for entity in again.entities] == [types.MessageEntityBold]


async def test_message_ids_grow_by_one_in_each_channel(server, connect):
    client = await connect()
    ids = [posted_id(await client(send_request(peer_of(server, "alpha_news")))) for _ in range(3)]
    assert ids == [2, 3, 4]
    assert posted_id(await client(send_request(peer_of(server, "beta_news")))) == 2


async def test_a_repeated_random_id_answers_with_the_original_message(server, connect):
    client = await connect()
    request = send_request(peer_of(server, "alpha_news"), "Once", random_id=5)
    first = await client(request)
    await client(send_request(peer_of(server, "alpha_news"), "Between"))
    second = await client(request)
    assert posted_id(first) == posted_id(second)
    assert second.updates[1].message.message == "Once"
    summary = server.simulator.summarize()
    assert (summary.posts, summary.absorbed_repeats) == (2, 1)


async def test_a_repeated_random_id_is_an_error_when_told_so(server, connect):
    set_random_id_answer(server, RandomIdAnswer.DUPLICATE)
    client = await connect()
    request = send_request(peer_of(server, "alpha_news"), random_id=5)
    await client(request)
    with pytest.raises(errors.RandomIdDuplicateError) as caught:
        await client._sender.send(request)
    assert caught.value.code == 500
    summary = server.simulator.summarize()
    assert (summary.posts, summary.absorbed_repeats) == (1, 1)
    assert summary.rejected == {"RANDOM_ID_DUPLICATE": 1}


async def test_a_repeat_is_an_error_only_while_the_first_call_runs(server, connect, control):
    await control.set_options(random_id=RandomIdAnswer.DUPLICATE_WHILE_RUNNING, latency=0.15)
    client = await connect()
    request = send_request(peer_of(server, "alpha_news"), random_id=5)
    first = client._sender.send(request)
    second = client._sender.send(request)
    with pytest.raises(errors.RandomIdDuplicateError):
        await second
    assert posted_id(await first) == posted_id(await client(request)) == 2


async def test_random_ids_count_per_channel_and_per_account(server, connect):
    server.simulator.add_account("other")
    mine, other = await connect(), await connect(account="other")
    await mine(send_request(peer_of(server, "alpha_news"), random_id=5))
    await mine(send_request(peer_of(server, "beta_news"), random_id=5))
    await other(send_request(peer_of(server, "alpha_news", "other"), random_id=5))
    summary = server.simulator.summarize()
    assert (summary.posts, summary.absorbed_repeats) == (3, 0)


async def test_doubles_show_when_random_ids_are_ignored(server, connect):
    set_random_id_answer(server, RandomIdAnswer.IGNORED)
    client = await connect()
    for _ in range(2):
        await client(send_request(peer_of(server, "alpha_news"), random_id=5))
    await client(send_request(peer_of(server, "beta_news"), random_id=5))
    summary = server.simulator.summarize()
    assert (summary.posts, summary.distinct_posts, summary.duplicate_posts) == (3, 2, 1)
    assert summary.by_channel == {"alpha_news": 2, "beta_news": 1}


async def test_a_random_id_of_zero_is_refused(server, connect):
    client = await connect()
    with pytest.raises(errors.RandomIdEmptyError):
        await client(send_request(peer_of(server, "alpha_news"), random_id=0))


@pytest.mark.parametrize(
    ("right", "error"),
    [(Right.READ, errors.ChatWriteForbiddenError), (Right.NONE, errors.ChannelPrivateError)],
)
async def test_rights_decide_who_posts(server, connect, control, right, error):
    server.simulator.add_account("other")
    await control.set_right("alpha_news", right, ACCOUNT)
    mine, other = await connect(), await connect(account="other")
    with pytest.raises(error):
        await mine(send_request(peer_of(server, "alpha_news")))
    await other(send_request(peer_of(server, "alpha_news", "other")))
    await control.set_right("alpha_news", Right.POST)
    await mine(send_request(peer_of(server, "alpha_news")))


async def test_other_kinds_of_peer_are_refused(connect):
    client = await connect()
    with pytest.raises(errors.PeerIdInvalidError):
        await client(send_request(types.InputPeerSelf()))


async def test_slow_mode_holds_one_channel(server, connect):
    server.simulator.ensure_channels([ChannelSpec(username="slow_group", slow_mode=60)], ACCOUNT)
    client = await connect()
    repeated = send_request(peer_of(server, "slow_group"), random_id=900)
    await client(repeated)
    with pytest.raises(errors.SlowModeWaitError) as caught:
        await client(send_request(peer_of(server, "slow_group")))
    assert 58 <= caught.value.seconds <= 60
    assert posted_id(await client(repeated)) == 2
    await client(send_request(peer_of(server, "alpha_news")))


@pytest.mark.parametrize("text", ["a" * 4096, "😀" * 2048])
async def test_the_longest_text_is_taken(server, connect, text):
    client = await connect()
    assert (await client(send_request(peer_of(server, "alpha_news"), text))).updates


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a" * 4097, errors.MessageTooLongError),
        ("😀" * 2048 + "a", errors.MessageTooLongError),
        ("", errors.MessageEmptyError),
        (" \n", errors.MessageEmptyError),
    ],
    ids=["long", "long in UTF-16", "empty", "blank"],
)
async def test_texts_beyond_the_limits_are_refused(server, connect, text, error):
    client = await connect()
    with pytest.raises(error):
        await client(send_request(peer_of(server, "alpha_news"), text))
    assert len(server.simulator.posts) == 0


async def test_impossible_entities_are_refused(server, connect):
    client = await connect()
    entity = types.MessageEntityBold(offset=-1, length=2)
    with pytest.raises(errors.EntityBoundsInvalidError):
        await client(send_request(peer_of(server, "alpha_news"), entities=[entity]))


async def test_the_flood_limit_refuses_and_grows_with_knocking(server, connect):
    server.simulator.set_flood_limit(ACCOUNT, FloodLimit(posts=3, seconds=60, wait=10))
    server.simulator.add_account("other")
    client, other = await connect(), await connect(account="other")
    peer = peer_of(server, "alpha_news")
    for _ in range(3):
        await client(send_request(peer))
    waits = []
    for _ in range(3):
        # Past the client, which would refuse by itself after the first time.
        with pytest.raises(errors.FloodWaitError) as caught:
            await client._sender.send(send_request(peer))
        waits.append(caught.value.seconds)
    assert waits == [10, 20, 40]
    with pytest.raises(errors.FloodWaitError):
        await client(functions.messages.EditMessageRequest(peer, 2, message="Edited"))
    await other(send_request(peer_of(server, "alpha_news", "other")))
    assert list(server.simulator.summarize().rejected) == [f"FLOOD_WAIT_{n}" for n in (10, 20, 40, 80)]


async def test_latency_delays_every_answer_but_not_the_post(server, connect, control):
    client = await connect()
    await control.set_options(latency=0.3)
    started = time.monotonic()
    answers = [client._sender.send(send_request(peer_of(server, "alpha_news"))) for _ in range(20)]
    async with asyncio.timeout(DEADLINE):
        await server.simulator.posts.wait_for(20)
        assert not any(answer.done() for answer in answers)
        await asyncio.gather(*answers)
    assert time.monotonic() - started >= 0.3


async def test_many_requests_at_once_are_all_answered(server, connect):
    server.simulator.ensure_channels([f"channel_{index}" for index in range(100)], ACCOUNT)
    client = await connect()
    peers = [peer_of(server, f"channel_{index}") for index in range(100)]
    answers = await asyncio.gather(*(client(send_request(peers[index % 100])) for index in range(1000)))
    assert len(answers) == 1000
    summary = server.simulator.summarize()
    assert summary.posts == 1000
    assert set(summary.by_channel.values()) == {10}
    assert summary.arrivals == sorted(summary.arrivals)
