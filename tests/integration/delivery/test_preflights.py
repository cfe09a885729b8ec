"""Preflights through real Telethon: what they say, that they post nothing, and what a start makes of them."""

import pytest

from tests.integration.delivery.rig import Rig
from vestnik.db.engine import open_session
from vestnik.domain.actors import Actor
from vestnik.domain.commands import CommandStatus
from vestnik.domain.errors import ConflictError, InvalidInputError, NoWorkerError
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.domain.states import PreflightVerdict
from vestnik.services.campaigns import get_campaign, retry_failed, start_campaign
from vestnik.services.preflights import (
    FindingView,
    PreflightView,
    get_preflight,
    list_findings,
    request_preflight,
)
from vestnik.simulator.channels import ChannelSpec, Forbidden, Right

RESOLVE = "contacts.resolveUsername"
EDITOR = Actor.system("an editor")


@pytest.fixture
async def press(rig: Rig) -> AccountId:
    """A real account, as far as the database knows."""
    row = await rig.stage.one(
        "INSERT INTO accounts (name, kind, rate) VALUES ('press', 'USER', 50) RETURNING id"
    )
    rig.server.simulator.add_account(str(row.id))
    rig.server.simulator.add_account("stranger")
    return AccountId(row.id)


async def draft(rig: Rig, press: AccountId, *, rate: float = 40, words: str | None = None) -> CampaignId:
    campaign_id = await rig.stage.add_campaign(
        await rig.stage.add_account(), rate=rate, words=words, start=False
    )
    await rig.stage.execute(
        "UPDATE campaigns SET mode = 'LIVE', account_kind = 'USER', account_id = :account WHERE id = :id",
        account=press,
        id=campaign_id,
    )
    return campaign_id


async def start_worker(
    rig: Rig, account_id: AccountId, *, plain: bool = True, resolves_per_day: int = 200
) -> None:
    await rig.start_worker(plain=plain, resolves_per_day=resolves_per_day)

    async def is_served() -> bool:
        return bool(
            await rig.stage.execute(
                "SELECT FROM account_leases WHERE account_id = :id AND lease_until > clock_timestamp()",
                id=account_id,
            )
        )

    await rig.until(is_served)


async def ask(rig: Rig, campaign_id: CampaignId) -> PreflightView:
    async with open_session(rig.stage.engine) as session:
        return await request_preflight(session, EDITOR, campaign_id)


async def look(rig: Rig, campaign_id: CampaignId) -> PreflightView:
    async with open_session(rig.stage.engine) as session:
        return await get_preflight(session, campaign_id)


async def check(rig: Rig, campaign_id: CampaignId) -> PreflightView:
    await ask(rig, campaign_id)

    async def is_over() -> bool:
        return (await look(rig, campaign_id)).status.is_final

    await rig.until(is_over, patience=30)
    return await look(rig, campaign_id)


async def find(rig: Rig, campaign_id: CampaignId) -> dict[str, FindingView]:
    async with open_session(rig.stage.engine) as session:
        return {item.channel: item for item in await list_findings(session, campaign_id, limit=100)}


async def start(rig: Rig, campaign_id: CampaignId, *, skip: bool = True) -> None:
    async with open_session(rig.stage.engine) as session:
        await start_campaign(session, EDITOR, campaign_id, skip_failing=skip)


def count(view: PreflightView) -> tuple[int, int, int, int, int]:
    return view.total, view.ready, view.failing, view.waiting, view.warned


async def test_each_channel_is_told_with_its_reason_and_nothing_is_posted(rig: Rig, press: AccountId) -> None:
    simulator = rig.server.simulator
    channels = await rig.stage.add_channels(8)
    simulator.ensure_channels(
        [
            "first_00001",
            ChannelSpec(username="first_00002", right=Right.READ),
            ChannelSpec(username="first_00003", group=True, forbidden=[Forbidden.PLAIN]),
            ChannelSpec(username="first_00004"),
        ],
        str(press),
    )
    simulator.ensure_channels(["first_00005"], "stranger")  # first_00006 is nobody's
    simulator.channels.rename(simulator.find_channel("first_00001"), "first_00001", ["first_00007"])
    await rig.stage.execute(
        "UPDATE channels SET is_active = false, inactive_reason = 'OPERATOR' WHERE id = :id", id=channels[3]
    )
    await rig.stage.execute(
        "UPDATE channels SET username = NULL, tg_id = 4711 WHERE id = :id", id=channels[7]
    )
    campaign_id = await draft(rig, press)
    await start_worker(rig, press)
    view = await check(rig, campaign_id)
    assert view.status is CommandStatus.DONE
    assert count(view) == (8, 2, 6, 0, 0)
    found = await find(rig, campaign_id)
    assert {name: item.code for name, item in found.items()} == {
        "@first_00002": "CHAT_WRITE_FORBIDDEN",
        "@first_00003": "CHAT_SEND_PLAIN_FORBIDDEN",
        "@first_00004": "OPERATOR",
        "@first_00006": "USERNAME_NOT_OCCUPIED",
        "@first_00007": "DUPLICATE_CHANNEL",
        "-1000000004711": "PEER_NOT_FOUND",
    }
    assert {item.verdict for item in found.values()} == {PreflightVerdict.FAILS}
    assert sorted(reason.code for reason in view.reasons) == sorted(item.code for item in found.values())
    assert rig.send_calls == 0
    assert simulator.posts.calls[RESOLVE] == 2
    assert await rig.stage.execute("SELECT FROM jobs") == []
    assert (await rig.stage.read_campaign(campaign_id)).status == "DRAFT"


