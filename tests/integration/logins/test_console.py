"""Adding accounts and logging them in on pages, as a browser without JavaScript does."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.console.conftest import PART, Browser
from tests.integration.logins.desk import BY_QR, Desk
from tests.integration.logins.surfaces import make_web, open_console
from tests.support.logins import BOT_TOKEN, CODE, PASSWORD, PHONE
from tests.support.session_strings import make_key, make_session
from vestnik.domain.account_logins import LoginStep
from vestnik.domain.ids import AccountId


@pytest.fixture
async def browser(engine: AsyncEngine, desk: Desk, tmp_path: Path) -> AsyncIterator[Browser]:
    async with open_console(make_web(engine, tmp_path), desk.rig.stage) as browser:
        yield browser


async def find_id(desk: Desk, name: str) -> AccountId:
    row = await desk.rig.stage.one("SELECT id FROM accounts WHERE name = :name", name=name)
    return AccountId(row.id)


async def test_an_account_is_added_and_logged_in_by_phone(
    desk: Desk, account_id: AccountId, browser: Browser
) -> None:
    desk.rig.server.simulator.add_phone(PHONE, "alice", code=CODE, password=PASSWORD, hint="the <horse>")
    await browser.get("/accounts/new")
    page = await browser.submit("/accounts/new", name="desk", way="PHONE", phone=f"+{PHONE}")
    desk_id = await find_id(desk, "desk")
    path = f"/accounts/{desk_id}/login"
    await desk.until(desk_id, LoginStep.CODE)
    page = await browser.get(path)
    assert page.root.find("input", id="code").get("autocomplete") == "one-time-code"
    await browser.submit(f"{path}/code", code="99999")
    await desk.until(desk_id, LoginStep.CODE, error="PHONE_CODE_INVALID")
    page = await browser.get(path)
    assert page.root.find("p", id="code-problem").text
    assert "4 attempts are left." in page.text
    await browser.submit(f"{path}/code", code=CODE)
    await desk.until(desk_id, LoginStep.PASSWORD)
    page = await browser.get(path)
    assert "the <horse>" in page.text
    assert page.forbidden_markup() == []
    await browser.submit(f"{path}/password", password=PASSWORD)
    await desk.until(desk_id, LoginStep.DONE)
    page = await browser.follow(await browser.get(path))
    assert "The account is logged in." in page.text
    await desk.real.until_connected(desk_id)
    page = await browser.get(f"/accounts/{desk_id}")
    assert "Connected to Telegram since" in page.text
    page = await browser.submit(f"/accounts/{desk_id}/logout")
    await desk.until(desk_id, LoginStep.DONE)
    assert "The session has ended at Telegram." in (await browser.get(path)).text


async def test_the_page_shows_a_qr_code_that_logs_in(
    desk: Desk, account_id: AccountId, browser: Browser
) -> None:
    path = f"/accounts/{account_id}/login"
    await browser.get(path)
    await browser.submit(path, way="QR")
    shown = await desk.until(account_id, LoginStep.QR)
    page = await browser.get(path, headers=PART)
    assert page.root.find("svg", class_="qr").get("aria-label")
    assert page.root.find("div", id="login").get("hx-get") == path
    assert shown.qr_url is not None
    assert shown.qr_url not in page.response.text
    desk.rig.server.simulator.scan_qr(shown.qr_url, "alice")
    await desk.until(account_id, LoginStep.DONE)
    page = await browser.get(path, headers=PART)
    assert page.response.headers["HX-Redirect"] == f"/accounts/{account_id}"


async def test_a_bot_is_added_by_its_token(desk: Desk, account_id: AccountId, browser: Browser) -> None:
    desk.rig.server.simulator.add_bot(BOT_TOKEN, "robot")
    await browser.get("/accounts/new")
    await browser.submit("/accounts/new", name="helper", way="BOT", token=BOT_TOKEN)
    await desk.until(await find_id(desk, "helper"), LoginStep.DONE)


async def test_an_account_is_added_by_a_session_string_and_gets_another(desk: Desk, browser: Browser) -> None:
    await browser.get("/accounts/new")
    page = await browser.submit("/accounts/new", name="desk", way="SESSION", session=make_session())
    assert "desk" in page.text
    account_id = await find_id(desk, "desk")
    await desk.execute("UPDATE accounts SET state = 'NEEDS_LOGIN' WHERE id = :id", id=account_id)
    await browser.get(f"/accounts/{account_id}/session")
    page = await browser.submit(f"/accounts/{account_id}/session", session=make_session())
    assert "The account has the new session." in page.text
    assert (await desk.rig.read_account(account_id)).state == "ACTIVE"


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"way": "PHONE", "phone": "canary"}, "phone"),
        ({"way": "BOT", "token": "canary"}, "token"),
        ({"way": "SESSION", "session": "1canary"}, "session"),
        ({"way": ""}, "way"),
        ({"way": "QR", "name": " "}, "name"),
        ({"way": "QR", "api_id": "5"}, "api_hash"),
        ({"way": "QR", "api_id": "x"}, "api_id"),
    ],
)
async def test_a_mistake_is_told_at_its_field_and_nothing_secret_is_shown_again(
    desk: Desk, account_id: AccountId, browser: Browser, typed: dict[str, str], field: str
) -> None:
    await browser.get("/accounts/new")
    page = await browser.post("/accounts/new", **({"name": "desk"} | typed))
    assert page.status == 422
    assert page.root.find("p", id=f"{field}-problem").text
    assert "canary" not in page.response.text
    assert page.value("name") == typed.get("name", "desk")
    assert await desk.execute("SELECT 1 FROM accounts WHERE name = 'desk'") == []


async def test_a_taken_session_is_told_at_its_field(desk: Desk, browser: Browser) -> None:
    key = make_key()
    await browser.get("/accounts/new")
    await browser.submit("/accounts/new", name="first", way="SESSION", session=make_session(key))
    await browser.get("/accounts/new")
    page = await browser.post("/accounts/new", name="second", way="SESSION", session=make_session(key))
    assert page.status == 409
    assert "first" in page.root.find("p", id="session-problem").text


async def test_without_a_worker_no_account_is_left_half_made(desk: Desk, browser: Browser) -> None:
    await browser.get("/accounts/new")
    page = await browser.post("/accounts/new", name="desk", way="QR")
    assert page.status == 503
    assert "No worker is running" in page.text
    assert await desk.execute("SELECT 1 FROM accounts WHERE name = 'desk'") == []


async def test_a_login_is_cancelled_on_its_page(desk: Desk, account_id: AccountId, browser: Browser) -> None:
    await desk.start(account_id, BY_QR)
    await desk.until(account_id, LoginStep.QR)
    await browser.get(f"/accounts/{account_id}/login")
    await browser.submit(f"/accounts/{account_id}/login/cancel")
    assert (await desk.look(account_id)).step is LoginStep.CANCELLED


async def test_an_account_is_renamed_and_switched_off_and_on(desk: Desk, browser: Browser) -> None:
    account_id = await desk.add("desk")
    path = f"/accounts/{account_id}"
    await browser.get(path)
    page = await browser.submit(path, name="newsroom", rate="5")
    assert "newsroom" in page.text, page.text
    page = await browser.submit(f"{path}/disable")
    assert "Disabled" in page.text
    page = await browser.submit(f"{path}/enable")
    assert "The account is switched on again." in page.text
    page = await browser.post(path, name="rehearsal", rate="5")
    assert page.status == 409
    assert page.root.find("p", id="name-problem").text


async def test_the_pages_speak_russian(
    desk: Desk, account_id: AccountId, engine: AsyncEngine, tmp_path: Path
) -> None:
    async with open_console(make_web(engine, tmp_path), desk.rig.stage, "ru") as browser:
        assert "Добавить аккаунт" in (await browser.get("/accounts/new")).text
        await desk.reach_code(account_id)
        await desk.type_code(account_id, "99999")
        await desk.until(account_id, LoginStep.CODE, error="PHONE_CODE_INVALID")
        page = await browser.get(f"/accounts/{account_id}/login")
        problem = page.root.find("p", id="code-problem").text
        assert any("а" <= letter <= "я" for letter in problem), problem
