"""Work that takes long or waits for locks leaves the others their connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from sqlalchemy import URL, text

from tests.integration.api.conftest import ClientAs
from tests.support.stage import Stage
from vestnik.db.engine import make_engine
from vestnik.domain.ids import CampaignId
from vestnik.domain.users import Role
from vestnik.web import database

STARTS = 8
DEADLINE = 45.0


@pytest.fixture
async def operator(client_as: ClientAs) -> httpx.AsyncClient:
    return await client_as(Role.OPERATOR)


@pytest.fixture
async def campaign_id(stage: Stage) -> CampaignId:
    await stage.add_channels(5)
    return await stage.add_campaign(await stage.add_account(), start=False)


@pytest.fixture
async def outside(database_url: URL) -> AsyncIterator[Stage]:
    """Connections that are not the API's."""
    engine = make_engine(database_url, name="outside")
    yield Stage(engine)
    await engine.dispose()


@asynccontextmanager
async def locking(outside: Stage, campaign_id: CampaignId) -> AsyncIterator[None]:
    """Have the campaign's row as a start of very many channels has it."""
    async with outside.engine.connect() as connection:
        await connection.execute(
            text("SELECT FROM campaigns WHERE id = :id FOR NO KEY UPDATE"), {"id": campaign_id}
        )
        yield
        await connection.rollback()


async def act(client: httpx.AsyncClient, campaign_id: CampaignId, action: str) -> httpx.Response:
    return await client.post(f"/api/campaigns/{campaign_id}/action", json={"action": action})


async def count_waiting(outside: Stage) -> int:
    row = await outside.one(
        "SELECT count(*) AS n FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return int(row.n)


async def test_starts_that_wait_leave_connections_to_everybody_else(
    operator: httpx.AsyncClient, stage: Stage, outside: Stage, campaign_id: CampaignId
) -> None:
    async with locking(outside, campaign_id):
        starts = [asyncio.create_task(act(operator, campaign_id, "start")) for _ in range(STARTS)]
        async with asyncio.timeout(DEADLINE):
            while await count_waiting(outside) < database.MOST_LONG:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.01)
            answers = await asyncio.gather(*(operator.get("/api/batches") for _ in range(20)))
        assert {answer.status_code for answer in answers} == {200}
        assert await count_waiting(outside) == database.MOST_LONG
        assert not any(start.done() for start in starts)
    async with asyncio.timeout(DEADLINE):
        statuses = sorted([(await start).status_code for start in starts])
    assert statuses == [200] + [409] * (STARTS - 1)
    assert sum((await stage.count_jobs(campaign_id)).values()) == 5


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/action", {"action": "cancel"}),
        ("PATCH", "", {"name": "Evening news"}),
        ("DELETE", "", None),
    ],
)
async def test_a_campaign_that_is_just_being_started_is_a_conflict_that_passes(
    operator: httpx.AsyncClient,
    outside: Stage,
    campaign_id: CampaignId,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    body: dict[str, str] | None,
) -> None:
    address = f"/api/campaigns/{campaign_id}{path}"
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 0.1)
    async with locking(outside, campaign_id):
        answer = await operator.request(method, address, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "BUSY")
        assert "try again" in answer.json()["detail"]
    assert (await operator.request(method, address, json=body)).is_success
