"""An account stays one Telegram user: new sessions of the same one go on, those of others are refused unused."""

from pathlib import Path

import pytest

from tests.integration.delivery.real_accounts import RealAccounts
from tests.integration.delivery.rig import Rig
from vestnik.simulator.accounts import derive_user_id


@pytest.fixture
def real(rig: Rig, tmp_path: Path) -> RealAccounts:
    return RealAccounts(rig, tmp_path)


async def test_the_first_connection_says_who_the_account_is(rig: Rig, real: RealAccounts) -> None:
    account_id = await real.add("newsroom", real.log_in("alice"))
    await real.start_worker()
    row = await real.until_connected(account_id)
    assert (row.tg_user_id, row.kind, row.state) == (derive_user_id("alice"), "USER", "ACTIVE")
    assert row.tg_name


async def test_a_bot_becomes_an_account_of_that_kind(rig: Rig, real: RealAccounts) -> None:
    rig.server.simulator.add_account("robot", is_bot=True)
    account_id = await real.add("helper", real.log_in("robot"))
    await real.start_worker()
    assert (await real.until_connected(account_id)).kind == "BOT"


async def test_campaigns_that_were_made_before_anybody_knew_of_the_bot_are_the_bots(
    rig: Rig, real: RealAccounts
) -> None:
    rig.server.simulator.add_account("robot", is_bot=True)
    account_id = await real.add("newsbot", real.log_in("robot"))
    campaign_id = await real.add_campaign(account_id, "robot", 3)
    await real.start_worker()
    await rig.finish(campaign_id)
    rig.check_each_once(3)
    assert (await rig.read_account(account_id)).kind == "BOT"
    (campaign,) = await rig.stage.execute("SELECT account_kind FROM campaigns")
    assert campaign.account_kind == "BOT"


async def test_after_a_new_session_of_the_same_user_a_campaign_goes_on_with_the_same_random_ids(
    rig: Rig, real: RealAccounts
) -> None:
    account_id = await real.add("newsroom", real.log_in("alice"))
    campaign_id = await real.add_campaign(account_id, "alice", 30)
    planned = await rig.stage.execute("SELECT id, random_id FROM jobs ORDER BY id")
    await real.start_worker()
    await rig.wait_for_posts(10)
    rig.break_sending("SESSION_REVOKED", code=401)
    blocked = await real.until_state(account_id, "NEEDS_LOGIN")
    assert blocked.state_reason.startswith("SESSION_REVOKED")
    assert await rig.stage.read_status(campaign_id) == "RUNNING"
    rig.set_faults()
    await real.replace(account_id, real.log_in("alice"))
    await rig.finish(campaign_id)
    rig.check_each_once(30)
    assert await rig.stage.execute("SELECT id, random_id FROM jobs ORDER BY id") == planned


async def test_a_session_of_another_user_is_refused_before_anything_is_sent(
    rig: Rig, real: RealAccounts
) -> None:
    account_id = await real.add("newsroom", real.log_in("alice"))
    await real.start_worker()
    await real.until_connected(account_id)
    known = await rig.read_account(account_id)
    campaign_id = await real.add_campaign(account_id, "alice", 5)
    await rig.finish(campaign_id)
    calls = rig.send_calls
    await real.replace(account_id, real.log_in("mallory"))
    second = await rig.stage.add_campaign(account_id, rate=40, mode="LIVE")
    row = await real.until_state(account_id, "NEEDS_LOGIN")
    assert row.state_reason.startswith("WRONG_USER: ")
    for words in ("newsroom", known.tg_name, "mallory", str(derive_user_id("mallory"))):
        assert words in row.state_reason
    assert (row.tg_user_id, row.session_ciphertext, row.session_digest) == (known.tg_user_id, None, None)
    await rig.stay_silent(0.5)
    assert rig.send_calls == calls
    assert await rig.stage.execute("SELECT 1 FROM audit_logs WHERE action = 'account.session_refused'")
    await real.replace(account_id, real.log_in("alice"))
    await rig.finish(second)
    rig.check_each_once(10)


async def test_a_refused_session_can_be_an_account_of_its_own(rig: Rig, real: RealAccounts) -> None:
    account_id = await real.add("newsroom", real.log_in("alice"))
    await real.start_worker()
    await real.until_connected(account_id)
    other = real.log_in("mallory")
    await real.replace(account_id, other)
    await real.until_state(account_id, "NEEDS_LOGIN")
    second = await real.add("second", other)
    assert (await real.until_connected(second)).tg_user_id == derive_user_id("mallory")


async def test_two_accounts_are_never_the_same_user(rig: Rig, real: RealAccounts) -> None:
    first = await real.add("first", real.log_in("alice"))
    await real.start_worker()
    await real.until_connected(first)
    second = await real.add("second", real.log_in("alice"))
    row = await real.until_state(second, "NEEDS_LOGIN")
    assert row.state_reason.startswith("USER_TAKEN: ")
    assert "'first'" in row.state_reason
    assert (row.tg_user_id, (await rig.read_account(first)).state) == (None, "ACTIVE")


async def test_of_two_accounts_that_become_one_user_at_once_one_is_refused(
    rig: Rig, real: RealAccounts
) -> None:
    for name in ("first", "second"):
        await real.add(name, real.log_in("alice"))
    await real.start_worker()

    async def is_decided() -> bool:
        rows = await rig.stage.execute("SELECT state FROM accounts WHERE kind <> 'SIMULATED' ORDER BY state")
        return [row.state for row in rows] == ["ACTIVE", "NEEDS_LOGIN"]

    await rig.until(is_decided)
    rows = await rig.stage.execute(
        "SELECT 1 FROM accounts WHERE tg_user_id = :id", id=derive_user_id("alice")
    )
    assert len(rows) == 1


async def test_a_replaced_session_is_used_at_once(rig: Rig, real: RealAccounts) -> None:
    account_id = await real.add("newsroom", real.log_in("alice"))
    campaign_id = await real.add_campaign(account_id, "alice", 40, rate=20)
    await real.start_worker()
    await rig.wait_for_posts(3)
    await real.replace(account_id, real.log_in("alice"))
    await rig.finish(campaign_id)
    rig.check_each_once(40)
    lease = await rig.stage.one("SELECT epoch FROM account_leases WHERE account_id = :id", id=account_id)
    assert lease.epoch == 2


async def test_who_is_connected_is_known_and_forgotten(rig: Rig, real: RealAccounts) -> None:
    account_id = await real.add("newsroom", real.log_in("alice"))
    worker = await real.start_worker()
    await real.until_connected(account_id)
    await worker.stop()
    rows = await rig.stage.execute(
        "SELECT connected_at FROM account_leases WHERE account_id = :id", id=account_id
    )
    assert [row.connected_at for row in rows] == [None]
