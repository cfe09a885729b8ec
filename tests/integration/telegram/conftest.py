"""A simulator in the test's own event loop, and transports that talk to it over real TCP."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from vestnik.domain.transport import Content, KnownChannel, Transport, TransportError
from vestnik.simulator.endpoint import derive_auth_key, make_session_string
from vestnik.simulator.faults import Fault, FaultKind
from vestnik.simulator.server import SimulatorServer, serve
from vestnik.telegram.sessions import parse_session
from vestnik.telegram.transport import TelethonTransport

DEADLINE = 30
"""How long any wait in these tests may take, in seconds; it only shows when a test fails."""

ACCOUNT = "herald"
TEXT = Content(text="Good news")

MakeTransport = Callable[..., TelethonTransport]


@pytest.fixture
async def server() -> AsyncIterator[SimulatorServer]:
    """A simulator with one account."""
    async with serve() as running:
        running.simulator.add_account(ACCOUNT, derive_auth_key(running.endpoint.token, ACCOUNT))
        yield running


@pytest.fixture
async def make_transport(
    server: SimulatorServer, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[MakeTransport]:
    """Transports of the account, all disconnected at the end; no task or unheard error of theirs is left."""
    made: list[TelethonTransport] = []

    def make(*, call_timeout: float = 3600, **changes: object) -> TelethonTransport:
        key = derive_auth_key(server.endpoint.token, ACCOUNT)
        session = parse_session(make_session_string(server.endpoint, key))
        made.append(
            TelethonTransport(
                replace(session, **changes),  # type: ignore[arg-type]
                api_id=1,
                call_timeout=timedelta(seconds=call_timeout),
                connect_timeout=timedelta(seconds=DEADLINE),
            )
        )
        return made[-1]

    async with asyncio.timeout(DEADLINE * 3):
        yield make
        for transport in made:
            await transport.disconnect()
    left = [repr(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert [task for task in left if "telethon" in task or "vestnik/telegram" in task] == []
    made.clear()
    gc.collect()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.fixture
async def transport(make_transport: MakeTransport) -> TelethonTransport:
    """A connected transport whose calls never time out within a test."""
    connected = make_transport()
    await connected.connect()
    return connected


@pytest.fixture
def channel(server: SimulatorServer) -> str:
    """A channel that the account may post in."""
    server.simulator.ensure_channels(["first_channel"], ACCOUNT)
    return "first_channel"


def set_fault(server: SimulatorServer, kind: FaultKind, **fields: object) -> None:
    """Let sendMessage go wrong in this way, and nothing else."""
    fault = {"method": "messages.sendMessage", "kind": kind, **fields}
    server.simulator.set_faults([Fault(**fault)])  # type: ignore[arg-type]


async def fail_to_send(transport: Transport, channel: KnownChannel, random_id: int = 1) -> TransportError:
    """The error that sending ends with."""
    with pytest.raises(TransportError) as caught:
        await transport.send(channel.peer, TEXT, random_id)
    return caught.value
