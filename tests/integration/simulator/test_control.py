"""The control port: good and bad input, and the client's errors."""

import asyncio
import json
from typing import Any

import pytest
from telethon.errors import FloodWaitError

from tests.integration.simulator.conftest import ACCOUNT, peer_of, send_request
from tests.integration.simulator.raw import DEADLINE
from vestnik.domain.errors import SimulatorError
from vestnik.simulator.channels import ChannelSpec, Right
from vestnik.simulator.control import SimulatorControl
from vestnik.simulator.endpoint import SimulatorEndpoint
from vestnik.simulator.faults import Fault, FaultKind
from vestnik.simulator.floods import FloodLimit
from vestnik.simulator.options import RandomIdAnswer
from vestnik.simulator.posts import count_most_in_window


@pytest.fixture
async def lines(server):
    """`await lines(text)` sends one line to a trusted connection and reads the answer."""
    reader, writer = await asyncio.open_connection(server.endpoint.host, server.endpoint.control_port)

    async def exchange(text: str) -> Any:
        writer.write(text.encode() + b"\n")
        async with asyncio.timeout(DEADLINE):
            return json.loads(await reader.readline())

    assert (await exchange(json.dumps({"token": server.endpoint.token})))["ok"]
    yield exchange
    writer.close()
    await writer.wait_closed()


async def test_accounts_and_channels_are_made_once(server, control):
    user_id = await control.add_account("new", bytes(range(256)))
    assert await control.add_account("new", bytes(range(256))) == user_id
    ids = await control.ensure_channels(["gamma_news", ChannelSpec(tg_id=77, title="Private")], "new")
    assert ids[1] == 77
    assert await control.ensure_channels(["Gamma_News", ChannelSpec(tg_id=77)], "new") == ids
    assert server.simulator.find_channel(77).title == "Private"
    assert server.simulator.find_account("new").count_dialogs() == 2


async def test_ten_thousand_channels_go_in_one_command(server, control):
    ids = await control.ensure_channels([f"channel_{index}" for index in range(10_000)], ACCOUNT)
    assert len(set(ids)) == 10_000
    assert server.simulator.find_account(ACCOUNT).count_dialogs() == 10_002


async def test_every_request_to_post_is_listed_with_its_sender_whatever_became_of_it(
    server, control, connect
):
    first = await connect(device_model="worker one")
    second = await connect(device_model="worker two")
    peer = peer_of(server, "alpha_news")
    await first(send_request(peer, random_id=5))
    await second(send_request(peer, random_id=5))
    await control.set_faults([Fault(kind=FaultKind.ERROR, code=420, name="FLOOD_WAIT_2")])
    with pytest.raises(FloodWaitError):
        await first(send_request(peer))
    attempts = await control.list_attempts()
    assert [attempt.position for attempt in attempts] == [0, 1, 2]
    assert [attempt.device for attempt in attempts] == ["worker one", "worker two", "worker one"]
    assert attempts[0].connection == attempts[2].connection != attempts[1].connection
    assert {attempt.account for attempt in attempts} == {ACCOUNT}
    assert attempts[0].arrived_monotonic <= attempts[1].arrived_monotonic <= attempts[2].arrived_monotonic
    assert await control.list_attempts(first=1, limit=1) == attempts[1:2]
    assert len(await control.list_posts()) == 1
    await control.reset()
    assert await control.list_attempts() == []


async def test_what_was_posted_is_counted_and_listed(server, control, connect):
    client = await connect()
    waiting = asyncio.ensure_future(server.simulator.posts.wait_for(3))
    for text, name in (("One", "alpha_news"), ("One", "beta_news"), ("Two", "alpha_news")):
        await client(send_request(peer_of(server, name), text))
    assert await waiting == 3
    async with asyncio.timeout(DEADLINE):
        assert await control.wait_for_posts(3) == 3
    summary = await control.summarize()
    assert (summary.posts, summary.distinct_posts, summary.duplicate_posts) == (3, 3, 0)
    assert summary.by_channel == {"alpha_news": 2, "beta_news": 1}
    assert summary.calls["messages.sendMessage"] == 3
    assert count_most_in_window(summary.arrivals) == 3
    later = await control.summarize(first=2, with_arrivals=False)
    assert (later.posts, later.by_channel, later.arrivals) == (1, {"alpha_news": 1}, [])
    assert [post.text for post in await control.list_posts(first=1, limit=1)] == ["One"]
    assert [post.text for post in await control.list_posts(channel="alpha_news")] == ["One", "Two"]


async def test_waiting_for_posts_ends_with_the_post(server, control, connect):
    client = await connect()
    waiting = asyncio.ensure_future(control.wait_for_posts(1))
    async with asyncio.timeout(DEADLINE):
        await client(send_request(peer_of(server, "alpha_news")))
        assert await waiting == 1


async def test_a_reset_forgets_what_happened_and_keeps_the_channels(server, control, connect):
    client = await connect()
    request = send_request(peer_of(server, "alpha_news"))
    await client(request)
    await control.set_faults([Fault(kind=FaultKind.ERROR)])
    await control.set_flood_limit(ACCOUNT, FloodLimit(posts=0, seconds=60))
    await control.reset()
    await client(request)
    summary = await control.summarize()
    assert (summary.posts, summary.absorbed_repeats) == (1, 0)
    await control.reset(keep_accounts=False)
    with pytest.raises(SimulatorError, match="no account"):
        await control.ensure_channels(["alpha_news"], ACCOUNT)


