"""What needs a person is found from what is stored, and nothing else is."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.stage import Stage
from vestnik.db.engine import open_session
from vestnik.domain.alerts import AlertRules
from vestnik.services.alerts import Alert, AlertKind, list_alerts


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


async def find_alerts(stage: Stage) -> list[Alert]:
    async with open_session(stage.engine) as session:
        return await list_alerts(session, AlertRules())


async def add_worker(
    stage: Stage, *, age: timedelta = timedelta(hours=1), silent: timedelta = timedelta()
) -> None:
    now = datetime.now(UTC)
    await stage.execute(
        "INSERT INTO workers (holder, host, pid, started_at, seen_at) VALUES ('w', 'h', 1, :started, :seen)",
        started=now - age,
        seen=now - silent,
    )


async def test_nothing_is_wrong_when_nothing_is_wrong(stage: Stage) -> None:
    await add_worker(stage)
    account_id = await stage.add_account()
    await stage.add_channels(2)
    await stage.add_campaign(account_id)
    await stage.acquire(account_id, "w")
    paused = await stage.add_campaign(account_id)
    await stage.pause(paused)
    assert await find_alerts(stage) == []


async def test_no_worker_is_urgent_only_if_something_waits_for_it(stage: Stage) -> None:
    await add_worker(stage, silent=timedelta(minutes=1))
    (alert,) = await find_alerts(stage)
    assert (alert.kind, alert.is_urgent) == (AlertKind.NO_WORKER, False)
    await stage.add_channels(1)
    await stage.add_campaign(await stage.add_account())
    assert (await find_alerts(stage))[0].is_urgent


@pytest.mark.parametrize("state", ["NEEDS_LOGIN", "LIMITED", "DISABLED"])
async def test_an_account_that_cannot_post_is_told_with_its_reason(stage: Stage, state: str) -> None:
    await add_worker(stage)
    account_id = await stage.add_account()
    await stage.execute(
        "UPDATE accounts SET state = :state, state_reason = 'X: y' WHERE id = :id", state=state, id=account_id
    )
    (alert,) = await find_alerts(stage)
    assert alert.kind == f"ACCOUNT_{state}"
    assert (alert.id, alert.detail, alert.is_urgent) == (account_id, "X: y", False)


async def test_a_rehearsal_that_no_worker_serves_is_told_once_workers_have_settled(stage: Stage) -> None:
    account_id = await stage.add_account()
    await stage.add_channels(1)
    await stage.add_campaign(account_id)
    await add_worker(stage, age=timedelta(seconds=2))
    assert await find_alerts(stage) == []
    await stage.execute("UPDATE workers SET started_at = now() - interval '1 minute'")
    (alert,) = await find_alerts(stage)
    assert (alert.kind, alert.id, alert.is_urgent) == (AlertKind.REHEARSAL_SILENT, account_id, True)
    await stage.acquire(account_id, "w")
    assert await find_alerts(stage) == []


@pytest.mark.parametrize("reason", ["CONTENT_ERROR", "ERROR_RATE", "RESTORED"])
async def test_a_campaign_that_paused_itself_is_told(stage: Stage, reason: str) -> None:
    await add_worker(stage)
    account_id = await stage.add_account()
    await stage.add_channels(1)
    campaign_id = await stage.add_campaign(account_id)
    await stage.acquire(account_id)
    await stage.execute(
        "UPDATE campaigns SET status = 'PAUSED', pause_reason = :reason, status_detail = 'why' WHERE id = :id",
        reason=reason,
        id=campaign_id,
    )
    (alert,) = await find_alerts(stage)
    assert (alert.kind, alert.id, alert.detail, alert.is_urgent) == (reason, campaign_id, "why", True)
    await stage.execute("UPDATE campaigns SET deleted_at = now()")
    assert await find_alerts(stage) == []


async def test_a_missed_time_is_told_until_the_draft_is_changed(stage: Stage) -> None:
    await add_worker(stage)
    await stage.add_channels(1)
    campaign_id = await stage.add_campaign(await stage.add_account(), start=False)
    assert await find_alerts(stage) == []
    await stage.execute("UPDATE campaigns SET status_detail = 'too late' WHERE id = :id", id=campaign_id)
    (alert,) = await find_alerts(stage)
    assert (alert.kind, alert.id) == (AlertKind.SCHEDULE_MISSED, campaign_id)


async def test_a_failed_campaign_is_news_for_a_day(stage: Stage) -> None:
    await add_worker(stage)
    await stage.add_channels(1)
    campaign_id = await stage.add_campaign(await stage.add_account(), start=False)
    await stage.execute(
        "UPDATE campaigns SET status = 'FAILED', updated_at = now() WHERE id = :id", id=campaign_id
    )
    (alert,) = await find_alerts(stage)
    assert alert.kind is AlertKind.CAMPAIGN_FAILED
    await stage.execute("UPDATE campaigns SET updated_at = now() - interval '25 hours'")
    assert await find_alerts(stage) == []
