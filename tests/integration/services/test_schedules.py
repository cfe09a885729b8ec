"""Scheduled starts."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.stage import Stage
from vestnik.db.engine import open_session
from vestnik.domain.actors import Actor, ActorKind
from vestnik.domain.errors import ConflictError, InvalidInputError
from vestnik.domain.ids import CampaignId
from vestnik.services.campaigns import change_pace, schedule_campaign, start_campaign, unschedule_campaign
from vestnik.services.schedules import DueStart, start_due_campaign

ACTOR = Actor(kind=ActorKind.CLI, name="test")


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


@pytest.fixture
async def draft(stage: Stage) -> CampaignId:
    await stage.add_channels(3)
    return await stage.add_campaign(await stage.add_account(), start=False)


async def _schedule(stage: Stage, campaign_id: CampaignId, minutes: float = 60) -> None:
    async with open_session(stage.engine) as session:
        await schedule_campaign(session, ACTOR, campaign_id, datetime.now(UTC) + timedelta(minutes=minutes))


async def _make_due(stage: Stage, late: timedelta) -> None:
    await stage.execute(
        "UPDATE campaigns SET scheduled_at = clock_timestamp() - CAST(:late AS interval)", late=late
    )


async def _start_due(stage: Stage) -> DueStart | None:
    async with open_session(stage.engine) as session:
        return await start_due_campaign(session)


async def test_nothing_starts_before_its_time(stage: Stage, draft: CampaignId) -> None:
    await _schedule(stage, draft)
    assert await stage.read_status(draft) == "SCHEDULED"
    assert await _start_due(stage) is None


async def test_a_due_campaign_starts_even_minutes_late(stage: Stage, draft: CampaignId) -> None:
    await _schedule(stage, draft)
    await _make_due(stage, timedelta(minutes=14))
    assert await _start_due(stage) == DueStart(campaign_id=draft, refused=None)
    assert await stage.read_status(draft) == "RUNNING"
    assert await stage.count_jobs(draft) == {"QUEUED": 3}
    assert await _start_due(stage) is None
    entry = await stage.one("SELECT * FROM audit_logs WHERE action = 'campaign.started'")
    assert entry.before["status"] == "SCHEDULED"
    assert entry.before["scheduled_at"].endswith("Z")
    assert entry.after == {"status": "RUNNING", "refused": None}


async def test_a_start_that_comes_too_late_becomes_a_draft_and_says_why(
    stage: Stage, draft: CampaignId
) -> None:
    await _schedule(stage, draft)
    await _make_due(stage, timedelta(minutes=16))
    outcome = await _start_due(stage)
    assert outcome is not None
    assert "16 minutes later" in (outcome.refused or "")
    campaign = await stage.read_campaign(draft)
    assert (campaign.status, campaign.scheduled_at) == ("DRAFT", None)
    assert campaign.status_detail == outcome.refused
    audit = await stage.one("SELECT * FROM audit_logs WHERE action = 'campaign.schedule_missed'")
    assert audit.actor_kind == "SYSTEM"


async def test_a_due_campaign_without_channels_becomes_a_draft_with_the_reason(
    stage: Stage, draft: CampaignId
) -> None:
    await _schedule(stage, draft)
    await stage.execute("UPDATE channels SET is_active = false")
    await _make_due(stage, timedelta(seconds=1))
    outcome = await _start_due(stage)
    assert outcome is not None
    assert "no channel that can be sent to" in (outcome.refused or "")
    assert await stage.read_status(draft) == "DRAFT"
    assert await stage.count_jobs(draft) == {}


async def test_several_workers_start_a_due_campaign_once(stage: Stage, draft: CampaignId) -> None:
    await _schedule(stage, draft)
    await _make_due(stage, timedelta(seconds=1))
    outcomes = await asyncio.gather(*(_start_due(stage) for _ in range(4)))
    assert [outcome for outcome in outcomes if outcome is not None] == [
        DueStart(campaign_id=draft, refused=None)
    ]


async def test_scheduling_again_moves_it_and_unscheduling_makes_a_draft(
    stage: Stage, draft: CampaignId
) -> None:
    await _schedule(stage, draft, minutes=60)
    first = (await stage.read_campaign(draft)).scheduled_at
    await _schedule(stage, draft, minutes=120)
    assert (await stage.read_campaign(draft)).scheduled_at > first + timedelta(minutes=50)
    async with open_session(stage.engine) as session:
        await unschedule_campaign(session, ACTOR, draft)
    assert await stage.read_status(draft) == "DRAFT"
    async with open_session(stage.engine) as session:
        with pytest.raises(ConflictError, match="is DRAFT; only SCHEDULED"):
            await unschedule_campaign(session, ACTOR, draft)


async def test_a_time_that_has_passed_is_refused(stage: Stage, draft: CampaignId) -> None:
    with pytest.raises(InvalidInputError, match="has passed"):
        await _schedule(stage, draft, minutes=-1)
    assert await stage.read_status(draft) == "DRAFT"


async def test_a_scheduled_campaign_can_be_started_by_hand(stage: Stage, draft: CampaignId) -> None:
    await _schedule(stage, draft)
    async with open_session(stage.engine) as session:
        await start_campaign(session, ACTOR, draft)
    assert await stage.read_status(draft) == "RUNNING"


async def _read_wait(stage: Stage, campaign_id: CampaignId) -> float:
    """Seconds until the slot of the next post."""
    row = await stage.one(
        "SELECT extract(epoch FROM next_slot_at - clock_timestamp())::float8 AS wait FROM campaigns WHERE id = :id",
        id=campaign_id,
    )
    return float(row.wait)


async def test_a_paused_campaign_does_not_wait_for_a_slot_of_its_old_rate(
    stage: Stage, draft: CampaignId
) -> None:
    """Regression: slowed down to one post in a hundred seconds, it waited as long after any later rate."""
    await stage.start(draft)
    await stage.pause(draft)
    await stage.execute(
        "UPDATE campaigns SET next_slot_at = clock_timestamp() + interval '100 s' WHERE id = :id", id=draft
    )
    async with open_session(stage.engine) as session:
        await change_pace(session, ACTOR, draft, retry_limit=5)
    assert 50 < await _read_wait(stage, draft) <= 100
    async with open_session(stage.engine) as session:
        await change_pace(session, ACTOR, draft, rate="0.1")
    assert 5 < await _read_wait(stage, draft) <= 10
    async with open_session(stage.engine) as session:  # a slower rate puts no slot off that is near already
        await change_pace(session, ACTOR, draft, rate="0.01")
    assert await _read_wait(stage, draft) <= 10


async def test_an_album_keeps_the_slots_of_all_its_messages_under_a_new_rate(
    stage: Stage, draft: CampaignId
) -> None:
    await stage.start(draft)
    await stage.pause(draft)
    await stage.execute(
        "UPDATE campaigns SET content = NULL, next_slot_at = clock_timestamp() + interval '1 h' WHERE id = :id",
        id=draft,
    )
    async with open_session(stage.engine) as session:
        await change_pace(session, ACTOR, draft, rate="0.1")
    assert 50 < await _read_wait(stage, draft) <= 100  # what cannot be read may be an album of ten


async def test_pace_changes_while_running_and_not_after_the_end(stage: Stage, draft: CampaignId) -> None:
    await stage.start(draft)
    async with open_session(stage.engine) as session:
        view = await change_pace(session, ACTOR, draft, rate="0.5", retry_limit=0)
    assert (float(view.delivery_rate), view.retry_limit) == (0.5, 0)
    await stage.cancel(draft)
    async with open_session(stage.engine) as session:
        with pytest.raises(ConflictError, match="CANCELLED"):
            await change_pace(session, ACTOR, draft, rate="1")
    async with open_session(stage.engine) as session:
        with pytest.raises(InvalidInputError, match="nothing to change"):
            await change_pace(session, ACTOR, draft)
