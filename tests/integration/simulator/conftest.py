"""A server on free ports for each test, and clients that are closed whatever happens."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from telethon import TelegramClient
from telethon.network import ConnectionTcpFull
from telethon.sessions import StringSession
from telethon.tl import functions, types

from vestnik.simulator.control import SimulatorControl
from vestnik.simulator.endpoint import SimulatorEndpoint, derive_auth_key, make_session_string
from vestnik.simulator.server import SimulatorServer, serve

ACCOUNT = "sender"

Connect = Callable[..., Awaitable[Any]]
_random_ids = itertools.count(1_000_000)  # beyond those that tests choose themselves


def make_client(endpoint: SimulatorEndpoint, session: str, **settings: Any) -> Any:
    """A client set up as the transport sets it up: nothing is repeated or waited for behind our back."""
    strict: dict[str, Any] = {
        "flood_sleep_threshold": 0,
        "request_retries": 0,
        "connection_retries": 0,
        "raise_last_call_error": True,
        "auto_reconnect": False,
        "receive_updates": False,
        "timeout": 5,
    }
    return TelegramClient(StringSession(session), 1, "hash", **(strict | settings))


def make_key(server: SimulatorServer, account: str = ACCOUNT) -> bytes:
    return derive_auth_key(server.endpoint.token, account)


def peer_of(server: SimulatorServer, username: str, account: str = ACCOUNT) -> Any:
    """What a client that had resolved the name would hold."""
    channel = server.simulator.find_channel(username)
    access_hash = server.simulator.find_account(account).access_hash("channel", channel.channel_id)
    return types.InputPeerChannel(channel.channel_id, access_hash)


def send_request(peer: Any, text: str = "Hello", random_id: int | None = None, **more: Any) -> Any:
    if random_id is None:
        random_id = next(_random_ids)
    return functions.messages.SendMessageRequest(peer, text, random_id=random_id, **more)


def posted_id(updates: Any) -> int:
    (found,) = [update.id for update in updates.updates if isinstance(update, types.UpdateMessageID)]
    return int(found)


@pytest.fixture
async def server() -> AsyncIterator[SimulatorServer]:
    """A server with the account "sender" and the channels alpha and beta."""
    async with serve() as running:
        running.simulator.add_account(ACCOUNT, make_key(running))
        running.simulator.ensure_channels(["alpha_news", "beta_news"], ACCOUNT)
        yield running


@pytest.fixture
async def control(server: SimulatorServer) -> AsyncIterator[SimulatorControl]:
    async with await SimulatorControl.connect(server.endpoint) as connected:
        yield connected


@pytest.fixture
async def connect(server: SimulatorServer) -> AsyncIterator[Connect]:
    """`await connect(account=…, …)` gives a connected client, disconnected at the end of the test."""
    async with AsyncExitStack() as stack:

        async def open_client(
            *, account: str = ACCOUNT, connection: Any = ConnectionTcpFull, **settings: Any
        ) -> Any:
            key = make_key(server, account)
            server.simulator.add_account(account, key)
            session = make_session_string(server.endpoint, key)
            client = make_client(server.endpoint, session, connection=connection, **settings)
            stack.push_async_callback(client.disconnect)
            await client.connect()
            return client

        yield open_client
