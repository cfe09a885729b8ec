"""What several people do to batches at the same moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from tests.support.stage import Stage
from vestnik.db.engine import open_session
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConflictError, InvalidInputError
from vestnik.domain.ids import BatchId, ChannelId
from vestnik.services.batches import add_channels, create_batch_of, delete_batch, remove_channels
from vestnik.services.channels import delete_channel


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


@asynccontextmanager
async def waiting_for_lock(stage: Stage) -> AsyncIterator[None]:
    """Leave the block once a statement of this database waits for a lock."""
    yield
    async with asyncio.timeout(10):
        while not await stage.execute(  # noqa: ASYNC110 - PostgreSQL tells nobody of waits
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        ):
            await asyncio.sleep(0.01)


async def find_batch_id(session: AsyncSession, name: str) -> BatchId:
    return BatchId(
        (await session.execute(text("SELECT id FROM batches WHERE name = :n"), {"n": name})).scalar_one()
    )


async def test_a_start_waits_for_an_edit_and_sees_all_of_it(stage: Stage, actor: Actor) -> None:
    channels = await stage.add_channels(3)
    more = await stage.add_channels(2, "second")
    campaign_id = await stage.add_campaign(await stage.add_account(), start=False)
    async with open_session(stage.engine) as session:
        batch_id = await find_batch_id(session, "first")
        await add_channels(session, actor, batch_id, more)
        await remove_channels(session, actor, batch_id, channels[:1])
        async with waiting_for_lock(stage):
            starting = asyncio.create_task(stage.start(campaign_id))
        assert not starting.done()
    assert await starting == 4


async def test_an_edit_waits_for_a_start_that_has_begun(stage: Stage, actor: Actor) -> None:
    await stage.add_channels(3)
    more = await stage.add_channels(2, "second")
    campaign_id = await stage.add_campaign(await stage.add_account(), start=False)

    async def edit() -> None:
        async with open_session(stage.engine) as session:
            await add_channels(session, actor, await find_batch_id(session, "first"), more)

    async with open_session(stage.engine) as session:
        await session.execute(
            text(
                "UPDATE campaigns SET status = 'RUNNING', started_at = now(), content = '{}' WHERE id = :id"
            ),
            {"id": campaign_id},
        )
        async with waiting_for_lock(stage):
            editing = asyncio.create_task(edit())
        assert not editing.done()
    with pytest.raises(ConflictError, match="being turned into the messages"):
        await editing


async def test_a_channel_that_goes_into_a_batch_is_not_deleted_meanwhile(stage: Stage, actor: Actor) -> None:
    (channel_id,) = await stage.add_channels(1)
    await stage.execute("DELETE FROM batch_channels")

    async def delete() -> None:
        async with open_session(stage.engine) as session:
            await delete_channel(session, actor, channel_id)

    async with open_session(stage.engine) as session:
        await create_batch_of(session, actor, "Morning", [channel_id])
        async with waiting_for_lock(stage):
            deleting = asyncio.create_task(delete())
        assert not deleting.done()
    with pytest.raises(ConflictError, match="batch 'Morning'"):
        await deleting


async def test_a_channel_that_is_being_deleted_does_not_go_into_a_batch(stage: Stage, actor: Actor) -> None:
    (channel_id,) = await stage.add_channels(1)
    await stage.execute("DELETE FROM batch_channels")

    async def add() -> None:
        async with open_session(stage.engine) as session:
            await create_batch_of(session, actor, "Morning", [channel_id])

    async with open_session(stage.engine) as session:
        await delete_channel(session, actor, channel_id)
        async with waiting_for_lock(stage):
            adding = asyncio.create_task(add())
        assert not adding.done()
    with pytest.raises(InvalidInputError, match="deleted at this moment"):
        await adding
    assert await stage.execute("SELECT FROM batches WHERE name = 'Morning'") == []


async def test_a_batch_is_not_deleted_under_a_campaign_that_is_being_made(stage: Stage, actor: Actor) -> None:
    await stage.add_channels(1)
    await stage.execute("INSERT INTO templates (name, content) VALUES ('t', 'x')")

    async def delete() -> None:
        async with open_session(stage.engine) as session:
            await delete_batch(session, actor, await find_batch_id(session, "first"))

    async with open_session(stage.engine) as session:
        await session.execute(
            text(
                "INSERT INTO campaigns (name, account_id, account_kind, batch_id, template_id, delivery_rate)"
                " SELECT 'Made', a.id, a.kind, b.id, t.id, 1 FROM accounts a, batches b, templates t"
                " WHERE a.name = 'rehearsal'"
            )
        )
        async with waiting_for_lock(stage):
            deleting = asyncio.create_task(delete())
        assert not deleting.done()
    with pytest.raises(ConflictError, match="'Made'"):
        await deleting


async def test_a_hundred_thousand_channels_go_in_and_out(stage: Stage, actor: Actor) -> None:
    await stage.execute(
        "INSERT INTO channels (username) SELECT 'news_' || i FROM generate_series(1, 100000) i"
    )
    ids = [ChannelId(row.id) for row in await stage.execute("SELECT id FROM channels ORDER BY id")]
    async with open_session(stage.engine) as session:
        made = await create_batch_of(session, actor, "All", ids)
        assert (made.changed, made.duplicates) == (100_000, 0)
        batch_id = BatchId(made.batch.id)
        assert (await add_channels(session, actor, batch_id, ids)).unchanged == 100_000
        gone = await remove_channels(session, actor, batch_id, ids[1:])
        assert (gone.changed, gone.batch.channels) == (99_999, 1)
    (entry,) = await stage.execute("SELECT after FROM audit_logs WHERE action = 'batch.channels_removed'")
    assert len(set(entry.after.pop("channel_names"))) == 100
    assert entry.after == {"changed": 99_999, "channels": 1, "more_channels": 99_899}
