"""What is shown around batches, and filling them with what a search finds."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.stage import Stage
from vestnik.db.engine import open_session
from vestnik.domain.actors import Actor
from vestnik.domain.errors import InvalidInputError, NotFoundError
from vestnik.domain.ids import BatchId
from vestnik.services import batch_views
from vestnik.services.batches import get_batch
from vestnik.services.channel_views import ChannelQuery


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


async def find_batch_id(stage: Stage, name: str) -> BatchId:
    row = await stage.one("SELECT id FROM batches WHERE name = :name", name=name)
    return BatchId(UUID(str(row.id)))


async def test_the_reach_of_every_account_is_what_a_campaign_of_it_would_post_to(stage: Stage) -> None:
    first, second = await stage.add_account(), await stage.add_account()
    channels = await stage.add_channels(5)
    others = await stage.add_channels(2, "second")
    await stage.execute("UPDATE channels SET is_active = false WHERE id = :id", id=channels[0])
    await stage.execute(
        "INSERT INTO channel_peers (account_id, channel_id, is_active)"
        " SELECT :account_id, unnest(CAST(:ids AS uuid[])), false",
        account_id=first,
        ids=[channels[0], channels[1], channels[2], others[0]],
    )
    batch_id = await find_batch_id(stage, "first")
    async with open_session(stage.engine) as session:
        reach = {
            found.account_id: found.sendable for found in await batch_views.list_reach(session, batch_id)
        }
        for account_id in (first, second):
            detail = await get_batch(session, batch_id, account_id=account_id)
            assert reach[account_id] == detail.sendable
    assert (reach[first], reach[second]) == (2, 4)


async def test_candidates_tell_whether_they_are_members(stage: Stage) -> None:
    await stage.add_channels(1)
    await stage.add_channels(2, "second")
    async with open_session(stage.engine) as session:
        page = await batch_views.list_candidates(
            session, await find_batch_id(stage, "first"), ChannelQuery(search="_0000"), limit=2
        )
        rest = await batch_views.list_candidates(
            session,
            await find_batch_id(stage, "first"),
            ChannelQuery(search="_0000"),
            limit=2,
            before=page.next_before,
        )
    found = {item.channel.username: item.is_member for item in [*page.items, *rest.items]}
    assert found == {"first_00001": True, "second_00001": False, "second_00002": False}


@pytest.mark.parametrize("active", [None, True])
async def test_everything_found_comes_in_however_many_parts_it_has(
    stage: Stage, actor: Actor, active: bool | None
) -> None:
    await stage.add_channels(1)
    await stage.add_channels(4_500, "second")
    batch_id = await find_batch_id(stage, "first")
    wanted = ChannelQuery(search="second", active=active)
    async with open_session(stage.engine) as session:
        change = await batch_views.add_found(session, actor, batch_id, wanted)
    assert (change.changed, change.batch.channels) == (4_500, 4_501)


async def test_too_many_found_channels_change_nothing(
    stage: Stage, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_views, "MOST_FOUND", 2)
    await stage.add_channels(3)
    async with open_session(stage.engine) as session:
        with pytest.raises(InvalidInputError) as refused:
            await batch_views.find_all_channels(session, ChannelQuery())
        assert refused.value.field == "search"
        with pytest.raises(NotFoundError):
            await batch_views.add_found(session, actor, BatchId(uuid4()), ChannelQuery())


async def test_only_campaigns_of_the_batch_are_listed(stage: Stage) -> None:
    account_id = await stage.add_account()
    await stage.add_channels(1)
    await stage.add_channels(1, "second")
    first = await stage.add_campaign(account_id, start=False)
    await stage.add_campaign(account_id, batch="second", start=False)
    async with open_session(stage.engine) as session:
        found = await batch_views.list_campaigns_of(session, await find_batch_id(stage, "first"), limit=5)
    assert [campaign.id for campaign in found] == [first]
