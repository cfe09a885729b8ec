"""Sessions of ours in an unmodified `TelegramClient`."""

from dataclasses import replace

import pytest
from telethon import TelegramClient

from tests.integration.telegram.conftest import ACCOUNT
from vestnik.simulator.endpoint import derive_auth_key, make_session_string
from vestnik.telegram.sessions import SessionLayout, parse_session, to_telethon_session


@pytest.mark.parametrize(
    "changes",
    [{}, {"layout": SessionLayout.GRAMJS}, {"layout": SessionLayout.GRAMJS, "host": "localhost"}],
    ids=["telethon", "gramjs", "gramjs with a host name"],
)
async def test_a_telegram_client_dials_what_the_string_names(server, changes):
    key = derive_auth_key(server.endpoint.token, ACCOUNT)
    parsed = replace(parse_session(make_session_string(server.endpoint, key)), **changes)
    client = TelegramClient(to_telethon_session(parsed), 1, "hash", use_ipv6=parsed.is_ipv6)
    await client.connect()
    try:
        me = await client.get_me()
        assert me.first_name == ACCOUNT
        assert parse_session(client.session.save()).auth_key == key
    finally:
        await client.disconnect()
