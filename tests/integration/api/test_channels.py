"""Channels over HTTP."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.api.conftest import ClientAs
from tests.support.stage import Stage
from vestnik.domain.ids import AccountId
from vestnik.domain.users import Role

pytestmark = pytest.mark.asyncio


@pytest.fixture
async def operator(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.OPERATOR)


async def add(client: httpx.AsyncClient, username: str, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/api/channels", json={"username": username, **fields})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def list_names(client: httpx.AsyncClient, **query: str) -> list[str]:
    """All pages, two a page."""
    names: list[str] = []
    params = {"limit": "2", **query}
    while True:
        answer = await client.get("/api/channels", params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        names += [item["username"] or str(item["tgId"]) for item in page["items"]]
        if page["nextCursor"] is None:
            return names
        params["cursor"] = page["nextCursor"]


async def add_real_account(stage: Stage, name: str) -> AccountId:
    row = await stage.one("INSERT INTO accounts (name, kind) VALUES (:name, 'USER') RETURNING id", name=name)
    return AccountId(row.id)


async def stop_pair(stage: Stage, account_id: AccountId, channel: dict[str, Any], reason: str) -> None:
    await stage.execute(
        "INSERT INTO channel_peers (account_id, channel_id, tg_id, access_hash, is_active, inactive_reason,"
        " inactive_since, consecutive_failures) VALUES (:account_id, :id, 7, 8, false, :reason, now(), 5)",
        account_id=account_id,
        id=channel["id"],
        reason=reason,
    )


@pytest.mark.parametrize(
    ("given", "username", "tg_id"),
    [
        ({"username": "@One_News"}, "One_News", None),
        ({"username": "https://t.me/One_News"}, "One_News", None),
        ({"username": "t.me/c/1234567890/5"}, None, -1001234567890),
        ({"tgId": -1001234567890, "title": "Private"}, None, -1001234567890),
        ({"tg_id": "1234567890"}, None, -1001234567890),
        ({"username": "One_News", "tgId": 1234567890}, "One_News", -1001234567890),
    ],
)
async def test_a_channel_is_added_in_any_spelling(
    operator: httpx.AsyncClient, stage: Stage, given: dict[str, Any], username: str | None, tg_id: int | None
) -> None:
    answer = await operator.post("/api/channels", json=given)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["username"], made["tgId"], made["active"], made["peers"]) == (username, tg_id, True, [])
    assert made["title"] == given.get("title")
    again = await operator.get(answer.headers["Location"])
    assert again.json() == made
    assert again.headers["ETag"] == f'"{made["revision"]}"'
    entry = await stage.one("SELECT * FROM audit_logs WHERE entity_type = 'channel'")
    assert (entry.action, entry.actor_kind, entry.after["username"]) == ("channel.created", "TOKEN", username)


async def test_a_channel_that_is_there_is_a_conflict_that_names_it(operator: httpx.AsyncClient) -> None:
    made = await add(operator, "one_news")
    answer = await operator.post("/api/channels", json={"username": "t.me/ONE_NEWS"})
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    assert made["id"] in answer.json()["detail"]


async def test_a_deleted_channel_comes_back_active(operator: httpx.AsyncClient, stage: Stage) -> None:
    made = await add(operator, "one_news")
    await stop_pair(stage, await add_real_account(stage, "press"), made, "CHAT_WRITE_FORBIDDEN")
    assert (await operator.delete(f"/api/channels/{made['id']}")).status_code == 204
    assert (await operator.get(f"/api/channels/{made['id']}")).status_code == 404
    assert await list_names(operator) == []
    back = await add(operator, "One_News", title="Back")
    assert (back["id"], back["active"], back["title"]) == (made["id"], True, "Back")
    assert back["peers"][0]["active"]


@pytest.mark.parametrize(
    ("given", "status", "field"),
    [
        ({}, 422, "username"),
        ({"username": "t.me/+secret"}, 422, "username"),
        ({"username": "нет"}, 422, "username"),
        ({"username": "a\0b"}, 422, "username"),
        ({"username": "\ud800abc"}, 422, "username"),
        ({"username": 7}, 422, "username"),
        ({"username": "x" * 301}, 422, "username"),
        ({"tgId": 2**63}, 422, "tgId"),
        ({"tgId": "name"}, 422, "tgId"),
        ({"tgId": -5}, 422, "tgId"),
        ({"username": "-1001234567890", "tgId": 7}, 422, "tgId"),
        ({"username": "one_news", "title": "x" * 256}, 422, "title"),
        ({"username": "one_news", "colour": "red"}, 422, "colour"),
    ],
)
async def test_what_is_no_channel_is_refused_by_field(
    operator: httpx.AsyncClient, given: dict[str, Any], status: int, field: str
) -> None:
    import json

    answer = await operator.post(
        "/api/channels", content=json.dumps(given), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == status, answer.text
    assert answer.json()["field"].startswith(field)
    assert await list_names(operator) == []


async def test_lists_go_from_the_newest_to_the_oldest_in_pages(operator: httpx.AsyncClient) -> None:
    for number in range(5):
        await add(operator, f"news_{number}")
    assert await list_names(operator) == [f"news_{number}" for number in (4, 3, 2, 1, 0)]


async def test_search_finds_parts_links_and_ids(operator: httpx.AsyncClient) -> None:
    one = await add(operator, "Moscow_News", title="Вечерняя Москва")
    await add(operator, "other")
    await add(operator, "-1001234567890", title="Private_100%")
    for text in ("cow_n", "@moscow", "вечер", "https://t.me/moscow_news", one["id"]):
        assert await list_names(operator, search=text) == ["Moscow_News"], text
    for text in ("-1001234567890", "1234567890", "100%", "t.me/c/1234567890"):
        assert await list_names(operator, search=text) == ["-1001234567890"], text
    assert await list_names(operator, search="%") == ["-1001234567890"]
    assert await list_names(operator, search="nothing") == []


async def test_a_channel_is_active_while_one_real_account_may_post(
    operator: httpx.AsyncClient, stage: Stage
) -> None:
    first, second = [await add_real_account(stage, name) for name in ("first", "second")]
    rehearsal = await stage.add_account()
    shared, lost, rehearsed, gone, untried = [
        await add(operator, name) for name in ("shared", "lost", "rehearsed", "gone", "untried")
    ]
    await stop_pair(stage, first, shared, "CHAT_WRITE_FORBIDDEN")
    await stage.execute(
        "INSERT INTO channel_peers (account_id, channel_id) VALUES (:account_id, :id)",
        account_id=second,
        id=shared["id"],
    )
    await stop_pair(stage, first, lost, "CHAT_WRITE_FORBIDDEN")
    await stage.execute(
        "INSERT INTO channel_peers (account_id, channel_id) VALUES (:account_id, :id)",
        account_id=rehearsal,
        id=lost["id"],
    )
    await stop_pair(stage, rehearsal, rehearsed, "CHAT_WRITE_FORBIDDEN")
    await stage.execute(
        "UPDATE channels SET is_active = false, inactive_reason = 'USERNAME_INVALID', inactive_since = now()"
        " WHERE id = :id",
        id=gone["id"],
    )
    assert await list_names(operator, active="false") == ["gone", "lost"]
    assert await list_names(operator, active="true") == ["untried", "rehearsed", "shared"]
    assert await list_names(operator, error="CHAT_WRITE_FORBIDDEN") == ["lost", "shared"]
    assert await list_names(operator, error="CHAT_WRITE_FORBIDDEN", active="false") == ["lost"]
    assert await list_names(operator, error="USERNAME_INVALID") == ["gone"]
    assert await list_names(operator, error="OTHER") == []
    seen = (await operator.get(f"/api/channels/{lost['id']}")).json()
    assert (seen["active"], seen["reason"]) == (False, "CHAT_WRITE_FORBIDDEN")
    assert {peer["accountName"]: peer["active"] for peer in seen["peers"]}["first"] is False
    assert seen["since"] is not None
    assert untried["active"]


async def test_a_batch_filters(operator: httpx.AsyncClient) -> None:
    one = await add(operator, "one_news")
    await add(operator, "two_news")
    batch = await operator.post("/api/batches", json={"name": "A", "channelIds": [one["id"]]})
    assert await list_names(operator, batchId=batch.json()["id"]) == ["one_news"]


async def test_unknown_parameters_and_foreign_cursors_are_refused_by_name(
    operator: httpx.AsyncClient,
) -> None:
    for query in (
        "colour=red",
        "limit=0",
        "limit=501",
        "active=maybe",
        "batchId=7",
        "cursor=x",
        "cursor=W10",
    ):
        answer = await operator.get(f"/api/channels?{query}")
        assert (answer.status_code, answer.json()["field"]) == (422, query.partition("=")[0])


async def test_an_edit_needs_the_state_that_it_was_made_on(operator: httpx.AsyncClient, stage: Stage) -> None:
    made = await add(operator, "one_news")
    url, stale = f"/api/channels/{made['id']}", {"If-Match": f'"{made["revision"]}"'}
    first = await operator.patch(url, json={"title": "First"}, headers=stale)
    assert (first.status_code, first.json()["title"]) == (200, "First")
    second = await operator.patch(url, json={"title": "Second"}, headers=stale)
    assert (second.status_code, second.json()["code"]) == (412, "STALE_REVISION")
    fresh = await operator.patch(url, json={"title": None}, headers={"If-Match": first.headers["ETag"]})
    assert (fresh.status_code, fresh.json()["title"]) == (200, None)
    entry = await stage.one("SELECT * FROM audit_logs WHERE action = 'channel.changed' ORDER BY id LIMIT 1")
    assert (entry.before, entry.after) == ({"title": None}, {"title": "First"})


async def test_another_name_forgets_what_accounts_knew(operator: httpx.AsyncClient, stage: Stage) -> None:
    made = await add(operator, "one_news")
    account_id = await add_real_account(stage, "press")
    await stop_pair(stage, account_id, made, "PEER_NOT_FOUND")
    await stage.execute("UPDATE channels SET is_active = false, inactive_reason = 'USERNAME_INVALID'")
    url = f"/api/channels/{made['id']}"
    same = await operator.patch(url, json={"username": "ONE_NEWS"})
    assert (same.json()["username"], same.json()["active"]) == ("ONE_NEWS", False)
    assert (await stage.read_peer(account_id, made["id"])).access_hash == 8
    other = await operator.patch(url, json={"username": "@two_news"})
    assert (other.json()["username"], other.json()["active"]) == ("two_news", True)
    peer = await stage.read_peer(account_id, made["id"])
    assert (peer.access_hash, peer.tg_id, peer.is_active, peer.consecutive_failures) == (None, None, True, 0)


async def test_a_name_that_is_taken_cannot_be_given(operator: httpx.AsyncClient) -> None:
    one, two = await add(operator, "one_news"), await add(operator, "two_news")
    answer = await operator.patch(f"/api/channels/{one['id']}", json={"username": "TWO_news"})
    assert answer.status_code == 409
    assert two["id"] in answer.json()["detail"]
    for body in ({"username": None}, {"username": "?"}, {"active": None}, {"id": one["id"]}):
        assert (await operator.patch(f"/api/channels/{one['id']}", json=body)).status_code == 422
    by_id = await operator.patch(
        f"/api/channels/{one['id']}", json={"username": None, "tgId": -1001234567890}
    )
    assert (by_id.json()["username"], by_id.json()["tgId"]) == (None, -1001234567890)


async def test_an_operator_deactivates_for_all_and_activates_again(
    operator: httpx.AsyncClient, stage: Stage
) -> None:
    made = await add(operator, "one_news")
    account_id = await add_real_account(stage, "press")
    await stop_pair(stage, account_id, made, "CHAT_WRITE_FORBIDDEN")
    url = f"/api/channels/{made['id']}"
    off = (await operator.patch(url, json={"active": False})).json()
    assert (off["active"], off["reason"]) == (False, "OPERATOR")
    pair = (await operator.post(f"{url}/reactivate", json={"accountId": str(account_id)})).json()
    assert (pair["active"], pair["peers"][0]["active"], pair["peers"][0]["consecutiveFailures"]) == (
        False,
        True,
        0,
    )
    on = (await operator.post(f"{url}/reactivate")).json()
    assert (on["active"], on["reason"], on["since"]) == (True, None, None)
    assert on["revision"] == made["revision"] + 3
    again = (await operator.post(f"{url}/reactivate")).json()
    assert again["revision"] == on["revision"]
    unknown = await operator.post(f"{url}/reactivate", json={"accountId": str(uuid4())})
    assert (unknown.status_code, unknown.json()["field"]) == (404, "accountId")
    assert (await operator.post(f"/api/channels/{uuid4()}/reactivate")).status_code == 404


async def test_many_are_reactivated_at_once_and_unknown_ids_change_nothing(
    operator: httpx.AsyncClient, stage: Stage
) -> None:
    account_id = await add_real_account(stage, "press")
    made = [await add(operator, f"news_{number}") for number in range(4)]
    await stop_pair(stage, account_id, made[0], "CHAT_WRITE_FORBIDDEN")
    await stage.execute("UPDATE channels SET is_active = false WHERE username = 'news_1'")
    ids = [channel["id"] for channel in made[:3]]
    unknown = str(uuid4())
    refused = await operator.post("/api/channels/reactivate", json={"channelIds": [*ids, unknown]})
    assert (refused.status_code, refused.json()["field"]) == (422, "channelIds")
    assert unknown in refused.json()["detail"]
    assert await list_names(operator, active="false") == ["news_1", "news_0"]
    answer = await operator.post("/api/channels/reactivate", json={"channelIds": ids * 2})
    assert answer.json() == {"reactivated": 2, "unchanged": 1}
    assert await list_names(operator, active="false") == []
    entry = await stage.one("SELECT * FROM audit_logs WHERE action = 'channels.reactivated'")
    assert set(entry.after.pop("channel_names")) == {"@news_0", "@news_1"}
    assert entry.after == {"reactivated": 2, "more_channels": 0}


async def test_a_channel_in_use_is_not_deleted(operator: httpx.AsyncClient, stage: Stage) -> None:
    (channel_id,) = await stage.add_channels(1)
    url = f"/api/channels/{channel_id}"
    answer = await operator.delete(url)
    assert answer.status_code == 409
    assert "batch 'first'" in answer.json()["detail"]
    campaign_id = await stage.add_campaign(await stage.add_account())
    await stage.execute("DELETE FROM batch_channels")
    answer = await operator.delete(url)
    assert answer.status_code == 409
    assert "campaign" in answer.json()["detail"]
    await stage.cancel(campaign_id)
    assert (await operator.delete(url, headers={"If-Match": '"7"'})).status_code == 412
    assert (await operator.delete(url)).status_code == 204
    assert (await operator.delete(url)).status_code == 404
    entry = await stage.one("SELECT * FROM audit_logs WHERE action = 'channel.deleted'")
    assert entry.before["username"] == "first_00001"


async def test_a_repeated_request_adds_one_channel(operator: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await operator.post("/api/channels", json={"username": "one_news"}, headers=headers)
    again = await operator.post("/api/channels", json={"username": "one_news"}, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())


async def test_viewers_look_and_change_nothing(client_as: ClientAs, operator: httpx.AsyncClient) -> None:
    made = await add(operator, "one_news")
    viewer = await client_as(Role.VIEWER)
    assert await list_names(viewer) == ["one_news"]
    url = f"/api/channels/{made['id']}"
    for answer in (
        await viewer.post("/api/channels", json={"username": "two_news"}),
        await viewer.post("/api/channels/import", content="@two_news"),
        await viewer.patch(url, json={"title": "x"}),
        await viewer.delete(url),
        await viewer.post(f"{url}/reactivate"),
        await viewer.post("/api/batches", json={"name": "A"}),
    ):
        assert answer.status_code == 403


async def test_a_list_repeated_as_another_kind_of_list_is_another_request(
    operator: httpx.AsyncClient,
) -> None:
    async def send(kind: str) -> int:
        headers = {"Idempotency-Key": "k1", "Content-Type": kind}
        answer = await operator.post(
            "/api/channels/import", content=b"username\nalpha_news\n", headers=headers
        )
        return answer.status_code

    assert await send("text/csv") == 200
    assert await send("text/csv") == 200
    assert await send("text/plain") == 422
