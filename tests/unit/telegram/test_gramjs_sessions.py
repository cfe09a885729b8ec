"""Strings that GramJS itself wrote, byte by byte.

`gramjs_sessions.json` holds what the npm package `telegram` (its version is in the file) returned from
`StringSession.save()` after `setDC` and `setAuthKey` with random keys that belong to nobody. Two kinds it cannot
write that way, and it makes them of strings of Telethon's, which it loads and saves again: ports above 32767
(`writeInt16BE` refuses them, `readInt16BE` makes them negative) and shortened IPv6 addresses.
"""

import base64
import ipaddress
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from telethon.sessions import StringSession

from vestnik.domain.errors import InvalidInputError
from vestnik.telegram.sessions import (
    DATA_CENTRES,
    SessionLayout,
    format_session,
    parse_session,
    to_telethon_session,
)

FIXTURE = json.loads(Path(__file__).with_name("gramjs_sessions.json").read_text(encoding="utf-8"))
WRITTEN: list[dict[str, Any]] = FIXTURE["sessions"]
TRAPS = [entry for entry in WRITTEN if len(entry["host"]) == 14]
FROM_BROWSERS = [entry for entry in WRITTEN if entry["host"].endswith(".telegram.org")]

every = pytest.mark.parametrize("entry", WRITTEN, ids=lambda entry: entry["name"])


def read_bytes(entry: dict[str, Any]) -> bytes:
    version, body = entry["session"][0], entry["session"][1:]
    assert version == "1"
    return base64.b64decode(body, validate=True)


def test_the_strings_are_of_the_kinds_that_matter() -> None:
    assert FIXTURE["package"].startswith("telegram@2.")
    assert {entry["dc"] for entry in WRITTEN} == set(DATA_CENTRES)
    assert {entry["host"] for entry in WRITTEN} >= set(DATA_CENTRES.values())
    assert len(TRAPS) >= 5
    assert len(FROM_BROWSERS) >= 3
    assert any(":" in entry["host"] for entry in WRITTEN)
    assert {65535, 50443} <= {entry["port"] for entry in WRITTEN if entry["port"] > 32767}
    assert len({entry["key"] for entry in WRITTEN}) == len(WRITTEN)


@every
def test_the_bytes_are_laid_out_as_the_reader_takes_them_to_be(entry: dict[str, Any]) -> None:
    raw, host = read_bytes(entry), entry["host"].encode("ascii")
    signed = entry["port"] - 65536 if entry["port"] > 32767 else entry["port"]
    assert raw[:1] == bytes([entry["dc"]])
    assert raw[1:3] == struct.pack(">h", len(host))
    assert raw[3 : 3 + len(host)] == host
    assert raw[3 + len(host) : 5 + len(host)] == struct.pack(">h", signed)
    assert raw[5 + len(host) :] == bytes.fromhex(entry["key"])
    assert len(raw) == 261 + len(host)


@every
def test_what_gramjs_wrote_is_read(entry: dict[str, Any]) -> None:
    parsed = parse_session(entry["session"])
    assert parsed.layout is SessionLayout.GRAMJS
    assert parsed.dc_id == entry["dc"]
    assert parsed.auth_key == bytes.fromhex(entry["key"])
    if entry in FROM_BROWSERS:
        assert (parsed.host, parsed.port) == (DATA_CENTRES[entry["dc"]], 443)
    else:
        assert (parsed.host, parsed.port) == (entry["host"], entry["port"])
        assert format_session(parsed) == entry["session"]


@every
def test_telethon_is_given_the_same_place_and_the_same_key(entry: dict[str, Any]) -> None:
    parsed = parse_session(entry["session"])
    session = to_telethon_session(parsed)
    assert (session.dc_id, session.server_address, session.port) == (parsed.dc_id, parsed.host, parsed.port)
    assert session.auth_key.key == bytes.fromhex(entry["key"])
    if ":" not in parsed.host:
        # What Telethon saves of it is a string of its own, and leads to the same place.
        again = parse_session(session.save())
        assert again.layout is (SessionLayout.TELETHON if parsed.host[0].isdigit() else SessionLayout.GRAMJS)
        assert (again.dc_id, again.host, again.port) == (parsed.dc_id, parsed.host, parsed.port)
        assert again.auth_key == parsed.auth_key


@pytest.mark.parametrize("entry", TRAPS, ids=lambda entry: entry["host"])
def test_the_trap_is_one_for_telethon_and_none_for_us(entry: dict[str, Any]) -> None:
    raw = read_bytes(entry)
    assert len(raw) == 275
    # Telethon takes the string without a word and would dial an address that is made of the host's letters,
    # with a key that begins ten bytes too early.
    misread = StringSession(entry["session"].replace("+", "-").replace("/", "_"))
    assert misread.server_address == ipaddress.ip_address(raw[1:17]).compressed
    assert misread.server_address.startswith("e:")
    assert misread.auth_key.key == raw[19:] == bytes.fromhex(entry["key"])
    assert misread.port == int.from_bytes(raw[17:19], "big")

    parsed = parse_session(entry["session"])
    assert (parsed.layout, parsed.host) == (SessionLayout.GRAMJS, entry["host"])
    assert parsed.auth_key == bytes.fromhex(entry["key"])


@every
@pytest.mark.parametrize("change", [*range(-14, 0), *range(1, 15)])
def test_a_string_that_lost_or_gained_bytes_is_refused_and_never_quoted(
    entry: dict[str, Any], change: int
) -> None:
    """Some of them have the length of a string of Telethon's."""
    raw = read_bytes(entry)
    damaged = "1" + base64.b64encode(raw[:change] if change < 0 else raw + bytes(change)).decode()
    with pytest.raises(InvalidInputError) as caught:
        parse_session(damaged)
    assert "cut off or joined with something else. Copy the whole string" in caught.value.message
    assert damaged[20:40] not in caught.value.message
