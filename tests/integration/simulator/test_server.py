"""Starting and stopping."""

import asyncio
import socket
from dataclasses import replace

import pytest

from tests.integration.simulator.conftest import peer_of, send_request
from tests.integration.simulator.raw import DEADLINE
from vestnik.domain.errors import SimulatorError
from vestnik.simulator.control import SimulatorControl
from vestnik.simulator.endpoint import SimulatorEndpoint
from vestnik.simulator.faults import Fault, FaultKind
from vestnik.simulator.server import SimulatorConfig, run, serve


async def test_run_announces_the_endpoint_and_ends_when_cancelled():
    announced: asyncio.Future[SimulatorEndpoint] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run(SimulatorConfig(), announced.set_result))
    async with asyncio.timeout(DEADLINE):
        endpoint = await announced
        control = await SimulatorControl.connect(endpoint)
        await control.ping()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(SimulatorError):
            await control.ping()
        await control.close()
        with pytest.raises(SimulatorError, match="no simulator answers"):
            await SimulatorControl.connect(endpoint)


async def test_stopping_ends_clients_with_answers_outstanding(server, connect):
    client = await connect()
    server.simulator.set_faults([Fault(kind=FaultKind.DELAY, delay=60)])
    pending = client._sender.send(send_request(peer_of(server, "alpha_news")))
    async with asyncio.timeout(DEADLINE):
        await server.simulator.posts.wait_for(1)
        await server.stop()
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await pending
    assert server.connection_count == 0
    left = [task for task in asyncio.all_tasks() if "vestnik" in repr(task.get_coro())]
    assert not left


async def test_the_ports_are_free_ones_on_loopback(server):
    endpoint = server.endpoint
    assert endpoint.host == "127.0.0.1"
    assert endpoint.port != endpoint.control_port
    assert len(endpoint.token) >= 32


async def test_a_chosen_token_and_port_are_kept():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with serve(SimulatorConfig(port=port, token="chosen")) as server:
        assert (server.endpoint.port, server.endpoint.token) == (port, "chosen")


@pytest.mark.parametrize("name", ["port", "control_port"])
async def test_a_busy_port_is_told(server, name):
    taken = server.endpoint.port
    with pytest.raises(SimulatorError, match=str(taken)) as caught:
        async with serve(replace(SimulatorConfig(), **{name: taken})):
            pass
    assert caught.value.field == name


@pytest.mark.parametrize(("settings", "field"), [({"host": "localhost"}, "host"), ({"port": 70_000}, "port")])
async def test_impossible_addresses_are_told(settings, field):
    with pytest.raises(SimulatorError) as caught:
        async with serve(replace(SimulatorConfig(), **settings)):
            pass
    assert caught.value.field == field
