"""What there is to do and who does it; the accounts, and who may change them."""

from uuid import uuid4

import httpx
import pytest

from tests.integration.api.conftest import ClientAs
from tests.support.stage import Stage
from vestnik.domain.users import Role


@pytest.fixture
async def viewer(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.VIEWER)


@pytest.fixture
async def admin(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.ADMIN)


async def test_the_stats_tell_the_load_the_holds_the_workers_and_the_oldest_message(
    viewer: httpx.AsyncClient, stage: Stage
) -> None:
    account_id = await stage.add_account(rate=7)
    await stage.give_peers(account_id, await stage.add_channels(5))
    campaign_id = await stage.add_campaign(account_id)
    (job, _) = await stage.claim(await stage.acquire(account_id, "w1"), campaign_id, 2)
    await stage.execute("INSERT INTO workers (holder, host, pid) VALUES ('w1', 'host', 7)")
    await stage.execute(
        "INSERT INTO workers (holder, host, pid, seen_at)"
        " VALUES ('w2', 'host', 8, clock_timestamp() - interval '1 hour')"
    )
    await stage.execute(
        "INSERT INTO account_holds (account_id, scope, until, reason)"
        " VALUES (:id, 'RESOLVE', now() + interval '1 hour', 'FLOOD_WAIT_3600'),"
        " (:id, 'SEND', now() - interval '1 hour', 'over')",
        id=account_id,
    )
    answer = await viewer.get("/api/queue/stats")
    assert answer.status_code == 200, answer.text
    stats = answer.json()
    assert stats["jobs"] == {"total": 5, "queued": 3, "sending": 2, "sent": 0, "failed": 0, "cancelled": 0}
    assert (stats["campaigns"]["RUNNING"], stats["campaigns"]["DRAFT"]) == (1, 0)
    load = next(item for item in stats["accounts"] if item["account"]["id"] == str(account_id))
    assert (load["runningCampaigns"], load["queued"], load["sending"]) == (1, 3, 2)
    assert (load["account"]["leasedBy"], load["account"]["rate"]) == ("w1", 7)
    assert [(hold["scope"], hold["reason"]) for hold in load["account"]["holds"]] == [
        ("RESOLVE", "FLOOD_WAIT_3600")
    ]
    workers = [(worker["holder"], worker["isAlive"], worker["accounts"]) for worker in stats["workers"]]
    assert workers == [("w1", True, 1), ("w2", False, 0)]
    oldest = stats["oldestSending"]
    assert (oldest["jobId"], oldest["campaignId"]) == (job.job_id, str(campaign_id))
    row = await stage.read_job(job.job_id)
    assert oldest["since"] == row.started_at.isoformat().replace("+00:00", "Z")


async def test_an_empty_system_has_stats_too(viewer: httpx.AsyncClient) -> None:
    stats = (await viewer.get("/api/queue/stats")).json()
    assert (stats["jobs"]["total"], stats["workers"], stats["oldestSending"]) == (0, [], None)
    assert [item["account"]["name"] for item in stats["accounts"]] == ["rehearsal"]


async def test_everybody_sees_the_accounts_and_none_of_their_secrets(viewer: httpx.AsyncClient) -> None:
    (account,) = (await viewer.get("/api/accounts")).json()["items"]
    assert set(account) == {
        "id", "name", "kind", "state", "stateReason", "rate", "tgName", "holds", "lookups", "leasedBy", "revision",
    }  # fmt: skip
    assert (account["name"], account["kind"], account["holds"]) == ("rehearsal", "SIMULATED", [])


async def test_an_administrator_sets_the_rate(
    admin: httpx.AsyncClient, client_as: ClientAs, stage: Stage
) -> None:
    address = f"/api/accounts/{await stage.add_account()}"
    operator = await client_as(Role.OPERATOR)
    assert (await operator.patch(address, json={"rate": 3})).status_code == 403
    answer = await admin.patch(address, json={"rate": "0.5"})
    assert (answer.status_code, answer.json()["rate"]) == (200, 0.5)
    for rate in (0, 1001, "x", None, True):
        refused = await admin.patch(address, json={"rate": rate})
        assert (refused.status_code, refused.json()["field"].split(".")[0]) == (422, "rate"), rate
    assert (await admin.patch(f"/api/accounts/{uuid4()}", json={"rate": 1})).status_code == 404


async def test_an_administrator_releases_a_limited_account(
    admin: httpx.AsyncClient, client_as: ClientAs, stage: Stage
) -> None:
    account_id = await stage.add_account()
    address = f"/api/accounts/{account_id}/release"
    assert (await admin.post(address)).status_code == 409
    await stage.execute(
        "UPDATE accounts SET state = 'LIMITED', state_reason = 'x' WHERE id = :id", id=account_id
    )
    assert (await (await client_as(Role.OPERATOR)).post(address)).status_code == 403
    answer = await admin.post(address)
    assert (answer.status_code, answer.json()["state"], answer.json()["stateReason"]) == (200, "ACTIVE", None)
