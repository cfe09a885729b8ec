"""Where a running simulator is, and how a Telethon client gets in without a login."""

import base64
import hashlib
import ipaddress
import json
import struct
from dataclasses import asdict, dataclass, fields
from typing import Any

from vestnik.domain.errors import SimulatorError

AUTH_KEY_BYTES = 256
SIMULATED_DC = 2
SECOND_DC = 4
"""A data centre that a simulator has if it is asked to, for accounts that are at home there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatorEndpoint:
    """The two ports of a simulator, both on `host`, and the token that the control port wants first."""

    host: str
    port: int
    control_port: int
    token: str

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "SimulatorEndpoint":
        """Raises SimulatorError naming the missing or malformed member."""
        try:
            data: Any = json.loads(text)
        except ValueError as exc:
            raise SimulatorError(f"not a simulator endpoint: {exc}") from exc
        if not isinstance(data, dict):
            raise SimulatorError("not a simulator endpoint: a JSON object is expected")
        for field in fields(cls):
            if not isinstance(data.get(field.name), field.type if isinstance(field.type, type) else object):
                raise SimulatorError(f"the simulator endpoint has no valid {field.name}", field=field.name)
        return cls(**{field.name: data[field.name] for field in fields(cls)})


def derive_auth_key(token: str, account_name: str) -> bytes:
    """256 bytes that are the same for the same token and account, so a restarted process finds its key."""
    material = b"\0".join((b"vestnik simulator auth key", token.encode(), account_name.encode()))
    return hashlib.shake_256(material).digest(AUTH_KEY_BYTES)


def make_session_string(endpoint: SimulatorEndpoint, auth_key: bytes) -> str:
    """A Telethon StringSession (data centre 2) that dials the endpoint with this key.

    Layout: '1' and URL-safe base64 of B dc, the raw IPv4 address, H port, 256 bytes of key; big-endian.
    """
    if len(auth_key) != AUTH_KEY_BYTES:
        raise SimulatorError(f"an auth key has {AUTH_KEY_BYTES} bytes, not {len(auth_key)}", field="auth_key")
    address = ipaddress.IPv4Address(endpoint.host).packed
    packed = struct.pack(">B4sH256s", SIMULATED_DC, address, endpoint.port, auth_key)
    return "1" + base64.urlsafe_b64encode(packed).decode()
