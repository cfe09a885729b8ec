"""Entries that lead to one Telegram channel: one of a campaign stands, whenever they turn out to be the same."""

import random
from collections import Counter

import pytest

from tests.integration.ledger.conftest import Scene
from tests.support.stage import Stage, make_result
from vestnik.db import transitions
from vestnik.db.engine import open_session
from vestnik.db.peers import FoundPeer
from vestnik.db.transitions import retry_failed
from vestnik.domain.errors import ConflictError
from vestnik.domain.ids import ChannelId
from vestnik.domain.states import JobStatus
from vestnik.domain.transport import Peer

TG_ID = 77


async def reasons(stage: Stage) -> dict[ChannelId, str]:
    rows = await stage.execute("SELECT channel_id, error_code FROM jobs WHERE status = 'FAILED'")
    return {row.channel_id: row.error_code for row in rows}


def found(channel_id: ChannelId, tg_id: int = TG_ID) -> FoundPeer:
    return FoundPeer(
        channel_id=channel_id, peer=Peer(tg_id=tg_id, access_hash=1), can_post=True, slow_mode=None
    )


async def point_at(scene: Scene, channel_ids: list[ChannelId]) -> None:
    """Several entries turn out to be the same Telegram channel."""
    await scene.stage.ledger.store_peers(scene.lease, [found(channel_id) for channel_id in channel_ids])


async def check_counters(scene: Scene) -> None:
    assert await scene.stage.read_progress(scene.campaign_id) == await scene.counts()


async def test_of_entries_that_are_the_same_channel_the_first_is_sent(scene: Scene) -> None:
    await point_at(scene, scene.channels[2:5])
    assert await reasons(scene.stage) == dict.fromkeys(scene.channels[3:5], "DUPLICATE_CHANNEL")
    await check_counters(scene)


async def test_an_entry_that_turns_out_to_be_one_already_known_ends(scene: Scene) -> None:
    await point_at(scene, [scene.channels[5]])
    assert await reasons(scene.stage) == {}
    await point_at(scene, [scene.channels[7]])
    assert await reasons(scene.stage) == {scene.channels[7]: "DUPLICATE_CHANNEL"}
    await check_counters(scene)


async def test_an_address_that_comes_again_changes_nothing(scene: Scene) -> None:
    await point_at(scene, scene.channels[:2])
    await scene.stage.execute("UPDATE jobs SET status = 'QUEUED', error_code = NULL WHERE status = 'FAILED'")
    await point_at(scene, scene.channels[:2])
    assert await reasons(scene.stage) == {}


@pytest.mark.parametrize("status", [JobStatus.SENT, JobStatus.SENDING, JobStatus.QUEUED])
async def test_an_entry_found_late_is_not_sent_beside_one_that_is_out(
    scene: Scene, status: JobStatus
) -> None:
    """The entry that comes first in the batch is resolved only after its twin was claimed (or sent)."""
    first, second = scene.channels[:2]
    await scene.stage.execute("UPDATE channel_peers SET access_hash = NULL WHERE channel_id = :id", id=first)
    (job,) = await scene.claim()
    assert job.channel_id == second
    if status is not JobStatus.SENDING:
        await scene.stage.ledger.record([make_result(job, status, maybe_sent=status is JobStatus.QUEUED)])
    await point_at(scene, [first, second])
    assert await reasons(scene.stage) == {first: "DUPLICATE_CHANNEL"}
    await check_counters(scene)


async def test_an_entry_that_can_be_sent_is_not_ended_for_a_twin_that_cannot(scene: Scene) -> None:
    first, second = scene.channels[:2]
    await scene.stage.ledger.deactivate_channel(first, "OPERATOR")
    await point_at(scene, [first, second])
    assert await reasons(scene.stage) == {first: "DUPLICATE_CHANNEL"}


async def test_a_paused_campaign_is_looked_at_as_well(scene: Scene) -> None:
    await scene.stage.pause(scene.campaign_id)
    await point_at(scene, scene.channels[:2])
    assert await reasons(scene.stage) == {scene.channels[1]: "DUPLICATE_CHANNEL"}


async def test_who_lost_the_lease_stores_nothing(scene: Scene) -> None:
    former = scene.lease
    await scene.stage.execute("UPDATE account_leases SET lease_until = clock_timestamp()")
    await scene.stage.acquire(scene.account_id, "another")
    await scene.stage.execute("DELETE FROM channel_peers")
    assert await scene.stage.ledger.store_peers(former, [found(scene.channels[0])]) == 0
    async with open_session(scene.stage.engine) as session:
        rows = [{"channel_id": str(key), "tg_id": TG_ID, "access_hash": 1} for key in scene.channels[:2]]
        await transitions.settle_twins(session, scene.account_id, former.epoch, rows)
    assert await scene.stage.execute("SELECT FROM channel_peers") == []
    assert await reasons(scene.stage) == {}


