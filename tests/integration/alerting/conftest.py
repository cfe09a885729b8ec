"""Destinations in a test's own database, and processes that watch it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.alert_receivers import PATIENCE, WebhookReceiver, receive_webhooks
from tests.support.keys import keep_keys
from tests.support.stage import Stage
from vestnik.alerting.watch import AlertParts, AlertWatch, run_alerts
from vestnik.console.alert_words import make_writer
from vestnik.db.engine import open_session
from vestnik.db.secrets import StoredKeys
from vestnik.domain.actors import Actor, ActorKind
from vestnik.domain.alerts import AlertRules, DestinationKind
from vestnik.domain.ids import AccountId
from vestnik.services.alert_destinations import NewDestination, create_destination
from vestnik.services.alert_routes import RouteInput

KEY = "a signing key of some length"
AT_ONCE = AlertRules(settles_after=timedelta(), least_free=0)
"""What is over is over at once; disks are not looked at."""
ACTOR = Actor(kind=ActorKind.CLI, name="tester")


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


@pytest.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with receive_webhooks() as found:
        yield found


@pytest.fixture
def parts(engine: AsyncEngine, tmp_path: Path) -> AlertParts:
    """What one process watches with."""
    return AlertParts(
        engine=engine,
        read_keys=partial(StoredKeys(None, tmp_path).open_ring, "alert_destinations"),
        open_keys=keep_keys(tmp_path),
        rules=AT_ONCE,
        data_dir=tmp_path,
        write=make_writer(UTC),
        allows_private=True,
    )


Watching = Callable[..., AbstractAsyncContextManager[None]]


@pytest.fixture
def watching(parts: AlertParts) -> Watching:
    """A process that watches, for the length of a block; rules may be others."""

    @asynccontextmanager
    async def watch(**rules: Any) -> AsyncIterator[None]:
        task = asyncio.create_task(run_alerts(replace(parts, rules=replace(parts.rules, **rules))))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return watch


async def look(parts: AlertParts, **rules: Any) -> None:
    """Judge once, as a process does every few seconds."""
    await AlertWatch(replace(parts, rules=replace(parts.rules, **rules))).look()


async def add_destination(
    parts: AlertParts,
    route: RouteInput,
    *,
    kind: DestinationKind = DestinationKind.WEBHOOK,
    name: str = "desk",
    language: str = "en",
) -> UUID:
    async with open_session(parts.engine) as session:
        new = NewDestination(name=name, kind=kind, route=route, language=language)
        return (await create_destination(session, ACTOR, new, open_keys=parts.open_keys)).id


async def add_webhook(parts: AlertParts, receiver: WebhookReceiver, *, name: str = "desk") -> UUID:
    return await add_destination(parts, RouteInput(url=receiver.url, signing_key=KEY), name=name)


async def restrict(stage: Stage) -> AccountId:
    """Something is wrong: an account is restricted. There is a worker, so that nothing else is."""
    await stage.execute(
        "INSERT INTO workers (holder, host, pid, seen_at) VALUES ('w', 'h', 1, now() + interval '1 hour')"
        " ON CONFLICT DO NOTHING"
    )
    account_id = await stage.add_account()
    await stage.execute("UPDATE accounts SET state = 'LIMITED' WHERE id = :id", id=account_id)
    return account_id


async def release(stage: Stage) -> None:
    """It is right again."""
    await stage.execute("UPDATE accounts SET state = 'ACTIVE'")


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - the database has no event for it
            await asyncio.sleep(0.05)
