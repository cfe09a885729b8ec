"""Which hosts a session string may lead to when somebody hands it over."""

import pytest

from vestnik.bootstrap import read_given_session_key, read_session_key
from vestnik.domain.errors import InvalidInputError
from vestnik.telegram.networks import require_telegram
from vestnik.telegram.sessions import (
    DATA_CENTRES,
    FIRST_DATA_CENTRE,
    DataCentre,
    ParsedSession,
    SessionLayout,
    format_session,
    parse_session,
)

KEY = bytes(range(256))


def make(host: str, layout: SessionLayout = SessionLayout.GRAMJS) -> ParsedSession:
    return ParsedSession(layout=layout, dc_id=2, host=host, port=443, auth_key=KEY)


@pytest.mark.parametrize("dc_id", DATA_CENTRES)
def test_every_data_centre_is_telegrams(dc_id: int) -> None:
    require_telegram(ParsedSession.make(DataCentre(dc_id=dc_id, host=DATA_CENTRES[dc_id]), KEY))


@pytest.mark.parametrize(
    "host",
    [
        FIRST_DATA_CENTRE.host,
        "149.154.167.40",  # of the test servers
        "91.105.192.100",  # where data centre 2 moves files
        "2001:67c:4e8:f002::a",
        "2001:b28:f23d:f001::a",
        "::ffff:149.154.167.51",
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "localhost",
        "LocalHost.",
    ],
)
def test_telegrams_servers_and_this_machine_are_dialled(host: str) -> None:
    require_telegram(make(host))


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.5",
        "192.168.1.1",
        "169.254.169.254",
        "0.0.0.0",
        "149.154.159.255",
        "149.154.176.0",
        "8.8.8.8",
        "::",
        "::ffff:10.0.0.5",
        "fe80::1",
        "2001:b28:f23e::1",
        "64:ff9b::a00:5",
        "evil.example",
        "telegram.org.evil.example",
        "localhost.evil.example",
        "127.1",
        "2130706433",
    ],
)
def test_every_other_host_is_refused_by_name_and_with_the_cure(host: str) -> None:
    with pytest.raises(InvalidInputError, match="none of Telegram's servers") as caught:
        require_telegram(make(host))
    assert caught.value.field == "session"
    assert f"leads to {host}," in caught.value.message
    assert "Log in" in caught.value.message
    assert "TELEGRAM_SESSION" in caught.value.message


@pytest.mark.parametrize("host", ["venus.web.telegram.org", "Pluto-1.Web.Telegram.org"])
def test_the_names_in_strings_that_were_made_in_a_browser_are_telegrams(host: str) -> None:
    text = format_session(make(host))
    assert parse_session(text).host == DATA_CENTRES[2]
    assert read_given_session_key(text) == KEY


def test_only_what_somebody_hands_over_is_judged_by_where_it_leads() -> None:
    text = format_session(make("10.0.0.5", SessionLayout.TELETHON))
    assert read_session_key(text) == KEY
    with pytest.raises(InvalidInputError, match=r"leads to 10\.0\.0\.5") as caught:
        read_given_session_key(text)
    assert text[:20] not in caught.value.message
