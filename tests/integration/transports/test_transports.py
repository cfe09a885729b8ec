"""What a worker is given to speak with: real accounts by their stored session, simulated ones by a simulator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.dialogs import read_dialogs
from tests.support.stage import Stage
from vestnik.db.secrets import generate_key, identify_secret, open_key_ring
from vestnik.domain.ids import AccountId
from vestnik.domain.states import AccountKind
from vestnik.domain.transport import Content, ErrorClass, Transport, TransportError
from vestnik.settings import Settings, load_settings
from vestnik.simulator.endpoint import SimulatorEndpoint, derive_auth_key, make_session_string
from vestnik.simulator.server import SimulatorConfig, SimulatorServer, serve
from vestnik.telegram.transport import TelethonTransport
from vestnik.transports import RehearsalTransport, Transports, simulated_name

HELLO = Content(text="Hello")


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(env_file=None, data_dir=tmp_path)


@pytest.fixture
async def server() -> AsyncIterator[SimulatorServer]:
    async with serve() as running:
        yield running


@asynccontextmanager
async def factory(
    settings: Settings, url: URL, simulator: SimulatorEndpoint | None
) -> AsyncIterator[Transports]:
    transports = Transports(settings, url, simulator)
    try:
        yield transports
    finally:
        await transports.close()


@asynccontextmanager
async def connected(transport: Transport) -> AsyncIterator[Transport]:
    try:
        await transport.connect()
        yield transport
    finally:
        await transport.disconnect()


async def store_session(stage: Stage, settings: Settings, session: str) -> AccountId:
    """An account of kind USER whose session is stored as the services store it."""
    row = await stage.one(
        "INSERT INTO accounts (name, kind, api_id) VALUES ('desk', 'USER', 17) RETURNING id"
    )
    keys = open_key_ring(settings.secret_key, settings.data_dir, announce=lambda _text: None)
    await stage.execute(
        "UPDATE accounts SET session_ciphertext = :sealed WHERE id = :id",
        id=row.id,
        sealed=keys.encrypt(session, identify_secret("accounts", row.id, "session")),
    )
    return AccountId(row.id)


async def fail_to_make(transports: Transports, account_id: AccountId) -> TransportError:
    with pytest.raises(TransportError) as caught:
        await transports.make(account_id, AccountKind.USER)
    return caught.value


async def test_a_rehearsal_finds_every_wanted_channel_writable(
    stage: Stage, settings: Settings, database_url: URL, server: SimulatorServer
) -> None:
    account_id = await stage.add_account()
    await stage.add_channels(2)
    await stage.add_campaign(account_id)
    async with factory(settings, database_url, server.endpoint) as transports:
        made = await transports.make(account_id, AccountKind.SIMULATED)
        assert isinstance(made, RehearsalTransport)
        async with connected(made) as transport:
            known = await read_dialogs(transport)
            assert {channel.username for channel in known} == {"first_00001", "first_00002"}
            assert all(channel.can_post for channel in known)
            for number, channel in enumerate(known):
                assert await transport.send(channel.peer, HELLO, number + 1)
    assert server.simulator.summarize().distinct_posts == 2


async def test_the_simulator_is_told_which_process_sends(
    stage: Stage, settings: Settings, database_url: URL, server: SimulatorServer
) -> None:
    account_id = await stage.add_account()
    await stage.add_channels(1)
    await stage.add_campaign(account_id)
    transports = Transports(settings, database_url, server.endpoint, holder="worker one")
    try:
        async with connected(await transports.make(account_id, AccountKind.SIMULATED)) as transport:
            (known,) = await read_dialogs(transport)
            await transport.send(known.peer, HELLO, 1)
    finally:
        await transports.close()
    (attempt,) = server.simulator.list_attempts()
    assert (attempt.device, attempt.account) == ("worker one", simulated_name(account_id))


async def test_a_rehearsal_finds_private_channels_of_running_campaigns(
    stage: Stage, settings: Settings, database_url: URL, server: SimulatorServer
) -> None:
    account_id = await stage.add_account()
    channels = await stage.add_channels(2)
    await stage.execute("UPDATE channels SET username = NULL, tg_id = 4711 WHERE id = :id", id=channels[0])
    await stage.add_campaign(account_id)
    async with (
        factory(settings, database_url, server.endpoint) as transports,
        connected(await transports.make(account_id, AccountKind.SIMULATED)) as transport,
    ):
        known = await read_dialogs(transport)
    assert 4711 in {channel.peer.tg_id for channel in known}


async def test_what_a_rehearsal_knows_stays_good_when_the_simulator_starts_anew(
    stage: Stage, settings: Settings, database_url: URL
) -> None:
    account_id = await stage.add_account()
    (channel_id,) = await stage.add_channels(1)
    await stage.add_campaign(account_id)
    async with serve() as first:
        endpoint = first.endpoint
        async with (
            factory(settings, database_url, endpoint) as transports,
            connected(await transports.make(account_id, AccountKind.SIMULATED)) as transport,
        ):
            (known,) = await read_dialogs(transport)
    await stage.execute(
        "INSERT INTO channel_peers (account_id, channel_id, tg_id, access_hash) VALUES (:a, :c, :t, :h)",
        a=account_id, c=channel_id, t=known.peer.tg_id, h=known.peer.access_hash,
    )  # fmt: skip
    config = SimulatorConfig(port=endpoint.port, control_port=endpoint.control_port, token=endpoint.token)
    async with serve(config) as second, factory(settings, database_url, endpoint) as transports:
        async with connected(await transports.make(account_id, AccountKind.SIMULATED)) as transport:
            assert await transport.send(known.peer, HELLO, 1)
        assert second.simulator.summarize().by_channel == {"first_00001": 1}


async def test_two_rows_of_one_channel_do_not_keep_a_rehearsal_from_connecting(
    stage: Stage, settings: Settings, database_url: URL, server: SimulatorServer
) -> None:
    account_id = await stage.add_account()
    for channel_id in await stage.add_channels(2):
        await stage.execute(
            "INSERT INTO channel_peers (account_id, channel_id, tg_id, access_hash) VALUES (:a, :c, 4711, 1)",
            a=account_id, c=channel_id,
        )  # fmt: skip
    async with (
        factory(settings, database_url, server.endpoint) as transports,
        connected(await transports.make(account_id, AccountKind.SIMULATED)) as transport,
    ):
        assert transport.is_connected


async def test_a_rehearsal_waits_for_a_simulator_that_is_away(
    stage: Stage, settings: Settings, database_url: URL
) -> None:
    account_id = await stage.add_account()
    async with serve() as gone:
        endpoint = gone.endpoint
    async with factory(settings, database_url, endpoint) as transports:
        transport = await transports.make(account_id, AccountKind.SIMULATED)
        with pytest.raises(TransportError) as caught:
            await transport.connect()
    assert (caught.value.name, caught.value.error_class) == ("SIMULATOR_UNAVAILABLE", ErrorClass.TRANSIENT)


async def test_without_a_simulator_simulated_accounts_are_not_served(
    settings: Settings, database_url: URL, server: SimulatorServer
) -> None:
    async with factory(settings, database_url, None) as alone:
        assert not alone.serves(AccountKind.SIMULATED)
        assert alone.serves(AccountKind.USER)
    async with factory(settings, database_url, server.endpoint) as whole:
        assert all(whole.serves(kind) for kind in AccountKind)


async def test_a_real_account_goes_to_the_server_that_its_session_names(
    stage: Stage, settings: Settings, database_url: URL, server: SimulatorServer
) -> None:
    key = derive_auth_key(server.endpoint.token, "somebody")
    user_id = server.simulator.add_account("somebody", key)
    account_id = await store_session(stage, settings, make_session_string(server.endpoint, key))
    async with factory(settings, database_url, None) as transports:
        transport = await transports.make(account_id, AccountKind.USER)
        assert isinstance(transport, TelethonTransport)
        identity = await transport.connect()
        await transport.disconnect()
    assert identity.tg_id == user_id


async def test_an_account_without_a_session_needs_a_login(
    stage: Stage, settings: Settings, database_url: URL
) -> None:
    row = await stage.one("INSERT INTO accounts (name, kind) VALUES ('desk', 'USER') RETURNING id")
    async with factory(settings, database_url, None) as transports:
        error = await fail_to_make(transports, AccountId(row.id))
    assert (error.name, error.error_class) == ("NO_SESSION", ErrorClass.ACCOUNT_DEAD)


async def test_a_missing_key_does_not_cost_the_account_its_login(
    stage: Stage, settings: Settings, database_url: URL, server: SimulatorServer
) -> None:
    session = make_session_string(server.endpoint, derive_auth_key(server.endpoint.token, "somebody"))
    account_id = await store_session(stage, settings, session)
    other_key = settings.model_copy(update={"secret_key": SecretStr(generate_key())})
    async with factory(other_key, database_url, None) as transports:
        error = await fail_to_make(transports, account_id)
    assert (error.name, error.error_class) == ("SECRET_UNREADABLE", ErrorClass.TRANSIENT)
    assert session not in error.message


async def test_a_database_that_is_away_is_waited_for(settings: Settings, database_url: URL) -> None:
    address = database_url.set(host="127.0.0.1", port=1, query={})
    async with factory(settings, address, None) as transports:
        error = await fail_to_make(transports, AccountId(uuid4()))
    assert (error.name, error.error_class) == ("DATABASE_UNAVAILABLE", ErrorClass.TRANSIENT)


def test_the_simulator_knows_an_account_by_its_id() -> None:
    account_id = AccountId(uuid4())
    assert simulated_name(account_id) == str(account_id)
