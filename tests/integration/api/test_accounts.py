"""Edits of accounts: made on the state that was seen, and told apart from what the engine notes."""

from decimal import Decimal

import httpx
import pytest

from tests.integration.api.conftest import ClientAs
from tests.support.stage import Stage
from vestnik.db.engine import open_session
from vestnik.domain.actors import Actor
from vestnik.domain.users import Role
from vestnik.services.accounts import REHEARSAL_ACCOUNT, apply_account_rate


@pytest.fixture
async def admin(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.ADMIN)


@pytest.fixture
async def address(stage: Stage) -> str:
    return f"/api/accounts/{await stage.add_account()}"


async def test_an_edit_of_an_older_state_is_refused(admin: httpx.AsyncClient, address: str) -> None:
    seen = await admin.get(address)
    assert seen.headers["ETag"] == f'"{seen.json()["revision"]}"'
    first = await admin.patch(address, json={"rate": 5}, headers={"If-Match": seen.headers["ETag"]})
    assert (first.status_code, first.json()["rate"]) == (200, 5)
    assert first.headers["ETag"] != seen.headers["ETag"]
    late = await admin.patch(address, json={"rate": 6}, headers={"If-Match": seen.headers["ETag"]})
    assert (late.status_code, late.json()["code"]) == (412, "STALE_REVISION")
    shown = await admin.get(address)
    assert (shown.json()["rate"], shown.headers["ETag"]) == (5, first.headers["ETag"])
    again = await admin.patch(address, json={"rate": 6}, headers={"If-Match": first.headers["ETag"]})
    assert (again.status_code, again.json()["rate"]) == (200, 6)
    assert (await admin.patch(address, json={"rate": 7})).status_code == 200


async def test_what_changes_nothing_is_no_edit(admin: httpx.AsyncClient, stage: Stage, address: str) -> None:
    first = await admin.patch(address, json={"rate": 5})
    second = await admin.patch(address, json={"rate": 5})
    assert second.headers["ETag"] == first.headers["ETag"]
    assert len(await stage.execute("SELECT FROM audit_logs WHERE action = 'account.rate_changed'")) == 1


async def test_what_the_engine_notes_is_no_edit(admin: httpx.AsyncClient, stage: Stage, address: str) -> None:
    etag = (await admin.get(address)).headers["ETag"]
    await stage.execute("UPDATE accounts SET state = 'LIMITED', state_reason = 'SPAM'")
    released = await admin.post(f"{address}/release")
    assert (released.json()["state"], released.headers["ETag"]) == ("ACTIVE", etag)
    edit = await admin.patch(address, json={"rate": 5}, headers={"If-Match": etag})
    assert edit.status_code == 200


async def test_a_rate_that_the_environment_sets_is_an_edit(admin: httpx.AsyncClient, stage: Stage) -> None:
    row = await stage.one("SELECT id FROM accounts WHERE name = :name", name=REHEARSAL_ACCOUNT)
    etag = (await admin.get(f"/api/accounts/{row.id}")).headers["ETag"]
    async with open_session(stage.engine) as session:
        await apply_account_rate(session, Actor.system("test"), Decimal(7))
    late = await admin.patch(f"/api/accounts/{row.id}", json={"rate": 5}, headers={"If-Match": etag})
    assert late.status_code == 412


async def test_an_unknown_account_is_a_404_that_names_the_id(admin: httpx.AsyncClient) -> None:
    answer = await admin.get("/api/accounts/00000000-0000-0000-0000-000000000001")
    assert (answer.status_code, answer.json()["field"]) == (404, "accountId")


@pytest.mark.parametrize("rate", ["５", "1_0", " 5", "٥", "1e1", "5,0", True, None])
async def test_a_rate_is_a_number_in_plain_digits(
    admin: httpx.AsyncClient, stage: Stage, address: str, rate: object
) -> None:
    answer = await admin.patch(address, json={"rate": rate})
    assert (answer.status_code, answer.json()["field"]) == (422, "rate")
    assert await stage.execute("SELECT FROM audit_logs WHERE action = 'account.rate_changed'") == []
