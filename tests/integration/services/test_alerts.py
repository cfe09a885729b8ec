"""What needs a person is found from what is stored, and nothing else is."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.stage import Stage
from vestnik.db.engine import open_session
from vestnik.db.statements import load_statement
from vestnik.domain.alerts import AlertRules
from vestnik.domain.ids import CampaignId
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
    assert not alert.is_certain, "another worker may be about to take it over"
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


async def test_a_worker_that_ended_without_saying_so_is_told_until_another_comes(stage: Stage) -> None:
    await add_worker(stage)
    await stage.execute(
        "INSERT INTO workers (holder, host, pid, started_at, seen_at)"
        " VALUES ('dead', 'host-17', 4711, now() - interval '1 hour', now() - interval '11 seconds')"
    )
    (alert,) = await find_alerts(stage)
    assert (alert.kind, alert.name, alert.is_news) == (AlertKind.WORKER_GONE, "host-17 (4711)", True)
    await stage.execute("UPDATE workers SET started_at = now() WHERE holder = 'w'")
    assert await find_alerts(stage) == []


async def test_the_last_worker_is_news_if_it_died_or_something_waits_for_it(stage: Stage) -> None:
    (alert,) = await find_alerts(stage)
    assert (alert.kind, alert.is_news) == (AlertKind.NO_WORKER, False)
    await add_worker(stage, silent=timedelta(seconds=11))
    (alert,) = await find_alerts(stage)
    assert (alert.kind, alert.is_news) == (AlertKind.NO_WORKER, True)


async def test_only_a_long_wait_of_an_account_is_told(stage: Stage) -> None:
    await add_worker(stage)
    account_id = await stage.add_account()
    for seconds, found in ((590, []), (610, [AlertKind.ACCOUNT_HELD])):
        await stage.execute("DELETE FROM account_holds")
        await stage.execute(
            "INSERT INTO account_holds (account_id, scope, until, reason)"
            " VALUES (:id, 'SEND', now() + make_interval(secs => :seconds), 'FLOOD_WAIT')",
            id=account_id,
            seconds=seconds,
        )
        assert [alert.kind for alert in await find_alerts(stage)] == found


async def set_progress(stage: Stage, campaign_id: CampaignId, *, sent: int, failed: int) -> None:
    await stage.execute(
        "UPDATE campaign_progress SET total = queued + sending + :sent + :failed, sent = :sent, failed = :failed,"
        " version = version + 1 WHERE campaign_id = :id",
        id=campaign_id,
        sent=sent,
        failed=failed,
    )


async def test_a_campaign_of_which_too_much_fails_is_told_once_there_are_results_enough(stage: Stage) -> None:
    await add_worker(stage)
    account_id = await stage.add_account()
    await stage.add_channels(1)
    campaign_id = await stage.add_campaign(account_id)
    await stage.acquire(account_id)
    await set_progress(stage, campaign_id, sent=9, failed=10)
    assert await find_alerts(stage) == []
    await set_progress(stage, campaign_id, sent=18, failed=2)
    assert await find_alerts(stage) == []  # no more than a tenth
    await set_progress(stage, campaign_id, sent=17, failed=3)
    (alert,) = await find_alerts(stage)
    assert (alert.kind, alert.id) == (AlertKind.FAILED_SHARE, campaign_id)
    assert alert.detail == "3 of 20 results are failures."
    # A campaign that paused itself for it is told of once.
    await stage.execute(
        "UPDATE campaigns SET status = 'PAUSED', pause_reason = 'ERROR_RATE' WHERE id = :id", id=campaign_id
    )
    assert [alert.kind for alert in await find_alerts(stage)] == [AlertKind.ERROR_RATE]
    await stage.execute(
        "UPDATE campaigns SET status = 'COMPLETED', pause_reason = NULL, ended_at = now() WHERE id = :id",
        id=campaign_id,
    )
    assert [alert.kind for alert in await find_alerts(stage)] == [AlertKind.FAILED_SHARE]
    await stage.execute("UPDATE campaigns SET ended_at = now() - interval '25 hours'")
    assert await find_alerts(stage) == []


async def add_standstill(stage: Stage, *, rate: float = 20, idle: str = "6 minutes") -> CampaignId:
    """A campaign of two channels that could post and has not for a while."""
    await add_worker(stage)
    account_id = await stage.add_account()
    channels = await stage.add_channels(2)
    await stage.give_peers(account_id, channels)
    campaign_id = await stage.add_campaign(account_id, rate=rate)
    await stage.acquire(account_id, "w")
    await stage.execute(f"UPDATE campaigns SET updated_at = now() - interval '{idle}'")
    await stage.execute(f"UPDATE campaign_progress SET updated_at = now() - interval '{idle}'")
    return campaign_id


async def test_a_campaign_that_could_post_and_does_not_stands_still(stage: Stage) -> None:
    campaign_id = await add_standstill(stage)
    (alert,) = await find_alerts(stage)
    assert (alert.kind, alert.id, alert.is_urgent) == (AlertKind.STALLED, campaign_id, True)
    assert not alert.is_certain, "its account may have been let go on a moment ago"
    await stage.execute(
        "UPDATE campaign_progress"
        " SET updated_at = now(), minute_started_at = date_trunc('minute', now()), minute_sent = 1"
    )
    assert await find_alerts(stage) == []


async def test_posts_that_are_taken_and_come_back_are_no_sign_of_life(stage: Stage) -> None:
    campaign_id = await add_standstill(stage)
    # As after each time in which Telegram has not answered.
    await stage.execute(
        "UPDATE campaign_progress SET updated_at = now(), minute_started_at = date_trunc('minute', now())"
    )
    (alert,) = await find_alerts(stage)
    assert (alert.kind, alert.id) == (AlertKind.STALLED, campaign_id)


@pytest.mark.parametrize("minute", ["minute_sent", "previous_minute_sent"])
async def test_a_campaign_that_posted_a_while_ago_stands_still_since_then(stage: Stage, minute: str) -> None:
    await add_standstill(stage)
    await stage.execute(
        "UPDATE campaign_progress SET updated_at = now(), "
        f"minute_started_at = date_trunc('minute', now()) - interval '8 minutes', {minute} = 1"
    )
    assert [alert.kind for alert in await find_alerts(stage)] == [AlertKind.STALLED]
    await stage.execute("UPDATE campaign_progress SET minute_started_at = date_trunc('minute', now())")
    assert await find_alerts(stage) == []


async def test_failures_are_a_sign_of_life(stage: Stage) -> None:
    await add_standstill(stage)
    await stage.execute(
        "UPDATE campaign_progress SET queued = 1, failed = 1, updated_at = now(), version = version + 1"
    )
    failed = "WHERE id = (SELECT min(id) FROM jobs)"
    await stage.execute(f"UPDATE jobs SET status = 'FAILED', failed_at = now() {failed}")
    assert await find_alerts(stage) == []
    await stage.execute(f"UPDATE jobs SET failed_at = now() - interval '6 minutes' {failed}")
    assert [alert.kind for alert in await find_alerts(stage)] == [AlertKind.STALLED]


async def test_a_post_on_its_way_for_minutes_is_a_standstill(stage: Stage) -> None:
    campaign_id = await add_standstill(stage)
    await stage.execute(
        "UPDATE campaign_progress SET queued = 0, sending = 2, version = version + 1 WHERE campaign_id = :id",
        id=campaign_id,
    )
    await stage.execute("UPDATE jobs SET status = 'SENDING', started_at = now()")
    assert await find_alerts(stage) == [], "it waited for something that is meant, and has just been taken"
    await stage.execute("UPDATE jobs SET started_at = now() - interval '6 minutes'")
    assert [alert.kind for alert in await find_alerts(stage)] == [AlertKind.STALLED]


@pytest.mark.parametrize(
    "reason",
    [
        "UPDATE campaigns SET status = 'PAUSED', pause_reason = 'OPERATOR'",
        (
            "INSERT INTO account_holds (account_id, scope, until, reason)"
            " SELECT id, 'SEND', now() + interval '1 minute', 'X' FROM accounts"
        ),
        # One that ended a moment ago.
        (
            "INSERT INTO account_holds (account_id, scope, until, reason)"
            " SELECT id, 'SEND', now() - interval '1 minute', 'X' FROM accounts"
        ),
        "UPDATE channel_peers SET hold_until = now() + interval '1 minute'",
        "UPDATE jobs SET claims = 1, not_before = now() + interval '1 minute'",
        # Names cannot be looked up.
        (
            "WITH u AS (UPDATE channel_peers SET access_hash = NULL)"
            " INSERT INTO account_lookups (account_id, day, used, daily_limit)"
            " SELECT id, timezone('UTC', now())::date, 5, 5 FROM accounts"
        ),
        (
            "WITH u AS (UPDATE channel_peers SET access_hash = NULL)"
            " INSERT INTO account_holds (account_id, scope, until, reason)"
            " SELECT id, 'RESOLVE', now() + interval '1 hour', 'X' FROM accounts"
        ),
        "UPDATE campaigns SET delivery_rate = 0.001",
        "UPDATE accounts SET rate = 0.001",
    ],
)
async def test_what_waits_for_a_reason_does_not_stand_still(stage: Stage, reason: str) -> None:
    await add_standstill(stage)
    await stage.execute(reason)
    assert await find_alerts(stage) == []


async def test_names_that_nobody_looks_up_though_they_could_are_a_standstill(stage: Stage) -> None:
    await add_standstill(stage)
    await stage.execute("UPDATE channel_peers SET access_hash = NULL")
    assert [alert.kind for alert in await find_alerts(stage)] == [AlertKind.STALLED]


async def test_what_processes_see_of_their_machines_is_told_until_it_is_over(stage: Stage) -> None:
    await add_worker(stage)
    await stage.execute(
        "INSERT INTO alerts (key, kind, is_urgent, name, title, since)"
        " VALUES ('DISK_NEARLY_FULL:h', 'DISK_NEARLY_FULL', true, 'h', '', now())"
    )
    (alert,) = await find_alerts(stage)
    assert (alert.kind, alert.name, alert.is_urgent) == (AlertKind.DISK_NEARLY_FULL, "h", True)
    await stage.execute("UPDATE alerts SET state = 'RESOLVED', resolved_at = now()")
    assert await find_alerts(stage) == []


async def test_looking_reads_no_jobs_while_campaigns_go_on(stage: Stage) -> None:
    await add_worker(stage)
    account_id = await stage.add_account()
    await stage.add_channels(2000)
    for _ in range(3):
        await stage.add_campaign(account_id)
    await stage.acquire(account_id, "w")
    statement = load_statement("list_stalled").text
    async with open_session(stage.engine) as session:
        rows = await session.execute(
            text(f"EXPLAIN (ANALYZE, FORMAT TEXT) {statement}"),
            {"after": timedelta(minutes=5), "limit": 500, "most": 500},
        )
        plan = [str(row[0]) for row in rows]
    touched = [line for line in plan if " on jobs" in line and "never executed" not in line]
    assert touched == [], "\n".join(plan)
