"""Posts minute by minute: noted when a minute of the counters is over, and never lost or counted twice."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.ledger.conftest import Scene
from tests.support.stage import make_result
from vestnik.db.engine import make_engine, open_session
from vestnik.db.ledger import Ledger
from vestnik.domain.ids import CampaignId
from vestnik.domain.outcomes import judge_success
from vestnik.domain.states import JobStatus
from vestnik.services import retention
from vestnik.services.campaigns import list_campaigns
from vestnik.services.rates import read_campaign_minutes, read_minutes

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


async def _post(scene: Scene, number: int) -> None:
    await scene.stage.ledger.record([judge_success(job, (1,)) for job in await scene.claim(number)])


async def _wait_for_room_in_the_minute(scene: Scene) -> None:
    """What a test records is to be in one minute by the database's clock."""
    row = await scene.stage.one("SELECT 60 - extract(second FROM clock_timestamp())::float8 AS left")
    if row.left < 5:
        await asyncio.sleep(row.left)


async def _age(scene: Scene, minutes: int) -> None:
    """Let as many minutes pass since the last post."""
    await scene.stage.execute("ALTER TABLE campaign_progress DISABLE TRIGGER campaign_progress_minutes")
    await scene.stage.execute(
        "UPDATE campaign_progress SET minute_started_at = minute_started_at - make_interval(mins => :n)",
        n=minutes,
    )
    await scene.stage.execute("ALTER TABLE campaign_progress ENABLE TRIGGER campaign_progress_minutes")


async def _read(scene: Scene, since: datetime = LONG_AGO) -> list[tuple[datetime, int]]:
    async with open_session(scene.stage.engine) as session:
        return list(await read_campaign_minutes(session, scene.campaign_id, since))


async def _count_rows(scene: Scene) -> list[int]:
    rows = await scene.stage.execute("SELECT sent FROM campaign_minutes ORDER BY minute")
    return [row.sent for row in rows]


async def test_the_minute_that_is_not_over_is_counted_and_not_stored(scene: Scene) -> None:
    await _wait_for_room_in_the_minute(scene)
    await _post(scene, 3)
    await _post(scene, 2)
    ((minute, sent),) = await _read(scene)
    assert (sent, minute.second, minute.microsecond) == (5, 0, 0)
    assert await _count_rows(scene) == []


async def test_a_minute_is_stored_once_it_is_over(scene: Scene) -> None:
    await _wait_for_room_in_the_minute(scene)
    await _post(scene, 3)
    await _age(scene, 2)
    await _post(scene, 2)
    await _post(scene, 1)
    assert await _count_rows(scene) == [3]
    (first, then), (second, now) = await _read(scene)
    assert (then, now, second - first) == (3, 3, 2 * MINUTE)
    assert await _read(scene, second) == [(second, 3)]


async def test_failures_end_a_minute_as_posts_do(scene: Scene) -> None:
    await _wait_for_room_in_the_minute(scene)
    await _post(scene, 4)
    await _age(scene, 1)
    (job,) = await scene.claim()
    await scene.stage.ledger.record([make_result(job, JobStatus.FAILED, error_code="CHANNEL_PRIVATE")])
    assert await _count_rows(scene) == [4]
    assert [sent for _, sent in await _read(scene)] == [4]


async def test_a_clock_that_is_set_back_loses_nothing(scene: Scene) -> None:
    await _wait_for_room_in_the_minute(scene)
    await _post(scene, 3)
    await _age(scene, -1)  # recorded in a minute that is to come
    await _post(scene, 2)
    await _age(scene, -1)
    await _post(scene, 1)
    assert sum(sent for _, sent in await _read(scene)) == 6
    assert await _count_rows(scene) == [5]


async def test_an_update_that_straddles_two_minutes_counts_each_post_once(scene: Scene) -> None:
    """Each column of the update looks at the clock for itself."""
    await _wait_for_room_in_the_minute(scene)
    await _post(scene, 3)
    await scene.stage.execute(  # the count went on before the minute did
        "UPDATE campaign_progress SET queued = queued - 1, sent = sent + 1, minute_sent = minute_sent + 1,"
        " minute_started_at = minute_started_at + interval '1 minute'"
    )
    assert [sent for _, sent in await _read(scene)] == [4]
    await scene.stage.execute(  # the count began anew before the minute did
        "UPDATE campaign_progress SET queued = queued - 1, sent = sent + 1, minute_sent = 1"
    )
    assert [sent for _, sent in await _read(scene)] == [5]


