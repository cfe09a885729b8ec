"""Posts to a simulator as fast as it can, as a process of its own: through our transport, or by Telethon alone.

`python -m benchmarks.senders` with a `Sending` as JSON in SENDING prints its `Sent` as one JSON object.
"""

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import count, cycle
from typing import TYPE_CHECKING, Any, Final

from vestnik.domain.transport import Content, Peer
from vestnik.simulator.endpoint import SIMULATED_DC, SimulatorEndpoint, derive_auth_key, make_session_string

if TYPE_CHECKING:
    from vestnik.telegram.transport import TelethonTransport

VARIABLE: Final = "SENDING"
API_ID: Final = 1
PATIENCE: Final = timedelta(seconds=60)
LIMIT: Final = 600
"""Seconds after which the whole of it has failed."""
WARM_UP: Final = 50

Post = Callable[[int], Awaitable[object]]
"""Posts under the random_id that it is given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sending:
    """`accounts` are known to the simulator, each with the same channels; one connection for each account, and
    `concurrency` posts under way on it. Without `with_cryptg` Telethon falls back as where there is none."""

    endpoint: dict[str, Any]
    accounts: list[str]
    messages: int
    concurrency: int
    text: str
    is_ours: bool
    with_cryptg: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """Posts a second, microseconds of this process's processors for each, and what encrypted them."""

    rate: float
    cpu: float
    cipher: str


async def send_all(sending: Sending) -> Sent:
    """Every message, in turn to all channels of an account."""
    async with AsyncExitStack() as stack:
        posts: list[Post] = []
        for account in sending.accounts:
            post, close = await (open_ours if sending.is_ours else open_telethon)(sending, account)
            stack.push_async_callback(close)
            posts.append(post)
        await run_posts(posts, sending.concurrency, WARM_UP)
        cpu, begun = time.process_time(), time.perf_counter()
        await run_posts(posts, sending.concurrency, sending.messages)
        elapsed, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return Sent(rate=sending.messages / elapsed, cpu=1e6 * cpu / sending.messages, cipher=find_cipher())


async def run_posts(posts: Sequence[Post], concurrency: int, messages: int) -> None:
    """So many loops for each connection, each with one post under way, until so many posts are answered."""
    left = count(1)

    async def loop(post: Post) -> None:
        while next(left) <= messages:
            await post(secrets.randbits(63))

    async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as group:
        for post in posts:
            for _ in range(concurrency):
                group.create_task(loop(post))


async def open_ours(sending: Sending, account: str) -> tuple[Post, Callable[[], Awaitable[None]]]:
    """As the delivery engine uses it."""
    transport, peers = await _list_peers(sending, account)
    turn = cycle(peers)
    content = Content(text=sending.text)

    async def post(random_id: int) -> object:
        return await transport.send(next(turn), content, random_id)

    return post, transport.disconnect


async def open_telethon(sending: Sending, account: str) -> tuple[Post, Callable[[], Awaitable[None]]]:
    """As its documentation shows raw requests: `await client(SendMessageRequest(…))`."""
    from telethon import TelegramClient
    from telethon.sessions import StringSession
    from telethon.tl.functions.messages import SendMessageRequest
    from telethon.tl.types import InputPeerChannel

    transport, peers = await _list_peers(sending, account)
    await transport.disconnect()
    endpoint = SimulatorEndpoint(**sending.endpoint)
    session = make_session_string(endpoint, derive_auth_key(endpoint.token, account))
    client = TelegramClient(StringSession(session), API_ID, "hash", receive_updates=False)
    await client.connect()
    turn = cycle([InputPeerChannel(peer.tg_id, peer.access_hash) for peer in peers])

    async def post(random_id: int) -> object:
        return await client(SendMessageRequest(peer=next(turn), message=sending.text, random_id=random_id))

    async def close() -> None:
        await client.disconnect()

    return post, close


async def _list_peers(sending: Sending, account: str) -> tuple["TelethonTransport", list[Peer]]:
    """A connected transport, and the account's channels."""
    from vestnik.telegram.sessions import DataCentre, ParsedSession
    from vestnik.telegram.transport import TelethonTransport

    endpoint = SimulatorEndpoint(**sending.endpoint)
    server = DataCentre(dc_id=SIMULATED_DC, host=endpoint.host, port=endpoint.port)
    session = ParsedSession.make(server, derive_auth_key(endpoint.token, account))
    transport = TelethonTransport(session, api_id=API_ID, call_timeout=PATIENCE, connect_timeout=PATIENCE)
    await transport.connect()
    return transport, [known.peer async for page in transport.list_channels() for known in page]


def find_cipher() -> str:
    """What Telethon encrypts with here."""
    from telethon.crypto import aes, libssl

    if aes.cryptg is not None:
        return "cryptg"
    return "libssl" if libssl.encrypt_ige and libssl.decrypt_ige else "Python"


def main() -> None:
    """Read what is wanted, do it and say how it went."""
    sending = Sending(**json.loads(os.environ[VARIABLE]))
    if not sending.with_cryptg:
        sys.modules["cryptg"] = None  # type: ignore[assignment] # the way to say that it is not installed
    print(json.dumps(asdict(asyncio.run(send_all(sending)))), flush=True)


if __name__ == "__main__":
    main()
