"""Signing in and out, sessions, the limits against guessing, and requests of other sites."""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable

import httpx
import pytest
from argon2 import PasswordHasher

from tests.integration.api.conftest import ALLOWED_ORIGIN, HOST, ClientAs
from tests.integration.api.signing_in import PASSWORD, WRONG, add_person, sign_in, try_sign_in
from tests.support.stage import Stage
from vestnik.db.engine import open_session
from vestnik.db.sessions import forget_ended_sessions
from vestnik.domain.users import Role
from vestnik.services import credentials
from vestnik.web import sign_in as signing

Connect = Callable[..., Awaitable[httpx.AsyncClient]]
ANNA = "anna@news.example"


async def actions(stage: Stage) -> list[str]:
    return [row.action for row in await stage.execute("SELECT action FROM audit_logs ORDER BY id")]


async def test_signing_in_opens_a_session_that_tells_who_one_is(
    stage: Stage, anonymous: httpx.AsyncClient
) -> None:
    await add_person(stage, ANNA)
    answer = await try_sign_in(anonymous, "ANNA@News.example")
    assert answer.status_code == 200
    assert answer.json()["user"]["email"] == ANNA
    me = (await anonymous.get("/api/auth/me")).json()
    assert (me["user"]["email"], me["role"], me["csrfToken"]) == (
        ANNA,
        "OPERATOR",
        answer.json()["csrfToken"],
    )
    assert me["user"]["lastLoginAt"] is not None
    assert "session.signed_in" in await actions(stage)


async def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(
    stage: Stage, anonymous: httpx.AsyncClient
) -> None:
    await add_person(stage, ANNA)
    parts = (await try_sign_in(anonymous, ANNA)).headers["set-cookie"].lower().split("; ")
    assert {"httponly", "samesite=lax", "path=/"} <= set(parts)
    assert "secure" not in parts  # plain HTTP on this machine


@pytest.mark.parametrize(
    ("base", "headers"),
    [
        ("https://vestnik.example", {}),
        ("http://vestnik.example", {}),
        ("https://127.0.0.1", {}),
        (HOST, {"X-Forwarded-Proto": "https"}),
    ],
)
async def test_the_cookie_is_secure_except_over_plain_http_on_this_machine(
    stage: Stage, connect: Connect, base: str, headers: dict[str, str]
) -> None:
    await add_person(stage, ANNA)
    client = await connect(base_url=base, headers=headers)
    assert "; secure" in (await try_sign_in(client, ANNA)).headers["set-cookie"].lower()


async def test_only_the_hash_of_the_cookie_is_stored(stage: Stage, anonymous: httpx.AsyncClient) -> None:
    await add_person(stage, ANNA)
    await sign_in(anonymous, ANNA)
    row = await stage.one("SELECT token_hash FROM sessions")
    assert row.token_hash == hashlib.sha256(anonymous.cookies["vestnik_session"].encode()).digest()


async def test_wrong_unknown_and_deactivated_get_the_same_answer(
    stage: Stage, anonymous: httpx.AsyncClient
) -> None:
    await add_person(stage, ANNA)
    await add_person(stage, "boris@news.example")
    await stage.execute("UPDATE users SET is_active = false WHERE email LIKE 'boris%'")
    answers = [
        await try_sign_in(anonymous, ANNA, WRONG),
        await try_sign_in(anonymous, "nobody@news.example", WRONG),
        await try_sign_in(anonymous, "boris@news.example", PASSWORD),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers.keys())) for answer in answers}) == 1


