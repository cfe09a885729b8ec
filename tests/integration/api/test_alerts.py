"""Alerts and their destinations over the API: who may do what, and that no secret ever comes out."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import ClientAs
from tests.support.alert_receivers import WebhookReceiver, receive_mail, receive_webhooks
from tests.support.stage import Stage

KEY = "canary signing key"
PASSWORD = "canary password"
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with receive_webhooks() as found:
        yield found


@pytest.fixture
async def admin(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as("ADMIN")


async def add_webhook(admin: httpx.AsyncClient, url: str, **fields: Any) -> dict[str, Any]:
    answer = await admin.post(
        "/api/alert-destinations",
        json={"name": "desk", "kind": "WEBHOOK", "url": url, "signingKey": KEY, **fields},
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"/api/alert-destinations/{made['id']}"
    return made


async def add_alert(stage: Stage, **fields: Any) -> int:
    values = {
        "key": "ACCOUNT_LIMITED:x",
        "kind": "ACCOUNT_LIMITED",
        "is_urgent": False,
        "name": "newsroom",
        "title": "Restricted.",
    } | fields
    row = await stage.one(
        "INSERT INTO alerts (key, kind, is_urgent, name, title, since)"
        " VALUES (:key, :kind, :is_urgent, :name, :title, now()) RETURNING id",
        **values,
    )
    return int(row.id)


def list_fields(answer: httpx.Response) -> list[str]:
    """What a problem document complains about."""
    problem = answer.json()
    own = [problem["field"]] if problem.get("field") else []
    return own + [error["field"] for error in problem.get("errors", ())]


async def test_a_webhook_is_made_tried_changed_and_deleted_and_its_secrets_never_come_out(
    admin: httpx.AsyncClient, receiver: WebhookReceiver, stage: Stage
) -> None:
    made = await add_webhook(admin, receiver.url)
    seen = [json.dumps(made)]
    path = f"/api/alert-destinations/{made['id']}"
    tried = await admin.post(f"{path}/test")
    assert (tried.status_code, tried.json()["isDelivered"], tried.json()["answer"]) == (200, True, "HTTP 204")
    assert receiver.events == [("alert.test", "TEST")]
    receiver.status = 500
    tried = await admin.post(f"{path}/test")
    assert (tried.status_code, tried.json()["isDelivered"]) == (200, False)
    assert "500" in tried.json()["answer"]
    seen.append(tried.text)
    shown = await admin.get(path)
    assert "500" in shown.json()["lastError"]
    assert shown.json()["lastSuccessAt"] is not None
    changed = await admin.patch(
        path, json={"name": "news desk", "language": "ru"}, headers={"If-Match": shown.headers["ETag"]}
    )
    assert changed.json()["name"] == "news desk"
    receiver.status = 200
    assert (await admin.post(f"{path}/test")).json()["isDelivered"]  # the secrets are still there
    stale = await admin.patch(path, json={"name": "x"}, headers={"If-Match": shown.headers["ETag"]})
    assert stale.status_code == 412
    seen += [changed.text, stale.text, (await admin.get("/api/alert-destinations")).text]
    assert (await admin.delete(path)).status_code == 204
    assert (await admin.get(path)).status_code == 404
    assert (await admin.post(f"{path}/test")).status_code == 404
    audit = (await admin.get("/api/audit")).text
    assert "alert_destination.deleted" in audit
    for secret in (KEY, "secret-path", "secret-token"):
        assert secret not in "".join([*seen, audit])


async def test_a_mail_destination_keeps_its_password_but_not_for_another_server(
    admin: httpx.AsyncClient,
) -> None:
    async with receive_mail() as mail:
        answer = await admin.post(
            "/api/alert-destinations",
            json={
                "name": "mail",
                "kind": "EMAIL",
                "host": "127.0.0.1",
                "port": mail.port,
                "security": "NONE",
                "sender": "vestnik@news.example",
                "recipients": ["desk@news.example"],
            },
        )
        assert answer.status_code == 201, answer.text
        path = f"/api/alert-destinations/{answer.json()['id']}"
        assert answer.json()["hasPassword"] is False
        tried = await admin.post(f"{path}/test")
        assert tried.json()["isDelivered"], tried.text
        assert "This is a test" not in mail.mails[0]["Subject"]  # in Russian unless somebody says otherwise
    refused = await admin.patch(path, json={"username": "v", "password": PASSWORD})
    assert (refused.status_code, list_fields(refused)) == (422, ["security"])
    changed = await admin.patch(
        path, json={"username": "v", "password": PASSWORD, "security": "TLS", "port": 465}
    )
    assert (changed.json()["hasPassword"], PASSWORD in changed.text) == (True, False)
    refused = await admin.patch(path, json={"host": "evil.example"})
    assert (refused.status_code, list_fields(refused)) == (422, ["password"])
    cleared = await admin.patch(path, json={"host": "other.example", "password": ""})
    assert (cleared.status_code, cleared.json()["hasPassword"]) == (200, False)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"kind": "WEBHOOK", "url": "ftp://x", "signingKey": KEY}, "url"),
        ({"kind": "WEBHOOK", "url": "https://user:canary@x/", "signingKey": KEY}, "url"),
        ({"kind": "WEBHOOK", "url": "https://x.example/"}, "signingKey"),
        ({"kind": "WEBHOOK", "url": "https://x.example/", "signingKey": "short"}, "signingKey"),
        ({"kind": "WEBHOOK", "url": "https://x.example/", "signingKey": "ключ" * 8}, "signingKey"),
        ({"kind": "WEBHOOK", "url": "https://x.example/", "signingKey": KEY, "host": "x"}, "host"),
        ({"kind": "WEBHOOK", "url": "https://x/", "signingKey": KEY, "language": "de"}, "language"),
        ({"kind": "EMAIL", "host": "x y", "sender": "a@b", "recipients": ["a@b"]}, "host"),
        ({"kind": "EMAIL", "host": "x", "sender": "a@b\r\nBcc: c@d", "recipients": ["a@b"]}, "sender"),
        ({"kind": "EMAIL", "host": "x", "sender": "a@b", "recipients": []}, "recipients"),
        ({"kind": "EMAIL", "host": "x", "sender": "a@b", "recipients": ["a@b, c@d"]}, "recipients"),
        ({"kind": "EMAIL", "host": "x", "sender": "a@b", "recipients": ["a@b"], "port": 0}, "port"),
        ({"kind": "EMAIL", "host": "x", "sender": "a@b", "recipients": ["a@b"], "password": "p"}, "username"),
        ({"kind": "TELEGRAM", "accountId": NOBODY, "channelId": NOBODY}, "accountId"),
        ({"kind": "TELEGRAM", "accountId": "rehearsal", "channelId": NOBODY}, "channelId"),
        ({"kind": "TELEGRAM", "accountId": "rehearsal"}, "channelId"),
    ],
)
async def test_bad_input_is_refused_by_name_and_nothing_is_stored(
    admin: httpx.AsyncClient, stage: Stage, given: dict[str, Any], field: str
) -> None:
    if given.get("accountId") == "rehearsal":
        given = {**given, "accountId": str((await stage.one("SELECT id FROM accounts")).id)}
    answer = await admin.post("/api/alert-destinations", json={"name": "x", **given})
    assert answer.status_code in {404, 422}, answer.text
    assert field in list_fields(answer)
    assert "canary" not in answer.text
    assert await stage.execute("SELECT FROM alert_destinations") == []


async def test_a_name_is_taken_once(admin: httpx.AsyncClient) -> None:
    await add_webhook(admin, "https://hooks.example/")
    other = await add_webhook(admin, "https://hooks.example/", name="other")
    answer = await admin.patch(f"/api/alert-destinations/{other['id']}", json={"name": "desk"})
    assert answer.status_code == 409
    answer = await admin.post(
        "/api/alert-destinations",
        json={"name": "desk", "kind": "WEBHOOK", "url": "https://x.example/", "signingKey": KEY},
    )
    assert answer.status_code == 409


async def test_only_administrators_see_destinations(client_as: ClientAs) -> None:
    for role in ("VIEWER", "OPERATOR"):
        client = await client_as(role)
        assert (await client.get("/api/alert-destinations")).status_code == 403
        assert (await client.get("/api/alerts")).status_code == 200


async def test_alerts_are_listed_in_pages_and_by_state(client_as: ClientAs, stage: Stage) -> None:
    ids = [await add_alert(stage, key=f"ACCOUNT_LIMITED:{number}") for number in range(5)]
    await stage.execute("UPDATE alerts SET state = 'RESOLVED', resolved_at = now() WHERE id = :id", id=ids[0])
    viewer = await client_as("VIEWER")
    first = (await viewer.get("/api/alerts", params={"limit": 3})).json()
    second = (await viewer.get("/api/alerts", params={"limit": 3, "cursor": first["nextCursor"]})).json()
    assert [alert["id"] for alert in first["items"] + second["items"]] == ids[::-1]
    assert second["nextCursor"] is None
    over = (await viewer.get("/api/alerts", params={"state": "RESOLVED"})).json()
    assert [alert["id"] for alert in over["items"]] == ids[:1]
    for bad in ("0", "x", str(2**63)):
        assert (await viewer.get(f"/api/alerts/{bad}")).status_code == 422
    assert (await viewer.get("/api/alerts/999")).status_code == 404


async def test_an_alert_shows_what_became_of_its_messages(
    admin: httpx.AsyncClient, receiver: WebhookReceiver, stage: Stage
) -> None:
    made = await add_webhook(admin, receiver.url)
    alert_id = await add_alert(stage)
    await stage.execute(
        "INSERT INTO alert_notifications (alert_id, destination_id, occasion, attempts, error)"
        " VALUES (:alert, :destination, 'FIRING', 2, 'there is no host x')",
        alert=alert_id,
        destination=made["id"],
    )
    shown = (await admin.get(f"/api/alerts/{alert_id}")).json()
    (message,) = shown["messages"]
    assert (message["destinationName"], message["status"], message["attempts"], message["error"]) == (
        "desk",
        "PENDING",
        2,
        "there is no host x",
    )
    waiting = (await admin.get(f"/api/alert-destinations/{made['id']}")).json()["waiting"]
    assert waiting == 1
    await admin.patch(f"/api/alert-destinations/{made['id']}", json={"isActive": False})
    shown = (await admin.get(f"/api/alerts/{alert_id}")).json()
    assert shown["messages"][0]["status"] == "DROPPED"


async def test_viewers_do_not_see_on_which_machine_something_is_wrong(
    client_as: ClientAs, stage: Stage
) -> None:
    alert_id = await add_alert(stage, key="DISK_NEARLY_FULL:host-17", kind="DISK_NEARLY_FULL", name="host-17")
    for role, is_shown in (("VIEWER", False), ("OPERATOR", True)):
        client = await client_as(role)
        for path in ("/api/alerts", f"/api/alerts/{alert_id}"):
            assert ("host-17" in (await client.get(path)).text) is is_shown
