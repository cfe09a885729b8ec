"""Session strings: what Telethon and GramJS write, told apart by their length, and never quoted in a message.

Both are ``'1'`` and the base64 (Telethon URL-safe, GramJS standard) of big-endian bytes:

    Telethon  B dc | 4s IPv4 or 16s IPv6        | H port          | 256s auth key    263 or 275 bytes
    GramJS    B dc | H length | host as text    | h port (signed) | 256s auth key    261 + length bytes

Sources: Telethon 1.45.0, sessions/string.py; GramJS 2, gramjs/sessions/StringSession.ts. A GramJS string whose
host has 14 characters has the 275 bytes of a Telethon string with an IPv6 address, and Telethon takes it for
one without an error and dials somewhere else. So the GramJS layout is tried first: its length must agree with
a field inside it. A GramJS string that lost or gained something can have a length of Telethon's as well; it is
known by the letters of a host where Telethon's layout has an address that nobody can have.
"""

import base64
import binascii
import ipaddress
import re
import struct
from dataclasses import dataclass, field
from enum import StrEnum

from telethon.crypto import AuthKey
from telethon.sessions import StringSession

from vestnik.domain.errors import InvalidInputError

_VERSION = "1"
_KEY_BYTES = 256
_GRAMJS_OVERHEAD = 1 + 2 + 2 + _KEY_BYTES
_TELETHON_ADDRESS_BYTES = {1 + 4 + 2 + _KEY_BYTES: 4, 1 + 16 + 2 + _KEY_BYTES: 16}
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\.?")
_HOST_BYTES = re.compile(rb"[A-Za-z0-9.:_\[\]-]+")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")

DATA_CENTRES = {
    1: "149.154.175.53",
    2: "149.154.167.51",
    3: "149.154.175.100",
    4: "149.154.167.91",
    5: "91.108.56.130",
}
"""Telegram's production data centres, all on port 443 (Telethon 1.45.0, client/telegrambaseclient.py, has the
second; Pyrogram 2, session/internals/data_center.py, all five and the WebSocket names beside them)."""

DATA_CENTRE_PORT = 443


class SessionLayout(StrEnum):
    """Which library wrote the string."""

    TELETHON = "TELETHON"
    GRAMJS = "GRAMJS"


@dataclass(frozen=True, kw_only=True, slots=True)
class DataCentre:
    """One of Telegram's sites, and where to dial it. An account is at home in one, and a key is good in one."""

    dc_id: int
    host: str
    port: int = DATA_CENTRE_PORT


FIRST_DATA_CENTRE = DataCentre(dc_id=2, host=DATA_CENTRES[2])
"""Where a login begins; Telegram says when another one is the account's (Telethon begins there as well)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ParsedSession:
    """What a session string holds: where to dial, and the key that is full access to the account.

    `host` is what is to be dialled: an address without brackets, or a name that a resolver has to look up.
    """

    layout: SessionLayout
    dc_id: int
    host: str
    port: int
    auth_key: bytes = field(repr=False)

    @classmethod
    def make(cls, server: DataCentre, auth_key: bytes) -> "ParsedSession":
        """The session of a new key, in the layout that can hold the host: Telethon's cannot hold a name."""
        layout = SessionLayout.TELETHON if _read_address(server.host) else SessionLayout.GRAMJS
        return cls(layout=layout, dc_id=server.dc_id, host=server.host, port=server.port, auth_key=auth_key)

    @property
    def server(self) -> DataCentre:
        """Where the session is good."""
        return DataCentre(dc_id=self.dc_id, host=self.host, port=self.port)

    @property
    def is_ipv6(self) -> bool:
        """Whether the host is an IPv6 address (a host name is not, whatever it resolves to)."""
        return ":" in self.host


def parse_session(text: str) -> ParsedSession:
    """Read a session string of either layout.

    Raises `InvalidInputError` with field ``session``, saying what is wrong and never quoting the string.
    """
    raw = _decode_text(text.strip())
    parsed = _parse_gramjs(raw)
    if parsed is None and _is_damaged_gramjs(raw):
        raise _refusal("was written by GramJS, and was cut off or joined with something else")
    parsed = parsed or _parse_telethon(raw)
    if parsed is None:
        raise _refusal(
            f"holds {len(raw)} bytes, which is the length of neither a Telethon nor a GramJS session: "
            "it was probably cut off or joined with something else"
        )
    if not any(parsed.auth_key):
        raise _refusal("holds an empty key: the login that made it was never finished")
    if parsed.dc_id not in DATA_CENTRES:
        raise _refusal(f"names data centre {parsed.dc_id}; Telegram's are 1 to {max(DATA_CENTRES)}")
    if not parsed.port:
        raise _refusal("names port 0; a port is 1 to 65535")
    return parsed


