"""A session that a login made, stored as services store it, posts through the transport of a worker."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.transports.test_transports import connected, store_session
from tests.support.dialogs import read_dialogs
from tests.support.logins import CODE, PASSWORD, PHONE, serve_logins
from tests.support.stage import Stage
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.states import AccountKind
from vestnik.domain.telegram_login import LoginError, LoginTransportFactory, PasswordNeededError
from vestnik.domain.transport import Content, TransportError
from vestnik.settings import load_settings
from vestnik.simulator.endpoint import SECOND_DC
from vestnik.simulator.server import SimulatorServer
from vestnik.telegram.login import TelethonLogin
from vestnik.telegram.sessions import FIRST_DATA_CENTRE, DataCentre
from vestnik.transports import Transports


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SimulatorServer]:
    async with serve_logins(monkeypatch) as running:
        yield running


@pytest.fixture
async def transports(server: SimulatorServer, database_url: URL, tmp_path: Path) -> AsyncIterator[Transports]:
    place = DataCentre(dc_id=2, host=server.endpoint.host, port=server.endpoint.port)
    made = Transports(load_settings(env_file=None, data_dir=tmp_path), database_url, None, login_server=place)
    yield made
    await made.close()


async def test_a_user_logs_in_posts_and_logs_out(
    server: SimulatorServer, transports: Transports, engine: AsyncEngine, tmp_path: Path
) -> None:
    user_id = server.simulator.add_phone(PHONE, "owner", password=PASSWORD, dc_id=SECOND_DC)
    server.simulator.ensure_channels(["first_channel"], "owner")
    factory: LoginTransportFactory = transports
    login = factory.make_login(api_id=17, api_hash="hash")
    await login.connect()
    await login.request_code(PHONE)
    with pytest.raises(PasswordNeededError):
        await login.sign_in("44444")
    assert (await login.check_password(PASSWORD)).tg_id == user_id
    session = login.export_session()
    await login.disconnect()

    settings = load_settings(env_file=None, data_dir=tmp_path)
    account_id = await store_session(Stage(engine), settings, session)
    async with connected(await transports.make(account_id, AccountKind.USER)) as transport:
        (known,) = await read_dialogs(transport)
        assert await transport.send(known.peer, Content(text="Hello"), 1)
    assert [post.text for post in server.simulator.list_posts()] == ["Hello"]

    ending = factory.make_login(api_id=17, api_hash="hash", session=session)
    await ending.connect()
    assert (await ending.identify()).tg_id == user_id
    await ending.log_out()
    with pytest.raises(TransportError) as caught:
        await (await transports.make(account_id, AccountKind.USER)).connect()
    assert caught.value.name == "AUTH_KEY_UNREGISTERED"


async def test_two_logins_at_once_do_not_meet(server: SimulatorServer, transports: Transports) -> None:
    server.simulator.add_phone(PHONE, "owner")
    first = transports.make_login(api_id=17, api_hash="hash")
    second = transports.make_login(api_id=17, api_hash="hash")
    try:
        await first.connect()
        await second.connect()
        await first.request_code(PHONE)
        with pytest.raises(LoginError):
            await second.sign_in(CODE)
        assert (await first.sign_in(CODE)).name == "owner"
        with pytest.raises(LoginError):
            second.export_session()
    finally:
        await first.disconnect()
        await second.disconnect()


def test_a_malformed_session_is_refused_before_anything_is_dialled(transports: Transports) -> None:
    with pytest.raises(InvalidInputError) as caught:
        transports.make_login(api_id=17, api_hash="hash", session="1abc")
    assert caught.value.field == "session"


async def test_logins_begin_at_telegrams_second_data_centre(database_url: URL, tmp_path: Path) -> None:
    transports = Transports(load_settings(env_file=None, data_dir=tmp_path), database_url, None)
    login = transports.make_login(api_id=17, api_hash="hash")
    await transports.close()
    assert isinstance(login, TelethonLogin)
    assert login._server == FIRST_DATA_CENTRE == DataCentre(dc_id=2, host="149.154.167.51", port=443)
