"""Managing people: only administrators, never the last one away, and nobody works on after deactivation."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.integration.api.conftest import ClientAs, add_token
from tests.integration.api.signing_in import PASSWORD, add_person, sign_in, try_sign_in
from tests.support.stage import Stage
from vestnik.domain.users import Role

Connect = Callable[..., Awaitable[httpx.AsyncClient]]
ANNA = "anna@news.example"
GIVEN = {"email": ANNA, "name": "Anna", "role": "OPERATOR", "password": PASSWORD}


@pytest.fixture
async def admin(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.ADMIN, email="root@news.example")


async def read_audit(stage: Stage, action: str) -> list[Any]:
    return await stage.execute("SELECT * FROM audit_logs WHERE action = :action ORDER BY id", action=action)


async def test_a_new_person_may_sign_in_and_must_change_the_password(
    stage: Stage, admin: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    answer = await admin.post("/api/users", json={**GIVEN, "email": "Anna@News.example"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["email"], made["role"], made["mustChangePassword"], made["isActive"]) == (
        ANNA, "OPERATOR", True, True,
    )  # fmt: skip
    assert "password" not in answer.text.lower().replace("mustchangepassword", "")
    shown = await admin.get(answer.headers["Location"])
    assert shown.json() == made
    assert shown.headers["ETag"] == answer.headers["ETag"] == '"1"'
    (entry,) = await read_audit(stage, "user.created")
    assert (entry.actor_kind, entry.actor, entry.address) == (
        "TOKEN",
        "root@news.example / test",
        "127.0.0.1",
    )
    assert entry.after == {"email": ANNA, "name": "Anna", "role": "OPERATOR", "is_active": True}
    await sign_in(anonymous, ANNA)


async def test_an_address_is_taken_in_any_case(admin: httpx.AsyncClient) -> None:
    assert (await admin.post("/api/users", json=GIVEN)).status_code == 201
    answer = await admin.post("/api/users", json={**GIVEN, "email": ANNA.upper()})
    assert (answer.status_code, answer.json()["field"]) == (409, "email")
    other = (await admin.post("/api/users", json={**GIVEN, "email": "boris@news.example"})).json()
    answer = await admin.patch(f"/api/users/{other['id']}", json={"email": ANNA})
    assert (answer.status_code, answer.json()["field"]) == (409, "email")


async def test_the_same_person_made_twice_at_once_is_made_once(admin: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(admin.post("/api/users", json=GIVEN) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a b@c"}, "email"),
        ({"email": "@c"}, "email"),
        ({"email": "a@b@c"}, "email"),
        ({"email": "анна@news.example"}, "email"),
        ({"email": "a" * 251 + "@b.c"}, "email"),
        ({"email": "a\0@b.c"}, "email"),
        ({"email": None}, "email"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"role": "OWNER"}, "role"),
        ({"role": 3}, "role"),
        ({"password": "short"}, "password"),
        ({"password": f"my {ANNA} is it"}, "password"),
        ({"password": "я" * 600}, "password"),
        ({"isAdmin": True}, "isAdmin"),
        ({"revision": 7}, "revision"),
    ],
)
async def test_bad_input_is_refused_by_name_and_nothing_stored(
    stage: Stage, admin: httpx.AsyncClient, change: dict[str, object], field: str
) -> None:
    answer = await admin.post("/api/users", json={**GIVEN, **change})
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert len(await stage.execute("SELECT 1 FROM users")) == 1


async def test_the_list_is_searched_filtered_and_paged(stage: Stage, admin: httpx.AsyncClient) -> None:
    for number in range(5):
        await add_person(stage, f"p{number}@news.example", Role.VIEWER)
    await stage.execute("UPDATE users SET is_active = false, name = 'Gone_Away%' WHERE email LIKE 'p3%'")

    async def ask(**query: str | int) -> list[str]:
        found: list[str] = []
        cursor: str | None = None
        while True:
            extra: dict[str, str | int] = {} if cursor is None else {"cursor": cursor}
            answer = await admin.get("/api/users", params={**query, **extra})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += [user["email"].partition("@")[0] for user in page["items"]]
            if (cursor := page["nextCursor"]) is None:
                return found

    assert await ask(limit=2) == ["p0", "p1", "p2", "p3", "p4", "root"]
    assert await ask(search="P1@") == ["p1"]
    assert await ask(search="gone_away%") == ["p3"]
    assert await ask(search="g%y") == []
    assert await ask(role="ADMIN") == ["root"]
    assert await ask(active="false") == ["p3"]
    assert await ask(active="true", role="VIEWER", limit=3) == ["p0", "p1", "p2", "p4"]


@pytest.mark.parametrize(
    "query", [{"cursor": "x"}, {"limit": 0}, {"role": "X"}, {"nonsense": 1}, {"search": ""}]
)
async def test_a_bad_query_is_refused(admin: httpx.AsyncClient, query: dict[str, Any]) -> None:
    answer = await admin.get("/api/users", params=query)
    assert (answer.status_code, answer.json()["field"]) == (422, next(iter(query)))


async def test_a_lost_update_is_refused(stage: Stage, admin: httpx.AsyncClient) -> None:
    anna = await add_person(stage, ANNA)
    path = f"/api/users/{anna.id}"
    first = await admin.patch(path, json={"name": "One"}, headers={"If-Match": '"1"'})
    assert (first.status_code, first.headers["ETag"]) == (200, '"2"')
    second = await admin.patch(path, json={"name": "Two"}, headers={"If-Match": '"1"'})
    assert (second.status_code, second.json()["code"]) == (412, "STALE_REVISION")
    assert (
        await admin.put(f"{path}/password", json={"password": PASSWORD}, headers={"If-Match": '"1"'})
    ).status_code == 412
    (entry,) = await read_audit(stage, "user.changed")
    assert (entry.before, entry.after) == ({"name": ""}, {"name": "One"})


async def test_deactivation_works_at_once(stage: Stage, admin: httpx.AsyncClient, connect: Connect) -> None:
    anna = await add_person(stage, ANNA)
    browser = await connect()
    await sign_in(browser, ANNA)
    token = await add_token(stage, anna.id)
    script = await connect(headers={"Authorization": f"Bearer {token}"})
    assert (await script.get("/api/auth/me")).status_code == 200
    assert (await admin.patch(f"/api/users/{anna.id}", json={"isActive": False})).status_code == 200
    assert (await browser.get("/api/auth/me")).status_code == 401
    assert (await script.get("/api/auth/me")).status_code == 401
    assert (await try_sign_in(browser, ANNA)).status_code == 401
    assert (await admin.patch(f"/api/users/{anna.id}", json={"isActive": True})).status_code == 200
    assert (await browser.get("/api/auth/me")).status_code == 401
    assert (await script.get("/api/auth/me")).status_code == 200


async def test_a_password_set_by_an_administrator_ends_the_sessions(
    stage: Stage, admin: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    anna = await add_person(stage, ANNA)
    await sign_in(anonymous, ANNA)
    new = "given out by the boss"
    answer = await admin.put(f"/api/users/{anna.id}/password", json={"password": new})
    assert answer.status_code == 204, answer.text
    assert (await anonymous.get("/api/auth/me")).status_code == 401
    anonymous.cookies.clear()
    await sign_in(anonymous, ANNA, new)
    assert (await anonymous.get("/api/auth/me")).json()["user"]["mustChangePassword"] is True
    (entry,) = await read_audit(stage, "user.password_changed")
    assert entry.after == {"email": ANNA, "must_change_password": True, "sessions_ended": 1}


@pytest.mark.parametrize(
    "change", [{"role": "OPERATOR"}, {"isActive": False}, {"role": "VIEWER", "isActive": False}]
)
async def test_the_last_administrator_stays_one(
    stage: Stage, admin: httpx.AsyncClient, change: dict[str, object]
) -> None:
    await add_person(stage, ANNA, Role.ADMIN)
    await stage.execute("UPDATE users SET is_active = false WHERE email = :anna", anna=ANNA)
    me = (await admin.get("/api/auth/me")).json()["user"]["id"]
    answer = await admin.patch(f"/api/users/{me}", json=change)
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    assert (await admin.patch(f"/api/users/{me}", json={"name": "Root", "role": "ADMIN"})).status_code == 200


@pytest.mark.parametrize(
    "changes", [({"role": "VIEWER"}, {"role": "VIEWER"}), ({"role": "VIEWER"}, {"isActive": False})]
)
async def test_of_two_administrators_only_one_can_go_at_the_same_time(
    stage: Stage, client_as: ClientAs, changes: tuple[dict[str, object], ...]
) -> None:
    first, second = await client_as(Role.ADMIN), await client_as(Role.ADMIN)
    ids: list[UUID] = [(await client.get("/api/auth/me")).json()["user"]["id"] for client in (first, second)]
    # Each removes the other. The later one is refused by the count of administrators, or, if it was
    # identified only after the first had been stored, because its sender is none any more.
    answers = await asyncio.gather(
        first.patch(f"/api/users/{ids[1]}", json=changes[0]),
        second.patch(f"/api/users/{ids[0]}", json=changes[1]),
    )
    assert sorted(answer.status_code for answer in answers) in ([200, 409], [200, 403], [200, 401])
    left = await stage.execute("SELECT 1 FROM users WHERE role = 'ADMIN' AND is_active")
    assert len(left) == 1


async def test_a_changed_role_counts_from_the_next_request_on(
    stage: Stage, admin: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    anna = await add_person(stage, ANNA, Role.ADMIN)
    await sign_in(anonymous, ANNA)
    assert (await anonymous.get("/api/users")).status_code == 200
    assert (await admin.patch(f"/api/users/{anna.id}", json={"role": "OPERATOR"})).status_code == 200
    assert (await anonymous.get("/api/users")).status_code == 403


async def test_people_that_are_not_there_are_not_found(admin: httpx.AsyncClient) -> None:
    path = f"/api/users/{uuid4()}"
    answers = [
        await admin.get(path),
        await admin.patch(path, json={"name": "X"}),
        await admin.put(f"{path}/password", json={"password": PASSWORD}),
    ]
    assert [answer.status_code for answer in answers] == [404] * 3
    assert (await admin.get("/api/users/7")).status_code == 422
    assert (await admin.delete(path)).status_code == 405
