"""Sync through real Telethon: what an account sees becomes our channels, whatever interrupts it."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.integration.delivery.rig import Rig
from vestnik.db.engine import open_session
from vestnik.domain.actors import Actor
from vestnik.domain.commands import CommandStatus
from vestnik.domain.errors import ConflictError, NoWorkerError
from vestnik.domain.ids import AccountId, CommandId
from vestnik.domain.surveys import SyncPhase
from vestnik.services.syncs import SyncView, get_sync, request_sync
from vestnik.simulator.channels import ChannelSpec, Forbidden, Right
from vestnik.simulator.faults import Fault, FaultKind

DIALOGS = "messages.getDialogs"
DETAILS = "channels.getFullChannel"
RESOLVE = "contacts.resolveUsername"
EDITOR = Actor.system("an editor")


@pytest.fixture
async def press(rig: Rig) -> AccountId:
    """A real account, as far as the database knows."""
    row = await rig.stage.one(
        "INSERT INTO accounts (name, kind, rate) VALUES ('press', 'USER', 50) RETURNING id"
    )
    rig.server.simulator.add_account(str(row.id))
    return AccountId(row.id)


async def until_served(rig: Rig, account_id: AccountId) -> None:
    async def is_served() -> bool:
        return bool(
            await rig.stage.execute(
                "SELECT FROM account_leases WHERE account_id = :id AND lease_until > clock_timestamp()",
                id=account_id,
            )
        )

    await rig.until(is_served)


async def ask(rig: Rig, account_id: AccountId) -> CommandId:
    async with open_session(rig.stage.engine) as session:
        return CommandId((await request_sync(session, EDITOR, str(account_id))).id)


async def look(rig: Rig, account_id: AccountId, sync_id: CommandId) -> SyncView:
    async with open_session(rig.stage.engine) as session:
        return await get_sync(session, account_id, sync_id)


async def finish(rig: Rig, account_id: AccountId, sync_id: CommandId) -> SyncView:
    async def is_over() -> bool:
        return (await look(rig, account_id, sync_id)).status.is_final

    await rig.until(is_over, patience=30)
    return await look(rig, account_id, sync_id)


async def sync(rig: Rig, account_id: AccountId) -> SyncView:
    return await finish(rig, account_id, await ask(rig, account_id))


async def start(rig: Rig, press: AccountId) -> None:
    await rig.start_worker(plain=True)
    await until_served(rig, press)


def skip_details(rig: Rig) -> None:
    """Each would take a second."""
    rig.set_faults(Fault(method=DETAILS, kind=FaultKind.ERROR, code=420, name="FLOOD_WAIT_3600"))


async def read_peer(rig: Rig, username: str) -> Any:
    return await rig.stage.one(
        "SELECT c.*, p.* FROM channels c JOIN channel_peers p ON p.channel_id = c.id WHERE username = :name",
        name=username,
    )


async def test_channels_that_may_be_posted_in_are_added_with_all_that_telegram_shows(
    rig: Rig, press: AccountId
) -> None:
    simulator = rig.server.simulator
    simulator.ensure_channels(
        [
            ChannelSpec(username="Front_Page", title="The front page", members=4321, picture=True),
            ChannelSpec(username="slow_group", slow_mode=60, forbidden=[Forbidden.PHOTOS]),
            ChannelSpec(tg_id=4_711_000, title="A private one"),
            ChannelSpec(username="only_to_read", right=Right.READ),
            ChannelSpec(username="shut_out", right=Right.NONE),
        ],
        str(press),
    )
    await start(rig, press)
    view = await sync(rig, press)
    report = view.report
    assert (view.status, report.phase, report.seen) == (CommandStatus.DONE, SyncPhase.DONE, 5)
    assert (report.added, report.updated, report.unchanged) == (3, 0, 0)
    assert (report.without_right, report.gone, report.left_out) == (2, 0, 0)
    rows = await rig.stage.execute("SELECT username, tg_id, title FROM channels")
    assert {(row.username, row.title) for row in rows} == {
        (None, "A private one"),
        ("slow_group", "slow_group"),
        ("Front_Page", "The front page"),
    }
    front = await read_peer(rig, "Front_Page")
    assert (front.can_post, front.forbidden, front.member_count) == (True, [], 4321)
    slow = await read_peer(rig, "slow_group")
    assert (slow.can_post, slow.forbidden, slow.slow_mode_seconds) == (True, ["PHOTOS"], 60)
    assert (report.details, report.details_wanted) == (3, 3)
    picture = await rig.stage.one(
        "SELECT jpeg, username FROM channel_pictures JOIN channels ON channels.id = channel_id"
    )
    assert picture.username == "Front_Page"
    assert bytes(picture.jpeg).startswith(b"\xff\xd8")
    entry = await rig.stage.one("SELECT * FROM audit_logs WHERE action = 'account.synced'")
    assert (entry.actor_kind, entry.after["added"], entry.after["without_right"]) == ("SYSTEM", 3, 2)
    assert simulator.posts.calls[RESOLVE] == 0


async def test_the_same_again_changes_nothing_and_says_so(rig: Rig, press: AccountId) -> None:
    rig.server.simulator.ensure_channels([f"news_{number:03}" for number in range(250)], str(press))
    skip_details(rig)
    await start(rig, press)
    first = await sync(rig, press)
    assert (first.report.added, first.report.seen) == (250, 250)
    before = await rig.stage.execute("SELECT id, title, updated_at, revision FROM channels ORDER BY id")
    second = await sync(rig, press)
    assert (second.report.added, second.report.updated, second.report.unchanged) == (0, 0, 250)
    assert (
        await rig.stage.execute("SELECT id, title, updated_at, revision FROM channels ORDER BY id") == before
    )


async def test_what_changed_in_telegram_changes_here_and_what_somebody_typed_stays(
    rig: Rig, press: AccountId
) -> None:
    simulator = rig.server.simulator
    names = ["alpha_news", "beta_news", "gamma_news", "delta_news"]
    simulator.ensure_channels([ChannelSpec(username=name, picture=True) for name in names], str(press))
    await rig.stage.execute("INSERT INTO channels (username, title) VALUES ('beta_news', 'My own words')")
    skip_details(rig)
    await start(rig, press)
    assert (await sync(rig, press)).report.added == 3
    for name in ("alpha_news", "beta_news"):
        simulator.find_channel(name).title = f"New title of {name}"
    simulator.find_channel("gamma_news").has_picture = False
    simulator.set_right("delta_news", Right.READ)
    report = (await sync(rig, press)).report
    assert (report.added, report.without_right, report.updated + report.unchanged) == (0, 1, 3)
    rows = await rig.stage.execute("SELECT username, title FROM channels ORDER BY username")
    assert {row.username: row.title for row in rows} == {
        "alpha_news": "New title of alpha_news",
        "beta_news": "My own words",
        "gamma_news": "gamma_news",
        "delta_news": "delta_news",
    }
    assert (await read_peer(rig, "delta_news")).can_post is False
    assert len(await rig.stage.execute("SELECT FROM channel_pictures")) == 3


async def test_names_that_moved_between_channels_are_put_right_in_one_sync(
    rig: Rig, press: AccountId
) -> None:
    simulator = rig.server.simulator
    simulator.ensure_channels([ChannelSpec(username="breaking_news", title="The old one")], str(press))
    skip_details(rig)
    await start(rig, press)
    await sync(rig, press)
    old = simulator.find_channel("breaking_news")
    simulator.channels.rename(old, "breaking_archive")
    simulator.ensure_channels([ChannelSpec(username="breaking_news", title="The new one")], str(press))
    report = (await sync(rig, press)).report
    assert report.added == 1
    rows = await rig.stage.execute(
        "SELECT username, p.tg_id FROM channels c JOIN channel_peers p ON p.channel_id = c.id ORDER BY username"
    )
    new = simulator.find_channel("breaking_news")
    assert [(row.username, row.tg_id) for row in rows] == [
        ("breaking_archive", old.channel_id),
        ("breaking_news", new.channel_id),
    ]


async def test_what_is_gone_is_shown_and_kept_and_comes_back(rig: Rig, press: AccountId) -> None:
    simulator = rig.server.simulator
    simulator.ensure_channels(["alpha_news", "beta_news"], str(press))
    await rig.stage.execute("INSERT INTO channels (username) VALUES ('never_seen')")
    skip_details(rig)
    await start(rig, press)
    assert (await sync(rig, press)).report.gone == 0
    member = simulator.find_account(str(press))
    beta = simulator.find_channel("beta_news")
    member._dialogs.pop(beta.channel_id)
    simulator.channels.version += 1
    report = (await sync(rig, press)).report
    assert (report.seen, report.gone) == (1, 1)
    assert (await read_peer(rig, "beta_news")).gone_since is not None
    assert len(await rig.stage.execute("SELECT FROM channels WHERE deleted_at IS NULL AND is_active")) == 3
    simulator.ensure_channels(["beta_news"], str(press))
    report = (await sync(rig, press)).report
    assert (report.gone, report.updated) == (0, 1)
    assert (await read_peer(rig, "beta_news")).gone_since is None


async def test_a_channel_that_somebody_deleted_is_not_brought_back(rig: Rig, press: AccountId) -> None:
    rig.server.simulator.ensure_channels(["alpha_news", "beta_news"], str(press))
    await rig.stage.execute("INSERT INTO channels (username, deleted_at) VALUES ('beta_news', now())")
    skip_details(rig)
    await start(rig, press)
    report = (await sync(rig, press)).report
    assert (report.added, report.left_out) == (1, 1)
    assert len(await rig.stage.execute("SELECT FROM channels WHERE deleted_at IS NULL")) == 1


async def test_posting_goes_on_at_its_pace_meanwhile(rig: Rig, press: AccountId) -> None:
    await rig.stage.add_channels(60)
    rig.server.simulator.ensure_channels([f"first_{number:05}" for number in range(1, 61)], str(press))
    rig.server.simulator.ensure_channels([f"news_{number:04}" for number in range(900)], str(press))
    skip_details(rig)
    campaign_id = await rig.stage.add_campaign(await rig.stage.add_account(), rate=20, start=False)
    await rig.stage.execute(
        "UPDATE campaigns SET mode = 'LIVE', account_kind = 'USER', account_id = :account", account=press
    )
    await start(rig, press)
    await rig.stage.start(campaign_id)
    await rig.wait_for_posts(1)
    view = await sync(rig, press)
    assert view.report.added == 900
    await rig.finish(campaign_id)
    rig.check_each_once(60)
    rig.check_pace(59 / 20, slack=0.1)


async def test_an_interrupted_one_is_carried_out_by_whoever_comes_next(rig: Rig, press: AccountId) -> None:
    simulator = rig.server.simulator
    simulator.ensure_channels([f"news_{number:04}" for number in range(700)], str(press))
    skip_details(rig)
    worker = await rig.start_worker(plain=True)
    await until_served(rig, press)
    sync_id = await ask(rig, press)

    async def has_begun() -> bool:
        return (await look(rig, press, sync_id)).report.seen > 0

    await rig.until(has_begun)
    await worker.kill()
    assert (await look(rig, press, sync_id)).status is CommandStatus.STARTED
    await rig.start_worker(plain=True)
    view = await finish(rig, press, sync_id)
    assert (view.status, view.report.seen) == (CommandStatus.DONE, 700)
    assert len(await rig.stage.execute("SELECT FROM channels")) == 700


async def test_a_connection_that_breaks_in_the_middle_is_no_end(rig: Rig, press: AccountId) -> None:
    rig.server.simulator.ensure_channels([f"news_{number:03}" for number in range(150)], str(press))
    rig.set_faults(
        Fault(method=DETAILS, kind=FaultKind.ERROR, code=420, name="FLOOD_WAIT_3600"),
        Fault(method=DIALOGS, kind=FaultKind.DROP_BEFORE, count=1),
    )
    await start(rig, press)
    view = await sync(rig, press)
    assert (view.status, view.report.added) == (CommandStatus.DONE, 150)


async def test_a_wait_that_telegram_asks_for_ends_it_with_the_reason_and_holds_look_ups_alone(
    rig: Rig, press: AccountId
) -> None:
    rig.server.simulator.ensure_channels(["alpha_news"], str(press))
    rig.set_faults(Fault(method=DIALOGS, kind=FaultKind.ERROR, code=420, name="FLOOD_WAIT_60"))
    await start(rig, press)
    view = await sync(rig, press)
    assert (view.status, view.error_code) == (CommandStatus.FAILED, "FLOOD_WAIT")
    assert view.error_message
    (hold,) = await rig.stage.execute("SELECT scope FROM account_holds")
    assert hold.scope == "RESOLVE"


async def test_asking_twice_is_one_sync(rig: Rig, press: AccountId) -> None:
    rig.server.simulator.ensure_channels([f"news_{number:03}" for number in range(300)], str(press))
    skip_details(rig)
    await start(rig, press)
    first, second = await ask(rig, press), await ask(rig, press)
    assert first == second
    await finish(rig, press, first)
    assert await ask(rig, press) != first


async def test_what_cannot_be_synchronised_is_refused_with_the_cure(rig: Rig, press: AccountId) -> None:
    with pytest.raises(NoWorkerError):
        await ask(rig, press)
    with pytest.raises(ConflictError, match="only rehearses"):
        await ask(rig, await rig.stage.add_account())
    await rig.stage.execute("UPDATE accounts SET kind = 'BOT' WHERE name = 'press'")
    with pytest.raises(ConflictError, match="is a bot"):
        await ask(rig, press)
    assert await rig.stage.execute("SELECT FROM account_commands") == []


async def test_one_that_nobody_takes_expires(rig: Rig, press: AccountId) -> None:
    async with open_session(rig.stage.engine) as session:
        await session.execute(
            text(
                "INSERT INTO account_commands (account_id, kind, expires_at)"
                " VALUES (:id, 'SYNC', now() - interval '1 second')"
            ),
            {"id": press},
        )
    row = await rig.stage.one("SELECT id FROM account_commands")
    view = await look(rig, press, CommandId(row.id))
    assert (view.status, view.error_code) == (CommandStatus.EXPIRED, "NO_WORKER")
