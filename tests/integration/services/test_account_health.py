"""How an account does: its own posts of the last hour and day, and the times that Telegram made it wait."""

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.stage import Stage
from vestnik.db.engine import open_session
from vestnik.db.ledger import KEPT_WAITS
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.domain.states import HoldScope
from vestnik.services.account_health import SHOWN_WAITS, AccountHealth, get_account_health


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


async def read(stage: Stage, account_id: AccountId) -> AccountHealth:
    async with open_session(stage.engine) as session:
        return await get_account_health(session, account_id)


async def add_minute(stage: Stage, campaign_id: CampaignId, minutes_ago: int, sent: int) -> None:
    await stage.execute(
        "INSERT INTO campaign_minutes (campaign_id, minute, sent)"
        " VALUES (:id, now() - make_interval(mins => :ago), :sent)",
        id=campaign_id,
        ago=minutes_ago,
        sent=sent,
    )


async def test_posts_are_those_of_the_account_in_the_last_hour_and_day(stage: Stage) -> None:
    first, second = await stage.add_account(), await stage.add_account()
    (channel_id,) = await stage.add_channels(1)
    campaign_id = await stage.add_campaign(first, start=False)
    other = await stage.add_campaign(second, start=False)
    for minutes_ago, sent in ((10, 3), (50, 4), (120, 5), (25 * 60, 100)):
        await add_minute(stage, campaign_id, minutes_ago, sent)
    await add_minute(stage, other, 10, 1_000)
    await stage.execute(
        "INSERT INTO account_commands (account_id, kind, status, channel_id, random_id, expires_at, finished_at)"
        " VALUES (:id, 'SEND', 'DONE', :channel, 1, now(), now()),"
        " (:id, 'SEND', 'FAILED', :channel, 2, now(), now()), (:id, 'LOGIN', 'DONE', NULL, NULL, now(), now())",
        id=first,
        channel=channel_id,
    )
    health = await read(stage, first)
    assert (health.posts_last_hour, health.posts_last_day) == (8, 13)
    assert (await read(stage, await stage.add_account())).posts_last_day == 0


async def test_the_last_waits_stay_on_record_and_no_more(stage: Stage) -> None:
    account_id, other = await stage.add_account(), await stage.add_account()
    await stage.ledger.hold(other, HoldScope.SEND, timedelta(seconds=5), "FLOOD_WAIT")
    for number in range(KEPT_WAITS + 10):
        await stage.ledger.hold(
            account_id, HoldScope.SEND, timedelta(minutes=number + 1), f"FLOOD_WAIT {number}"
        )
    rows = await stage.execute(
        "SELECT reason FROM account_waits WHERE account_id = :id ORDER BY id", id=account_id
    )
    assert [row.reason for row in rows] == [f"FLOOD_WAIT {number}" for number in range(10, KEPT_WAITS + 10)]
    shown = (await read(stage, account_id)).waits
    assert [wait.reason for wait in shown] == [row.reason for row in rows[::-1][:SHOWN_WAITS]]
    assert len((await read(stage, other)).waits) == 1


async def test_a_wait_within_a_longer_one_is_none_of_its_own(stage: Stage) -> None:
    account_id = await stage.add_account()
    await stage.ledger.hold(account_id, HoldScope.SEND, timedelta(minutes=5), "FLOOD_WAIT")
    await stage.ledger.hold(account_id, HoldScope.SEND, timedelta(minutes=1), "FLOOD_WAIT")
    await stage.ledger.hold(account_id, HoldScope.RESOLVE, timedelta(minutes=1), "FLOOD_WAIT")
    waits = (await read(stage, account_id)).waits
    assert [wait.scope for wait in waits] == [HoldScope.RESOLVE, HoldScope.SEND]


async def test_only_a_valid_lease_is_connected(stage: Stage) -> None:
    account_id = await stage.add_account()
    await stage.acquire(account_id)
    assert (await read(stage, account_id)).connected_since is None
    await stage.execute("UPDATE account_leases SET connected_at = now()")
    assert (await read(stage, account_id)).connected_since is not None
    await stage.execute("UPDATE account_leases SET lease_until = now() - interval '1 second'")
    assert (await read(stage, account_id)).connected_since is None
