"""How far an installation has come."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.stage import Stage
from vestnik.db.engine import open_session
from vestnik.services.setup import Setup, SetupStep, read_setup


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


async def look(stage: Stage) -> Setup:
    async with open_session(stage.engine) as session:
        return await read_setup(session)


async def test_each_thing_that_is_made_is_a_step(stage: Stage) -> None:
    setup = await look(stage)
    assert setup.next is SetupStep.CHANNELS
    assert setup.simulated is not None
    assert list(setup.real) == []
    await stage.execute("INSERT INTO batches (name) VALUES ('empty')")
    assert (await look(stage)).next is SetupStep.CHANNELS
    await stage.add_channels(1)
    assert (await look(stage)).next is SetupStep.TEMPLATE
    campaign_id = await stage.add_campaign(await stage.add_account(), start=False)
    setup = await look(stage)
    assert setup.next is SetupStep.START
    assert setup.facts.draft_id == campaign_id
    await stage.start(campaign_id)
    assert (await look(stage)).next is None


async def test_the_newest_batch_and_template_are_offered(stage: Stage) -> None:
    await stage.add_channels(1, "first")
    await stage.add_channels(1, "second")
    await stage.execute("UPDATE batches SET created_at = now() + interval '1 minute' WHERE name = 'second'")
    await stage.execute(
        "INSERT INTO templates (name, content, created_at) VALUES ('old', 'x', now() - interval '1 day'),"
        " ('new', 'x', now())"
    )
    facts = (await look(stage)).facts
    assert facts.batch_id == (await stage.one("SELECT id FROM batches WHERE name = 'second'")).id
    assert facts.template_id == (await stage.one("SELECT id FROM templates WHERE name = 'new'")).id


async def test_a_started_campaign_that_was_deleted_still_counts(stage: Stage) -> None:
    await stage.add_channels(1)
    await stage.add_campaign(await stage.add_account())
    await stage.execute("UPDATE campaigns SET deleted_at = now(), status = 'CANCELLED', pause_reason = NULL")
    assert (await look(stage)).facts.has_started
