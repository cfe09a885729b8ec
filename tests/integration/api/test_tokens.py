"""Personal API tokens: shown once, good until they are revoked or expire, never more than their maker."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.api.conftest import ClientAs, add_token
from tests.integration.api.signing_in import add_person, sign_in
from tests.support.stage import Stage
from vestnik.domain.users import Role

Connect = Callable[..., Awaitable[httpx.AsyncClient]]
ANNA = "anna@news.example"


async def make(client: httpx.AsyncClient, **fields: object) -> dict[str, Any]:
    answer = await client.post("/api/tokens", json={"name": "script", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def with_token(connect: Connect, token: str) -> httpx.AsyncClient:
    return await connect(headers={"Authorization": f"Bearer {token}"})


async def test_a_token_is_shown_once_and_stored_as_a_hash(
    stage: Stage, connect: Connect, client_as: ClientAs
) -> None:
    client = await client_as(Role.OPERATOR)
    made = await make(client)
    assert len(made["token"]) == 47
    assert made["token"].startswith("vst_")
    assert made["hint"] == made["token"][-4:]
    row = await stage.one("SELECT token_hash FROM api_tokens WHERE name = 'script'")
    assert row.token_hash == hashlib.sha256(made["token"].encode()).digest()
    listed = await client.get("/api/tokens")
    assert made["token"] not in listed.text
    assert [token["name"] for token in listed.json()["items"]] == ["script", "test"]
    me = await (await with_token(connect, made["token"])).get("/api/auth/me")
    assert (me.json()["role"], me.json()["csrfToken"]) == ("OPERATOR", None)


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE api_tokens SET revoked_at = now()",
        "UPDATE api_tokens SET expires_at = now()",
        "UPDATE users SET is_active = false",
        "DELETE FROM api_tokens",
    ],
)
async def test_a_token_that_is_no_longer_good_gets_the_same_answer_as_a_wrong_one(
    stage: Stage, connect: Connect, client_as: ClientAs, spoil: str
) -> None:
    client = await client_as(Role.ADMIN)
    await stage.execute(spoil)
    answer = await client.get("/api/auth/me")
    wrong = await (await with_token(connect, "vst_" + "a" * 43)).get("/api/auth/me")
    malformed = await (await with_token(connect, "x")).get("/api/auth/me")
    assert (answer.status_code, answer.text) == (401, wrong.text)
    assert malformed.text == wrong.text


async def test_use_is_noted_at_most_once_a_minute(stage: Stage, client_as: ClientAs) -> None:
    client = await client_as(Role.VIEWER)
    used = "SELECT last_used_at AS at FROM api_tokens"
    assert (await stage.one(used)).at is None
    await client.get("/api/auth/me")
    first = (await stage.one(used)).at
    await client.get("/api/auth/me")
    assert first is not None
    assert (await stage.one(used)).at == first
    await stage.execute("UPDATE api_tokens SET last_used_at = now() - interval '61 seconds'")
    await client.get("/api/auth/me")
    assert (await stage.one(used)).at > first


async def test_a_reading_token_reads_as_a_viewer_and_makes_no_token(
    stage: Stage, client_as: ClientAs
) -> None:
    client = await client_as(Role.ADMIN, scope="READ")
    me = (await client.get("/api/auth/me")).json()
    assert (me["user"]["role"], me["role"], me["scope"]) == ("ADMIN", "VIEWER", "READ")
    assert (await client.get("/api/users")).status_code == 403
    for scope in ("READ", "FULL"):
        answer = await client.post("/api/tokens", json={"name": "more", "scope": scope})
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    own = (await client.get("/api/tokens")).json()["items"][0]["id"]
    assert (await client.delete(f"/api/tokens/{own}")).status_code == 403
    assert len(await stage.execute("SELECT 1 FROM api_tokens WHERE revoked_at IS NULL")) == 1


async def test_a_token_cannot_live_on_in_another_one(connect: Connect, client_as: ClientAs) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    short = await make(await client_as(Role.OPERATOR), expiresAt=soon.isoformat())
    client = await with_token(connect, short["token"])
    for later in (None, (soon + timedelta(seconds=1)).isoformat()):
        answer = await client.post("/api/tokens", json={"name": "more", "expiresAt": later})
        assert (answer.status_code, answer.json()["field"]) == (422, "expiresAt")
    await make(client, expiresAt=soon.isoformat())


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"scope": "ALL"}, "scope"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
        ({"expiresAt": "2099-01-01T00:00:00"}, "expiresAt"),
        ({"expiresAt": "9999-12-31T23:59:59-14:00"}, "expiresAt"),
        ({"expiresAt": "0001-01-01T00:00:00+14:00"}, "expiresAt"),
        ({"expiresAt": "never"}, "expiresAt"),
        ({"token": "vst_mine"}, "token"),
        ({"userId": str(uuid4())}, "userId"),
    ],
)
async def test_bad_input_is_refused_by_name(
    client_as: ClientAs, fields: dict[str, object], field: str
) -> None:
    client = await client_as(Role.OPERATOR)
    answer = await client.post("/api/tokens", json={"name": "script", **fields})
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text


async def test_a_revoked_token_is_useless_and_revoking_again_does_nothing(
    stage: Stage, connect: Connect, client_as: ClientAs
) -> None:
    client = await client_as(Role.VIEWER)
    made = await make(client)
    for _ in range(2):
        assert (await client.delete(f"/api/tokens/{made['id']}")).status_code == 204
    assert (await (await with_token(connect, made["token"])).get("/api/auth/me")).status_code == 401
    actions = [row.action for row in await stage.execute("SELECT action FROM audit_logs ORDER BY id")]
    assert actions == ["token.created", "token.revoked"]


async def test_tokens_of_others_are_for_administrators(stage: Stage, client_as: ClientAs) -> None:
    anna = await add_person(stage, ANNA)
    await add_token(stage, anna.id, name="anna's")
    theirs = (await stage.one("SELECT id FROM api_tokens")).id
    operator, admin = await client_as(Role.OPERATOR), await client_as(Role.ADMIN)
    assert (await operator.get("/api/tokens", params={"userId": str(anna.id)})).status_code == 403
    assert (await operator.delete(f"/api/tokens/{theirs}")).status_code == 404
    listed = (await admin.get("/api/tokens", params={"userId": str(anna.id)})).json()["items"]
    assert [token["name"] for token in listed] == ["anna's"]
    assert (await admin.delete(f"/api/tokens/{theirs}")).status_code == 204
    assert (await admin.delete(f"/api/tokens/{uuid4()}")).status_code == 404


async def test_the_list_comes_in_pages(stage: Stage, client_as: ClientAs) -> None:
    client = await client_as(Role.VIEWER)
    for number in range(4):
        await make(client, name=f"t{number}")
    names: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page = (
            await client.get("/api/tokens", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        ).json()
        names += [token["name"] for token in page["items"]]
        cursor = page["nextCursor"]
    assert cursor is None
    assert names == ["t3", "t2", "t1", "t0", "test"]


async def test_a_key_for_repeating_is_refused_where_a_token_is_answered(client_as: ClientAs) -> None:
    client = await client_as(Role.VIEWER)
    answer = await client.post("/api/tokens", json={"name": "x"}, headers={"Idempotency-Key": "one"})
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")


async def test_a_browser_makes_tokens_too(
    stage: Stage, connect: Connect, anonymous: httpx.AsyncClient
) -> None:
    await add_person(stage, ANNA)
    await sign_in(anonymous, ANNA)
    made = await make(anonymous, scope="READ")
    me = await (await with_token(connect, made["token"])).get("/api/auth/me")
    assert me.json()["role"] == "VIEWER"
    (entry,) = await stage.execute("SELECT * FROM audit_logs WHERE action = 'token.created'")
    assert (entry.actor_kind, entry.actor) == ("USER", ANNA)
