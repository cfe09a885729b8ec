"""How posting in channels went: what lists and pages of channels say of it."""

from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.stage import Stage, make_result
from vestnik.db import channel_health as rows
from vestnik.db.engine import open_session
from vestnik.db.leases import Lease
from vestnik.domain.ids import AccountId, CampaignId, ChannelId
from vestnik.domain.states import JobStatus
from vestnik.services.channel_health import ChannelHealth, get_health, list_reasons
from vestnik.services.channel_views import get_channel


@pytest.fixture
def stage(engine: AsyncEngine) -> Stage:
    return Stage(engine)


async def post(
    stage: Stage,
    lease: Lease,
    campaign_id: CampaignId,
    code: str | None,
    *,
    message_ids: tuple[int, ...] = (),
) -> None:
    """Send a campaign's only message; with a code it fails."""
    (job,) = await stage.claim(lease, campaign_id)
    status = JobStatus.SENT if code is None else JobStatus.FAILED
    result = make_result(
        job,
        status,
        error_code=code,
        error_message=None if code is None else f"words of {code}",
        counts_against_channel=code is not None,
        message_ids=message_ids,
    )
    await stage.ledger.record([result])


async def read_health(stage: Stage, channel_id: ChannelId) -> ChannelHealth:
    async with open_session(stage.engine) as session:
        return await get_health(session, (await get_channel(session, channel_id)).channel)


async def add_real_account(stage: Stage) -> AccountId:
    account_id = await stage.add_account()
    await stage.execute("UPDATE accounts SET kind = 'USER' WHERE id = :id", id=account_id)
    return account_id


async def add_live_campaign(stage: Stage, account_id: AccountId, name: str) -> CampaignId:
    await stage.execute("INSERT INTO templates (name, content) VALUES (:name, 'words')", name=name)
    row = await stage.one(
        "INSERT INTO campaigns (name, account_id, account_kind, batch_id, template_id, delivery_rate, mode)"
        " SELECT :name, a.id, a.kind, b.id, t.id, 20, 'LIVE' FROM accounts a, batches b, templates t"
        " WHERE a.id = :account_id AND b.name = 'first' AND t.name = :name RETURNING id",
        name=name,
        account_id=account_id,
    )
    await stage.start(row.id)
    return CampaignId(UUID(str(row.id)))


async def test_posts_are_told_with_campaign_result_and_link(stage: Stage) -> None:
    account_id = await stage.add_account()
    (channel_id,) = await stage.add_channels(1)
    await stage.give_peers(account_id, [channel_id])
    rehearsal = await stage.add_campaign(account_id)
    lease = await stage.acquire(account_id)
    await post(stage, lease, rehearsal, None, message_ids=(7,))
    real = await add_real_account(stage)
    await stage.give_peers(real, [channel_id])
    lease = await stage.acquire(real)
    await post(stage, lease, await add_live_campaign(stage, real, "live"), None, message_ids=(8,))
    await post(stage, lease, await add_live_campaign(stage, real, "failing"), "CHAT_WRITE_FORBIDDEN")
    health = await read_health(stage, channel_id)
    assert [(found.campaign_name, found.status, found.link) for found in health.posts] == [
        ("failing", JobStatus.FAILED, None),
        ("live", JobStatus.SENT, "https://t.me/first_00001/8"),
        (health.posts[2].campaign_name, JobStatus.SENT, None),
    ]
    assert all(found.at is not None for found in health.posts)
    assert [batch.name for batch in health.batches] == ["first"]
    assert {account: error.code for account, error in health.last_errors.items()} == {
        real: "CHAT_WRITE_FORBIDDEN"
    }


async def test_the_newest_error_of_an_account_counts(stage: Stage) -> None:
    account_id = await stage.add_account()
    (channel_id,) = await stage.add_channels(1)
    await stage.give_peers(account_id, [channel_id])
    lease = await stage.acquire(account_id)
    for code in ("CHANNEL_PRIVATE", "CHAT_WRITE_FORBIDDEN"):
        await post(stage, lease, await stage.add_campaign(account_id), code)
    error = (await read_health(stage, channel_id)).last_errors[account_id]
    assert (error.code, error.message) == ("CHAT_WRITE_FORBIDDEN", "words of CHAT_WRITE_FORBIDDEN")


async def test_only_failures_of_real_accounts_make_a_channel_a_failed_one(stage: Stage) -> None:
    simulated, real = await stage.add_account(), await add_real_account(stage)
    (channel_id,) = await stage.add_channels(1)
    for account_id in (simulated, real):
        await stage.give_peers(account_id, [channel_id])
    await post(stage, await stage.acquire(simulated), await stage.add_campaign(simulated), "CHANNEL_PRIVATE")
    async with open_session(stage.engine) as session:
        assert await rows.find_failed(session, [channel_id]) == {}
    lease = await stage.acquire(real)
    await post(stage, lease, await add_live_campaign(stage, real, "one"), "CHAT_WRITE_FORBIDDEN")
    async with open_session(stage.engine) as session:
        failed = (await rows.find_failed(session, [channel_id]))[channel_id]
    assert failed.consecutive == 1
    assert failed.last_error is not None
    assert failed.last_error.code == "CHAT_WRITE_FORBIDDEN"
    await post(stage, lease, await add_live_campaign(stage, real, "two"), None, message_ids=(9,))
    async with open_session(stage.engine) as session:
        assert await rows.find_failed(session, [channel_id]) == {}


async def test_failures_are_counted_when_their_messages_are_gone(stage: Stage) -> None:
    real = await add_real_account(stage)
    (channel_id,) = await stage.add_channels(1)
    await stage.execute(
        "INSERT INTO channel_peers (account_id, channel_id, consecutive_failures) VALUES (:a, :c, 4)",
        a=real,
        c=channel_id,
    )
    async with open_session(stage.engine) as session:
        failed = (await rows.find_failed(session, [channel_id]))[channel_id]
    assert (failed.consecutive, failed.last_error) == (4, None)


async def test_reasons_are_listed_once_and_without_those_of_rehearsals(stage: Stage) -> None:
    simulated, real = await stage.add_account(), await add_real_account(stage)
    channels = await stage.add_channels(4)
    await stage.execute(
        "UPDATE channels SET is_active = false, inactive_reason = 'OPERATOR' WHERE id = ANY(:ids)",
        ids=channels[:2],
    )
    await stage.execute(
        "UPDATE channels SET is_active = false, inactive_reason = 'GONE', deleted_at = now() WHERE id = :id",
        id=channels[3],
    )
    for account_id, reason in ((simulated, "CHANNEL_PRIVATE"), (real, "CHAT_WRITE_FORBIDDEN")):
        await stage.execute(
            "INSERT INTO channel_peers (account_id, channel_id, is_active, inactive_reason)"
            " VALUES (:a, :c, false, :reason)",
            a=account_id,
            c=channels[2],
            reason=reason,
        )
    async with open_session(stage.engine) as session:
        assert await list_reasons(session) == ["CHAT_WRITE_FORBIDDEN", "OPERATOR"]
