"""Preflights over HTTP: asked for, read page by page, and chosen at a start."""

from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from tests.integration.api.conftest import ClientAs
from tests.support.stage import Stage
from vestnik.api import preflights
from vestnik.domain.ids import AccountId, ChannelId
from vestnik.domain.users import Role


@pytest.fixture
async def operator(client_as: ClientAs, monkeypatch: pytest.MonkeyPatch) -> httpx.AsyncClient:
    monkeypatch.setattr(preflights, "WAIT", timedelta(seconds=0.2))
    return await client_as(Role.OPERATOR)


@pytest.fixture
async def account_id(stage: Stage) -> AccountId:
    """An account that a process claims to speak for."""
    account_id = await stage.add_account()
    await stage.execute(
        "INSERT INTO account_leases (account_id, holder, epoch, lease_until)"
        " VALUES (:id, 'someone', 1, now() + interval '1 hour')",
        id=account_id,
    )
    return account_id


@pytest.fixture
async def channels(stage: Stage) -> list[ChannelId]:
    return await stage.add_channels(5)


@pytest.fixture
async def path(stage: Stage, account_id: AccountId, channels: list[ChannelId]) -> str:
    return f"/api/campaigns/{await stage.add_campaign(account_id, start=False)}"


async def finish(stage: Stage, channels: list[ChannelId]) -> None:
    """As the worker would: the first two fail, the third has a warning."""
    await stage.execute("UPDATE account_commands SET status = 'DONE', finished_at = now()")
    await stage.execute(
        "INSERT INTO preflight_channels (preflight_id, channel_id, position, verdict, code)"
        " SELECT f.id, b.channel_id, b.position,"
        " CASE WHEN b.channel_id = :third THEN 'WARNS' ELSE 'FAILS' END,"
        " CASE WHEN b.channel_id = :third THEN 'SAME_CONTENT' ELSE 'CHAT_WRITE_FORBIDDEN' END"
        " FROM preflights f, batch_channels b WHERE b.channel_id = ANY (CAST(:ids AS uuid[]))",
        third=channels[2],
        ids=channels[:3],
    )
    await stage.execute(
        "UPDATE preflights SET finished_at = now(), total = 5, ready = 3, failing = 2, warned = 1"
    )


async def test_what_takes_longer_is_accepted_and_can_be_asked_for(
    operator: httpx.AsyncClient, stage: Stage, path: str, channels: list[ChannelId]
) -> None:
    assert (await operator.get(f"{path}/preflight")).status_code == 404
    asked = await operator.post(f"{path}/preflight")
    assert (asked.status_code, asked.json()["status"]) == (202, "PENDING")
    assert asked.headers["Location"] == f"{path}/preflight"
    assert (await operator.get(f"{path}/preflight/channels")).json()["code"] == "CONFLICT"
    again = await operator.post(f"{path}/preflight")
    assert again.json()["id"] == asked.json()["id"]
    await finish(stage, channels)
    report = (await operator.get(f"{path}/preflight")).json()
    assert (report["status"], report["total"], report["ready"]) == ("DONE", 5, 3)
    assert (report["failing"], report["waiting"], report["warned"]) == (2, 0, 1)
    assert report["isCurrent"] is True
    assert report["reasons"] == [
        {"verdict": "FAILS", "code": "CHAT_WRITE_FORBIDDEN", "channels": 2},
        {"verdict": "WARNS", "code": "SAME_CONTENT", "channels": 1},
    ]


async def test_what_was_found_comes_page_by_page(
    operator: httpx.AsyncClient, stage: Stage, path: str, channels: list[ChannelId]
) -> None:
    await operator.post(f"{path}/preflight")
    await finish(stage, channels)
    names, cursor = [], None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await operator.get(f"{path}/preflight/channels", params=query)).json()
        names += [item["channel"] for item in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert names == ["@first_00001", "@first_00002", "@first_00003"]
    warned = await operator.get(f"{path}/preflight/channels", params={"verdict": "WARNS"})
    assert [item["code"] for item in warned.json()["items"]] == ["SAME_CONTENT"]
    by_code = await operator.get(f"{path}/preflight/channels", params={"code": "CHAT_WRITE_FORBIDDEN"})
    assert len(by_code.json()["items"]) == 2
    for bad in ({"cursor": "x"}, {"verdict": "BAD"}, {"what": "else"}, {"limit": "0"}):
        assert (await operator.get(f"{path}/preflight/channels", params=bad)).status_code == 422, bad


async def test_a_start_can_leave_out_what_would_fail(
    operator: httpx.AsyncClient, stage: Stage, path: str, channels: list[ChannelId]
) -> None:
    body = {"action": "start", "skip": "preflight"}
    early = await operator.post(f"{path}/action", json=body)
    assert (early.status_code, early.json()["field"]) == (409, "skip")
    await operator.post(f"{path}/preflight")
    await finish(stage, channels)
    started = await operator.post(f"{path}/action", json=body)
    assert started.status_code == 200
    progress = started.json()["campaign"]["progress"]
    assert (progress["total"], progress["queued"], progress["cancelled"]) == (5, 3, 2)
    jobs = (await operator.get(f"{path}/jobs", params={"status": "CANCELLED"})).json()["items"]
    assert {job["errorCode"] for job in jobs} == {"SKIPPED_BY_PREFLIGHT"}
    assert (await operator.post(f"{path}/preflight")).status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {"action": "pause", "skip": "preflight"},
        {"action": "start", "skip": "everything"},
        {"action": "start", "skip": True},
    ],
)
async def test_skip_goes_with_start_alone(
    operator: httpx.AsyncClient, path: str, body: dict[str, object]
) -> None:
    refused = await operator.post(f"{path}/action", json=body)
    assert (refused.status_code, refused.json()["field"]) == (422, "skip")


async def test_a_changed_campaign_makes_the_report_old(
    operator: httpx.AsyncClient, stage: Stage, path: str, channels: list[ChannelId]
) -> None:
    await operator.post(f"{path}/preflight")
    await finish(stage, channels)
    assert (await operator.patch(path, json={"deliveryRate": 5})).status_code == 200
    assert (await operator.get(f"{path}/preflight")).json()["isCurrent"] is False
    refused = await operator.post(f"{path}/action", json={"action": "start", "skip": "preflight"})
    assert refused.status_code == 409
    fresh = await operator.post(f"{path}/preflight")
    assert (fresh.status_code, fresh.json()["failing"]) == (202, 0)


async def test_nobody_to_ask_and_nothing_to_ask_about(
    operator: httpx.AsyncClient, client_as: ClientAs, stage: Stage, path: str
) -> None:
    await stage.execute("DELETE FROM account_leases")
    refused = await operator.post(f"{path}/preflight")
    assert refused.json()["code"] == "NO_WORKER"
    assert await stage.execute("SELECT FROM preflights") == []
    assert (await operator.post(f"/api/campaigns/{uuid4()}/preflight")).status_code == 404
    viewer = await client_as(Role.VIEWER)
    assert (await viewer.post(f"{path}/preflight")).status_code == 403


async def test_a_deleted_campaign_takes_its_report_along(
    operator: httpx.AsyncClient, stage: Stage, path: str, channels: list[ChannelId]
) -> None:
    await operator.post(f"{path}/preflight")
    await finish(stage, channels)
    assert (await operator.delete(path)).status_code == 204
    assert await stage.execute("SELECT FROM preflight_channels") == []
