"""Syncs in the console: asked for, followed, and what they bring to the pages of channels."""

from uuid import UUID

import pytest

from tests.integration.console.conftest import BrowserAs
from tests.support.stage import Stage
from vestnik.domain.users import Role

EVIL = '"><img src=x onerror=alert(1)><script>alert(1)</script>'


@pytest.fixture
async def account_id(stage: Stage) -> UUID:
    """A real account that a process claims to speak for."""
    row = await stage.one("INSERT INTO accounts (name, kind) VALUES (:name, 'USER') RETURNING id", name=EVIL)
    await stage.execute(
        "INSERT INTO account_leases (account_id, holder, epoch, lease_until)"
        " VALUES (:id, 'someone', 1, now() + interval '1 hour')",
        id=row.id,
    )
    account_id: UUID = row.id
    return account_id


async def test_a_sync_is_asked_for_once_and_followed_until_its_report(
    browser_as: BrowserAs, stage: Stage, account_id: UUID
) -> None:
    browser = await browser_as(Role.OPERATOR)
    page = await browser.get("/channels/sync")
    assert page.forbidden_markup() == []
    assert "were not read lately" in page.text
    first = await browser.post("/channels/sync", account_id=str(account_id))
    await browser.post("/channels/sync", account_id=str(account_id))
    assert len(await stage.execute("SELECT FROM account_commands")) == 1
    page = await browser.follow(first)
    assert page.notice == "Telegram is being asked for the account's channels."
    assert not page.offers("/channels/sync")
    part = page.root.find("section", id=f"sync-{account_id}")
    assert part.get("hx-get") == f"/accounts/{account_id}/sync"
    await stage.execute(
        "UPDATE account_commands SET status = 'DONE', finished_at = now(),"
        """ result = '{"phase": "DONE", "seen": 9, "added": 4, "without_right": 2, "gone": 1}'"""
    )
    page = await browser.get(f"/accounts/{account_id}/sync")
    assert "Added 4" in page.text
    assert "Not seen any more 1" in page.text
    assert page.root.find("section", id=f"sync-{account_id}").get("hx-get") == ""
    assert "Added 4" in (await browser.get(f"/accounts/{account_id}")).text


async def test_what_stands_against_it_is_said(browser_as: BrowserAs, stage: Stage, account_id: UUID) -> None:
    browser = await browser_as(Role.OPERATOR)
    await browser.get("/channels/sync")
    await stage.execute("DELETE FROM account_leases")
    page = await browser.post("/channels/sync", account_id=str(account_id))
    assert "No worker delivers" in page.text
    assert await stage.execute("SELECT FROM account_commands") == []
    await stage.execute(
        "INSERT INTO account_commands (account_id, kind, status, expires_at, finished_at, result)"
        """ VALUES (:id, 'SYNC', 'FAILED', now(), now(), '{"error_code": "FLOOD_WAIT"}')""",
        id=account_id,
    )
    page = await browser.get(f"/accounts/{account_id}")
    assert "Telegram asked the account to wait." in page.text


async def test_readers_see_it_and_ask_for_nothing(
    browser_as: BrowserAs, stage: Stage, account_id: UUID
) -> None:
    browser = await browser_as(Role.VIEWER)
    assert not (await browser.get("/channels/sync")).offers("/channels/sync")
    assert (await browser.post("/channels/sync", account_id=str(account_id))).status == 403


async def test_without_a_real_account_it_says_why_there_is_nothing(browser_as: BrowserAs) -> None:
    page = await (await browser_as(Role.OPERATOR, language="ru")).get("/channels/sync")
    assert "Нет аккаунта со своими каналами." in page.text


async def test_pictures_members_and_rights_show_on_the_pages_of_channels(
    browser_as: BrowserAs, stage: Stage, account_id: UUID
) -> None:
    first, second = await stage.add_channels(2)
    await stage.execute("INSERT INTO channel_pictures (channel_id, jpeg) VALUES (:id, 'x')", id=first)
    await stage.execute(
        "INSERT INTO channel_peers (account_id, channel_id, can_post, forbidden, member_count, gone_since)"
        " VALUES (:account, :first, true, '{PHOTOS}', 12345, NULL), (:account, :second, true, '{}', 5, now())",
        account=account_id,
        first=first,
        second=second,
    )
    browser = await browser_as(Role.VIEWER)
    page = await browser.get("/channels")
    faces = page.root.find_all("img", class_="face")
    assert [image.get("src") for image in faces] == [f"/channels/{first}/picture"]
    assert "12,345" in page.text
    page = await browser.get(f"/channels/{first}")
    assert "The channel does not take photos." in page.text
    assert "Not seen any more" in (await browser.get(f"/channels/{second}")).text
    shown = await browser.client.get(f"/channels/{first}/picture")
    assert (shown.status_code, shown.headers["Content-Type"]) == (200, "image/jpeg")
    assert (shown.headers["X-Content-Type-Options"], shown.content) == ("nosniff", b"x")
    assert (await browser.client.get(f"/channels/{second}/picture")).status_code == 404
