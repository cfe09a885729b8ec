"""Logins to `vestnik simulator`, a process of its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from telethon.crypto import rsa

from tests.acceptance.running import DEADLINE, Running, run
from vestnik.domain.telegram_login import PasswordNeededError
from vestnik.simulator.control import SimulatorControl
from vestnik.simulator.endpoint import SimulatorEndpoint
from vestnik.telegram.login import TelethonLogin
from vestnik.telegram.sessions import DataCentre

PHONE, TOKEN = "15550001111", "12345:ABC-DEF1234=x"


@pytest.fixture
async def make_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Callable[[], TelethonLogin], SimulatorEndpoint]]:
    monkeypatch.setattr(rsa, "_server_keys", {})
    arguments = ["--phone", f"{PHONE}=owner", "--two-step-password", "secret", "--bot", f"{TOKEN}=a_bot"]
    with Running("simulator", "--json", *arguments, folder=tmp_path) as running:
        ready: dict[str, Any] = running.wait_for("ready")
        endpoint = SimulatorEndpoint(**ready["endpoint"])
        rsa.add_key(ready["rsa_public_key"], old=False)
        async with AsyncExitStack() as stack:

            def make() -> TelethonLogin:
                login = TelethonLogin(
                    api_id=1,
                    api_hash="hash",
                    call_timeout=timedelta(seconds=DEADLINE),
                    connect_timeout=timedelta(seconds=DEADLINE),
                    server=DataCentre(dc_id=2, host=endpoint.host, port=endpoint.port),
                )
                stack.push_async_callback(login.disconnect)
                return login

            yield make, endpoint
        running.process.terminate()
        assert running.finish() == 0


async def test_a_user_and_a_bot_log_in(
    make_login: tuple[Callable[[], TelethonLogin], SimulatorEndpoint],
) -> None:
    make, endpoint = make_login
    user = make()
    await user.connect()
    await user.request_code(PHONE)
    with pytest.raises(PasswordNeededError):
        await user.sign_in("22222")
    assert (await user.check_password("secret")).name == "owner"
    bot = make()
    await bot.connect()
    assert (await bot.sign_in_bot(TOKEN)).is_bot
    # A QR code that a script scans over the control port.
    guest = make()
    await guest.connect()
    code = await guest.show_qr()
    async with await SimulatorControl.connect(endpoint) as control:
        await control.add_phone("15550002222", "guest")
        await control.scan_qr(code.url, "guest")
    me = await guest.wait_for_scan(timedelta(seconds=DEADLINE))
    assert me is not None
    assert me.name == "guest"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--phone", PHONE), "--phone takes two parts"),
        (("--bot", "=a_bot"), "--bot takes two parts"),
        (("--phone", "12=owner"), "7 to 15 digits"),
    ],
)
def test_what_cannot_log_in_is_said_at_the_start(
    tmp_path: Path, arguments: tuple[str, ...], problem: str
) -> None:
    result = run("simulator", *arguments, folder=tmp_path)
    assert result.process.returncode == 1
    assert problem in result.errors
    assert "Traceback" not in result.errors