def format_session(parsed: ParsedSession) -> str:
    """The string of a session in its own layout; the inverse of `parse_session`."""
    if parsed.layout is SessionLayout.GRAMJS:
        host = parsed.host.encode("ascii")
        head = struct.pack(">BH", parsed.dc_id, len(host)) + host
        return _VERSION + base64.b64encode(head + struct.pack(">H", parsed.port) + parsed.auth_key).decode()
    head = struct.pack(">B", parsed.dc_id) + ipaddress.ip_address(parsed.host).packed
    return (
        _VERSION + base64.urlsafe_b64encode(head + struct.pack(">H", parsed.port) + parsed.auth_key).decode()
    )


class _NamedHostSession(StringSession):  # type: ignore[misc]
    """A `StringSession` whose server is a host name.

    `StringSession.save` packs an address and raises ValueError for a name, and `TelegramClient.connect`
    calls it (Telethon 1.45.0, sessions/string.py, client/telegrambaseclient.py). The GramJS layout can hold
    a name.
    """

    def save(self) -> str:
        """The session in the GramJS layout, which keeps the host name."""
        if not self.auth_key:
            return ""
        return format_session(
            ParsedSession(
                layout=SessionLayout.GRAMJS,
                dc_id=self.dc_id,
                host=self.server_address,
                port=self.port,
                auth_key=self.auth_key.key,
            )
        )


def to_telethon_session(parsed: ParsedSession) -> StringSession:
    """A Telethon `StringSession` that dials exactly the host and port of the string.

    A `TelegramClient` given an IPv6 host needs ``use_ipv6=parsed.is_ipv6``, or it replaces the address by
    that of its default data centre (Telethon 1.45.0, client/telegrambaseclient.py, connect).
    """
    session = StringSession() if _read_address(parsed.host) else _NamedHostSession()
    session.set_dc(parsed.dc_id, parsed.host, parsed.port)
    session.auth_key = AuthKey(parsed.auth_key)
    return session


def _refusal(problem: str) -> InvalidInputError:
    return InvalidInputError(
        f"The session string {problem}. Copy the whole string from where it was made, or log in to make a new one.",
        field="session",
    )


def _decode_text(text: str) -> bytes:
    if not text:
        raise _refusal("is empty")
    if not text.startswith(_VERSION):
        raise _refusal("does not begin with '1' as those of Telethon and GramJS do")
    body = text[len(_VERSION) :]
    if not _BASE64.fullmatch(body):
        raise _refusal("is not base64: it holds characters that cannot occur in one")
    body = body.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refusal("is not base64: a character is missing or too many") from error


def _parse_gramjs(raw: bytes) -> ParsedSession | None:
    """Read the GramJS layout, if the length field inside agrees with the length and a host is there."""
    if len(raw) <= _GRAMJS_OVERHEAD:
        return None
    dc_id, length = struct.unpack_from(">BH", raw)
    if len(raw) != _GRAMJS_OVERHEAD + length:
        return None
    host = raw[3 : 3 + length].decode("ascii", "replace").strip("[]")
    if not _HOST.fullmatch(host) and not _read_address(host):
        return None
    # The port is written signed, so one above 32767 reads as negative; the 16 bits are the same.
    (port,) = struct.unpack_from(">H", raw, 3 + length)
    host, port = _replace_browser_host(dc_id, host, port)
    return ParsedSession(
        layout=SessionLayout.GRAMJS, dc_id=dc_id, host=host, port=port, auth_key=raw[-_KEY_BYTES:]
    )


def _is_damaged_gramjs(raw: bytes) -> bool:
    """Whether what would be Telethon's address begins with the length of a host and the host's letters.

    As an address that is 0.0.0.0/8, or a part of ::/8 that is reserved (RFC 1122, RFC 4291).
    """
    address = raw[1 : 1 + _TELETHON_ADDRESS_BYTES.get(len(raw), 0)]
    if address[:1] != b"\0":
        return False
    return _HOST_BYTES.fullmatch(address[2 : 2 + address[1]]) is not None


def _parse_telethon(raw: bytes) -> ParsedSession | None:
    """Read the Telethon layout, which its length alone tells."""
    address_bytes = _TELETHON_ADDRESS_BYTES.get(len(raw))
    if address_bytes is None:
        return None
    dc_id, address, port, key = struct.unpack(f">B{address_bytes}sH{_KEY_BYTES}s", raw)
    return ParsedSession(
        layout=SessionLayout.TELETHON,
        dc_id=dc_id,
        host=ipaddress.ip_address(address).compressed,
        port=port,
        auth_key=key,
    )


def _replace_browser_host(dc_id: int, host: str, port: int) -> tuple[str, int]:
    """Turn the WebSocket name of a string made in a browser into the data centre's address.

    GramJS in a browser stores names such as ``venus.web.telegram.org``, which speak WebSocket and not plain
    TCP. Every other name is somebody's own server and stays.
    """
    if not host.lower().rstrip(".").endswith(".telegram.org") or dc_id not in DATA_CENTRES:
        return host, port
    return DATA_CENTRES[dc_id], DATA_CENTRE_PORT


def _read_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
