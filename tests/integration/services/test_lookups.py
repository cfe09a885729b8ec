"""The budget of look-ups as people see it: who used how much, and which channels wait for the next day."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.stage import Stage
from vestnik.db import lookups
from vestnik.db.engine import open_session
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.services.accounts import list_accounts
from vestnik.services.lookups import LookupWait, find_lookup_wait


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


@pytest.fixture
async def account_id(stage: Stage) -> AccountId:
    return await stage.add_account()


@pytest.fixture
async def campaign_id(stage: Stage, account_id: AccountId) -> CampaignId:
    """A running campaign of five channels, two of which have an address and one of which is private."""
    channels = await stage.add_channels(5)
    await stage.give_peers(account_id, channels[:2])
    await stage.execute("UPDATE channels SET username = NULL, tg_id = 4711 WHERE id = :id", id=channels[2])
    return await stage.add_campaign(account_id)


async def find(stage: Stage, campaign_id: CampaignId) -> LookupWait | None:
    async with open_session(stage.engine) as session:
        return await find_lookup_wait(session, campaign_id)


async def use(stage: Stage, account_id: AccountId, used: int, *, day: str = "today") -> None:
    """So many of three look-ups."""
    await stage.execute(
        "INSERT INTO account_lookups (account_id, day, used, daily_limit)"
        " VALUES (:id, (clock_timestamp() AT TIME ZONE 'UTC')::date - (:day = 'yesterday')::int, :used, 3)",
        id=account_id,
        used=used,
        day=day,
    )


async def read_shown(stage: Stage, account_id: AccountId) -> tuple[int, int]:
    async with open_session(stage.engine) as session:
        (view,) = [view for view in await list_accounts(session) if view.id == account_id]
    return view.lookups_used, view.lookups_limit


async def test_a_used_up_budget_keeps_channels_waiting_until_the_next_day(
    stage: Stage, account_id: AccountId, campaign_id: CampaignId
) -> None:
    await use(stage, account_id, 3)
    wait = await find(stage, campaign_id)
    assert wait is not None
    assert (wait.channels, wait.daily_limit, wait.is_more) == (2, 3, False)
    assert (wait.until.astimezone(UTC).hour, wait.until.minute) == (0, 0)
    assert timedelta() < wait.until - datetime.now(UTC) <= timedelta(days=1)
    assert await read_shown(stage, account_id) == (3, 3)


async def test_of_many_waiting_channels_it_is_said_that_there_are_more(
    stage: Stage, account_id: AccountId, campaign_id: CampaignId, monkeypatch: pytest.MonkeyPatch
) -> None:
    await use(stage, account_id, 3)
    monkeypatch.setattr(lookups, "MOST_COUNTED", 1)
    counted = await find(stage, campaign_id)
    monkeypatch.setattr(lookups, "MOST_COUNTED", 1_000)
    monkeypatch.setattr(lookups, "MOST_LOOKED_AT", 4)
    looked_at = await find(stage, campaign_id)
    assert counted is not None
    assert looked_at is not None
    assert (counted.channels, counted.is_more) == (1, True)
    assert (looked_at.channels, looked_at.is_more) == (1, True)


@pytest.mark.parametrize(("used", "day", "shown"), [(2, "today", (2, 3)), (3, "yesterday", (0, 3))])
async def test_what_is_left_or_was_used_yesterday_keeps_nobody_waiting(
    stage: Stage,
    account_id: AccountId,
    campaign_id: CampaignId,
    used: int,
    day: str,
    shown: tuple[int, int],
) -> None:
    await use(stage, account_id, used, day=day)
    assert await find(stage, campaign_id) is None
    assert await read_shown(stage, account_id) == shown


async def test_a_hold_of_telegram_is_told_apart(
    stage: Stage, account_id: AccountId, campaign_id: CampaignId
) -> None:
    await stage.execute(
        "INSERT INTO account_holds (account_id, scope, until, reason)"
        " VALUES (:id, 'RESOLVE', now() + interval '3 days', 'FLOOD_WAIT')",
        id=account_id,
    )
    await use(stage, account_id, 3)
    wait = await find(stage, campaign_id)
    assert wait is not None
    assert (wait.channels, wait.daily_limit) == (2, None)
    assert wait.until > datetime.now(UTC) + timedelta(days=2)


async def test_a_campaign_that_needs_no_look_up_or_does_not_run_waits_for_none(
    stage: Stage, account_id: AccountId, campaign_id: CampaignId
) -> None:
    await use(stage, account_id, 3)
    await stage.pause(campaign_id)
    assert await find(stage, campaign_id) is None
    await stage.resume(campaign_id)
    await stage.execute("UPDATE jobs SET status = 'CANCELLED' WHERE campaign_id = :id", id=campaign_id)
    assert await find(stage, campaign_id) is None


async def test_an_account_that_nobody_has_spoken_for_shows_the_usual_budget(
    stage: Stage, account_id: AccountId
) -> None:
    assert await read_shown(stage, account_id) == (0, 200)
