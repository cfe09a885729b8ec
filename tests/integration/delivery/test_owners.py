"""One sender per account, whoever starts, stops, dies or freezes."""

import asyncio
import sys
import time
from datetime import timedelta

import pytest

from tests.integration.delivery.rig import PATIENCE, Rig, RunningWorker
from vestnik.delivery.lane import Lane
from vestnik.domain.ids import AccountId
from vestnik.simulator.posts import count_most_in_window
from vestnik.worker import process


async def read_lease(rig: Rig, account_id: AccountId) -> tuple[str, int]:
    row = await rig.stage.one("SELECT * FROM account_leases WHERE account_id = :id", id=account_id)
    return str(row.holder), int(row.epoch)


async def find_holder(rig: Rig, account_id: AccountId) -> RunningWorker:
    holder, _ = await read_lease(rig, account_id)
    (found,) = [worker for worker in rig.workers if worker.holder == holder]
    return found


async def test_of_two_workers_one_sends(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(30)
    await rig.start_worker()
    await rig.start_worker()
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.finish(campaign_id)
    rig.check_each_once(30)
    rows = await rig.stage.execute("SELECT DISTINCT claim_epoch FROM jobs")
    assert len(rows) == 1
    assert rig.server.simulator.summarize().max_connections_per_account[str(account_id)] == 1


@pytest.mark.timed
async def test_a_stopped_worker_hands_over_within_a_second(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(80)
    await rig.start_worker()
    await rig.start_worker()
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.wait_for_posts(20)
    first = await find_holder(rig, account_id)
    asked = time.monotonic()
    await first.stop()
    assert time.monotonic() - asked < 1.0 + rig.lag
    assert (await rig.stage.count_jobs(campaign_id)).get("SENDING", 0) == 0 or (
        await find_holder(rig, account_id) is not first
    )
    await rig.finish(campaign_id)
    rig.check_each_once(80)
    gap = max(later - earlier for earlier, later in zip(rig.arrivals, rig.arrivals[1:], strict=False))
    assert gap < 1.0 + rig.lag
    assert rig.most_in_a_second <= 43
    assert rig.server.simulator.summarize().max_connections_per_account[str(account_id)] == 1


@pytest.mark.timed
async def test_a_dead_workers_accounts_are_taken_over_when_its_lease_ends(
    rig: Rig, account_id: AccountId
) -> None:
    await rig.stage.add_channels(80)
    await rig.start_worker()
    await rig.start_worker()
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.wait_for_posts(20)
    died = time.monotonic()
    await (await find_holder(rig, account_id)).kill()
    before = len(rig.posts)
    await rig.finish(campaign_id)
    rig.check_each_once(80)
    assert rig.arrivals[before] - died < 2.0 + 1.0  # lease + 1 s
    assert rig.most_in_a_second <= 43


@pytest.mark.timed
async def test_a_dead_workers_account_is_asked_for_when_its_lease_ends_and_not_at_a_poll(
    rig: Rig, account_id: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "POLL_SECONDS", 1.9)
    await rig.start_worker()
    await rig.start_worker()
    statement = "SELECT epoch, lease_until FROM account_leases WHERE account_id = :id"
    await (await find_holder(rig, account_id)).kill()
    before = await rig.stage.one(statement, id=account_id)

    async def is_taken_over() -> bool:
        return bool((await rig.stage.one(statement, id=account_id)).epoch > before.epoch)

    lag = rig.lag
    await rig.until(is_taken_over)
    after = await rig.stage.one(statement, id=account_id)
    taken_at = after.lease_until - timedelta(seconds=2)  # by the database's clock; the lease is as long
    assert 0 <= (taken_at - before.lease_until).total_seconds() < 0.3 + rig.lag - lag


async def test_two_workers_share_what_a_dead_one_leaves(rig: Rig) -> None:
    accounts = [await rig.stage.add_account() for _ in range(6)]
    statement = (
        "SELECT holder, count(*) AS n FROM account_leases WHERE lease_until > clock_timestamp() GROUP BY 1"
    )
    await rig.stage.execute(
        "INSERT INTO account_leases (account_id, holder, epoch, lease_until)"
        " SELECT unnest(CAST(:ids AS uuid[])), 'dead', 1, clock_timestamp() + interval '1.5 seconds'",
        ids=accounts,
    )
    first, second = await rig.start_worker(), await rig.start_worker()
    total = (await rig.stage.one("SELECT count(*) AS n FROM accounts WHERE state = 'ACTIVE'")).n
    counts: dict[str, int] = {}

    async def is_all_taken() -> bool:
        counts.clear()
        counts.update({row.holder: row.n for row in await rig.stage.execute(statement)})
        return "dead" not in counts and sum(counts.values()) == total

    await rig.until(is_all_taken)
    fair_share = -(-total // 2)
    assert counts.keys() == {first.holder, second.holder}
    assert max(counts.values()) <= fair_share


@pytest.mark.timed
async def test_a_stop_does_not_wait_for_the_new_start_of_a_crashed_lane(
    rig: Rig, account_id: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.may_crash = True
    crashed = asyncio.Event()

    async def crash(lane: Lane) -> None:
        crashed.set()
        raise ZeroDivisionError(lane)

    monkeypatch.setattr(Lane, "run", crash)
    worker = await rig.start_worker()
    async with asyncio.timeout(PATIENCE):
        await crashed.wait()
    asked = time.monotonic()
    await worker.stop()
    assert time.monotonic() - asked < process.RESTART_LANE_AFTER / 2
    assert await read_lease(rig, account_id) == (worker.holder, 1)


async def test_a_stopped_worker_leaves_nothing_behind(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(60)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    worker = await rig.start_worker()
    await rig.wait_for_posts(15)
    await worker.stop()
    posted = len(rig.posts)
    assert await rig.stage.count_jobs(campaign_id) == {"SENT": posted, "QUEUED": 60 - posted}
    rows = await rig.stage.execute("SELECT maybe_sent FROM jobs WHERE status = 'QUEUED' AND claims > 0")
    assert not any(row.maybe_sent for row in rows)
    assert await rig.stage.ledger.acquire_lease(account_id, "anyone", timedelta(seconds=2)) is not None
    left = [task for task in asyncio.all_tasks() if "vestnik/delivery" in repr(task)]
    assert left == []


@pytest.mark.timed
async def test_a_stop_does_not_wait_for_answers_that_do_not_come(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(20)
    simulator = rig.server.simulator
    simulator.options = type(simulator.options)(latency=30.0)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    simulator.options = type(simulator.options)()
    worker = await rig.start_worker(call_timeout_seconds=30.0)
    await rig.wait_for_posts(3)
    simulator.options = type(simulator.options)(latency=30.0)
    await rig.wait_for_posts(6)
    asked = time.monotonic()
    await worker.stop()
    assert time.monotonic() - asked < 1.3
    rows = await rig.stage.execute("SELECT 1 FROM jobs WHERE status = 'QUEUED' AND maybe_sent")
    assert len(rows) >= 3
    simulator.options = type(simulator.options)()
    await rig.start_worker()
    await rig.finish(campaign_id)
    rig.check_each_once(20)


async def test_a_worker_that_lost_its_lease_sends_nothing_more(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(60)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker()
    await rig.wait_for_posts(10)
    await rig.stage.execute(
        "UPDATE account_leases SET holder = 'another', epoch = epoch + 1,"
        " lease_until = clock_timestamp() + interval '2 seconds' WHERE account_id = :id",
        id=account_id,
    )
    await asyncio.sleep(0.8)  # the claimed ones, or until it asks for its lease at a third of its length
    await rig.stay_silent(1.0)
    await rig.finish(campaign_id)
    rig.check_each_once(60)


async def test_a_frozen_worker_that_wakes_asks_for_its_lease_first(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(40)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.start_worker()
    await rig.wait_for_posts(10)
    _, epoch = await read_lease(rig, account_id)
    time.sleep(2.2)  # noqa: ASYNC251 - the whole process stands still
    before = len(rig.posts)
    await rig.finish(campaign_id)
    rig.check_each_once(40)
    rows = await rig.stage.execute("SELECT claim_epoch, count(*) AS n FROM jobs GROUP BY 1 ORDER BY 1")
    assert len(rows) == 2
    assert rows[0].claim_epoch == epoch
    # One post may have been on the wire when everything stood still; the rest of the backlog went back unsent.
    assert rows[0].n <= before + 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have another clock")
async def test_a_worker_whose_machine_was_suspended_asks_for_its_lease_first(
    rig: Rig, account_id: AccountId, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Sleeping tasks do not notice a suspension: the event loop's clock stands still meanwhile.
    asleep, read_system_clock = 0.0, time.clock_gettime
    monkeypatch.setattr(time, "clock_gettime", lambda which: read_system_clock(which) + asleep)
    await rig.stage.add_channels(60)
    await rig.start_worker()
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    await rig.wait_for_posts(20)
    _, epoch = await read_lease(rig, account_id)
    before, asleep = rig.send_calls, 3_600.0
    await rig.finish(campaign_id)
    rig.check_each_once(60)
    (of_before,) = await rig.stage.execute(
        "SELECT count(*) AS n FROM jobs WHERE claim_epoch = :epoch", epoch=epoch
    )
    # The last one may have been sent again by the next holder, under the same random_id.
    assert before - 1 <= of_before.n <= before


@pytest.mark.timed
@pytest.mark.parametrize("rate", [2, 40])
async def test_a_restart_is_no_burst(rig: Rig, rate: int) -> None:
    account_id = await rig.stage.add_account(rate=rate)
    await rig.stage.add_channels(6 if rate < 10 else 60)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    worker = await rig.start_worker()
    await rig.wait_for_posts(2)
    await worker.stop()
    await rig.start_worker()
    await rig.finish(campaign_id)
    assert count_most_in_window(rig.arrivals) <= rate * 1.05 + 1
    gaps = [later - earlier for earlier, later in zip(rig.arrivals, rig.arrivals[1:], strict=False)]
    if rate < 10:
        assert min(gaps) > 1 / rate - 0.06
