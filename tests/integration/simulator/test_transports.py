"""Framings, keys and the messages that MTProto itself is made of."""

import asyncio
import gc
import struct
import time
from collections.abc import AsyncIterator

import pytest
from telethon.crypto import rsa
from telethon.errors import AuthKeyNotFound
from telethon.network import ConnectionTcpAbridged, ConnectionTcpFull, ConnectionTcpIntermediate
from telethon.network.connection.tcpintermediate import RandomizedIntermediatePacketCodec
from telethon.tl import functions, types
from telethon.tl.core import RpcResult

from tests.integration.simulator.conftest import (
    ACCOUNT,
    make_client,
    make_key,
    peer_of,
    posted_id,
    send_request,
)
from tests.integration.simulator.raw import DEADLINE, RawClient, pack_gzip, read_body
from vestnik.simulator.endpoint import make_session_string


class PaddedCodec(RandomizedIntermediatePacketCodec):  # type: ignore[misc]
    tag = b"\xdd\xdd\xdd\xdd"


class ConnectionTcpPadded(ConnectionTcpIntermediate):  # type: ignore[misc]
    packet_codec = PaddedCodec


@pytest.fixture
async def raw(server) -> AsyncIterator[RawClient]:
    client = await RawClient(make_key(server)).open(server.endpoint)
    yield client
    await client.close()


@pytest.mark.parametrize(
    "connection",
    [ConnectionTcpFull, ConnectionTcpAbridged, ConnectionTcpIntermediate, ConnectionTcpPadded],
)
async def test_every_framing_carries_short_and_long_messages(server, connect, connection):
    client = await connect(connection=connection)
    assert (await client.get_me()).first_name == ACCOUNT
    # Longer than 127 words, so that the abridged framing uses its long form both ways.
    text = "".join(chr(0x410 + index % 32) for index in range(4000))
    updates = await client(send_request(peer_of(server, "alpha_news"), text))
    assert updates.updates[1].message.message == text


async def test_a_key_exchange_makes_a_key_that_an_account_can_be_given(server, control):
    rsa.add_key(await control.read_public_key(), old=False)
    session = make_session_string(server.endpoint, bytes(256))
    client = make_client(server.endpoint, session, connection_retries=3, retry_delay=0)
    await client.connect()
    try:
        assert not await client.is_user_authorized()
        key = client.session.auth_key.key
        user_id = await control.add_account("fresh", key)
        me = await client.get_me()
        assert me.id == user_id
    finally:
        await client.disconnect()


async def test_a_key_exchange_with_an_unknown_rsa_key_fails(server, monkeypatch):
    monkeypatch.setattr(rsa, "_server_keys", {})
    session = make_session_string(server.endpoint, bytes(256))
    client = make_client(server.endpoint, session, connection_retries=1, retry_delay=0)
    with pytest.raises(ConnectionError):
        await client.connect()
    await client.disconnect()


async def test_an_unknown_key_gets_the_transport_error_404(server):
    session = make_session_string(server.endpoint, bytes(range(256)))
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # the client fails a future twice
    client = make_client(server.endpoint, session)
    with pytest.raises(AuthKeyNotFound):
        await client.connect()
    await client.disconnect()
    del client
    gc.collect()


