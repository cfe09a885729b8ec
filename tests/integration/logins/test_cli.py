"""`vestnik account login`: asked for line by line, never shown, and clear about what is missing."""

import asyncio
import io
import json
from pathlib import Path

import pytest
import segno
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.logins.desk import Desk
from tests.integration.logins.surfaces import Terminal
from tests.support.logins import BOT_TOKEN, CODE, PASSWORD, PHONE
from vestnik.domain.account_logins import LoginStep
from vestnik.domain.ids import AccountId


@pytest.fixture
def terminal(engine: AsyncEngine, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(engine, tmp_path, monkeypatch)


async def test_a_phone_logs_in_with_code_and_password_and_out_again(
    desk: Desk, account_id: AccountId, terminal: Terminal, capfd: pytest.CaptureFixture[str]
) -> None:
    desk.rig.server.simulator.add_phone(PHONE, "alice", code=CODE, password=PASSWORD, hint="the horse")
    code = await terminal.run("account", "login", "newsroom", lines=(PHONE, "99999", CODE, PASSWORD))
    told = capfd.readouterr()
    assert code == 0, told.err
    assert "logged in" in told.out
    assert "the horse" in told.err
    assert not any(secret in told.out + told.err for secret in (PHONE, CODE, PASSWORD))
    await desk.real.until_connected(account_id)
    assert await terminal.run("account", "show", "newsroom", "--json") == 0
    shown = json.loads(capfd.readouterr().out)
    assert (shown["state"], shown["posts_last_day"]) == ("ACTIVE", 0)
    assert shown["connected_since"]
    assert await terminal.run("account", "show", "newsroom") == 0
    told = capfd.readouterr()
    assert "connected since" in told.out
    assert "look-ups today          0 of 200" in told.out
    assert await terminal.run("account", "logout", "newsroom") == 0
    assert "logged out" in capfd.readouterr().out
    assert (await desk.rig.read_account(account_id)).state == "NEEDS_LOGIN"


async def test_a_bot_logs_in_by_its_token(
    desk: Desk, account_id: AccountId, terminal: Terminal, capfd: pytest.CaptureFixture[str]
) -> None:
    desk.rig.server.simulator.add_bot(BOT_TOKEN, "robot")
    assert await terminal.run("account", "login", "newsroom", "--bot", "--json", lines=(BOT_TOKEN,)) == 0
    told = capfd.readouterr()
    assert json.loads(told.out)["step"] == "DONE"
    assert BOT_TOKEN not in told.out + told.err


async def test_a_qr_code_is_drawn_and_scanned(
    desk: Desk, account_id: AccountId, terminal: Terminal, capfd: pytest.CaptureFixture[str]
) -> None:
    running = asyncio.create_task(terminal.run("account", "login", "newsroom", "--qr", "--json"))

    async def is_begun() -> bool:
        return bool(await desk.execute("SELECT 1 FROM account_logins"))

    await desk.rig.until(is_begun)
    shown = await desk.until(account_id, LoginStep.QR)
    assert shown.qr_url is not None
    drawn = io.StringIO()
    segno.make(shown.qr_url, error="l", micro=False).terminal(out=drawn, compact=True)

    async def is_drawn() -> bool:
        told.append(capfd.readouterr().err)
        return drawn.getvalue().strip() in "".join(told)

    told: list[str] = []
    await desk.rig.until(is_drawn)
    desk.rig.server.simulator.scan_qr(shown.qr_url, "alice")
    assert await running == 0
    assert shown.qr_url not in "".join(told)


async def test_a_failed_login_says_why(
    desk: Desk, account_id: AccountId, terminal: Terminal, capfd: pytest.CaptureFixture[str]
) -> None:
    desk.rig.server.simulator.add_phone(PHONE, "alice", is_banned=True)
    assert await terminal.run("account", "login", "newsroom", lines=(PHONE,)) == 1
    assert "banned" in capfd.readouterr().err.lower()


async def test_input_that_ends_too_early_cancels_the_login(
    desk: Desk, account_id: AccountId, terminal: Terminal, capfd: pytest.CaptureFixture[str]
) -> None:
    assert await terminal.run("account", "login", "newsroom", lines=(PHONE,)) == 1
    told = capfd.readouterr().err
    assert "no code" in told
    assert "cancelled" in told
    assert (await desk.look(account_id)).step == "CANCELLED"


async def test_without_a_worker_the_cure_is_named(
    desk: Desk, terminal: Terminal, capfd: pytest.CaptureFixture[str]
) -> None:
    await desk.add()
    assert await terminal.run("account", "login", "newsroom", "--qr") == 1
    assert "vestnik worker" in capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("login", "nobody"),
        ("login", "nobody", "--bot"),
        ("login", "rehearsal"),
        ("session", "nobody"),
        ("session", "rehearsal"),
        ("add", "rehearsal", "--session"),
        ("add", "new", "--session", "--rate", "0"),
    ],
)
async def test_what_cannot_be_is_told_before_anything_secret_is_asked_for(
    desk: Desk, terminal: Terminal, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert await terminal.run("account", *arguments) == 1
    told = capfd.readouterr().err
    assert "standard input" not in told
    assert arguments[1] in told or "rate" in told


async def test_one_way_at_a_time(desk: Desk, terminal: Terminal, capfd: pytest.CaptureFixture[str]) -> None:
    assert await terminal.run("account", "login", "newsroom", "--qr", "--bot") == 1
    assert "--qr" in capfd.readouterr().err