async def test_a_start_without_the_failing_ones_posts_to_the_others_and_names_those_left_out(
    rig: Rig, press: AccountId
) -> None:
    simulator = rig.server.simulator
    await rig.stage.add_channels(5)
    simulator.ensure_channels(
        [ChannelSpec(username=f"first_{n:05}", right=Right.READ if n > 3 else None) for n in range(1, 6)],
        str(press),
    )
    campaign_id = await draft(rig, press)
    await start_worker(rig, press)
    assert count(await check(rig, campaign_id)) == (5, 3, 2, 0, 0)
    await start(rig, campaign_id)
    await rig.finish(campaign_id)
    assert rig.send_calls == 3
    assert await rig.stage.read_progress(campaign_id) == {"SENT": 3, "CANCELLED": 2}
    jobs = await rig.stage.execute("SELECT * FROM jobs WHERE status = 'CANCELLED'")
    assert {job.error_code for job in jobs} == {"SKIPPED_BY_PREFLIGHT"}
    assert all("CHAT_WRITE_FORBIDDEN" in job.error_message for job in jobs)
    peers = await rig.stage.execute("SELECT FROM channel_peers WHERE NOT is_active")
    assert peers == []  # nothing was tried, so nothing is held against them
    entry = await rig.stage.one("SELECT after FROM audit_logs WHERE action = 'campaign.started'")
    assert (entry.after["skipped"], entry.after["total"]) == (2, 5)
    async with open_session(rig.stage.engine) as session:
        assert (await get_campaign(session, campaign_id)).progress.done == 5
        with pytest.raises(ConflictError, match="no failed message"):
            await retry_failed(session, EDITOR, campaign_id)


async def test_without_the_choice_every_channel_is_tried_as_ever(rig: Rig, press: AccountId) -> None:
    await rig.stage.add_channels(2)
    rig.server.simulator.ensure_channels(
        ["first_00001", ChannelSpec(username="first_00002", right=Right.READ)], str(press)
    )
    campaign_id = await draft(rig, press)
    await start_worker(rig, press)
    await check(rig, campaign_id)
    await start(rig, campaign_id, skip=False)
    await rig.finish(campaign_id)
    assert await rig.read_errors(campaign_id) == ["CHAT_WRITE_FORBIDDEN"]


async def test_texts_that_get_too_long_with_a_channels_title_fail_there_alone(
    rig: Rig, press: AccountId
) -> None:
    await rig.stage.add_channels(2)
    rig.server.simulator.ensure_channels(["first_00001", "first_00002"], str(press))
    await rig.stage.execute("UPDATE channels SET title = repeat('long ', 50) WHERE username = 'first_00002'")
    campaign_id = await draft(rig, press, words="x" * 4050 + "{channel_title}")
    await start_worker(rig, press)
    assert count(await check(rig, campaign_id)) == (2, 1, 1, 0, 0)
    (item,) = (await find(rig, campaign_id)).values()
    assert (item.channel, item.code) == ("@first_00002", "CONTENT_UNRENDERABLE")
    assert "4,096" in (item.detail or "") or "4096" in (item.detail or "")


async def test_names_are_looked_up_within_the_budget_and_the_rest_is_not_known(
    rig: Rig, press: AccountId
) -> None:
    await rig.stage.add_channels(4)
    rig.server.simulator.ensure_channels(["first_00001"], str(press))
    rig.server.simulator.ensure_channels([f"first_{n:05}" for n in range(2, 5)], "stranger")
    campaign_id = await draft(rig, press)
    await start_worker(rig, press, resolves_per_day=1)
    view = await check(rig, campaign_id)
    assert count(view) == (4, 2, 0, 2, 0)
    assert [(item.code, item.channels) for item in view.reasons] == [("LOOKUPS_USED_UP", 2)]
    assert rig.server.simulator.posts.calls[RESOLVE] == 1
    again = await check(rig, campaign_id)
    assert count(again) == count(view)
    assert again.id != view.id
    assert rig.server.simulator.posts.calls[RESOLVE] == 1


