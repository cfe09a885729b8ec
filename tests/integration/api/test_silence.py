"""Work that takes long, on a database that is busy, and on one that has fallen silent."""

import asyncio
import time

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncSession

from tests.integration.api.conftest import ClientAs
from tests.support.proxy import DatabaseProxy
from tests.support.stage import Stage
from vestnik.db.engine import make_engine
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.users import Role
from vestnik.web.database import LIMITS, LONG_LIMIT_SECONDS, Database, Limits

LATEST = 6.0
"""Within so many seconds of the silence a caller knows."""


async def _take_long(session: AsyncSession) -> str:
    await session.execute(text("SELECT pg_sleep(30)"))
    return "done"


@pytest.mark.timed
async def test_long_work_is_given_up_soon_after_the_database_falls_silent(database_url: URL) -> None:
    async with DatabaseProxy(database_url).serve() as proxy:
        engine = make_engine(proxy.url, name="test")
        try:
            running = asyncio.create_task(Database(engine).run(_take_long, limit=LONG_LIMIT_SECONDS))
            await asyncio.wait({running}, timeout=1)
            assert not running.done()
            proxy.stall()
            silent_at = time.monotonic()
            with pytest.raises(DatabaseUnavailableError, match="does not answer"):
                await running
            assert time.monotonic() - silent_at < LATEST
        finally:
            proxy.cut()
            await engine.dispose()


async def test_a_statement_that_takes_long_is_waited_for_while_the_database_answers_others(
    database_url: URL,
) -> None:
    engine = make_engine(database_url, name="test", pool_size=1)

    async def work(session: AsyncSession) -> str:
        await session.execute(text("SELECT pg_sleep(1)"))
        return "done"

    try:
        assert await Database(engine, Limits(ask_after=0.1)).run(work, limit=LONG_LIMIT_SECONDS) == "done"
    finally:
        await engine.dispose()


@pytest.mark.timed
async def test_an_import_is_told_within_six_seconds_that_the_database_has_gone(
    client_as: ClientAs, stage: Stage, app: FastAPI, database_url: URL
) -> None:
    client = await client_as(Role.OPERATOR)
    async with DatabaseProxy(database_url).serve() as proxy:
        engine = make_engine(proxy.url, name="test")
        app.state.web.database.engine = engine
        app.state.web.database.limits = LIMITS
        try:
            # The import waits for this lock, in the middle of its transaction.
            async with stage.engine.connect() as other:
                await other.execute(text("LOCK channels IN EXCLUSIVE MODE"))
                asking = asyncio.create_task(_import(client))
                await _wait_until_blocked(stage)
                proxy.stall()
                silent_at = time.monotonic()
                answer = await asking
                assert time.monotonic() - silent_at < LATEST
                await other.rollback()
        finally:
            proxy.cut()
            await engine.dispose()
    assert answer.status_code == 503
    assert answer.json()["code"] == "DATABASE_UNAVAILABLE"
    assert int(answer.headers["retry-after"]) > 0


async def _import(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post(
        "/api/channels/import", content="@one_news\n@two_news\n", headers={"content-type": "text/plain"}
    )


async def _wait_until_blocked(stage: Stage) -> None:
    async with asyncio.timeout(10):
        while not await stage.execute("SELECT FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.02)
