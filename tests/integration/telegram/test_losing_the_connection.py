"""What is left when the connection goes: nothing hangs, nothing goes out later, the random_id settles the rest."""

import asyncio
from datetime import timedelta

import pytest
from telethon.tl.functions import PingRequest

from tests.integration.telegram.conftest import ACCOUNT, DEADLINE, TEXT, fail_to_send, set_fault
from vestnik.domain.transport import ErrorClass, Peer, Transport, TransportError
from vestnik.simulator.faults import FaultKind
from vestnik.simulator.options import Options
from vestnik.simulator.service import SERVICE_MESSAGES
from vestnik.telegram import link
from vestnik.telegram.sessions import SessionLayout


async def start_sends(transport: Transport, peer: Peer, count: int) -> list[asyncio.Task[tuple[int, ...]]]:
    return [asyncio.create_task(transport.send(peer, TEXT, n)) for n in range(1, count + 1)]


async def collect_errors(sends: list[asyncio.Task[tuple[int, ...]]]) -> list[TransportError]:
    async with asyncio.timeout(DEADLINE):
        results = await asyncio.gather(*sends, return_exceptions=True)
    errors = [result for result in results if isinstance(result, TransportError)]
    assert len(errors) == len(results)
    return errors


def assert_lost(errors: list[TransportError]) -> None:
    for error in errors:
        assert (error.name, error.error_class) == ("CONNECTION_LOST", ErrorClass.TRANSIENT)
        assert error.definite is False
        assert error.disconnected is True


async def test_the_account_of_the_session_is_who_connects(server, make_transport):
    identity = await make_transport().connect()
    account = server.simulator.find_account(ACCOUNT)
    assert (identity.tg_id, identity.name, identity.is_bot) == (account.user_id, ACCOUNT, False)


async def test_a_gramjs_session_with_a_host_name_connects(make_transport):
    identity = await make_transport(layout=SessionLayout.GRAMJS, host="localhost").connect()
    assert identity.name == ACCOUNT


async def test_disconnecting_twice_leaves_no_connection(server, make_transport, transport):
    assert transport.is_connected
    await transport.disconnect()
    await transport.disconnect()
    assert not transport.is_connected
    await make_transport().connect()
    assert server.connection_count == 1
    assert server.simulator.find_account(ACCOUNT).max_connections == 1


async def test_after_a_disconnect_nothing_is_sent(server, transport, channel):
    target = await transport.resolve(channel)
    await transport.disconnect()
    error = await fail_to_send(transport, target)
    assert (error.name, error.definite, error.disconnected) == ("NOT_CONNECTED", True, True)
    assert server.simulator.posts.calls["messages.sendMessage"] == 0


async def test_what_was_handed_over_stays_here_once_the_right_to_speak_has_ended(
    server, make_transport, channel
):
    may_speak = True
    transport = make_transport()
    await transport.connect(lambda: may_speak)
    target = await transport.resolve(channel)
    sending = asyncio.create_task(fail_to_send(transport, target))
    await asyncio.sleep(0)  # the request waits for its turn to be written
    may_speak = False
    assert_lost([await sending])
    assert not transport.is_connected
    assert server.simulator.posts.calls["messages.sendMessage"] == 0


async def test_silence_ends_the_whole_connection(server, make_transport, channel):
    transport = make_transport(call_timeout=1)
    await transport.connect()
    target = await transport.resolve(channel)
    set_fault(server, FaultKind.SILENCE)
    errors = await collect_errors(await start_sends(transport, target.peer, 20))
    assert {error.name for error in errors} <= {"TIMEOUT", "CONNECTION_LOST"}
    assert errors[0].name == "TIMEOUT"
    assert not any(error.definite for error in errors)
    assert all(error.disconnected for error in errors)
    assert not transport.is_connected
    assert (await fail_to_send(transport, target)).name == "NOT_CONNECTED"


@pytest.mark.parametrize("kind", [FaultKind.SILENCE, FaultKind.SILENCE_AFTER])
async def test_a_timed_out_send_is_settled_by_its_random_id(server, make_transport, channel, kind):
    transport = make_transport(call_timeout=1)
    await transport.connect()
    target = await transport.resolve(channel)
    set_fault(server, kind, count=1)
    error = await fail_to_send(transport, target, 11)
    assert (error.name, error.definite, error.disconnected) == ("TIMEOUT", False, True)
    again = make_transport()
    await again.connect()
    (message_id,) = await again.send(target.peer, TEXT, 11)
    (post,) = server.simulator.list_posts()
    assert post.message_id == message_id


@pytest.mark.parametrize("kind", [FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER])
async def test_a_dropped_send_is_settled_by_its_random_id(server, make_transport, transport, channel, kind):
    target = await transport.resolve(channel)
    set_fault(server, kind, count=1)
    assert_lost([await fail_to_send(transport, target, 12)])
    assert not transport.is_connected
    again = make_transport()
    await again.connect()
    (message_id,) = await again.send(target.peer, TEXT, 12)
    (post,) = server.simulator.list_posts()
    assert post.message_id == message_id


