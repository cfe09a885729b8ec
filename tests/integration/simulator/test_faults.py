"""Scripted faults, and what Telethon makes of them."""

import asyncio
import time
from typing import Any

import pytest
from telethon import errors
from telethon.tl import functions

from tests.integration.simulator.conftest import ACCOUNT, peer_of, posted_id, send_request
from tests.integration.simulator.raw import DEADLINE
from vestnik.simulator.faults import Fault, FaultKind, FaultTarget
from vestnik.simulator.methods import METHODS
from vestnik.simulator.server import SimulatorServer
from vestnik.simulator.state import Simulator

SEND = "messages.sendMessage"
LOST = (OSError, asyncio.IncompleteReadError)


def arm(server: SimulatorServer, kind: FaultKind, method: str = SEND, **settings: Any) -> None:
    server.simulator.set_faults([Fault(kind=kind, method=method, **settings)])


async def wait_for_call(server: SimulatorServer) -> None:
    async with asyncio.timeout(DEADLINE):
        while not server.simulator.posts.calls[SEND]:  # noqa: ASYNC110 - the simulator has no event for it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("code", "name", "error"),
    [
        (500, "RPC_CALL_FAIL", errors.RpcCallFailError),
        (400, "CHAT_ADMIN_REQUIRED", errors.ChatAdminRequiredError),
        (403, "USER_BANNED_IN_CHANNEL", errors.UserBannedInChannelError),
        (420, "FLOOD_WAIT_17", errors.FloodWaitError),
        (-503, "Timeout", errors.TimedOutError),
        (406, "SOMETHING_NEVER_SEEN", errors.AuthKeyError),
    ],
)
async def test_any_error_can_be_scripted(server, connect, code, name, error):
    arm(server, FaultKind.ERROR, code=code, name=name)
    client = await connect()
    with pytest.raises(error):
        await client._sender.send(send_request(peer_of(server, "alpha_news")))
    summary = server.simulator.summarize()
    assert (summary.posts, summary.fault_hits, summary.rejected) == (0, 1, {name: 1})


async def test_an_error_after_execution_has_posted(server, connect):
    arm(server, FaultKind.ERROR_AFTER, count=1)
    client = await connect()
    request = send_request(peer_of(server, "alpha_news"))
    with pytest.raises(errors.RpcCallFailError):
        await client._sender.send(request)
    assert posted_id(await client(request)) == 2
    summary = server.simulator.summarize()
    assert (summary.posts, summary.absorbed_repeats) == (1, 1)


async def test_a_fault_for_one_channel_leaves_the_others_alone(server, connect):
    peer = peer_of(server, "alpha_news")
    client = await connect()
    for channel in ("@Alpha_News", peer.channel_id):
        arm(server, FaultKind.ERROR, channel=channel)
        with pytest.raises(errors.RpcCallFailError):
            await client._sender.send(send_request(peer))
        await client(send_request(peer_of(server, "beta_news")))


async def test_a_fault_for_a_username_hits_its_look_up(server, connect):
    arm(server, FaultKind.ERROR, method="contacts.*", channel="alpha_news", code=400, name="USERNAME_INVALID")
    client = await connect()
    await client(functions.contacts.ResolveUsernameRequest("beta_news"))
    with pytest.raises(errors.UsernameInvalidError):
        await client(functions.contacts.ResolveUsernameRequest("Alpha_News"))


async def test_a_fault_for_one_account_leaves_the_others_alone(server, connect):
    server.simulator.add_account("other")
    arm(server, FaultKind.ERROR, account="other")
    mine, other = await connect(), await connect(account="other")
    await mine(send_request(peer_of(server, "alpha_news")))
    with pytest.raises(errors.RpcCallFailError):
        await other._sender.send(send_request(peer_of(server, "alpha_news", "other")))


async def test_faults_skip_and_count(server, connect):
    arm(server, FaultKind.ERROR, skip=2, count=2)
    client = await connect()
    outcomes = []
    for _ in range(6):
        try:
            await client._sender.send(send_request(peer_of(server, "alpha_news")))
            outcomes.append("posted")
        except errors.RpcCallFailError:
            outcomes.append("failed")
    assert outcomes == ["posted", "posted", "failed", "failed", "posted", "posted"]


async def test_a_delay_holds_back_one_answer_only(server, connect):
    arm(server, FaultKind.DELAY, delay=0.5, count=1)
    client = await connect()
    started = time.monotonic()
    slow = client._sender.send(send_request(peer_of(server, "alpha_news")))
    await client(send_request(peer_of(server, "beta_news")))
    assert not slow.done()
    assert len(server.simulator.posts) == 2
    assert posted_id(await slow) == 2
    assert time.monotonic() - started >= 0.5


async def test_silence_never_answers_and_never_posts(server, connect):
    arm(server, FaultKind.SILENCE, count=1)
    client = await connect()
    request = send_request(peer_of(server, "alpha_news"))
    unanswered = asyncio.create_task(client(request))
    await wait_for_call(server)
    assert not (await asyncio.wait([unanswered], timeout=0.1))[0]
    unanswered.cancel()
    assert len(server.simulator.posts) == 0
    assert posted_id(await client(request)) == 2


