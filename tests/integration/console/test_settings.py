"""The settings page: where each value comes from, and never a secret."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi import FastAPI

from tests.integration.console.conftest import BrowserAs
from tests.support.apps import borrow_console
from tests.support.stage import Stage
from vestnik.domain.installation import Installation
from vestnik.domain.users import Role
from vestnik.settings import describe_settings, load_settings
from vestnik.web.state import WebState

SECRET = "do-not-show-me"


@pytest.fixture
def console(web_state: WebState, monkeypatch: pytest.MonkeyPatch) -> Iterator[FastAPI]:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://vestnik:{SECRET}@db.example/news")
    monkeypatch.setenv("TELEGRAM_SESSION", SECRET)
    monkeypatch.setenv("TELEGRAM_API_ID", "987654321")
    monkeypatch.setenv("TELEGRAM_API_HASH", SECRET)
    monkeypatch.setenv("VESTNIK_CORS_ORIGINS", "https://news.example")
    monkeypatch.setenv("RATE_LIMIT_MESSAGES_PER_SECOND", "5")
    settings = describe_settings(load_settings(), in_use={"port": "4001"})
    with borrow_console(replace(web_state, installation=Installation(settings=settings))) as console:
        yield console


async def test_each_setting_has_its_value_its_source_and_its_range(browser_as: BrowserAs) -> None:
    page = await (await browser_as(Role.ADMIN)).get("/settings")
    rows = {row[0].split()[0]: row for row in page.rows}
    assert len(rows) == len(describe_settings(load_settings()))
    assert rows["PORT"][1] == "4001 option at the start"
    assert rows["VESTNIK_CORS_ORIGINS"][1] == "https://news.example environment variable"
    assert rows["VESTNIK_LEASE_SECONDS"][1] == "6 seconds default"
    assert "from 2 to 10; default 6" in rows["VESTNIK_LEASE_SECONDS"][0]
    assert "more than 0, up to 1000; default 20" in rows["RATE_LIMIT_MESSAGES_PER_SECOND"][0]


async def test_no_secret_is_on_the_page(browser_as: BrowserAs) -> None:
    page = await (await browser_as(Role.ADMIN)).get("/settings")
    assert SECRET not in page.html
    assert "987654321" not in page.html
    rows = {row[0].split()[0]: row for row in page.rows}
    for name in ("DATABASE_URL", "TELEGRAM_SESSION", "TELEGRAM_API_ID", "TELEGRAM_API_HASH"):
        assert rows[name][1] == "set (not shown) environment variable", name
    assert rows["VESTNIK_SECRET_KEY"][1] == "not set: a key file in the data directory is used"


async def test_it_is_for_administrators_alone(browser_as: BrowserAs) -> None:
    for role in (Role.VIEWER, Role.OPERATOR):
        browser = await browser_as(role)
        assert (await browser.get("/settings")).status == 403
        assert "/settings" not in (await browser.get("/accounts")).links.values()
    admin = await browser_as(Role.ADMIN)
    assert "/settings" in (await admin.get("/accounts")).links.values()


async def test_it_speaks_russian(browser_as: BrowserAs) -> None:
    page = await (await browser_as(Role.ADMIN, language="ru")).get("/settings")
    assert page.title == "Настройки"
    assert "задано (не показывается)" in page.text
    assert "от 2 до 10" in page.text


async def test_a_pace_that_the_settings_replace_at_the_next_start_says_so(
    browser_as: BrowserAs, stage: Stage
) -> None:
    rehearsal = await stage.one("SELECT id FROM accounts WHERE name = 'rehearsal'")
    other = await stage.add_account()
    browser = await browser_as(Role.ADMIN)
    assert "RATE_LIMIT_MESSAGES_PER_SECOND is set" in (await browser.get(f"/accounts/{rehearsal.id}")).text
    assert "RATE_LIMIT_MESSAGES_PER_SECOND" not in (await browser.get(f"/accounts/{other}")).text
