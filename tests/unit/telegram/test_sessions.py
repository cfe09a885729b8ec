import base64
import ipaddress
import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.sessions import StringSession

from vestnik.domain.errors import InvalidInputError
from vestnik.telegram.sessions import (
    DATA_CENTRES,
    ParsedSession,
    SessionLayout,
    format_session,
    parse_session,
    to_telethon_session,
)

KEY = bytes(range(1, 256)) + b"\x01"

keys = st.binary(min_size=256, max_size=256).filter(any)
dc_ids = st.sampled_from(sorted(DATA_CENTRES))
ports = st.integers(1, 65535)
# Two ranges whose first two bytes could be the length of a host in the GramJS layout; nobody's servers are there.
ipv4 = st.ip_addresses(v=4).filter(lambda address: address.packed[0] != 0)
ipv6 = st.ip_addresses(v=6).filter(lambda address: address.packed[0] != 0)
host_names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,10})?", fullmatch=True)


def pack_telethon(dc_id: int, address: str, port: int, key: bytes) -> bytes:
    return struct.pack(">B", dc_id) + ipaddress.ip_address(address).packed + struct.pack(">H", port) + key


def pack_gramjs(dc_id: int, host: str, port: int, key: bytes) -> bytes:
    signed = port - 65536 if port > 32767 else port
    return struct.pack(">BH", dc_id, len(host)) + host.encode() + struct.pack(">h", signed) + key


def write(raw: bytes, *, url_safe: bool = False, padded: bool = True) -> str:
    text = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(raw).decode()
    return "1" + (text if padded else text.rstrip("="))


spellings = st.fixed_dictionaries({"url_safe": st.booleans(), "padded": st.booleans()})


@given(dc_ids, st.one_of(ipv4, ipv6), ports, keys, spellings)
def test_a_telethon_string_is_read_in_every_spelling(dc_id, address, port, key, spelling):
    parsed = parse_session(write(pack_telethon(dc_id, str(address), port, key), **spelling))
    assert parsed == ParsedSession(
        layout=SessionLayout.TELETHON, dc_id=dc_id, host=address.compressed, port=port, auth_key=key
    )


@given(dc_ids, st.one_of(ipv4.map(str), ipv6.map(str), host_names), ports, keys, spellings)
def test_a_gramjs_string_is_read_in_every_spelling(dc_id, host, port, key, spelling):
    parsed = parse_session(write(pack_gramjs(dc_id, host, port, key), **spelling))
    assert parsed == ParsedSession(
        layout=SessionLayout.GRAMJS, dc_id=dc_id, host=host, port=port, auth_key=key
    )


@given(dc_ids, st.one_of(ipv4, ipv6), ports, keys)
def test_a_string_that_telethon_saved_is_read_and_written_back(dc_id, address, port, key):
    parsed = ParsedSession(
        layout=SessionLayout.TELETHON, dc_id=dc_id, host=address.compressed, port=port, auth_key=key
    )
    saved = to_telethon_session(parsed).save()
    assert saved == format_session(parsed)
    assert parse_session(saved) == parsed


@given(dc_ids, st.one_of(ipv4.map(str), host_names), ports, keys)
def test_writing_a_gramjs_string_inverts_reading_it(dc_id, host, port, key):
    parsed = ParsedSession(layout=SessionLayout.GRAMJS, dc_id=dc_id, host=host, port=port, auth_key=key)
    assert parse_session(format_session(parsed)) == parsed


@pytest.mark.parametrize(
    "host", ["149.154.167.51", "91.108.56.1301", "203.0.113.1111", "my.example.org", "10.20.300.4001"]
)
def test_a_gramjs_host_of_14_characters_is_not_taken_for_an_ipv6_address(host):
    raw = pack_gramjs(2, host, 443, KEY)
    assert len(host) == 14
    assert len(raw) == 275
    # Telethon takes the same bytes without an error, and would dial an address made of the host's letters.
    misread = StringSession(write(raw, url_safe=True))
    assert misread.server_address == ipaddress.ip_address(raw[1:17]).compressed
    assert misread.server_address.startswith("e:")
    assert misread.port == int.from_bytes(raw[17:19], "big")
    assert misread.auth_key.key == raw[19:]

    parsed = parse_session(write(raw))

    assert parsed.layout is SessionLayout.GRAMJS
    assert (parsed.dc_id, parsed.host, parsed.port) == (2, host, 443)
    assert parsed.auth_key == KEY
    dialled = to_telethon_session(parsed)
    assert (dialled.dc_id, dialled.server_address, dialled.port) == (2, host, 443)
    assert dialled.auth_key.key == KEY


