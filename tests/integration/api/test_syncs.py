"""Syncs over HTTP: asked for, followed, refused; and the small pictures that they bring."""

from uuid import uuid4

import httpx
import pytest

from tests.integration.api.conftest import ClientAs
from tests.support.stage import Stage
from vestnik.domain.users import Role

PICTURE = b"\xff\xd8\xff\xe0 a picture \xff\xd9"


@pytest.fixture
async def operator(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.OPERATOR)


@pytest.fixture
async def account_id(stage: Stage) -> str:
    """A real account that a process claims to speak for."""
    row = await stage.one("INSERT INTO accounts (name, kind) VALUES ('press', 'USER') RETURNING id")
    await stage.execute(
        "INSERT INTO account_leases (account_id, holder, epoch, lease_until)"
        " VALUES (:id, 'someone', 1, now() + interval '1 hour')",
        id=row.id,
    )
    return str(row.id)


async def test_a_sync_is_accepted_and_can_be_asked_for(
    operator: httpx.AsyncClient, stage: Stage, account_id: str
) -> None:
    path = f"/api/accounts/{account_id}/sync"
    assert (await operator.get(path)).status_code == 404
    asked = await operator.post(path)
    assert asked.status_code == 202
    sync = asked.json()
    assert (sync["status"], sync["phase"], sync["accountName"]) == ("PENDING", "DIALOGS", "press")
    assert asked.headers["Location"] == f"{path}/{sync['id']}"
    assert (await operator.get(asked.headers["Location"])).json() == sync
    assert (await operator.post(path)).json()["id"] == sync["id"]
    await stage.execute(
        "UPDATE account_commands SET status = 'DONE', finished_at = now(),"
        """ result = '{"phase": "DONE", "added": 3, "without_right": 2, "from_a_later_version": 1}'"""
    )
    seen = (await operator.get(path)).json()
    assert (seen["status"], seen["phase"], seen["added"], seen["withoutRight"]) == ("DONE", "DONE", 3, 2)
    entry = await stage.one("SELECT * FROM audit_logs WHERE action = 'account.sync_requested'")
    assert (entry.actor_kind, entry.entity_id) == ("TOKEN", account_id)


async def test_a_repeated_key_asks_once(operator: httpx.AsyncClient, account_id: str) -> None:
    headers = {"Idempotency-Key": "morning"}
    first = await operator.post(f"/api/accounts/{account_id}/sync", headers=headers)
    again = await operator.post(f"/api/accounts/{account_id}/sync", headers=headers)
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert again.headers["Location"] == first.headers["Location"]


async def test_what_cannot_be_synchronised_says_why(
    operator: httpx.AsyncClient, stage: Stage, account_id: str
) -> None:
    rehearsal = await stage.one("SELECT id FROM accounts WHERE kind = 'SIMULATED'")
    refused = await operator.post(f"/api/accounts/{rehearsal.id}/sync")
    assert (refused.status_code, refused.json()["code"]) == (409, "CONFLICT")
    await stage.execute("UPDATE account_leases SET lease_until = now() - interval '1 hour'")
    absent = await operator.post(f"/api/accounts/{account_id}/sync")
    assert absent.json()["code"] == "NO_WORKER"
    assert (await operator.post(f"/api/accounts/{uuid4()}/sync")).status_code == 404
    assert (await operator.get(f"/api/accounts/{account_id}/sync/{uuid4()}")).status_code == 404


async def test_readers_may_look_and_not_ask(client_as: ClientAs, account_id: str) -> None:
    viewer = await client_as(Role.VIEWER)
    assert (await viewer.post(f"/api/accounts/{account_id}/sync")).status_code == 403


async def test_the_budget_of_look_ups_is_shown(
    operator: httpx.AsyncClient, stage: Stage, account_id: str
) -> None:
    await stage.execute(
        "INSERT INTO account_lookups VALUES (:id, (clock_timestamp() AT TIME ZONE 'UTC')::date, 12, 150)",
        id=account_id,
    )
    account = (await operator.get(f"/api/accounts/{account_id}")).json()
    assert account["lookups"] == {"used": 12, "limit": 150}


async def test_a_picture_is_shown_and_can_do_nothing_else(operator: httpx.AsyncClient, stage: Stage) -> None:
    (channel_id,) = await stage.add_channels(1)
    path = f"/api/channels/{channel_id}/picture"
    assert (await operator.get(path)).status_code == 404
    await stage.execute(
        "INSERT INTO channel_pictures (channel_id, jpeg) VALUES (:id, :jpeg)", id=channel_id, jpeg=PICTURE
    )
    shown = await operator.get(path)
    assert (shown.status_code, shown.content) == (200, PICTURE)
    assert shown.headers["Content-Type"] == "image/jpeg"
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    await stage.execute("UPDATE channels SET deleted_at = now()")
    assert (await operator.get(path)).status_code == 404


async def test_what_an_account_sees_of_a_channel_is_shown(
    operator: httpx.AsyncClient, stage: Stage, account_id: str
) -> None:
    (channel_id,) = await stage.add_channels(1)
    await stage.execute(
        "INSERT INTO channel_peers (account_id, channel_id, can_post, forbidden, member_count, gone_since)"
        " VALUES (:account, :channel, true, '{PHOTOS}', 77, now())",
        account=account_id,
        channel=channel_id,
    )
    (peer,) = (await operator.get(f"/api/channels/{channel_id}")).json()["peers"]
    assert (peer["forbidden"], peer["memberCount"]) == (["PHOTOS"], 77)
    assert peer["goneSince"] is not None
