"""Batches over HTTP."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.api.conftest import ClientAs
from tests.support.stage import Stage
from vestnik.domain.users import Role


@pytest.fixture
async def operator(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.OPERATOR)


async def make(client: httpx.AsyncClient, name: str, channel_ids: list[Any]) -> dict[str, Any]:
    ids = [str(channel_id) for channel_id in channel_ids]
    answer = await client.post("/api/batches", json={"name": name, "channelIds": ids})
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == f"/api/batches/{answer.json()['id']}"
    found: dict[str, Any] = answer.json()
    return found


async def read_members(client: httpx.AsyncClient, batch_id: str) -> list[str]:
    """All pages, two a page."""
    names: list[str] = []
    params = {"limit": "2"}
    while True:
        answer = await client.get(f"/api/batches/{batch_id}/channels", params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        names += [item["username"][-1] for item in page["items"]]
        if page["nextCursor"] is None:
            return names
        params["cursor"] = page["nextCursor"]


async def test_a_batch_keeps_the_order_of_its_channels(operator: httpx.AsyncClient, stage: Stage) -> None:
    one, two, three = await stage.add_channels(3)
    batch = await make(operator, " Morning ", [three, one, three, two])
    assert (batch["name"], batch["channels"], batch["duplicates"]) == ("Morning", 3, 1)
    assert await read_members(operator, batch["id"]) == ["3", "1", "2"]
    entry = await stage.one("SELECT * FROM audit_logs WHERE action = 'batch.created'")
    assert entry.entity_id == batch["id"]
    assert entry.after == {
        "name": "Morning",
        "channels": 3,
        "channel_names": ["@first_00003", "@first_00001", "@first_00002"],
        "more_channels": 0,
    }


async def test_an_empty_batch_is_filled_later(operator: httpx.AsyncClient, stage: Stage) -> None:
    channels = [str(channel_id) for channel_id in await stage.add_channels(4)]
    batch = (await operator.post("/api/batches", json={"name": "Morning"})).json()
    assert batch["channels"] == 0
    url = f"/api/batches/{batch['id']}/channels"
    first = await operator.post(url, json={"channelIds": channels[1:3]})
    assert first.json() == {
        "id": batch["id"],
        "channels": 2,
        "changed": 2,
        "unchanged": 0,
        "duplicates": 0,
        "revision": 2,
    }
    second = (await operator.post(url, json={"channelIds": [*channels, channels[0]]})).json()
    assert (second["channels"], second["changed"], second["unchanged"], second["duplicates"]) == (4, 2, 2, 1)
    assert await read_members(operator, batch["id"]) == ["2", "3", "1", "4"]
    gone = await operator.post(f"{url}/remove", json={"channelIds": [channels[2], str(uuid4())]})
    assert (gone.json()["changed"], gone.json()["unchanged"], gone.json()["channels"]) == (1, 1, 3)
    assert await read_members(operator, batch["id"]) == ["2", "1", "4"]
    entries = await stage.execute(
        "SELECT after FROM audit_logs WHERE action LIKE 'batch.channels%' ORDER BY id"
    )
    assert [entry.after["changed"] for entry in entries] == [2, 2, 1]
    named = [entry.after["channel_names"] for entry in entries]
    assert named == [["@first_00002", "@first_00003"], ["@first_00001", "@first_00004"], ["@first_00003"]]
    assert [entry.after["more_channels"] for entry in entries] == [0, 0, 0]


async def test_unknown_and_deleted_channels_are_named_and_nothing_is_stored(
    operator: httpx.AsyncClient, stage: Stage
) -> None:
    known, deleted = await stage.add_channels(2)
    await stage.execute("DELETE FROM batch_channels")
    await stage.execute("UPDATE channels SET deleted_at = now() WHERE id = :id", id=deleted)
    batch = await make(operator, "Morning", [])
    for bad in (str(uuid4()), str(deleted)):
        ids = {"channelIds": [str(known), bad]}
        for answer in (
            await operator.post("/api/batches", json={"name": "Other", **ids}),
            await operator.post(f"/api/batches/{batch['id']}/channels", json=ids),
        ):
            assert (answer.status_code, answer.json()["field"]) == (422, "channelIds")
            assert bad in answer.json()["detail"]
    assert await read_members(operator, batch["id"]) == []
    assert (await stage.one("SELECT count(*) AS n FROM batches WHERE name = 'Other'")).n == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": " "},
        {"name": "x" * 201},
        {"name": "a\nb"},
        {"name": "a\0b"},
        {"name": 7},
        {"name": "A", "channelIds": "all"},
        {"name": "A", "channelIds": ["x"]},
        {"name": "A", "channelIds": None},
        {"name": "A", "colour": 1},
    ],
)
async def test_bad_input_is_refused(operator: httpx.AsyncClient, body: dict[str, Any]) -> None:
    answer = await operator.post("/api/batches", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"]


async def test_a_name_belongs_to_one_batch(operator: httpx.AsyncClient) -> None:
    await make(operator, "Morning", [])
    evening = await make(operator, "Evening", [])
    assert (await operator.post("/api/batches", json={"name": "Morning"})).status_code == 409
    url, etag = f"/api/batches/{evening['id']}", {"If-Match": '"1"'}
    assert (await operator.patch(url, json={"name": "Morning"})).status_code == 409
    renamed = await operator.patch(url, json={"name": "Night"}, headers=etag)
    assert (renamed.json()["name"], renamed.headers["ETag"]) == ("Night", '"2"')
    assert (await operator.patch(url, json={"name": "Noon"}, headers=etag)).status_code == 412
    assert (await operator.patch(f"/api/batches/{uuid4()}", json={"name": "Noon"})).status_code == 404


async def test_batches_are_listed_newest_first_and_searched(operator: httpx.AsyncClient) -> None:
    for name in ("Alpha", "Beta", "Alphabet"):
        await make(operator, name, [])
    first = (await operator.get("/api/batches?limit=2")).json()
    rest = (await operator.get(f"/api/batches?limit=2&cursor={first['nextCursor']}")).json()
    assert [item["name"] for item in first["items"] + rest["items"]] == ["Alphabet", "Beta", "Alpha"]
    assert rest["nextCursor"] is None
    found = (await operator.get("/api/batches?search=ALPHA")).json()["items"]
    assert [item["name"] for item in found] == ["Alphabet", "Alpha"]
    assert (await operator.get("/api/batches?colour=red")).json()["field"] == "colour"


async def test_sendable_is_what_a_campaign_would_post_to(operator: httpx.AsyncClient, stage: Stage) -> None:
    one, two, _, _ = await stage.add_channels(4)
    account_id = await stage.add_account()
    await stage.give_peers(account_id, [one])
    await stage.execute("UPDATE channel_peers SET is_active = false")
    await stage.execute("UPDATE channels SET is_active = false WHERE id = :id", id=two)
    batch_id = (await stage.one("SELECT id FROM batches")).id
    url = f"/api/batches/{batch_id}"
    seen = (await operator.get(url)).json()
    assert (seen["channels"], seen["sendable"]) == (4, 3)  # rehearsals do not count
    seen = (await operator.get(url, params={"accountId": str(account_id)})).json()
    assert (seen["channels"], seen["sendable"]) == (4, 2)
    campaign_id = await stage.add_campaign(account_id)
    assert sum((await stage.count_jobs(campaign_id)).values()) == 2
    assert (await operator.get(url, params={"accountId": str(uuid4())})).status_code == 404
    assert (await operator.get(f"/api/batches/{uuid4()}")).status_code == 404


async def test_a_batch_that_a_campaign_uses_is_not_deleted(operator: httpx.AsyncClient, stage: Stage) -> None:
    await stage.add_channels(1)
    campaign_id = await stage.add_campaign(await stage.add_account())
    name = (await stage.read_campaign(campaign_id)).name
    url = f"/api/batches/{(await stage.one('SELECT id FROM batches')).id}"
    answer = await operator.delete(url)
    assert answer.status_code == 409
    assert name in answer.json()["detail"]
    other = await make(operator, "Other", [(await stage.one("SELECT id FROM channels")).id])
    assert (await operator.delete(f"/api/batches/{other['id']}")).status_code == 204
    assert (await operator.get(f"/api/batches/{other['id']}")).status_code == 404
    assert (await stage.one("SELECT count(*) AS n FROM channels WHERE deleted_at IS NULL")).n == 1


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("union", "32145"), ("difference", "3"), ("intersection", "21")],
)
async def test_batches_are_combined_in_a_stable_order(
    operator: httpx.AsyncClient, stage: Stage, operation: str, expected: str
) -> None:
    one, two, three, four, five = await stage.add_channels(5)
    a = await make(operator, "A", [three, two, one])
    b = await make(operator, "B", [one, four, two, five])
    body = {"name": "C", "operation": operation, "batchIds": [a["id"], b["id"]]}
    answer = await operator.post("/api/batches/combine", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["channels"] == len(expected)
    assert await read_members(operator, answer.json()["id"]) == list(expected)
    assert (await operator.post("/api/batches/combine", json=body)).status_code == 409


async def test_three_batches_are_combined(operator: httpx.AsyncClient, stage: Stage) -> None:
    one, two, three, four, five = await stage.add_channels(5)
    ids = [
        (await make(operator, name, members))["id"]
        for name, members in (
            ("A", [five, four, three, two]),
            ("B", [two, four, one]),
            ("C", [three, two, four]),
        )
    ]
    for operation, expected in (("union", "54321"), ("difference", "5"), ("intersection", "42")):
        body = {"name": operation, "operation": operation, "batchIds": ids}
        made = (await operator.post("/api/batches/combine", json=body)).json()
        assert await read_members(operator, made["id"]) == list(expected)


async def test_what_cannot_be_combined(operator: httpx.AsyncClient) -> None:
    a, b = await make(operator, "A", []), await make(operator, "B", [])
    for changes in (
        {"batchIds": [a["id"]]},
        {"batchIds": [a["id"], a["id"]]},
        {"batchIds": [a["id"], str(uuid4())]},
        {"operation": "sum"},
    ):
        body = {"name": "C", "operation": "union", "batchIds": [a["id"], b["id"]], **changes}
        answer = await operator.post("/api/batches/combine", json=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["field"].startswith(next(iter(changes)))


async def test_a_batch_stays_as_it_is_while_it_is_turned_into_messages(
    operator: httpx.AsyncClient, stage: Stage
) -> None:
    one, two = await stage.add_channels(2)
    await stage.add_channels(1, "second")
    other = (await stage.one("SELECT id FROM channels WHERE username LIKE 'second%'")).id
    campaign_id = await stage.add_campaign(await stage.add_account())
    url = f"/api/batches/{(await stage.one('SELECT id FROM batches WHERE name = :n', n='first')).id}/channels"
    await stage.execute("UPDATE campaigns SET expanded_at = NULL")
    add, remove = {"channelIds": [str(other)]}, {"channelIds": [str(one)]}
    for answer in (await operator.post(url, json=add), await operator.post(f"{url}/remove", json=remove)):
        assert answer.status_code == 409
        assert "campaign" in answer.json()["detail"]
    await stage.execute("UPDATE campaigns SET expanded_at = now()")
    assert (await operator.post(url, json=add)).json()["changed"] == 1
    assert (await operator.post(f"{url}/remove", json=remove)).json()["changed"] == 1
    assert sum((await stage.count_jobs(campaign_id)).values()) == 2
    assert two is not None


async def test_a_repeated_request_makes_one_batch(operator: httpx.AsyncClient, stage: Stage) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = await operator.post("/api/batches", json={"name": "A"}, headers=headers)
    again = await operator.post("/api/batches", json={"name": "A"}, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
