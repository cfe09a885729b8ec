"""Reasons of failures over the campaigns of the day."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.stage import Stage
from vestnik.db.engine import open_session
from vestnik.domain.ids import CampaignId
from vestnik.services.failures import FailureReason, list_recent_failures


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


async def look(stage: Stage) -> list[FailureReason]:
    async with open_session(stage.engine) as session:
        return await list_recent_failures(session)


async def fail(stage: Stage, campaign_id: CampaignId, code: str | None, number: int) -> None:
    await stage.execute(
        "WITH failed AS (UPDATE jobs SET status = 'FAILED', error_code = :code WHERE id IN"
        " (SELECT id FROM jobs WHERE campaign_id = :id AND status = 'QUEUED' ORDER BY id LIMIT :number)"
        " RETURNING id) UPDATE campaign_progress SET failed = failed + :number, queued = queued - :number"
        " WHERE campaign_id = :id",
        id=campaign_id,
        code=code,
        number=number,
    )


async def test_reasons_are_summed_over_campaigns_the_most_frequent_first(stage: Stage) -> None:
    await stage.add_channels(10)
    account_id = await stage.add_account()
    first, second = await stage.add_campaign(account_id), await stage.add_campaign(account_id)
    await fail(stage, first, "RARE", 1)
    await fail(stage, first, "OFTEN", 2)
    await fail(stage, second, "OFTEN", 3)
    await fail(stage, second, None, 1)
    reasons = await look(stage)
    assert [(reason.code, reason.count) for reason in reasons] == [("OFTEN", 5), ("RARE", 1), ("UNKNOWN", 1)]
    assert [(found.campaign_id, found.count) for found in reasons[0].campaigns] == [(second, 3), (first, 2)]


async def test_campaigns_that_ended_long_ago_or_were_deleted_do_not_count(stage: Stage) -> None:
    await stage.add_channels(3)
    campaign_id = await stage.add_campaign(await stage.add_account())
    await fail(stage, campaign_id, "OFTEN", 2)
    await stage.execute("UPDATE campaigns SET status = 'CANCELLED', ended_at = now() - interval '23 hours'")
    assert len(await look(stage)) == 1
    await stage.execute("UPDATE campaigns SET ended_at = now() - interval '25 hours'")
    assert await look(stage) == []
    await stage.execute("UPDATE campaigns SET ended_at = now(), deleted_at = now()")
    assert await look(stage) == []