async def test_garbage_closes_the_connection_and_nothing_else(server, connect):
    reader, writer = await asyncio.open_connection(server.endpoint.host, server.endpoint.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: telegram\r\n\r\n")
    try:
        async with asyncio.timeout(DEADLINE):
            assert await reader.read() == b""
    except ConnectionResetError:
        pass
    writer.close()
    client = await connect()
    assert await client.get_me()


async def test_a_wrong_salt_is_answered_with_the_right_one(raw):
    number = await raw.send(functions.PingRequest(7))
    bad = (await raw.receive()).obj
    assert isinstance(bad, types.BadServerSalt)
    assert bad.bad_msg_id == number
    assert bad.error_code == 48
    raw.state.salt = bad.new_server_salt
    number = await raw.send(functions.PingRequest(8))
    created = (await raw.receive()).obj
    assert isinstance(created, types.NewSessionCreated)
    assert created.first_msg_id == number
    assert created.server_salt == bad.new_server_salt
    pong = (await raw.receive()).obj
    assert (pong.msg_id, pong.ping_id) == (number, 8)


async def test_a_salt_that_changes_under_way_is_followed_by_telethon(server, connect, control):
    client = await connect()
    await control.rotate_salts(ACCOUNT)
    assert posted_id(await client(send_request(peer_of(server, "alpha_news")))) == 2


async def test_future_salts_begin_with_the_present_one(server, connect):
    client = await connect()
    salts = await client._sender.send(functions.GetFutureSaltsRequest(4))
    assert len(salts.salts) == 4
    (key,) = server.simulator.list_keys(ACCOUNT)
    assert salts.salts[0].salt == key.salt


async def test_pings_are_answered(connect):
    client = await connect()
    pong = await client._sender.send(functions.PingDelayDisconnectRequest(11, disconnect_delay=30))
    assert pong.ping_id == 11


async def test_the_connection_ends_when_a_promised_ping_stays_away(connect):
    client = await connect()
    await client._sender.send(functions.PingDelayDisconnectRequest(11, disconnect_delay=0))
    async with asyncio.timeout(DEADLINE):
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await client.disconnected


async def test_the_state_of_messages_is_told(raw):
    await raw.settle()
    known = await raw.send(functions.PingRequest(1))
    asked = await raw.send(types.MsgsStateReq([known, 12]))
    info = await raw.receive_until(lambda found: isinstance(found, types.MsgsStateInfo))
    assert info.req_msg_id == asked
    assert info.info.encode() == b"\x04\x02"


async def test_sessions_are_destroyed_once(server, raw):
    await raw.settle()
    (key,) = server.simulator.list_keys(ACCOUNT)
    key.open_session(5)
    await raw.send(functions.DestroySessionRequest(5))
    first = await raw.receive_until(lambda found: "DestroySession" in type(found).__name__)
    await raw.send(functions.DestroySessionRequest(5))
    second = await raw.receive_until(lambda found: "DestroySession" in type(found).__name__)
    assert isinstance(first, types.DestroySessionOk)
    assert isinstance(second, types.DestroySessionNone)


@pytest.mark.parametrize(
    ("shift", "odd", "code"), [(-400, 0, 16), (100, 0, 17), (0, 1, 18), (0, 2, 18)], ids=str
)
async def test_an_impossible_message_id_is_refused(raw, shift, odd, code):
    await raw.settle()
    msg_id = int(time.time() + shift) << 32 | odd
    await raw.send(functions.PingRequest(1), msg_id=msg_id)
    notice = (await raw.receive()).obj
    assert isinstance(notice, types.BadMsgNotification)
    assert (notice.bad_msg_id, notice.error_code) == (msg_id, code)


async def test_a_message_id_that_comes_twice_is_carried_out_once(server, raw):
    await raw.settle()
    number = await raw.send(send_request(peer_of(server, "alpha_news"), random_id=1))
    await raw.receive_result(number)
    await raw.send(send_request(peer_of(server, "alpha_news"), random_id=2), msg_id=number)
    ping = await raw.send(functions.PingRequest(1))
    await raw.receive_until(lambda found: isinstance(found, types.Pong) and found.msg_id == ping)
    assert len(server.simulator.posts) == 1


async def test_containers_go_in_and_out(server, raw):
    await raw.settle()
    peer = peer_of(server, "alpha_news")
    packed = [raw.pack(send_request(peer, f"text {index}")) for index in range(3)]
    body = struct.pack("<Ii", 0x73F1F8DC, len(packed)) + b"".join(message for _, message in packed)
    await raw.send(body)
    for number, _ in packed:
        assert isinstance(read_body(await raw.receive_result(number)), types.Updates)
    assert raw.containers == 1
    assert [post.text for post in server.simulator.list_posts()] == ["text 0", "text 1", "text 2"]


async def test_a_container_in_a_container_is_refused(raw):
    await raw.settle()
    _, inner = raw.pack(struct.pack("<Ii", 0x73F1F8DC, 0))
    await raw.send(struct.pack("<Ii", 0x73F1F8DC, 1) + inner)
    notice = await raw.receive_until(lambda found: isinstance(found, types.BadMsgNotification))
    assert notice.error_code == 64


async def test_compressed_requests_are_read(server, raw):
    await raw.settle()
    number = await raw.send(pack_gzip(send_request(peer_of(server, "alpha_news"), "zip " * 500)))
    assert isinstance(read_body(await raw.receive_result(number)), types.Updates)
    assert server.simulator.list_posts()[0].text == ("zip " * 500).rstrip()


async def test_long_answers_are_compressed(server, raw):
    server.simulator.ensure_channels([f"channel_{index}" for index in range(100)], ACCOUNT)
    await raw.settle()
    request = functions.messages.GetDialogsRequest(None, 0, types.InputPeerEmpty(), 100, 0)
    number = await raw.send(request)
    packet = await raw.receive_until(lambda found: isinstance(found, RpcResult))
    assert packet.req_msg_id == number
    assert len(read_body(packet).dialogs) == 100
    assert raw.bytes_read < len(packet.body)


async def test_a_request_that_cannot_be_read_gets_an_error(raw):
    await raw.settle()
    number = await raw.send(b"\x01\x02\x03\x04")
    result = await raw.receive_result(number)
    assert (result.error.error_code, result.error.error_message) == (400, "INPUT_METHOD_INVALID_67305985")
    number = await raw.send(bytes(send_request(types.InputPeerSelf()))[:20])
    assert (await raw.receive_result(number)).error.error_code == 400


async def test_requests_inside_wrappers_are_carried_out(server, raw):
    await raw.settle()
    inner = functions.InvokeWithoutUpdatesRequest(send_request(peer_of(server, "alpha_news")))
    opened = functions.InitConnectionRequest(1, "d", "s", "a", "en", "", "en", inner)
    number = await raw.send(functions.InvokeWithLayerRequest(229, opened))
    assert isinstance(read_body(await raw.receive_result(number)), types.Updates)
