"""A backup made in mid-campaign and restored after more had been posted."""

from sqlalchemy.ext.asyncio import AsyncEngine

from tests.conftest import DatabaseServer
from tests.integration.delivery.rig import Rig
from tests.support.stage import Stage
from vestnik.db.engine import make_engine, open_session
from vestnik.domain.actors import Actor
from vestnik.domain.ids import AccountId
from vestnik.services.restore import settle_restore

CHANNELS = 60


async def test_a_restored_backup_sends_nothing_by_itself_and_resumed_nothing_twice(
    rig: Rig, engine: AsyncEngine, account_id: AccountId, actor: Actor, database_server: DatabaseServer
) -> None:
    await rig.stage.add_channels(CHANNELS)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    worker = await rig.start_worker()
    await rig.wait_for_posts(10)
    await worker.kill()
    await engine.dispose()  # a database is copied only while nobody uses it
    assert engine.url.database is not None
    backup = database_server.create(template=engine.url.database)

    after_backup = await rig.start_worker()
    await rig.wait_for_posts(30)
    await after_backup.kill()

    restored = make_engine(backup, name="restored")
    try:
        stage = Stage(restored)
        known = (await stage.read_progress(campaign_id)).get("SENT", 0)
        assert known < 30
        async with open_session(restored) as session:
            await settle_restore(session, actor)
        await rig.start_worker(backup)
        await rig.stay_silent(3.0)  # longer than a lease
        assert await stage.read_status(campaign_id) == "PAUSED"

        await stage.resume(campaign_id)

        async def is_complete() -> bool:
            return await stage.read_status(campaign_id) == "COMPLETED"

        await rig.until(is_complete)
        assert await stage.count_jobs(campaign_id) == {"SENT": CHANNELS}
        rig.check_each_once(CHANNELS)
        assert rig.send_calls > CHANNELS  # what the backup did not know was asked for again
    finally:
        await restored.dispose()
        for each in rig.workers:
            if not each.task.done():
                await each.stop()
        database_server.drop(backup)
