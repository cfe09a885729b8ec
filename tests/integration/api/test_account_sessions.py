"""Accounts over the API: added, given another session, renamed, switched off; no secret comes back."""

import httpx
import pytest

from tests.integration.api.conftest import ClientAs
from tests.support.session_strings import make_key, make_session
from tests.support.stage import Stage
from vestnik.domain.users import Role

HASH = "fedcba9876543210"


@pytest.fixture
async def admin(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.ADMIN)


async def test_an_account_is_added_by_its_session_and_no_secret_is_shown(
    admin: httpx.AsyncClient, stage: Stage
) -> None:
    given = make_session()
    body = {"name": "newsroom", "session": given, "apiId": 5, "apiHash": HASH, "rate": 2}
    made = await admin.post("/api/accounts", json=body)
    assert made.status_code == 201
    assert made.json() == {**made.json(), "name": "newsroom", "kind": "USER", "state": "ACTIVE", "rate": 2}
    shown = await admin.get(made.headers["Location"])
    assert (shown.json(), shown.headers["ETag"]) == (made.json(), made.headers["ETag"])
    entries = await stage.execute("SELECT after::text FROM audit_logs WHERE action LIKE 'account.%'")
    told = f"{made.text}{made.headers}{shown.text}{entries}"
    assert given not in told
    assert HASH not in told


async def test_a_refused_session_is_not_quoted(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/api/accounts", json={"name": "x", "session": "1canary"})
    assert (answer.status_code, answer.json()["field"]) == (422, "session")
    assert "canary" not in answer.text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"session": "1A"}, "name"),
        ({"name": "x", "apiId": 5}, "apiHash"),
        ({"name": "x", "apiId": 0, "apiHash": HASH}, "apiId"),
        ({"name": "x", "rate": 0}, "rate"),
        ({"name": "x", "phone": "+44"}, "phone"),
    ],
)
async def test_bad_input_names_its_field(
    admin: httpx.AsyncClient, body: dict[str, object], field: str
) -> None:
    answer = await admin.post("/api/accounts", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


async def test_taken_names_and_sessions_are_conflicts(admin: httpx.AsyncClient) -> None:
    key = make_key()
    await admin.post("/api/accounts", json={"name": "first", "session": make_session(key)})
    same_name = await admin.post("/api/accounts", json={"name": "first"})
    assert (same_name.status_code, same_name.json()["field"]) == (409, "name")
    same_session = await admin.post("/api/accounts", json={"name": "second", "session": make_session(key)})
    assert (same_session.status_code, same_session.json()["field"]) == (409, "session")


async def test_a_key_that_would_keep_a_digest_of_the_secret_is_refused(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/api/accounts", json={"name": "x"}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")


async def test_a_session_is_replaced_on_the_state_that_was_seen(
    admin: httpx.AsyncClient, stage: Stage
) -> None:
    made = await admin.post("/api/accounts", json={"name": "x", "session": make_session()})
    address, etag = made.headers["Location"], made.headers["ETag"]
    await stage.execute("UPDATE accounts SET state = 'NEEDS_LOGIN', state_reason = 'SESSION_REVOKED: x'")
    put = {"session": make_session()}
    replaced = await admin.put(f"{address}/session", json=put, headers={"If-Match": etag})
    assert (replaced.status_code, replaced.json()["state"], replaced.json()["stateReason"]) == (
        200, "ACTIVE", None,
    )  # fmt: skip
    late = await admin.put(f"{address}/session", json=put, headers={"If-Match": etag})
    assert late.status_code == 412


async def test_an_account_is_renamed_switched_off_and_on(admin: httpx.AsyncClient) -> None:
    made = await admin.post("/api/accounts", json={"name": "x", "session": make_session()})
    address = made.headers["Location"]
    renamed = await admin.patch(address, json={"name": "y", "rate": 3})
    assert (renamed.json()["name"], renamed.json()["rate"]) == ("y", 3)
    assert (await admin.post(f"{address}/disable")).json()["state"] == "DISABLED"
    assert (await admin.post(f"{address}/disable")).status_code == 409
    assert (await admin.post(f"{address}/enable")).json()["state"] == "ACTIVE"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_only_administrators_change_accounts(client_as: ClientAs, stage: Stage, role: Role) -> None:
    client = await client_as(role)
    address = f"/api/accounts/{await stage.add_account()}"
    answers = [
        await client.post("/api/accounts", json={"name": "x"}),
        await client.put(f"{address}/session", json={"session": make_session()}),
        await client.patch(address, json={"name": "x"}),
        await client.post(f"{address}/disable"),
        await client.post(f"{address}/enable"),
    ]
    assert {answer.status_code for answer in answers} == {403}
