"""Phone numbers, codes, passwords, tokens, sessions: wherever somebody types them, they stay nowhere.

Everything that is said is collected: logs of all libraries, what commands print, API answers, pages, events, every
row of every table. The one place that shows a QR code is told apart.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.console.conftest import Browser
from tests.integration.logins.desk import Desk, open_desk
from tests.integration.logins.surfaces import Terminal, make_web, open_api, open_console
from tests.support.stage import Stage
from vestnik.cli.logs import configure_logging
from vestnik.db.secrets import open_key_ring
from vestnik.domain.account_logins import LoginStep
from vestnik.domain.ids import AccountId

PHONE = "447700900123"
WRONG_CODE = "60606"
CODE = "81818"
WRONG_PASSWORD = "wrong canary Ж password"
PASSWORD = "canary Ж password"
TOKEN = "987654321:CanaryTokenCanaryTokenCanaryToken12"
WRONG_TOKEN = "987654321:WrongCanaryTokenWrongCanaryToken123"
API_HASH = "cafe0canary0hash0cafe"
HINT = "the owner's hint"


class Ears:
    """Everything that was said, and what must not be in it."""

    def __init__(self, stage_dump: str = "") -> None:
        self.heard: list[str] = [stage_dump]
        self.secrets = {PHONE, WRONG_CODE, CODE, WRONG_PASSWORD, PASSWORD, TOKEN, WRONG_TOKEN, API_HASH}

    def listen(self, client: httpx.AsyncClient) -> None:
        """Hear every answer of an application."""

        async def note(response: httpx.Response) -> None:
            await response.aread()
            self.heard.append(f"{response.headers} {response.text}")

        client.event_hooks = {"response": [note]}

    def check(self) -> None:
        told = "\n".join(self.heard)
        for secret in self.secrets:
            for written in {secret, repr(secret)[1:-1], secret.encode().hex(), ascii(secret)[1:-1]}:
                assert written not in told, f"{written[:4]}… in {_around(told, written)}"


def _around(told: str, secret: str) -> str:
    place = told.index(secret)
    return told[max(place - 200, 0) : place] + "<HERE>"


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    """Everything that is logged, as the processes would, and by Telethon to the last detail."""
    root, telethon = logging.getLogger(), logging.getLogger("telethon")
    handlers, level = root.handlers[:], root.level
    for handler in handlers:
        root.removeHandler(handler)
    file = tmp_path / "all.log"
    configure_logging(level="debug", file=file)
    telethon.setLevel(logging.DEBUG)
    yield file
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()


async def dump_database(stage: Stage) -> str:
    """Every row of every table as PostgreSQL writes it; bytes are hexadecimal."""
    tables = await stage.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    dump = []
    for table in tables:
        rows = await stage.execute(f'SELECT t::text AS line FROM "{table.tablename}" t')
        dump += [row.line for row in rows]
    return "\n".join(dump)


def read_log(file: Path) -> str:
    return file.read_text(encoding="utf-8")


async def log_in_over_api(desk: Desk, api: httpx.AsyncClient, account_id: AccountId) -> None:
    address = f"/api/accounts/{account_id}/login"
    await api.post(address, json={"method": "PHONE", "phone": PHONE, "extra": PHONE})
    await api.post(address, json={"method": "PHONE", "phone": f"+{PHONE}"})
    await desk.until(account_id, LoginStep.CODE)
    await api.post(f"{address}/code", json={"code": WRONG_CODE})
    await desk.until(account_id, LoginStep.CODE, error="PHONE_CODE_INVALID")
    await api.get(address)
    await api.post(f"{address}/code", json={"code": CODE, "password": PASSWORD})
    await api.post(f"{address}/code", json={"code": CODE})
    await desk.until(account_id, LoginStep.PASSWORD)
    await api.post(f"{address}/password", json={"password": WRONG_PASSWORD})
    await desk.until(account_id, LoginStep.PASSWORD, error="PASSWORD_HASH_INVALID")
    await api.get(address)
    await api.post(f"{address}/password", json={"password": PASSWORD})
    await desk.until(account_id, LoginStep.DONE)
    for path in (address, f"/api/accounts/{account_id}", f"/api/accounts/{account_id}/health", "/api/audit"):
        await api.get(path)


async def log_in_on_pages(desk: Desk, browser: Browser, account_id: AccountId) -> None:
    path = f"/accounts/{account_id}/login"
    await browser.get(path)
    await browser.post(path, way="PHONE", phone=f"{PHONE}x")
    await browser.post(path, way="PHONE", phone=PHONE)
    await desk.until(account_id, LoginStep.CODE)
    await browser.get(path)
    await browser.post(f"{path}/code", code=CODE)
    await desk.until(account_id, LoginStep.PASSWORD)
    await browser.get(path)
    await browser.post(f"{path}/password", password=PASSWORD)
    await desk.until(account_id, LoginStep.DONE)
    for page in (path, f"/accounts/{account_id}", "/accounts", "/audit"):
        await browser.get(page)


async def log_out(desk: Desk, account_id: AccountId) -> None:
    await desk.log_out(account_id)
    await desk.until(account_id, LoginStep.DONE)


async def test_no_secret_of_a_login_is_stored_logged_printed_or_answered(
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    log_file: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    ears = Ears()
    state = make_web(engine, tmp_path)
    async with open_desk(engine, monkeypatch, tmp_path) as desk:
        simulator = desk.rig.server.simulator
        simulator.add_phone(PHONE, "alice", code=CODE, password=PASSWORD, hint=HINT)
        simulator.add_bot(TOKEN, "robot")
        await desk.real.start_worker()
        stage = desk.rig.stage
        async with open_api(state, stage) as api, open_console(state, stage) as browser:
            ears.listen(api)
            ears.listen(browser.client)
            terminal = Terminal(engine, tmp_path, monkeypatch)

            made = await api.post("/api/accounts", json={"name": "newsroom", "apiId": 7, "apiHash": API_HASH})
            account_id = AccountId(made.json()["id"])
            await log_in_over_api(desk, api, account_id)
            await log_out(desk, account_id)
            await log_in_on_pages(desk, browser, account_id)
            await log_out(desk, account_id)
            lines = (PHONE, WRONG_CODE, CODE, WRONG_PASSWORD, PASSWORD)
            assert await terminal.run("account", "login", "newsroom", lines=lines) == 0
            stored = await desk.real.until_connected(account_id)

            bot_id = AccountId((await api.post("/api/accounts", json={"name": "bot"})).json()["id"])
            await api.post(f"/api/accounts/{bot_id}/login", json={"method": "BOT", "token": WRONG_TOKEN})
            await desk.until(bot_id, LoginStep.FAILED)
            await api.get(f"/api/accounts/{bot_id}/login")
            assert await terminal.run("account", "login", "bot", "--bot", lines=(TOKEN,)) == 0

            ring = open_key_ring(None, desk.real.data_dir, announce=lambda _text: None)
            session = ring.decrypt(stored.session_ciphertext, f"accounts:{account_id}:session")
            ears.secrets.add(session)
            ears.secrets.add(session[20:120])
            await api.post("/api/accounts", json={"name": "thief", "session": session})
            await browser.get("/accounts/new")
            await browser.post("/accounts/new", name="thief", way="SESSION", session=session)
            await terminal.run("account", "add", "thief", "--session", lines=(session,))

            for arguments in (
                ("account", "list"),
                ("account", "show", "newsroom"),
                ("account", "show", "bot"),
            ):
                await terminal.run(*arguments)
            ears.heard.append(await dump_database(stage))
    printed = capfd.readouterr()
    ears.heard += [printed.out, printed.err, read_log(log_file)]
    assert "account.logged_in" in "".join(ears.heard)
    assert "login.succeeded" in "".join(ears.heard)
    assert HINT in "".join(ears.heard)
    ears.check()


async def test_a_qr_code_is_shown_where_it_must_be_and_nowhere_else(
    engine: AsyncEngine,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    log_file: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    ears = Ears()
    state = make_web(engine, tmp_path)
    async with open_desk(engine, monkeypatch, tmp_path) as desk:
        desk.rig.server.simulator.add_phone(PHONE, "alice", code=CODE)
        await desk.real.start_worker()
        stage = desk.rig.stage
        async with open_api(state, stage) as api, open_console(state, stage) as browser:
            account_id = await desk.add()
            ears.listen(browser.client)
            await api.post(f"/api/accounts/{account_id}/login", json={"method": "QR"})
            await desk.until(account_id, LoginStep.QR)
            shown = (await api.get(f"/api/accounts/{account_id}/login")).json()["qrUrl"]
            ears.secrets |= {shown, shown.partition("=")[2]}
            await browser.get(f"/accounts/{account_id}/login")
            ears.heard.append(await dump_database(stage))
            desk.rig.server.simulator.scan_qr(shown, "alice")
            await desk.until(account_id, LoginStep.DONE)
            ears.heard.append((await api.get(f"/api/accounts/{account_id}/login")).text)
            ears.heard.append(await dump_database(stage))
    printed = capfd.readouterr()
    ears.heard += [printed.out, printed.err, read_log(log_file)]
    ears.check()