def test_an_ipv6_string_of_telethon_with_the_length_of_the_trap_is_still_one_of_telethon():
    raw = pack_telethon(2, "2001:67c:4e8:f002::a", 443, KEY)
    assert len(raw) == 275
    parsed = parse_session(write(raw))
    assert (parsed.layout, parsed.host, parsed.is_ipv6) == (
        SessionLayout.TELETHON,
        "2001:67c:4e8:f002::a",
        True,
    )


@pytest.mark.parametrize("host", ["::1", "::ffff:149.154.167.51", "64:ff9b::959a:a733"])
def test_addresses_that_begin_with_a_zero_and_are_somebodys_are_read(host):
    parsed = parse_session(write(pack_telethon(2, host, 443, KEY)))
    assert parsed.layout is SessionLayout.TELETHON
    assert ipaddress.ip_address(parsed.host) == ipaddress.ip_address(host)


@pytest.mark.parametrize("port", [1, 443, 32767, 32768, 65535])
def test_a_gramjs_port_above_32767_is_stored_negative_and_read_back(port):
    assert parse_session(write(pack_gramjs(2, "127.0.0.1", port, KEY))).port == port


@pytest.mark.parametrize("dc_id", sorted(DATA_CENTRES))
@pytest.mark.parametrize(
    "name", ["venus.web.telegram.org", "VENUS-1.web.telegram.org.", "zws4.web.telegram.org"]
)
def test_the_name_in_a_browser_made_string_becomes_the_address_of_its_data_centre(dc_id, name):
    parsed = parse_session(write(pack_gramjs(dc_id, name, 443, KEY)))
    assert (parsed.host, parsed.port) == (DATA_CENTRES[dc_id], 443)


@pytest.mark.parametrize("name", ["localhost", "telegram.example.org", "web.telegram.org.example.com", "sim"])
def test_a_name_that_is_not_telegrams_is_dialled_as_it_is(name):
    parsed = parse_session(write(pack_gramjs(2, name, 8443, KEY)))
    session = to_telethon_session(parsed)
    assert isinstance(session, StringSession)
    assert (session.server_address, session.port) == (name, 8443)
    assert parse_session(session.save()) == parsed


def test_brackets_around_an_ipv6_host_are_dropped():
    parsed = parse_session(write(pack_gramjs(2, "[::1]", 8443, KEY)))
    assert (parsed.host, parsed.is_ipv6) == ("::1", True)


def test_white_space_around_a_string_does_not_matter():
    assert parse_session(f"  {write(pack_telethon(2, '127.0.0.1', 443, KEY))}\r\n").host == "127.0.0.1"


def test_a_session_does_not_show_its_key():
    parsed = parse_session(write(pack_telethon(2, "127.0.0.1", 443, KEY)))
    assert "auth_key" not in repr(parsed)


GOOD = write(pack_telethon(2, "127.0.0.1", 443, KEY))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        (" \n ", "is empty"),
        ("2" + GOOD[1:], "does not begin with '1'"),
        (GOOD[1:], "does not begin with '1'"),
        (GOOD[:100] + "*" + GOOD[101:], "is not base64"),
        (GOOD[:100] + "ы" + GOOD[101:], "is not base64"),
        (GOOD[:100] + " " + GOOD[101:], "is not base64"),
        (GOOD.rstrip("=")[:-2], "is not base64"),
        ("1", "holds 0 bytes"),
        (GOOD[:101], "holds 75 bytes"),
        (GOOD.rstrip("=") + "AAAA", "holds 266 bytes"),
        (write(pack_telethon(2, "127.0.0.1", 443, bytes(256))), "empty key"),
        (write(pack_gramjs(2, "localhost", 443, bytes(256))), "empty key"),
        (write(pack_telethon(0, "127.0.0.1", 443, KEY)), "data centre 0"),
        (write(pack_telethon(6, "127.0.0.1", 443, KEY)), "data centre 6"),
        (write(pack_gramjs(200, "127.0.0.1", 443, KEY)), "data centre 200"),
        (write(pack_telethon(2, "127.0.0.1", 0, KEY)), "port 0"),
        (write(pack_gramjs(2, "localhost", 0, KEY)), "port 0"),
        (write(pack_gramjs(2, "local host", 443, KEY)), "holds 271 bytes"),
    ],
)
def test_a_malformed_string_is_refused_with_the_reason_and_never_quoted(text, problem):
    with pytest.raises(InvalidInputError) as caught:
        parse_session(text)
    assert problem in caught.value.message
    assert caught.value.field == "session"
    assert caught.value.message.startswith("The session string ")
    if len(text.strip()) > 8:
        assert text[8:40] not in caught.value.message


@given(st.text(max_size=500))
def test_any_text_is_either_read_or_refused(text):
    with suppress(InvalidInputError):
        assert parse_session(text).dc_id in DATA_CENTRES


@given(st.binary(max_size=300))
def test_any_bytes_are_either_read_or_refused(raw):
    with suppress(InvalidInputError):
        assert parse_session(write(raw)).dc_id in DATA_CENTRES
