"""What tests of logins share: a simulator whose RSA key the client trusts for the length of a test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from telethon import TelegramClient
from telethon.crypto import rsa

from vestnik.simulator.handshake import ServerRsaKey
from vestnik.simulator.server import SimulatorConfig, SimulatorServer, serve

PHONE = "15550001111"
OTHER_PHONE = "15550002222"
CODE = "22222"
PASSWORD = "correct horse Ґ🔑"
BOT_TOKEN = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"

_RSA_KEY = ServerRsaKey()
"""One for all tests of a process: making one takes a moment."""


@asynccontextmanager
async def serve_logins(
    monkeypatch: pytest.MonkeyPatch, config: SimulatorConfig | None = None
) -> AsyncIterator[SimulatorServer]:
    """A simulator with a second data centre; Telethon trusts it and nobody else, and remembers nothing of it."""
    monkeypatch.setattr(rsa, "_server_keys", {})
    monkeypatch.setattr(TelegramClient, "_config", None)
    rsa.add_key(_RSA_KEY.public_pem, old=False)
    async with serve(config or SimulatorConfig(second_port=0)) as running:
        running.rsa_key = _RSA_KEY
        yield running
