"""The audit log: who did what, found again, taken out by administrators alone, changed by nobody."""

import csv
import io

import httpx
import pytest
from sqlalchemy.exc import DBAPIError

from tests.integration.api.conftest import ClientAs
from tests.support.stage import Stage
from vestnik.domain.users import Role


@pytest.fixture
async def admin(client_as: ClientAs) -> httpx.AsyncClient:
    client = await client_as(Role.ADMIN, email="chief@news.example")
    for name in ("One", "Two", "=Three"):
        assert (await client.post("/api/batches", json={"name": name})).status_code == 201
    return client


async def test_an_entry_says_who_did_what_through_which_door(admin: httpx.AsyncClient) -> None:
    entry = (await admin.get("/api/audit", params={"action": "batch.created", "limit": 1})).json()["items"][0]
    assert entry["actorKind"] == "TOKEN"
    assert entry["actor"].startswith("chief@news.example")
    assert (entry["address"], entry["entityType"]) == ("127.0.0.1", "batch")
    assert entry["after"]["name"] == "=Three"


async def test_pages_follow_each_other_without_gaps(admin: httpx.AsyncClient) -> None:
    seen: list[int] = []
    cursor = None
    while True:
        params = {"limit": "2", "action": "batch."} | ({"cursor": cursor} if cursor else {})
        page = (await admin.get("/api/audit", params=params)).json()
        seen += [entry["id"] for entry in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert len(seen) == 3
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize(
    ("params", "number"),
    [
        ({"action": "batch.deleted"}, 0),
        ({"actorKind": "TOKEN", "entityType": "batch"}, 3),
        ({"actorKind": "CLI"}, 0),
        ({"since": "2020-01-01T00:00:00Z", "entityType": "batch"}, 3),
        ({"until": "2020-01-01T00:00:00Z"}, 0),
    ],
)
async def test_entries_are_filtered(admin: httpx.AsyncClient, params: dict[str, str], number: int) -> None:
    assert len((await admin.get("/api/audit", params=params)).json()["items"]) == number


async def test_a_span_that_ends_before_it_begins_is_refused(admin: httpx.AsyncClient) -> None:
    params = {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
    answer = await admin.get("/api/audit", params=params)
    assert (answer.status_code, answer.json()["field"]) == (422, "until")


async def test_the_export_is_csv_without_formulas_and_is_an_entry_itself(
    admin: httpx.AsyncClient, stage: Stage
) -> None:
    answer = await admin.get("/api/audit/export.csv", params={"entityType": "batch"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["action"] for row in rows] == ["batch.created"] * 3
    assert all(not row["actor"].startswith(("=", "+", "-", "@")) for row in rows)
    assert len(await stage.execute("SELECT FROM audit_logs WHERE action = 'audit.exported'")) == 1


async def test_only_administrators_take_it_out(client_as: ClientAs) -> None:
    operator = await client_as(Role.OPERATOR)
    assert (await operator.get("/api/audit/export.csv")).status_code == 403
    assert (await operator.get("/api/audit")).status_code == 200


@pytest.mark.parametrize("statement", ["UPDATE audit_logs SET actor = 'x'", "DELETE FROM audit_logs"])
async def test_nobody_changes_it(admin: httpx.AsyncClient, stage: Stage, statement: str) -> None:
    with pytest.raises(DBAPIError):
        await stage.execute(statement)


async def test_failed_sign_ins_and_addresses_are_for_administrators(
    admin: httpx.AsyncClient, client_as: ClientAs, anonymous: httpx.AsyncClient
) -> None:
    tried = {"email": "chief@news.example", "password": "correct horse battery"}
    answer = await anonymous.post("/api/auth/login", json=tried)
    assert answer.status_code == 401
    shown = (await admin.get("/api/audit")).json()["items"]
    assert [entry["action"] for entry in shown] == ["session.failed", *["batch.created"] * 3]
    assert {entry["address"] for entry in shown} == {"127.0.0.1"}
    for client in (
        await client_as(Role.VIEWER),
        await client_as(Role.OPERATOR),
        await client_as(Role.ADMIN, scope="READ"),
    ):
        seen = (await client.get("/api/audit")).json()["items"]
        assert [entry["action"] for entry in seen] == ["batch.created"] * 3
        assert {entry["address"] for entry in seen} == {None}
        assert (await client.get("/api/audit", params={"action": "session."})).json()["items"] == []


async def test_times_in_the_export_are_those_of_the_api(admin: httpx.AsyncClient) -> None:
    (newest, *_) = (await admin.get("/api/audit", params={"action": "batch."})).json()["items"]
    answer = await admin.get("/api/audit/export.csv", params={"action": "batch."})
    first = next(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert first["createdAt"] == newest["createdAt"]
    assert first["createdAt"].endswith("Z")