async def test_options_change_one_at_a_time(control):
    await control.set_options(random_id=RandomIdAnswer.DUPLICATE)
    options = await control.set_options(latency=0.5)
    assert (options.random_id, options.latency) == (RandomIdAnswer.DUPLICATE, 0.5)


async def test_faults_and_limits_travel_whole(server, control):
    fault = Fault(kind=FaultKind.DELAY, method="messages.*", channel=5, delay=1.5, skip=3, probability=0.5)
    await control.set_faults([fault])
    assert [armed.fault for armed in server.simulator.faults._armed] == [fault]
    await control.clear_faults()
    assert not server.simulator.faults
    limit = FloodLimit(posts=3, seconds=2.5, wait=7, growth=3, max_wait=100)
    await control.set_flood_limit(ACCOUNT, limit)
    (gate,) = server.simulator.find_account(ACCOUNT).gates.values()
    assert gate.limit == limit
    await control.set_flood_limit(ACCOUNT, None)
    assert not server.simulator.find_account(ACCOUNT).gates


async def test_connections_are_cut_on_command(server, control, connect):
    client = await connect()
    assert await control.drop_connections() == 1
    with pytest.raises((OSError, asyncio.IncompleteReadError)):
        async with asyncio.timeout(DEADLINE):
            await client.disconnected


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("{", None),
        ("[]", None),
        ('{"command": "explode"}', "command"),
        ('{"command": 5}', "command"),
        ('{"command": "ping", "argument": {}}', "argument"),
        ('{"command": "ping", "arguments": []}', "arguments"),
        ('{"command": "ping", "arguments": {"x": 1}}', "x"),
        ('{"command": "add_account"}', "name"),
        ('{"command": "add_account", "arguments": {"name": "a", "auth_key": "xyz"}}', "auth_key"),
        ('{"command": "add_account", "arguments": {"name": "a", "auth_key": "00"}}', "auth_key"),
        ('{"command": "ensure_channels", "arguments": {"account": "nobody", "channels": []}}', "account"),
        ('{"command": "ensure_channels", "arguments": {"account": "sender", "channels": ["1"]}}', "channels"),
        ('{"command": "ensure_channels", "arguments": {"account": "sender", "channels": [{}]}}', "channels"),
        ('{"command": "set_right", "arguments": {"channel": "nothing", "right": "post"}}', "channel"),
        ('{"command": "set_right", "arguments": {"channel": "alpha_news", "right": "all"}}', "right"),
        (
            '{"command": "set_faults", "arguments": {"faults": [{"kind": "error", "delay": -1}]}}',
            "faults.0.delay",
        ),
        ('{"command": "set_options", "arguments": {"latency": "slow"}}', "latency"),
        ('{"command": "summary", "arguments": {"first": -1}}', "first"),
    ],
)
async def test_bad_input_names_the_field_and_the_connection_goes_on(lines, line, field):
    answer = await lines(line)
    assert not answer["ok"]
    assert answer["error"]["message"]
    assert answer["error"]["field"] == field
    assert (await lines('{"id": 9, "command": "ping"}')) == {"id": 9, "ok": True, "result": {}}


async def test_a_username_and_an_id_of_two_channels_are_refused(control):
    await control.ensure_channels([ChannelSpec(username="gamma_news", tg_id=5)], ACCOUNT)
    with pytest.raises(SimulatorError, match="do not belong together"):
        await control.ensure_channels([ChannelSpec(username="alpha_news", tg_id=5)], ACCOUNT)
    with pytest.raises(SimulatorError, match="do not belong together"):
        await control.ensure_channels([ChannelSpec(username="gamma_news", tg_id=6)], ACCOUNT)


@pytest.mark.parametrize("first", ['{"token": "guessed"}', '{"command": "ping"}', "nonsense"])
async def test_without_the_token_nothing_is_done(server, first):
    reader, writer = await asyncio.open_connection(server.endpoint.host, server.endpoint.control_port)
    writer.write(first.encode() + b'\n{"command": "reset", "arguments": {"keep_accounts": false}}\n')
    async with asyncio.timeout(DEADLINE):
        answers = (await reader.read()).splitlines()
    assert json.loads(answers[-1])["error"]["field"] == "token"
    assert server.simulator.find_account(ACCOUNT)
    writer.close()


async def test_the_client_says_so_when_the_token_is_wrong_or_nobody_is_there(server):
    good = server.endpoint
    with pytest.raises(SimulatorError, match="token"):
        await SimulatorControl.connect(
            SimulatorEndpoint(host=good.host, port=good.port, control_port=good.control_port, token="x")
        )
    with pytest.raises(SimulatorError, match="no simulator answers"):
        await SimulatorControl.connect(
            SimulatorEndpoint(host=good.host, port=good.port, control_port=1, token=good.token)
        )


async def test_the_client_says_so_when_the_simulator_goes(server, control):
    await server.stop()
    with pytest.raises(SimulatorError):
        await control.ping()
    with pytest.raises(SimulatorError, match="closed"):
        await control.ping()


async def test_rights_for_all_and_for_one(server, control):
    await control.add_account("other")
    spec = ChannelSpec(username="gamma_news", right=Right.READ, for_all=True)
    await control.ensure_channels([spec, ChannelSpec(username="delta_news", right=Right.READ)], "other")
    gamma, delta = (server.simulator.find_channel(name) for name in ("gamma_news", "delta_news"))
    mine, other = (server.simulator.find_account(name).index for name in (ACCOUNT, "other"))
    assert gamma.right_of(mine) is gamma.right_of(other) is Right.READ
    assert (delta.right_of(mine), delta.right_of(other)) == (Right.POST, Right.READ)