async def test_addresses_are_matched_by_username_and_by_id(scene: Scene) -> None:
    stage = scene.stage
    await stage.execute("DELETE FROM channel_peers")
    named, unnamed = scene.channels[:2]
    await stage.execute("UPDATE channels SET username = NULL, tg_id = 4711 WHERE id = :id", id=unnamed)
    peers = [
        FoundPeer(username="FIRST_00001", peer=Peer(tg_id=1, access_hash=2), can_post=True, slow_mode=None),
        FoundPeer(username=None, peer=Peer(tg_id=4711, access_hash=3), can_post=True, slow_mode=None),
        FoundPeer(username="a_stranger", peer=Peer(tg_id=5, access_hash=4), can_post=True, slow_mode=None),
    ]
    assert await stage.ledger.store_peers(scene.lease, peers) == 2
    rows = await stage.execute("SELECT channel_id, tg_id, access_hash FROM channel_peers")
    assert {tuple(row) for row in rows} == {(named, 1, 2), (unnamed, 4711, 3)}


class TestExpansion:
    """Entries known to be one channel before their jobs are made."""

    @pytest.mark.parametrize("chunk", [100, 2])
    async def test_the_first_stands_across_all_parts(
        self, stage: Stage, monkeypatch: pytest.MonkeyPatch, chunk: int
    ) -> None:
        monkeypatch.setattr(transitions, "EXPANSION_CHUNK", chunk)
        monkeypatch.setattr(transitions, "LANE_CHUNK", chunk)
        account_id = await stage.add_account()
        channels = await stage.add_channels(6)
        await stage.give_peers(account_id, channels)
        same = [channels[1], channels[2], channels[5]]
        await stage.execute("UPDATE channel_peers SET tg_id = 77 WHERE channel_id = ANY(:same)", same=same)
        campaign_id = await stage.add_campaign(account_id)
        for _ in range(6 // chunk):
            await stage.ledger.expand(campaign_id)
        assert await reasons(stage) == dict.fromkeys(same[1:], "DUPLICATE_CHANNEL")
        counters = {"QUEUED": 4, "FAILED": 2}
        assert await stage.read_progress(campaign_id) == await stage.count_jobs(campaign_id) == counters

    async def test_the_error_rate_brake_does_not_count_them(self, stage: Stage) -> None:
        account_id = await stage.add_account()
        channels = await stage.add_channels(30)
        await stage.give_peers(account_id, channels)
        await stage.execute("UPDATE channel_peers SET tg_id = 77")
        await stage.add_campaign(account_id)
        row = await stage.one("SELECT * FROM campaign_progress")
        assert (row.failed, row.brake_failed) == (29, 29)


class TestRetrying:
    """Regression: in a running campaign a doubled entry went back to the queue and was posted beside the other."""

    async def retry(self, scene: Scene) -> tuple[int, int]:
        async with open_session(scene.stage.engine) as session:
            retried = await retry_failed(session, scene.campaign_id, None)
        return retried.reopened, retried.skipped

    async def test_a_doubled_entry_is_not_retried_beside_the_one_that_stands(self, scene: Scene) -> None:
        await point_at(scene, scene.channels[:3])
        with pytest.raises(ConflictError, match="by another entry"):
            await self.retry(scene)
        assert await scene.counts() == {"QUEUED": 8, "FAILED": 2}

    async def test_of_doubled_entries_that_all_failed_one_is_retried(self, scene: Scene) -> None:
        await point_at(scene, scene.channels[:3])
        (job,) = await scene.claim()
        await scene.stage.ledger.record([make_result(job, JobStatus.FAILED, error_code="MESSAGE_EMPTY")])
        assert await self.retry(scene) == (1, 2)
        row = await scene.stage.one("SELECT channel_id FROM jobs WHERE status = 'QUEUED' AND claims = 1")
        assert row.channel_id == scene.channels[0]

    async def test_entries_beside_one_that_may_be_out_are_not_retried(self, scene: Scene) -> None:
        await point_at(scene, scene.channels[:2])
        (job,) = await scene.claim()
        await scene.stage.ledger.record(
            [make_result(job, JobStatus.FAILED, error_code="UNKNOWN_OUTCOME", maybe_sent=True)]
        )
        with pytest.raises(ConflictError, match="by another entry"):
            await self.retry(scene)


async def test_whatever_turns_out_to_be_one_channel_is_claimed_once(scene: Scene) -> None:
    """Addresses come in any order, between claims, failures and retries; no Telegram channel gets two posts."""
    rng = random.Random(5)
    stage = scene.stage
    await stage.execute("UPDATE channel_peers SET access_hash = NULL, tg_id = NULL")
    addresses = {channel_id: rng.randrange(1, 5) for channel_id in scene.channels}
    posted: Counter[int] = Counter()
    for _ in range(120):
        choice = rng.random()
        if choice < 0.4:
            several = rng.sample(scene.channels, rng.randrange(1, 4))
            await stage.ledger.store_peers(scene.lease, [found(key, addresses[key]) for key in several])
        elif choice < 0.8:
            for job in await scene.claim(rng.randrange(1, 3)):
                status = rng.choice([JobStatus.SENT, JobStatus.FAILED, JobStatus.QUEUED])
                posted[addresses[job.channel_id]] += status is JobStatus.SENT
                await stage.ledger.record([make_result(job, status, error_code="SOME_ERROR")])
        else:
            try:
                async with open_session(stage.engine) as session:
                    await retry_failed(session, scene.campaign_id, None)
            except ConflictError:
                continue
        await check_counters(scene)
    assert posted
    assert set(posted.values()) == {1}
