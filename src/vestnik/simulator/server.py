"""The server: two listening sockets, all connections, and their end."""

import asyncio
import ipaddress
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from vestnik.domain.errors import SimulatorError
from vestnik.simulator.commands import ControlTarget
from vestnik.simulator.connection import ClientConnection
from vestnik.simulator.control_server import ControlConnection
from vestnik.simulator.endpoint import SECOND_DC, SIMULATED_DC, SimulatorEndpoint
from vestnik.simulator.handshake import ServerRsaKey
from vestnik.simulator.options import Options
from vestnik.simulator.state import Clock, Simulator


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatorConfig:
    """How to start. `host` is an IPv4 address; port 0 is a free one; an empty token is a random one.

    `seed` goes for faults with a probability, salts and jitter. Ids and access hashes do not depend on it:
    they are made from names, so what a client has stored stays good when the simulator starts anew. With
    `second_port` there is a second data centre, for logins that have to move; without it there is one.
    """

    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    second_port: int | None = None
    token: str = ""
    seed: int = 0
    options: Options = field(default_factory=Options)
    clock: Clock = field(default_factory=Clock)


class _Abortable(Protocol):
    def abort(self) -> None: ...


class SimulatorServer:
    """A running server. Tests in the same process use `simulator` directly."""

    def __init__(self, config: SimulatorConfig) -> None:
        self.simulator = Simulator(seed=config.seed, options=config.options, clock=config.clock)
        self.rsa_key = ServerRsaKey()
        self._config = config
        self._endpoint: SimulatorEndpoint | None = None
        self._clients: set[ClientConnection] = set()
        self._controls: set[ControlConnection] = set()
        self._listeners: list[asyncio.Server] = []
        self._idle = asyncio.Event()
        self._stopping = False

    @property
    def endpoint(self) -> SimulatorEndpoint:
        """Where the server listens; only once it has started."""
        if self._endpoint is None:
            raise SimulatorError("the simulator has not started")
        return self._endpoint

    @property
    def connection_count(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    async def start(self) -> SimulatorEndpoint:
        """Listen; raises SimulatorError for a host that is no IPv4 address and for a busy port."""
        config = self._config
        try:
            ipaddress.IPv4Address(config.host)
        except ValueError as exc:
            raise SimulatorError(f"{config.host!r} is not an IPv4 address", field="host") from exc
        token = config.token or secrets.token_urlsafe(24)
        target = ControlTarget(self.simulator, lambda: self.rsa_key.public_pem, self.drop_connections)

        def make_client(dc_id: int) -> ClientConnection:
            connection = ClientConnection(self.simulator, self.rsa_key, self._forget, dc_id=dc_id)
            self._admit(connection)
            self._clients.add(connection)
            return connection

        def make_control() -> ControlConnection:
            connection = ControlConnection(target, token, self._forget)
            self._admit(connection)
            self._controls.add(connection)
            return connection

        port = await self._listen(partial(make_client, SIMULATED_DC), config.port, "port")
        self.simulator.data_centres[SIMULATED_DC] = config.host, port
        try:
            if config.second_port is not None:
                second = await self._listen(
                    partial(make_client, SECOND_DC), config.second_port, "second_port"
                )
                self.simulator.data_centres[SECOND_DC] = config.host, second
            control_port = await self._listen(make_control, config.control_port, "control_port")
        except SimulatorError:
            await self.stop()
            raise
        self._endpoint = SimulatorEndpoint(
            host=config.host, port=port, control_port=control_port, token=token
        )
        return self._endpoint

    async def _listen(self, make: Callable[[], asyncio.Protocol], port: int, name: str) -> int:
        host = self._config.host
        try:
            listener = await asyncio.get_running_loop().create_server(make, host, port)
        except (OSError, OverflowError) as exc:
            raise SimulatorError(
                f"the simulator cannot listen on {host}:{port}: {exc}; choose another port", field=name
            ) from exc
        self._listeners.append(listener)
        return int(listener.sockets[0].getsockname()[1])

    def _admit(self, connection: _Abortable) -> None:
        """A connection that was being accepted when the server stopped is cut as soon as it is made."""
        if self._stopping:
            connection.abort()

    def _forget(self, connection: ClientConnection | ControlConnection) -> None:
        if isinstance(connection, ClientConnection):
            self._clients.discard(connection)
        else:
            self._controls.discard(connection)
        if not self._clients and not self._controls:
            self._idle.set()

    def drop_connections(self) -> int:
        """Cut every client's connection; how many there were."""
        clients = list(self._clients)
        for connection in clients:
            connection.abort()
        return len(clients)

    async def stop(self) -> None:
        """Close the sockets, cut all connections, and return when nothing is left."""
        self._stopping = True
        for listener in self._listeners:
            listener.close()
        connections: list[_Abortable] = [*self._clients, *self._controls]
        self._idle.clear()
        for connection in connections:
            connection.abort()
        if connections:
            await self._idle.wait()
        for listener in self._listeners:
            await listener.wait_closed()
        self._listeners.clear()


@asynccontextmanager
async def serve(config: SimulatorConfig | None = None) -> AsyncIterator[SimulatorServer]:
    """A server for the length of the block."""
    server = SimulatorServer(config if config is not None else SimulatorConfig())
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def run(config: SimulatorConfig, announce: Callable[[SimulatorEndpoint], None]) -> None:
    """Serve until cancelled; `announce` is told the endpoint as soon as clients can connect."""
    async with serve(config) as server:
        announce(server.endpoint)
        await asyncio.get_running_loop().create_future()