async def test_silence_after_execution_has_posted(server, connect):
    arm(server, FaultKind.SILENCE_AFTER, count=1)
    client = await connect()
    request = send_request(peer_of(server, "alpha_news"))
    unanswered = asyncio.create_task(client(request))
    await wait_for_call(server)
    assert not (await asyncio.wait([unanswered], timeout=0.1))[0]
    unanswered.cancel()
    assert len(server.simulator.posts) == 1
    assert posted_id(await client(request)) == 2
    assert server.simulator.summarize().absorbed_repeats == 1


@pytest.mark.parametrize(
    ("kind", "posts", "repeats"), [(FaultKind.DROP_BEFORE, 0, 0), (FaultKind.DROP_AFTER, 1, 1)]
)
async def test_after_a_drop_the_same_random_id_settles_it(server, connect, kind, posts, repeats):
    arm(server, kind, count=1)
    client = await connect()
    request = send_request(peer_of(server, "alpha_news"))
    with pytest.raises(LOST):
        await client(request)
    assert len(server.simulator.posts) == posts
    again = await connect()
    assert posted_id(await again(request)) == 2
    summary = server.simulator.summarize()
    assert (summary.posts, summary.absorbed_repeats) == (1, repeats)


async def test_telethons_own_reconnection_resends_and_is_absorbed(server, connect):
    arm(server, FaultKind.DROP_AFTER, count=1)
    client = await connect(auto_reconnect=True, connection_retries=3, retry_delay=0)
    async with asyncio.timeout(DEADLINE):
        assert posted_id(await client(send_request(peer_of(server, "alpha_news")))) == 2
    summary = server.simulator.summarize()
    assert (summary.posts, summary.absorbed_repeats) == (1, 1)


async def test_a_drop_loses_what_was_sent_with_it(server, connect):
    arm(server, FaultKind.DROP_AFTER, skip=2, count=1)
    client = await connect()
    requests = [send_request(peer_of(server, "alpha_news")) for _ in range(5)]
    futures = [client._sender.send(request) for request in requests]
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert all(isinstance(result, BaseException) for result in results)
    again = await connect()
    for request in requests:
        await again(request)
    assert server.simulator.summarize().duplicate_posts == 4  # the same text five times, each once
    assert len(server.simulator.posts) == 5


@pytest.mark.parametrize(
    ("code", "name", "error"),
    [
        (401, "SESSION_REVOKED", errors.SessionRevokedError),
        (401, "AUTH_KEY_UNREGISTERED", errors.AuthKeyUnregisteredError),
        (401, "USER_DEACTIVATED_BAN", errors.UserDeactivatedBanError),
    ],
)
async def test_a_revoked_session_refuses_everything_from_then_on(server, connect, code, name, error):
    arm(server, FaultKind.REVOKE, code=code, name=name, count=1)
    client = await connect()
    for request in (
        send_request(peer_of(server, "alpha_news")),
        send_request(peer_of(server, "beta_news")),
        functions.contacts.ResolveUsernameRequest("alpha_news"),
    ):
        with pytest.raises(error):
            await client(request)
    assert len(server.simulator.posts) == 0


async def test_a_new_key_brings_a_revoked_account_back(server, connect, control):
    client = await connect()
    await control.revoke_keys(ACCOUNT)
    with pytest.raises(errors.AuthKeyUnregisteredError):
        await client(send_request(peer_of(server, "alpha_news")))
    again = await connect()
    assert posted_id(await again(send_request(peer_of(server, "alpha_news")))) == 2


async def test_forgotten_keys_are_not_found(server, connect, control):
    client = await connect()
    await control.revoke_keys(ACCOUNT, forget=True)
    with pytest.raises(errors.AuthKeyNotFound):
        await client(send_request(peer_of(server, "alpha_news")))


async def test_two_connections_of_one_key_are_noticed_and_can_be_fatal(server, connect, control):
    first = await connect()
    await connect()
    assert server.simulator.summarize().max_connections_per_account == {ACCOUNT: 2}
    await control.set_options(one_connection_per_key=True)
    with pytest.raises(errors.AuthKeyDuplicatedError):
        await first(send_request(peer_of(server, "alpha_news")))


async def test_chance_is_the_same_for_the_same_seed():
    target = FaultTarget(SEND, ACCOUNT, 1, "alpha_news")
    runs = []
    for seed in (1, 1, 2):
        simulator = Simulator(seed=seed)
        simulator.set_faults([Fault(kind=FaultKind.ERROR, probability=0.3)])
        runs.append([simulator.faults.choose(target) is not None for _ in range(1000)])
    assert runs[0] == runs[1] != runs[2]
    assert 200 < sum(runs[0]) < 400


async def test_an_exception_in_a_method_becomes_error_500(server, connect, monkeypatch, caplog):
    def break_down(call):
        raise ZeroDivisionError

    monkeypatch.setitem(METHODS, functions.messages.SendMessageRequest, break_down)
    client = await connect()
    with pytest.raises(errors.ServerError) as caught:
        await client._sender.send(send_request(peer_of(server, "alpha_news")))
    assert (caught.value.code, caught.value.message) == (500, "INTERNAL_SERVER_ERROR")
    assert "simulator.method_failed messages.sendMessage" in caplog.text
