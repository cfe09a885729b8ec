"""Alerts in the console: who sees what, and destinations that are added, tried, changed and deleted."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.console.conftest import Browser, BrowserAs
from tests.support.alert_receivers import WebhookReceiver, receive_webhooks
from tests.support.stage import Stage
from vestnik.domain.users import Role

KEY = "canary signing key"
NEW = "/alerts/destinations/new"


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with receive_webhooks() as found:
        yield found


async def add_alert(stage: Stage, *, name: str = "newsroom", kind: str = "ACCOUNT_LIMITED") -> int:
    row = await stage.one(
        "INSERT INTO alerts (key, kind, is_urgent, name, title, detail, since)"
        " VALUES (:kind || ':' || :name, :kind, true, :name, 'x', 'PEER_FLOOD: too much', now()) RETURNING id",
        kind=kind,
        name=name,
    )
    return int(row.id)


async def add_webhook(browser: Browser, receiver: WebhookReceiver, name: str = "desk") -> str:
    """The path of the new destination's page."""
    await browser.get(f"{NEW}?kind=WEBHOOK")
    answer = await browser.post(NEW, name=name, url=receiver.url, signing_key=KEY, language="en")
    assert answer.status == 303, answer.text
    return answer.location


async def test_alerts_are_shown_in_the_readers_words_with_what_became_of_the_messages(
    browser_as: BrowserAs, stage: Stage, receiver: WebhookReceiver
) -> None:
    admin = await browser_as(Role.ADMIN, language="ru")
    await add_webhook(admin, receiver)
    alert_id = await add_alert(stage, name="<script>alert(1)</script>")
    await stage.execute(
        "INSERT INTO alert_notifications (alert_id, destination_id, occasion, attempts, error)"
        " SELECT :id, d.id, 'FIRING', 1, 'there is no host x' FROM alert_destinations d",
        id=alert_id,
    )
    page = await admin.get("/alerts")
    assert "Telegram ограничил аккаунт «<script>alert(1)</script>»." in page.text
    assert not any(script.text for script in page.root.find_all("script"))
    page = await admin.get(f"/alerts/{alert_id}")
    assert "Сайта x нет" in page.text
    assert "Ждёт" in page.text
    assert (await admin.get("/alerts?state=FIRING")).status == 200
    await stage.execute("UPDATE alerts SET state = 'RESOLVED', resolved_at = now()")
    assert "Всё в порядке." in (await admin.get("/alerts?state=FIRING")).text
    assert (await admin.get("/alerts/999")).status == 404
    assert (await admin.get(f"/alerts/{2**63}")).status in {404, 422}


async def test_only_administrators_see_who_is_told_and_viewers_no_machines(
    browser_as: BrowserAs, stage: Stage, receiver: WebhookReceiver
) -> None:
    admin = await browser_as(Role.ADMIN)
    page = await admin.get("/alerts")
    assert "Nobody is told of alerts yet" in page.text
    path = await add_webhook(admin, receiver)
    alert_id = await add_alert(stage, name="host-17", kind="DISK_NEARLY_FULL")
    assert path in (await admin.get("/alerts")).links.values()
    viewer = await browser_as(Role.VIEWER)
    page = await viewer.get("/alerts")
    assert path not in page.links.values()
    assert "Nobody is told" not in page.text
    await stage.execute("UPDATE alerts SET detail = 'On host-17 there are 5 MiB left.'")
    assert "A disk of Vestnik is nearly full." in (await viewer.get("/")).text
    for place in ("/", "/system", f"/alerts/{alert_id}"):
        assert "host-17" not in (await viewer.get(place)).text
        assert "host-17" in (await admin.get(place)).text
    assert "host-17" in (await admin.get(f"/alerts/{alert_id}")).text
    for forbidden in (path, NEW):
        assert (await viewer.get(forbidden)).status == 403
    assert (await viewer.post(f"{path}/test")).status == 403


async def test_a_destination_is_tried_changed_and_deleted_and_its_secrets_are_not_shown(
    browser_as: BrowserAs, receiver: WebhookReceiver, stage: Stage
) -> None:
    browser = await browser_as(Role.ADMIN)
    path = await add_webhook(browser, receiver)
    page = await browser.get(path)
    assert "http://127.0.0.1" in page.text
    assert "Not tested yet" in (await browser.get("/alerts")).text
    page = await browser.submit(f"{path}/test")
    assert "The test message was delivered." in page.text
    assert "Works" in (await browser.get("/alerts")).text
    assert receiver.events == [("alert.test", "TEST")]
    receiver.status = 503
    page = await browser.submit(f"{path}/test")
    assert "127.0.0.1 answers 503 instead of taking the message" in page.text
    assert "Fails" in (await browser.get("/alerts")).text
    page = await browser.submit(
        path, name="night shift", language="ru", is_active="on", url="", signing_key=""
    )
    receiver.status = 200
    page = await browser.submit(f"{path}/test")
    assert "The test message was delivered." in page.text
    assert receiver.requests[-1].json["title"].startswith("Это проверка.")
    for secret in (KEY, "secret-path", "secret-token"):
        assert secret not in page.html
    assert (await browser.submit(f"{path}/delete")).status == 200
    assert (await browser.get(path)).status == 404
    assert await stage.execute("SELECT FROM alert_destinations") == []


async def test_bad_input_comes_back_with_what_was_typed_but_no_secret(
    browser_as: BrowserAs, stage: Stage
) -> None:
    browser = await browser_as(Role.ADMIN)
    await browser.get(f"{NEW}?kind=EMAIL")
    page = await browser.post(
        NEW,
        name="mail",
        host="smtp.example.org",
        security="NONE",
        port="",
        username="somebody",
        password="canary password",
        sender="vestnik@example.org",
        recipients="desk@example.org, night@example.org",
        language="en",
    )
    assert page.status == 422
    assert "Without encryption the password would be readable" in page.text
    assert "smtp.example.org" in page.html
    assert "canary" not in page.html
    assert await stage.execute("SELECT FROM alert_destinations") == []
    answer = await browser.post(
        NEW,
        name="mail",
        host="smtp.example.org",
        security="TLS",
        port="",
        username="somebody",
        password="canary password",
        sender="vestnik@example.org",
        recipients="desk@example.org, night@example.org",
        language="en",
    )
    page = await browser.follow(answer)
    assert "desk@example.org, night@example.org" in page.text
    assert "Forget the password" in page.text
    assert "canary" not in page.html
    row = await stage.one("SELECT config FROM alert_destinations")
    assert row.config["port"] == 465


async def test_a_chat_is_chosen_among_accounts_and_channels(browser_as: BrowserAs, stage: Stage) -> None:
    await stage.add_channels(1)
    browser = await browser_as(Role.ADMIN)
    page = await browser.get(f"{NEW}?kind=TELEGRAM")
    account = await stage.one("SELECT id FROM accounts")
    assert str(account.id) in page.html
    assert "(rehearsals only: nobody is told)" in page.text, "it leads to a simulator"
    fields = {"name": "chat", "language": "en", "account": str(account.id)}
    refused = await browser.post(NEW, **fields, channel="@nowhere_at_all")
    assert refused.status == 404
    assert "There is no such channel" in refused.text
    page = await browser.submit(NEW, **fields, channel="@first_00001")
    assert "@first_00001 (" in page.text