async def test_slow_mode_and_the_same_post_before_are_warnings(rig: Rig, press: AccountId) -> None:
    await rig.stage.add_channels(3)
    rig.server.simulator.ensure_channels(
        ["first_00001", "first_00002", ChannelSpec(username="first_00003", slow_mode=600)], str(press)
    )
    first = await draft(rig, press, words="Good morning")
    await start_worker(rig, press)
    assert count(await check(rig, first)) == (3, 3, 0, 0, 0)
    await start(rig, first)
    await rig.finish(first)
    await rig.stage.execute("UPDATE channel_peers SET slow_mode_seconds = 600 WHERE slow_mode_seconds > 0")
    same, other = await draft(rig, press, words="Good morning"), await draft(rig, press, words="Good evening")
    view = await check(rig, same)
    assert count(view) == (3, 3, 0, 0, 3)
    found = await find(rig, same)
    assert [item.code for item in found.values()] == ["SAME_CONTENT", "SAME_CONTENT", "SLOWMODE_WAIT"]
    assert found["@first_00001"].at is not None
    assert found["@first_00001"].detail == (await rig.stage.read_campaign(first)).name
    assert [reason.code for reason in (await check(rig, other)).reasons] == ["SLOWMODE_WAIT"]


async def test_slow_mode_that_ends_before_its_turn_is_none(rig: Rig, press: AccountId) -> None:
    channels = await rig.stage.add_channels(40)
    rig.server.simulator.ensure_channels([f"first_{n:05}" for n in range(1, 41)], str(press))
    await rig.stage.give_peers(press, channels)
    await rig.stage.execute("UPDATE channel_peers SET hold_until = clock_timestamp() + interval '60 seconds'")
    campaign_id = await draft(rig, press, rate=0.5)
    await start_worker(rig, press)
    view = await check(rig, campaign_id)
    assert 28 <= view.warned <= 32  # at one post in two seconds the others come after the wait


async def test_a_preflight_of_another_state_is_nothing_to_start_by(rig: Rig, press: AccountId) -> None:
    await rig.stage.add_channels(2)
    rig.server.simulator.ensure_channels(["first_00001", "first_00002"], str(press))
    campaign_id = await draft(rig, press)
    with pytest.raises(ConflictError, match="no finished preflight"):
        await start(rig, campaign_id)
    await start_worker(rig, press)
    assert (await check(rig, campaign_id)).is_current
    await rig.stage.execute("UPDATE batches SET revision = revision + 1")
    assert not (await look(rig, campaign_id)).is_current
    with pytest.raises(ConflictError, match="run it again"):
        await start(rig, campaign_id)
    assert (await check(rig, campaign_id)).is_current
    await rig.stage.execute("UPDATE preflights SET finished_at = finished_at - interval '25 hours'")
    with pytest.raises(ConflictError, match="older than a day"):
        await start(rig, campaign_id)
    await check(rig, campaign_id)
    await start(rig, campaign_id)
    await rig.finish(campaign_id)
    with pytest.raises(ConflictError, match="has not started"):
        await ask(rig, campaign_id)


async def test_where_every_channel_would_fail_nothing_starts(rig: Rig, press: AccountId) -> None:
    await rig.stage.add_channels(2)
    rig.server.simulator.ensure_channels(
        [ChannelSpec(username=f"first_{n:05}", right=Right.READ) for n in (1, 2)], str(press)
    )
    campaign_id = await draft(rig, press)
    await start_worker(rig, press)
    assert count(await check(rig, campaign_id)) == (2, 0, 2, 0, 0)
    with pytest.raises(InvalidInputError, match="nothing would be left"):
        await start(rig, campaign_id)
    assert (await rig.stage.read_campaign(campaign_id)).status == "DRAFT"
    assert await rig.stage.execute("SELECT FROM jobs") == []


async def test_a_rehearsal_is_checked_against_the_simulator(rig: Rig, account_id: AccountId) -> None:
    await rig.stage.add_channels(30)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40, start=False)
    await start_worker(rig, account_id, plain=False)
    assert count(await check(rig, campaign_id)) == (30, 30, 0, 0, 0)
    assert rig.server.simulator.posts.calls[RESOLVE] == 0
    assert rig.send_calls == 0


async def test_without_anybody_to_ask_it_is_refused(rig: Rig, press: AccountId) -> None:
    await rig.stage.add_channels(1)
    campaign_id = await draft(rig, press)
    with pytest.raises(NoWorkerError):
        await ask(rig, campaign_id)
    assert await rig.stage.execute("SELECT FROM preflights") == []


async def test_a_killed_worker_leaves_it_to_the_next(rig: Rig, press: AccountId) -> None:
    await rig.stage.add_channels(1_000)
    rig.server.simulator.ensure_channels([f"first_{n:05}" for n in range(1, 1_001)], str(press))
    campaign_id = await draft(rig, press)
    worker = await rig.start_worker(plain=True)
    await rig.until(lambda: rig.stage.execute("SELECT FROM account_leases WHERE account_id = :id", id=press))
    await ask(rig, campaign_id)

    async def has_begun() -> bool:
        return (await look(rig, campaign_id)).status is CommandStatus.STARTED

    await rig.until(has_begun)
    await worker.kill()
    await rig.start_worker(plain=True)

    async def is_whole() -> bool:
        return (await look(rig, campaign_id)).finished_at is not None

    await rig.until(is_whole, patience=30)
    assert count(await look(rig, campaign_id)) == (1_000, 1_000, 0, 0, 0)
