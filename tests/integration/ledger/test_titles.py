"""Titles of channels as Telegram gives them."""

import pytest

from tests.integration.ledger.conftest import Scene
from vestnik.db.peers import FoundPeer
from vestnik.domain.transport import Peer


async def find(scene: Scene, title: str | None) -> str | None:
    """What the first channel is called after the account found it under a title."""
    found = FoundPeer(
        channel_id=scene.channels[0],
        title=title,
        peer=Peer(tg_id=77, access_hash=1),
        can_post=True,
        slow_mode=None,
    )
    assert await scene.stage.ledger.store_peers(scene.lease, [found]) == 1
    row = await scene.stage.one("SELECT title FROM channels WHERE id = :id", id=scene.channels[0])
    return None if row.title is None else str(row.title)


@pytest.fixture
async def real(scene: Scene) -> Scene:
    """The account is a person's."""
    await scene.stage.execute("ALTER TABLE campaigns DROP CONSTRAINT campaigns_account_id_account_kind_fkey")
    await scene.stage.execute("UPDATE accounts SET kind = 'USER'")
    return scene


async def test_a_channel_without_a_title_gets_that_of_telegram(real: Scene) -> None:
    assert await find(real, None) is None
    assert await find(real, "Daily\0 News") == "Daily? News"
    (job,) = await real.claim()
    assert job.values.channel_title == "Daily? News"


async def test_a_title_that_somebody_gave_stays(real: Scene) -> None:
    await real.stage.execute("UPDATE channels SET title = 'Ours'")
    assert await find(real, "Theirs") == "Ours"


async def test_a_rehearsal_names_no_channel(scene: Scene) -> None:
    assert await find(scene, "Simulated") is None
    (job,) = await scene.claim()
    assert (job.values.channel_title, job.values.channel_username) == ("first_00001", "first_00001")


async def test_a_claim_names_the_time_of_the_post_that_may_be_out(scene: Scene) -> None:
    (job,) = await scene.claim()
    await scene.stage.execute("UPDATE jobs SET status = 'QUEUED' WHERE id = :id", id=job.job_id)
    await scene.stage.execute("UPDATE campaign_progress SET queued = queued + 1, sending = sending - 1")
    (again,) = await scene.claim()
    row = await scene.stage.read_job(job.job_id)
    assert (again.job_id, again.was_maybe_sent, again.values.at) == (job.job_id, True, row.started_at)
    assert again.values.at <= job.values.at