async def test_an_unknown_person_costs_the_same_work_as_a_wrong_password(
    stage: Stage, anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_person(stage, ANNA)
    verified: list[str] = []
    verify = credentials._HASHER.verify

    def count(_self: object, password_hash: str, password: bytes) -> bool:
        verified.append(password_hash.rpartition("$")[0].rpartition("$")[0])
        return verify(password_hash, password)

    monkeypatch.setattr(type(credentials._HASHER), "verify", count)
    for email in (ANNA, "nobody@news.example"):
        assert (await try_sign_in(anonymous, email, WRONG)).status_code == 401
    assert len(verified) == 2
    assert verified[0] == verified[1]  # algorithm and parameters


async def test_a_hash_with_aged_parameters_is_renewed_at_sign_in(
    stage: Stage, anonymous: httpx.AsyncClient
) -> None:
    await add_person(stage, ANNA)
    aged = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    await stage.execute("UPDATE users SET password_hash = :aged", aged=aged)
    await sign_in(anonymous, ANNA)
    renewed = (await stage.one("SELECT password_hash FROM users")).password_hash
    assert renewed != aged
    assert not credentials._HASHER.check_needs_rehash(renewed)
    anonymous.cookies.clear()
    await sign_in(anonymous, ANNA)


async def test_five_failures_for_a_person_make_everybody_wait(stage: Stage, connect: Connect) -> None:
    await add_person(stage, ANNA)
    for number in range(5):
        client = await connect(address=f"192.0.2.{number}")
        assert (await try_sign_in(client, ANNA, WRONG)).status_code == 401
    answer = await try_sign_in(await connect(address="192.0.2.99"), ANNA)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 15 * 60
    await stage.execute("UPDATE login_attempts SET at = at - interval '15 minutes'")
    assert (await try_sign_in(client, ANNA)).status_code == 200


async def test_a_success_makes_earlier_failures_of_the_person_count_no_more(
    stage: Stage, anonymous: httpx.AsyncClient
) -> None:
    await add_person(stage, ANNA)
    for _ in range(2):
        for _ in range(4):
            assert (await try_sign_in(anonymous, ANNA, WRONG)).status_code == 401
        assert (await try_sign_in(anonymous, ANNA)).status_code == 200


@pytest.mark.parametrize(
    ("addresses", "other"),
    [
        (["192.0.2.7"], "192.0.2.8"),
        ([f"2001:db8:0:1::{number}" for number in range(1, 21)], "2001:db8:0:2::1"),
    ],
)
async def test_twenty_failures_from_an_address_make_it_wait(
    stage: Stage, connect: Connect, addresses: list[str], other: str
) -> None:
    await add_person(stage, ANNA)
    for number in range(20):
        client = await connect(address=addresses[number % len(addresses)])
        assert (await try_sign_in(client, f"guess{number}@news.example", WRONG)).status_code == 401
    assert (await try_sign_in(client, ANNA)).status_code == 429
    assert (await try_sign_in(await connect(address=other), ANNA)).status_code == 200


async def test_guesses_at_the_same_time_are_counted_one_by_one(
    stage: Stage, anonymous: httpx.AsyncClient
) -> None:
    await add_person(stage, ANNA)
    answers = await asyncio.gather(*(try_sign_in(anonymous, ANNA, WRONG) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 7


async def test_failures_are_audited_with_their_address_until_there_are_very_many(
    stage: Stage, connect: Connect
) -> None:
    client = await connect(address="192.0.2.7")
    assert (await try_sign_in(client, ANNA, WRONG)).status_code == 401
    failed = "SELECT * FROM audit_logs WHERE action = 'session.failed'"
    entry = await stage.one(failed)
    assert (entry.actor, entry.address, entry.after) == (ANNA, "192.0.2.7", None)
    await stage.execute(
        "INSERT INTO login_attempts (email, address, succeeded)"
        " SELECT 'guess' || i, '198.51.100.' || i, false FROM generate_series(1, 60) i"
    )
    assert (await try_sign_in(client, "boris@news.example", WRONG)).status_code == 401
    assert len(await stage.execute(failed)) == 1


async def test_a_sign_in_that_overtakes_its_deactivation_opens_nothing(
    stage: Stage, anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_person(stage, ANNA)

    async def verify_late(password_hash: str | None, password: str) -> credentials.Verdict:
        await stage.execute("UPDATE users SET is_active = false")
        return await credentials.verify_password(password_hash, password)

    monkeypatch.setattr(signing, "verify_password", verify_late)
    assert (await try_sign_in(anonymous, ANNA)).status_code == 401
    assert await stage.execute("SELECT 1 FROM sessions") == []


@pytest.mark.parametrize("column", ["expires_at", "last_seen_at"])
async def test_a_session_ends_by_age_and_by_idleness(
    stage: Stage, anonymous: httpx.AsyncClient, column: str
) -> None:
    await add_person(stage, ANNA)
    await sign_in(anonymous, ANNA)
    aged = {
        "expires_at": "UPDATE sessions SET expires_at = now()",
        "last_seen_at": "UPDATE sessions SET last_seen_at = now() - interval '12 hours'",
    }
    await stage.execute(aged[column])
    assert (await anonymous.get("/api/auth/me")).status_code == 401
    async with open_session(stage.engine) as session:
        assert await forget_ended_sessions(session) == 1


async def test_use_is_noted_at_most_once_a_minute(stage: Stage, anonymous: httpx.AsyncClient) -> None:
    await add_person(stage, ANNA)
    await sign_in(anonymous, ANNA)
    seen = "SELECT last_seen_at AS at, last_seen_at > now() - interval '1 minute' AS is_new FROM sessions"
    first = await stage.one(seen)
    assert (await anonymous.get("/api/auth/me")).status_code == 200
    assert (await stage.one(seen)).at == first.at
    await stage.execute("UPDATE sessions SET last_seen_at = now() - interval '2 minutes'")
    assert (await anonymous.get("/api/auth/me")).status_code == 200
    assert (await stage.one(seen)).is_new


async def test_signing_out_ends_the_session_for_good(stage: Stage, anonymous: httpx.AsyncClient) -> None:
    await add_person(stage, ANNA)
    await sign_in(anonymous, ANNA)
    cookie = anonymous.cookies["vestnik_session"]
    assert (await anonymous.post("/api/auth/logout")).status_code == 204
    assert "vestnik_session" not in anonymous.cookies
    anonymous.cookies.set("vestnik_session", cookie)
    assert (await anonymous.get("/api/auth/me")).status_code == 401
    assert "session.signed_out" in await actions(stage)


async def test_a_token_has_nothing_to_sign_out_of(client_as: ClientAs) -> None:
    client = await client_as(Role.VIEWER)
    assert (await client.post("/api/auth/logout")).status_code == 409


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer x y", "Bearer vst_\xff", "vst_" + "a" * 43]
)
async def test_a_malformed_authorization_is_refused_even_beside_a_session(
    stage: Stage, anonymous: httpx.AsyncClient, header: str
) -> None:
    await add_person(stage, ANNA)
    await sign_in(anonymous, ANNA)
    answer = await anonymous.get("/api/auth/me", headers={b"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("cookie", ["", "x", "\xff" * 43, "a" * 5_000])
async def test_a_cookie_that_is_none_of_ours_is_refused(anonymous: httpx.AsyncClient, cookie: str) -> None:
    answer = await anonymous.get(
        "/api/auth/me", headers={b"Cookie": f"vestnik_session={cookie}".encode("latin-1")}
    )
    assert answer.status_code == 401


# ---- requests of other sites --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "origin", "status"),
    [
        ("right", None, 201),
        ("right", HOST, 201),
        ("right", ALLOWED_ORIGIN, 201),
        ("right", "https://evil.example", 403),
        ("right", "null", 403),
        ("right", "https://127.0.0.1:3000", 403),
        ("right", "http://127.0.0.1:3001", 403),
        ("wrong", None, 403),
        ("wrong", HOST, 403),
        ("missing", None, 403),
        ("missing", HOST, 403),
        ("other", HOST, 403),
    ],
)
async def test_a_change_needs_the_csrf_token_of_the_session_and_an_origin_of_ours(
    stage: Stage, anonymous: httpx.AsyncClient, token: str, origin: str | None, status: int
) -> None:
    await add_person(stage, ANNA)
    right = await sign_in(anonymous, ANNA)
    assert right == hmac.new(anonymous.cookies["vestnik_session"].encode(), b"csrf", "sha256").hexdigest()
    del anonymous.headers["X-CSRF-Token"]
    tokens = {"right": right, "wrong": right[:-1] + ("0" if right[-1] != "0" else "1"), "other": "\xe9" * 64}
    headers = {} if token == "missing" else {b"X-CSRF-Token": tokens[token].encode("latin-1")}
    if origin is not None:
        headers[b"Origin"] = origin.encode()
    answer = await anonymous.post("/api/tokens", json={"name": "script"}, headers=headers)
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["code"] == "CSRF"
        assert await stage.execute("SELECT 1 FROM api_tokens") == []


async def test_reading_and_tokens_need_no_csrf_token(
    stage: Stage, anonymous: httpx.AsyncClient, client_as: ClientAs
) -> None:
    await add_person(stage, ANNA)
    await sign_in(anonymous, ANNA)
    del anonymous.headers["X-CSRF-Token"]
    evil = {"Origin": "https://evil.example"}
    assert (await anonymous.get("/api/auth/me", headers=evil)).status_code == 200
    client = await client_as(Role.OPERATOR)
    assert (await client.post("/api/tokens", json={"name": "script"}, headers=evil)).status_code == 201


async def test_another_site_cannot_sign_anybody_in(stage: Stage, anonymous: httpx.AsyncClient) -> None:
    await add_person(stage, ANNA)
    answer = await try_sign_in(anonymous, ANNA, Origin="https://evil.example")
    assert (answer.status_code, answer.json()["code"]) == (403, "CSRF")
    assert await stage.execute("SELECT 1 FROM login_attempts") == []
    assert (await try_sign_in(anonymous, ANNA, Origin=HOST)).status_code == 200


async def test_a_key_for_repeating_is_refused_where_secrets_are_answered(
    stage: Stage, anonymous: httpx.AsyncClient
) -> None:
    await add_person(stage, ANNA)
    answer = await try_sign_in(anonymous, ANNA, Idempotency_Key="one")
    assert (answer.status_code, answer.json()["field"]) == (422, "Idempotency-Key")


# ---- the password -------------------------------------------------------------------------------------------

NEW = "other unusual words"


async def change_password(client: httpx.AsyncClient, current: str, new: str) -> httpx.Response:
    return await client.post("/api/auth/password", json={"currentPassword": current, "newPassword": new})


async def test_a_changed_password_ends_all_other_sessions(stage: Stage, connect: Connect) -> None:
    await add_person(stage, ANNA)
    here, there = await connect(), await connect()
    await sign_in(here, ANNA)
    await sign_in(there, ANNA)
    assert (await change_password(here, PASSWORD, NEW)).status_code == 204
    assert (await here.get("/api/auth/me")).status_code == 200
    assert (await there.get("/api/auth/me")).status_code == 401
    assert (await try_sign_in(there, ANNA, PASSWORD)).status_code == 401
    assert (await try_sign_in(there, ANNA, NEW)).status_code == 200


async def test_a_password_given_out_opens_nothing_but_its_change(
    stage: Stage, anonymous: httpx.AsyncClient
) -> None:
    await add_person(stage, ANNA, Role.ADMIN, must_change_password=True)
    await sign_in(anonymous, ANNA)
    for path in ("/api/users", "/api/tokens"):
        answer = await anonymous.get(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "PASSWORD_CHANGE_REQUIRED")
    assert (await anonymous.get("/api/auth/me")).json()["user"]["mustChangePassword"] is True
    assert (await change_password(anonymous, PASSWORD, PASSWORD)).status_code == 422
    assert (await anonymous.get("/api/users")).status_code == 403
    assert (await change_password(anonymous, PASSWORD, NEW)).status_code == 204
    assert (await anonymous.get("/api/users")).status_code == 200


async def test_a_stolen_session_cannot_guess_the_password(stage: Stage, anonymous: httpx.AsyncClient) -> None:
    await add_person(stage, ANNA)
    await sign_in(anonymous, ANNA)
    answers = [await change_password(anonymous, WRONG, NEW) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [422] * 5 + [429]
    assert answers[0].json()["field"] == "currentPassword"


@pytest.mark.parametrize(
    "new", ["short", "a" * 1_025, "я" * 600, "my anna@news.example", "ANNA@news.example1", "nul\0nul\0nul\0n"]
)
async def test_a_poor_password_is_refused_by_name(
    stage: Stage, anonymous: httpx.AsyncClient, new: str
) -> None:
    await add_person(stage, ANNA)
    await sign_in(anonymous, ANNA)
    answer = await change_password(anonymous, PASSWORD, new)
    assert (answer.status_code, answer.json()["field"]) == (422, "newPassword")
    assert new not in answer.text


async def test_a_reading_token_changes_no_password(stage: Stage, client_as: ClientAs) -> None:
    client = await client_as(Role.ADMIN, scope="READ")
    assert (await change_password(client, PASSWORD, NEW)).status_code == 403
