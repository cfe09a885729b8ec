"""What was taken over is used: under its old ids over HTTP, and by a worker that finishes what was begun."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.api.conftest import ClientAs, app, client_as, connect, stage
from tests.integration.delivery.conftest import rig
from tests.integration.delivery.rig import Rig
from tests.migration import predecessor
from tests.migration.predecessor import CAMPAIGN, CHANNEL, number
from tests.migration.test_odd_rows import fill
from vestnik.db.adoption.storing import adopt_database
from vestnik.db.engine import make_engine
from vestnik.domain.actors import Actor
from vestnik.domain.adoption import RateUnit
from vestnik.domain.ids import CampaignId
from vestnik.domain.users import Role

__all__ = ["app", "client_as", "connect", "rig", "stage"]


@pytest.fixture
def old_ids() -> str:
    """Which of the two databases it was."""
    return "uuid"


@pytest.fixture
async def engine(empty_database_url: URL, actor: Actor, old_ids: str) -> AsyncIterator[AsyncEngine]:
    """Of a database that was taken over."""
    if old_ids == "text":
        predecessor.build(empty_database_url, predecessor.BY_TEXT)
        fill(empty_database_url, {"jo1": {"status": "QUEUED"}})
        predecessor.add(empty_database_url, "users", {"id": "us1", "email": "x@news.example"})
    else:
        predecessor.build(empty_database_url, predecessor.BY_UUID)
        predecessor.fill_by_uuid(empty_database_url)
    adopt = asyncio.to_thread(adopt_database, empty_database_url, actor, RateUnit.MINUTE)
    assert await adopt is not None
    engine = make_engine(empty_database_url, name="test")
    yield engine
    await engine.dispose()


@pytest.mark.parametrize("old_ids", ["text"])
async def test_old_ids_lead_to_what_was_taken_over(client_as: ClientAs) -> None:
    client = await client_as(Role.ADMIN)
    for path, field, value in (
        ("campaigns/ca1", "name", "Old"),
        ("channels/ch1", "username", "channel_1"),
        ("batches/ba1", "name", "All"),
        ("templates/te1", "content", "Hi"),
        ("users/us1", "email", "x@news.example"),
    ):
        answer = await client.get(f"/api/{path}")
        assert (answer.status_code, answer.json().get(field)) == (200, value), path
        assert str(UUID(answer.json()["id"])) == answer.json()["id"]


@pytest.mark.parametrize("old_ids", ["text"])
async def test_actions_and_what_is_below_take_old_ids(client_as: ClientAs) -> None:
    client = await client_as(Role.OPERATOR)
    acted = await client.post("/api/campaigns/ca1/action", json={"action": "resume"})
    assert (acted.status_code, acted.json()["campaign"]["status"]) == (200, "RUNNING"), acted.text
    jobs = await client.get("/api/campaigns/ca1/jobs?limit=5")
    assert [job["status"] for job in jobs.json()["items"]] == ["QUEUED"]
    assert (await client.get("/api/batches/ba1/channels")).status_code == 200


@pytest.mark.parametrize("old_ids", ["text"])
async def test_bodies_and_queries_take_old_ids(client_as: ClientAs) -> None:
    client = await client_as(Role.OPERATOR)
    batch = await client.post("/api/batches", json={"name": "New", "channelIds": ["ch2", "ch1"]})
    assert batch.status_code == 201, batch.text
    new = {"name": "Next", "batchId": "ba1", "template_id": "te1", "mode": "TEST", "deliveryRate": 0.333}
    made = await client.post("/api/campaigns", json=new)
    assert (made.status_code, made.json()["deliveryRate"]) == (201, 0.333), made.text
    assert made.json()["batchId"] == (await client.get("/api/batches/ba1")).json()["id"]
    listed = await client.get("/api/channels", params={"batchId": "ba1", "search": "channel_1"})
    assert [found["username"] for found in listed.json()["items"]] == ["channel_1"]
    new_id = batch.json()["id"]
    both = await client.post(
        "/api/batches/combine", json={"name": "Both", "operation": "union", "batchIds": ["ba1", new_id]}
    )
    assert (both.status_code, both.json().get("channels")) == (201, 3), both.text


@pytest.mark.parametrize("old_ids", ["text"])
async def test_old_ids_of_other_kinds_lead_nowhere(client_as: ClientAs) -> None:
    client = await client_as(Role.OPERATOR)
    refused = await client.post(
        "/api/campaigns", json={"name": "x", "batchId": "te1", "templateId": "ba1", "deliveryRate": 1}
    )
    assert refused.status_code == 422
    assert {fault["field"] for fault in refused.json()["errors"]} == {"batchId", "templateId"}


@pytest.mark.parametrize("old_ids", ["text"])
async def test_odd_bodies_are_answered_as_ever(client_as: ClientAs) -> None:
    client = await client_as(Role.OPERATOR)
    bodies = (
        b'{"name": "x", "channelIds": ["ch1\\u0000"]}',
        b'{"name": "x", "channelIds": ["\\ud800"]}',
        b'{"name": "x", "channelIds": [true, null, 1e400, {}, [["ch1"]], 5, -9999999999999999999999]}',
        b'{"name": "x", "channelIds": {"channelIds": ["ch1"]}}',
        b'{"channelIds": ["ch1"], "name": ' + b"[" * 100_000,
        b'{"channelIds": ["ch1"], "name": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"channelIds": ' + b"[" * 900 + b'"ch1"' + b"]" * 900 + b"}",
        b'{"channelIds": ["ch1"]',
        b'"channelIds"',
        b"\xff\xfe",
        b"",
    )
    for body in bodies:
        answer = await client.post(
            "/api/batches", content=body, headers={"content-type": "application/json; charset=utf-8"}
        )
        assert answer.status_code in {400, 422}, (body[:60], answer.text)
    too_long = b'{"name": "x", "channelIds": ["ch1"' + b" " * 6_000_000 + b"]}"

    async def stream() -> AsyncIterator[bytes]:
        yield too_long

    answer = await client.post("/api/batches", content=stream(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize("old_ids", ["text"])
async def test_ids_that_nobody_has_are_refused_as_ever(client_as: ClientAs) -> None:
    client = await client_as(Role.VIEWER)
    for unknown in ("nothing", "x" * 5000, "%00", "ca1%2F..", "ca1'--"):
        answer = await client.get(f"/api/campaigns/{unknown}")
        assert answer.status_code in {400, 404, 422}, unknown
    assert (await client.get("/api/channels/export")).status_code == 200


@pytest.mark.parametrize("old_ids", ["text"])
async def test_old_ids_open_nothing_without_a_token(
    connect: Callable[..., Awaitable[httpx.AsyncClient]], app: FastAPI, tmp_path: Path
) -> None:
    anonymous = await connect()
    assert (await anonymous.get("/api/campaigns/ca1")).status_code == 401


async def test_a_campaign_that_was_taken_over_is_finished_and_only_what_was_queued_is_posted(
    rig: Rig,
) -> None:
    campaign_id = CampaignId(UUID(number(2, CAMPAIGN)))
    await rig.start_worker()
    assert await rig.stage.read_status(campaign_id) == "PAUSED"
    await rig.stage.resume(campaign_id)
    await rig.finish(campaign_id)
    assert await rig.stage.read_progress(campaign_id) == {"SENT": 3, "FAILED": 2}
    rows = await rig.stage.execute(
        "SELECT channel_id, message_ids FROM jobs WHERE campaign_id = :id AND status = 'SENT' ORDER BY id",
        id=campaign_id,
    )
    assert [(row.channel_id, row.message_ids is None) for row in rows] == [
        (UUID(number(1, CHANNEL)), True),
        (UUID(number(4, CHANNEL)), False),
        (UUID(number(5, CHANNEL)), False),
    ]
    assert [post.text for post in rig.posts] == ["Good {morning}"] * 2
    rig.check_each_once(2)
    paused = CampaignId(UUID(number(3, CAMPAIGN)))
    assert await rig.stage.read_status(paused) == "PAUSED"
    assert await rig.stage.count_jobs(paused) == {"QUEUED": 2}
