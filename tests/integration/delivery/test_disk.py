"""The database's disk runs full in mid-campaign."""

import asyncio

import pytest

from tests.integration.delivery.rig import Rig
from vestnik.domain.ids import AccountId

FILL = """
CREATE FUNCTION refuse_for_want_of_space() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'could not extend file "base/5/16384": No space left on device' USING ERRCODE = 'disk_full';
END $$
"""


@pytest.mark.timed
@pytest.mark.parametrize("table", ["jobs", "account_leases"])
async def test_a_full_disk_stops_sending_and_once_there_is_space_all_goes_out(
    rig: Rig, account_id: AccountId, table: str
) -> None:
    await rig.stage.add_channels(60)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    worker = await rig.start_worker()
    await rig.wait_for_posts(10)
    await rig.stage.execute(FILL)
    await rig.stage.execute(
        f'CREATE TRIGGER "full" BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION refuse_for_want_of_space()'
    )
    await asyncio.sleep(2.5)  # longer than the lease; what was claimed has gone out
    await rig.stay_silent(0.5)
    assert not worker.task.done()
    await rig.stage.execute(f'DROP TRIGGER "full" ON {table}')
    await rig.finish(campaign_id)
    rig.check_each_once(60)
    assert await rig.stage.count_jobs(campaign_id) == {"SENT": 60}
    assert rig.most_in_a_second <= 43
