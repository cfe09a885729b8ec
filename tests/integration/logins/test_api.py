"""Logins over the API: begun, fed, watched, cancelled; every mistake at its field."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.api.conftest import add_token, add_user
from tests.integration.logins.desk import Desk
from tests.integration.logins.surfaces import make_web, open_api
from tests.support.logins import CODE, PASSWORD, PHONE
from vestnik.domain.ids import AccountId
from vestnik.domain.users import Role


@pytest.fixture
async def client(engine: AsyncEngine, desk: Desk, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with open_api(make_web(engine, tmp_path), desk.rig.stage) as client:
        yield client


async def wait_for(
    desk: Desk, client: httpx.AsyncClient, address: str, step: str, error: str | None = None
) -> Any:
    """Ask until the login is at a step."""
    found: dict[str, Any] = {}

    async def is_so() -> bool:
        answer = await client.get(f"{address}/login")
        assert answer.status_code == 200, answer.text
        found.update(answer.json())
        return found["step"] == step and (error is None or found["errorCode"] == error)

    await desk.rig.until(is_so)
    return found


async def test_an_account_logs_in_step_by_step(
    desk: Desk, account_id: AccountId, client: httpx.AsyncClient
) -> None:
    desk.rig.server.simulator.add_phone(PHONE, "alice", code=CODE, password=PASSWORD, hint="the horse")
    address = f"/api/accounts/{account_id}"
    assert (await client.get(f"{address}/login")).status_code == 404
    begun = await client.post(f"{address}/login", json={"method": "PHONE", "phone": f"+{PHONE}"})
    assert (begun.status_code, begun.json()["step"]) == (202, "STARTING")
    shown = await wait_for(desk, client, address, "CODE")
    assert shown["codeKind"]
    wrong = await client.post(f"{address}/login/code", json={"code": "99999"})
    assert (wrong.status_code, wrong.json()["step"]) == (202, "CHECKING")
    shown = await wait_for(desk, client, address, "CODE", "PHONE_CODE_INVALID")
    assert (shown["field"], shown["attemptsLeft"]) == ("code", 4)
    await client.post(f"{address}/login/code", json={"code": CODE})
    assert (await wait_for(desk, client, address, "PASSWORD"))["hint"] == "the horse"
    await client.post(f"{address}/login/password", json={"password": PASSWORD})
    done = await wait_for(desk, client, address, "DONE")
    assert done["finishedAt"]
    await desk.real.until_connected(account_id)
    health = (await client.get(f"{address}/health")).json()
    assert (health["account"]["state"], health["waits"]) == ("ACTIVE", [])
    assert health["tgUserId"]
    assert health["connectedSince"]
    out = await client.post(f"{address}/logout")
    assert (out.status_code, out.json()["method"]) == (202, "LOG_OUT")
    await wait_for(desk, client, address, "DONE")
    assert (await client.get(address)).json()["state"] == "NEEDS_LOGIN"
    assert (await client.post(f"{address}/logout")).status_code == 409


async def test_a_qr_code_is_shown_while_it_lasts_and_a_login_can_be_cancelled(
    desk: Desk, account_id: AccountId, client: httpx.AsyncClient
) -> None:
    address = f"/api/accounts/{account_id}"
    begun = await client.post(f"{address}/login", json={"method": "QR"})
    assert begun.json()["qrUrl"] is None
    shown = await wait_for(desk, client, address, "QR")
    assert shown["qrUrl"].startswith("tg://login?token=")
    assert shown["qrExpiresAt"]
    gone = await client.delete(f"{address}/login")
    assert (gone.status_code, gone.json()["step"], gone.json()["qrUrl"]) == (200, "CANCELLED", None)
    assert (await client.delete(f"{address}/login")).status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"method": "PHONE"}, "phone"),
        ({"method": "PHONE", "phone": "canary"}, "phone"),
        ({"method": "BOT", "token": "canary"}, "token"),
        ({"method": "LOG_OUT"}, "method"),
        ({"method": "QR", "code": "canary"}, "code"),
    ],
)
async def test_bad_input_names_its_field_and_is_not_quoted(
    account_id: AccountId, client: httpx.AsyncClient, body: dict[str, str], field: str
) -> None:
    answer = await client.post(f"/api/accounts/{account_id}/login", json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert "canary" not in answer.text


async def test_what_does_not_fit_the_step_is_a_conflict(
    account_id: AccountId, client: httpx.AsyncClient
) -> None:
    for path, body in (("code", {"code": "1"}), ("password", {"password": "x"}), ("resend", None)):
        answer = await client.post(f"/api/accounts/{account_id}/login/{path}", json=body)
        assert (answer.status_code, answer.json()["field"]) == (409, "login"), path


async def test_without_a_worker_the_answer_says_so(desk: Desk, client: httpx.AsyncClient) -> None:
    answer = await client.post(f"/api/accounts/{await desk.add()}/login", json={"method": "QR"})
    assert (answer.status_code, answer.json()["code"]) == (503, "NO_WORKER")


async def test_too_many_logins_are_refused_with_the_time(
    account_id: AccountId, client: httpx.AsyncClient
) -> None:
    address = f"/api/accounts/{account_id}/login"
    for _ in range(5):
        assert (await client.post(address, json={"method": "QR"})).status_code == 202
        await client.delete(address)
    answer = await client.post(address, json={"method": "QR"})
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 3_000


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_logins_are_for_administrators(
    desk: Desk, account_id: AccountId, client: httpx.AsyncClient, role: Role
) -> None:
    user_id = await add_user(desk.rig.stage, f"{role}@news.example", role)
    client.headers["Authorization"] = f"Bearer {await add_token(desk.rig.stage, user_id)}"
    address = f"/api/accounts/{account_id}"
    answers = [
        await client.get(f"{address}/login"),
        await client.post(f"{address}/login", json={"method": "QR"}),
        await client.post(f"{address}/login/code", json={"code": "1"}),
        await client.post(f"{address}/login/password", json={"password": "1"}),
        await client.post(f"{address}/login/resend"),
        await client.delete(f"{address}/login"),
        await client.post(f"{address}/logout"),
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert (await client.get(f"{address}/health")).status_code == 200
