"""Worker processes that die by kill -9 with a file on their hands: their successors post it everywhere once."""

import asyncio
from pathlib import Path

import pytest

from tests.integration.delivery.rig import PATIENCE, Rig
from tests.integration.delivery.test_media import PART, UPLOAD, add_campaign, count_calls
from tests.integration.delivery.test_worker_processes import run_process
from tests.support.media import add_media
from tests.support.pictures import make_jpeg
from vestnik.delivery.failpoints import Failpoint
from vestnik.domain.ids import AccountId
from vestnik.simulator.faults import Fault, FaultKind


@pytest.mark.parametrize(
    "failpoint", [Failpoint.AFTER_CLAIM, Failpoint.BEFORE_SEND, Failpoint.AFTER_SEND, Failpoint.BEFORE_RECORD]
)
async def test_the_successor_of_a_killed_worker_uploads_nothing_again(
    rig: Rig, account_id: AccountId, tmp_path: Path, failpoint: Failpoint
) -> None:
    await rig.stage.add_channels(8)
    media = await add_media(rig.stage.engine, tmp_path, make_jpeg(size=300_000))
    campaign_id = await add_campaign(rig, account_id, media, rate=20)
    settings = {"VESTNIK_DATA_DIR": str(tmp_path), "VESTNIK_FAILPOINTS": f"{failpoint}:2"}
    async with run_process(rig, **settings) as doomed, asyncio.timeout(PATIENCE):
        assert await doomed.wait() != 0
    noted = await rig.stage.execute("SELECT FROM account_media")
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    rig.check_each_once(8)
    # The note goes to the database beside the first posts, and a slow one may die with the process.
    assert rig.server.simulator.summarize().uploaded_bytes == media.size * (1 if noted else 2)


@pytest.mark.parametrize("method", [PART, UPLOAD])
async def test_a_worker_killed_during_the_upload_is_followed_by_one_that_uploads_anew(
    rig: Rig, account_id: AccountId, tmp_path: Path, method: str
) -> None:
    await rig.stage.add_channels(3)
    media = await add_media(rig.stage.engine, tmp_path, make_jpeg(size=300_000))
    campaign_id = await add_campaign(rig, account_id, media)
    rig.set_faults(Fault(method=method, kind=FaultKind.SILENCE_AFTER, count=1))

    async def was_called() -> bool:
        return count_calls(rig, method) > 0

    async with run_process(rig, VESTNIK_DATA_DIR=str(tmp_path)) as doomed:
        await rig.until(was_called, PATIENCE)
        doomed.kill()
        await doomed.wait()
    assert rig.posts == []
    await rig.start_worker(data_dir=tmp_path)
    await rig.finish(campaign_id)
    rig.check_each_once(3)
    assert {post.media["sha256"] for post in rig.posts if post.media} == {media.sha256}