async def test_every_send_in_flight_ends_at_once_when_the_connection_is_cut(server, transport, channel):
    target = await transport.resolve(channel)
    server.simulator.options = Options(latency=3600)
    sends = await start_sends(transport, target.peer, 200)
    await server.simulator.posts.wait_for(200)
    server.drop_connections()
    assert_lost(await collect_errors(sends))
    assert not transport.is_connected


async def test_sends_started_as_the_connection_dies_end_as_well(server, transport, channel):
    target = await transport.resolve(channel)
    server.drop_connections()
    sends = []
    for n in range(1, 51):
        # At some of these moments Telethon still believes in the connection and queues what it never sends.
        sends.append(asyncio.create_task(transport.send(target.peer, TEXT, n)))
        await asyncio.sleep(0)
    errors = await collect_errors(sends)
    assert {error.name for error in errors} <= {"CONNECTION_LOST", "NOT_CONNECTED"}
    assert all(error.disconnected for error in errors)


async def test_disconnecting_ends_what_is_in_flight_and_drops_what_is_queued(server, transport, channel):
    target = await transport.resolve(channel)
    server.simulator.options = Options(latency=3600)
    sends = await start_sends(transport, target.peer, 10)
    await server.simulator.posts.wait_for(10)
    sends += [asyncio.create_task(transport.send(target.peer, TEXT, n)) for n in range(11, 21)]
    await asyncio.sleep(0)  # the second ten are in Telethon's queue now, and no byte of them is out
    await transport.disconnect()
    assert_lost(await collect_errors(sends))
    assert len(server.simulator.posts) == 10


async def test_a_cancelled_send_leaves_the_others_alone(server, transport, channel):
    target = await transport.resolve(channel)
    server.simulator.options = Options(latency=0.1)
    first, second = await start_sends(transport, target.peer, 2)
    await server.simulator.posts.wait_for(2)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await second
    assert transport.is_connected


async def test_a_server_that_goes_down_is_noticed(server, transport, channel):
    target = await transport.resolve(channel)
    server.simulator.options = Options(latency=3600)
    sends = await start_sends(transport, target.peer, 3)
    await server.simulator.posts.wait_for(3)
    await server.stop()
    assert_lost(await collect_errors(sends))


async def test_a_revoked_session_is_dead_but_the_answer_is_definite(
    server, make_transport, transport, channel
):
    target = await transport.resolve(channel)
    server.simulator.revoke_keys(ACCOUNT)
    error = await fail_to_send(transport, target)
    assert (error.name, error.error_class) == ("AUTH_KEY_UNREGISTERED", ErrorClass.ACCOUNT_DEAD)
    assert (error.definite, error.disconnected) == (True, False)
    with pytest.raises(TransportError) as caught:
        await make_transport().connect()
    assert caught.value.error_class is ErrorClass.ACCOUNT_DEAD
    assert caught.value.disconnected is True


async def test_a_forgotten_key_is_a_dead_session(server, make_transport, transport, channel):
    target = await transport.resolve(channel)
    server.simulator.forget_keys(ACCOUNT)
    error = await fail_to_send(transport, target)
    assert (error.name, error.error_class) == ("AUTH_KEY_NOT_FOUND", ErrorClass.ACCOUNT_DEAD)
    assert (error.definite, error.disconnected) == (False, True)
    with pytest.raises(TransportError) as caught:
        await make_transport().connect()
    assert caught.value.name == "AUTH_KEY_NOT_FOUND"


async def test_two_connections_of_one_session_are_reported(server, make_transport, transport):
    server.simulator.options = Options(one_connection_per_key=True)
    with pytest.raises(TransportError) as caught:
        await make_transport().connect()
    assert (caught.value.name, caught.value.error_class) == ("AUTH_KEY_DUPLICATED", ErrorClass.ACCOUNT_DEAD)


async def test_a_silent_death_of_the_connection_is_noticed_by_a_ping(
    server, make_transport, channel, monkeypatch
):
    monkeypatch.setattr(link, "PING_EVERY", timedelta(0))
    monkeypatch.setitem(SERVICE_MESSAGES, PingRequest, lambda message: None)
    transport = make_transport(call_timeout=1)
    await transport.connect()
    server.simulator.options = Options(latency=0.1)
    target = await transport.resolve(channel)
    server.simulator.options = Options(latency=3600)
    error = await fail_to_send(transport, target)
    # The ping began to wait before the send did, so it is the ping that gives up.
    assert error.name == "CONNECTION_LOST"
    assert not transport.is_connected


async def test_pings_are_answered_and_change_nothing(server, make_transport, channel, monkeypatch):
    monkeypatch.setattr(link, "PING_EVERY", timedelta(0))
    answered = asyncio.Event()
    answer_ping = SERVICE_MESSAGES[PingRequest]

    def note_ping(message):
        answered.set()
        return answer_ping(message)

    monkeypatch.setitem(SERVICE_MESSAGES, PingRequest, note_ping)
    transport = make_transport()
    await transport.connect()
    for _ in range(3):
        answered.clear()
        await answered.wait()
    target = await transport.resolve(channel)
    assert await transport.send(target.peer, TEXT, 1)
