"""Preflights that are asked for, replaced and deleted beside the worker that carries them out."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.stage import Stage
from vestnik.db.engine import open_session
from vestnik.db.preflights import PreflightLedger
from vestnik.domain.actors import Actor
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.ids import CampaignId, ChannelId, CommandId
from vestnik.domain.preflights import Finding
from vestnik.domain.states import PreflightVerdict
from vestnik.services.content_corrections import correct_content
from vestnik.services.preflights import request_preflight

EDITOR = Actor.system("an editor")
FINDING = Finding(verdict=PreflightVerdict.FAILS, code="CHAT_WRITE_FORBIDDEN")
BLOCKED = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


@pytest.fixture
async def channels(stage: Stage) -> list[ChannelId]:
    return await stage.add_channels(2)


@pytest.fixture
async def campaign_id(stage: Stage, channels: list[ChannelId]) -> CampaignId:
    """A draft of a person's account for which a process speaks."""
    campaign_id = await stage.add_campaign(await stage.add_account(), start=False)
    await stage.execute(
        "WITH a AS (INSERT INTO accounts (name, kind, rate) VALUES ('press', 'USER', 50) RETURNING id),"
        " l AS (INSERT INTO account_leases (account_id, holder, epoch, lease_until)"
        " SELECT id, 'someone', 1, now() + interval '1 hour' FROM a)"
        " UPDATE campaigns SET mode = 'LIVE', account_kind = 'USER', account_id = (SELECT id FROM a)"
    )
    return campaign_id


async def ask(stage: Stage, campaign_id: CampaignId) -> CommandId:
    async with open_session(stage.engine) as session:
        return CommandId((await request_preflight(session, EDITOR, campaign_id)).id)


async def test_findings_of_a_report_that_is_replaced_in_this_moment_are_left_out(
    stage: Stage, campaign_id: CampaignId, channels: list[ChannelId]
) -> None:
    """Regression: the reference to the deleted report was refused, and the account's lane broke off."""
    preflight_id = await ask(stage, campaign_id)
    ledger = PreflightLedger(stage.ledger)
    await ledger.store_findings(preflight_id, {(channels[0], 1): FINDING})
    async with stage.engine.connect() as connection:
        await connection.execute(text("DELETE FROM preflights WHERE id = :id"), {"id": preflight_id})
        storing = asyncio.create_task(ledger.store_findings(preflight_id, {(channels[1], 2): FINDING}))
        async with asyncio.timeout(30):
            while not await stage.execute(BLOCKED):  # noqa: ASYNC110 - the database has no event for it
                await asyncio.sleep(0.02)
        await connection.commit()
    await storing
    assert await stage.execute("SELECT FROM preflight_channels") == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ('buttons = \'[[{"text": "Read", "url": "https://news.example/"}]]\'', "buttons"),
        ("protect_content = true", "protects"),
    ],
)
async def test_what_a_persons_account_cannot_post_is_said_before_anything_is_looked_at(
    stage: Stage, campaign_id: CampaignId, change: str, told: str
) -> None:
    """Regression: every channel was ready, and then the campaign could not start."""
    await stage.execute(f"UPDATE templates SET {change}")
    with pytest.raises(InvalidInputError, match=told):
        await ask(stage, campaign_id)
    assert await stage.execute("SELECT FROM preflights") == []
    with pytest.raises(InvalidInputError, match=told):
        await stage.start(campaign_id)
    assert await stage.read_status(campaign_id) == "DRAFT"


async def test_a_persons_post_is_not_protected_by_a_correction(stage: Stage, campaign_id: CampaignId) -> None:
    await stage.start(campaign_id)
    await stage.pause(campaign_id)
    async with open_session(stage.engine) as session:
        with pytest.raises(InvalidInputError, match="protects the posts of bots only"):
            await correct_content(session, EDITOR, campaign_id, "Better", options={"protect_content": True})