async def test_a_minute_that_begins_while_results_are_recorded_counts_each_post_once(scene: Scene) -> None:
    await scene.stage.execute("CREATE SCHEMA hurried")
    await scene.stage.execute("CREATE SEQUENCE hurried.looks")
    await scene.stage.execute(  # a clock that goes on by 7 s each time that somebody looks at it
        "CREATE FUNCTION hurried.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql AS"
        " $$SELECT pg_catalog.date_trunc('minute', pg_catalog.clock_timestamp())"
        " + make_interval(secs => 7 * nextval('hurried.looks'))$$"
    )
    jobs = await scene.claim(40)
    url = scene.stage.engine.url.update_query_dict({"options": "-csearch_path=hurried,pg_catalog"})
    engine = make_engine(url, name="test")
    try:
        for number, job in enumerate(jobs, start=1):
            await Ledger(engine).record([judge_success(job, (1,))])
            row = await scene.stage.one("SELECT minute_sent, previous_minute_sent FROM campaign_progress")
            assert row.minute_sent + row.previous_minute_sent <= number
    finally:
        await engine.dispose()


async def test_two_senders_at_once_are_counted_together(scene: Scene) -> None:
    await _wait_for_room_in_the_minute(scene)
    jobs = await scene.claim(40)
    await scene.stage.ledger.record([judge_success(job, (1,)) for job in jobs[:2]])
    await _age(scene, 1)
    await asyncio.gather(
        *(
            scene.stage.ledger.record([judge_success(job, (1,)) for job in jobs[place::4]])
            for place in range(2, 4)
        ),
        *(scene.stage.ledger.record([judge_success(job, (1,))]) for job in jobs[4:6]),
    )
    recorded = await scene.stage.one("SELECT sent FROM campaign_progress")
    assert await _count_rows(scene) == [2]
    assert sum(sent for _, sent in await _read(scene)) == recorded.sent


async def test_all_campaigns_are_added_up(scene: Scene) -> None:
    await _wait_for_room_in_the_minute(scene)
    other = await scene.stage.add_campaign(scene.account_id)
    await _post(scene, 3)
    jobs = await scene.stage.claim(scene.lease, other, 4)
    await scene.stage.ledger.record([judge_success(job, (1,)) for job in jobs])
    async with open_session(scene.stage.engine) as session:
        ((_, together),) = await read_minutes(session, LONG_AGO)
        assert await read_minutes(session, datetime.now(UTC) + 2 * MINUTE) == []
    assert together == 7


@pytest.mark.parametrize("is_purged", [True, False], ids=["purged", "deleted"])
async def test_they_go_with_the_records_of_the_posts(scene: Scene, is_purged: bool) -> None:
    await _wait_for_room_in_the_minute(scene)
    await _post(scene, 9)
    await _age(scene, 1)
    await _post(scene, 1)
    assert await _count_rows(scene) == [9]
    async with open_session(scene.stage.engine) as session:
        if is_purged:
            await retention.purge_campaign_jobs(session, scene.campaign_id, timedelta())
        else:
            await retention.erase_campaign(session, scene.campaign_id)
    assert await _count_rows(scene) == []
    async with open_session(scene.stage.engine) as session:
        left = [CampaignId(view.id) for view in await list_campaigns(session, limit=9)]
    assert left == ([scene.campaign_id] if is_purged else [])


async def test_reading_and_recording_follow_their_indexes(scene: Scene) -> None:
    await scene.stage.execute(
        "INSERT INTO campaign_minutes SELECT c.id, date_trunc('minute', now()) - make_interval(mins => i), 1"
        " FROM campaigns c, generate_series(1, 20000) i"
    )
    await scene.stage.execute("ANALYZE campaign_minutes")
    plan = await scene.stage.execute(
        "EXPLAIN SELECT minute, sum(sent) FROM campaign_minutes WHERE minute >= now() - interval '3 hours' GROUP BY 1"
    )
    assert "campaign_minutes_minute_idx" in str(plan)
    assert "Seq Scan" not in str(plan)
