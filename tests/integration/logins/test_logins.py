"""Logins as people make them: through the services, a worker and Telethon, at the simulator."""

import secrets
from datetime import timedelta

import pytest

from tests.integration.delivery.real_accounts import ACTOR
from tests.integration.logins.desk import BY_QR, BY_TOKEN, Desk
from tests.support.logins import BOT_TOKEN, CODE, PASSWORD, PHONE
from vestnik.db.engine import open_session
from vestnik.domain.account_logins import LoginMethod, LoginStep
from vestnik.domain.errors import ConflictError, InvalidInputError, NoWorkerError, TooManyRequestsError
from vestnik.domain.ids import AccountId
from vestnik.services import account_logins
from vestnik.services.account_edits import enable_account
from vestnik.services.account_logins import NewLogin
from vestnik.simulator.accounts import derive_user_id
from vestnik.simulator.endpoint import AUTH_KEY_BYTES, SECOND_DC, make_session_string
from vestnik.simulator.faults import Fault, FaultKind


async def test_a_code_logs_the_account_in_and_its_campaign_goes_on(desk: Desk, account_id: AccountId) -> None:
    campaign_id = await desk.real.add_campaign(account_id, "alice", 5)
    planned = await desk.execute("SELECT id, random_id FROM jobs ORDER BY id")
    begun = await desk.start(account_id)
    assert (begun.step, begun.method) == (LoginStep.STARTING, LoginMethod.PHONE)
    shown = await desk.until(account_id, LoginStep.CODE)
    assert shown.code_kind
    assert (await desk.type_code(account_id)).step is LoginStep.CHECKING
    await desk.until(account_id, LoginStep.DONE)
    row = await desk.rig.read_account(account_id)
    assert (row.state, row.tg_user_id, row.kind) == ("ACTIVE", derive_user_id("alice"), "USER")
    await desk.rig.finish(campaign_id)
    desk.rig.check_each_once(5)
    assert await desk.execute("SELECT id, random_id FROM jobs ORDER BY id") == planned
    actions = await desk.execute("SELECT action FROM audit_logs WHERE action LIKE 'account.log%' ORDER BY id")
    assert [entry.action for entry in actions] == ["account.login_started", "account.logged_in"]
    assert await desk.execute("SELECT 1 FROM account_commands WHERE payload_ciphertext IS NOT NULL") == []


async def test_an_account_of_another_data_centre_logs_in_there(desk: Desk, account_id: AccountId) -> None:
    desk.rig.server.simulator.add_phone("15550003333", "carol", code=CODE, dc_id=SECOND_DC)
    await desk.start(account_id, NewLogin(method=LoginMethod.PHONE, phone="15550003333"))
    await desk.until(account_id, LoginStep.CODE)
    await desk.type_code(account_id)
    await desk.until(account_id, LoginStep.DONE)
    assert (await desk.real.until_connected(account_id)).tg_user_id == derive_user_id("carol")


async def test_a_wrong_code_is_told_at_its_field_and_the_right_one_still_works(
    desk: Desk, account_id: AccountId
) -> None:
    await desk.reach_code(account_id)
    await desk.type_code(account_id, "99999")
    shown = await desk.until(account_id, LoginStep.CODE, error="PHONE_CODE_INVALID")
    assert (shown.error_field, shown.attempts_left) == ("code", 4)
    assert shown.error
    await desk.type_code(account_id)
    await desk.until(account_id, LoginStep.DONE)


async def test_five_wrong_codes_end_the_login(desk: Desk, account_id: AccountId) -> None:
    await desk.reach_code(account_id)
    for guess in range(5):
        await desk.type_code(account_id, f"9999{guess}")
        view = await desk.until(account_id, LoginStep.CODE, LoginStep.FAILED)
    assert (view.step, view.error_code, view.attempts_left) == (LoginStep.FAILED, "TOO_MANY_ATTEMPTS", 0)
    assert (await desk.rig.read_account(account_id)).state == "NEEDS_LOGIN"
    with pytest.raises(ConflictError, match="under way"):
        await desk.type_code(account_id)


async def test_a_password_is_asked_for_with_its_hint_and_a_wrong_one_is_told(
    desk: Desk, account_id: AccountId
) -> None:
    desk.rig.server.simulator.add_phone(PHONE, "alice", code=CODE, password=PASSWORD, hint="the horse")
    await desk.reach_code(account_id)
    await desk.type_code(account_id)
    assert (await desk.until(account_id, LoginStep.PASSWORD)).hint == "the horse"
    with pytest.raises(ConflictError, match="something else"):
        await desk.type_code(account_id)
    await desk.type_password(account_id, "wrong")
    shown = await desk.until(account_id, LoginStep.PASSWORD, error="PASSWORD_HASH_INVALID")
    assert (shown.error_field, shown.hint, shown.attempts_left) == ("password", "the horse", 4)
    await desk.type_password(account_id)
    assert (await desk.until(account_id, LoginStep.DONE)).hint is None


async def test_a_scanned_qr_code_logs_in_and_is_wiped(desk: Desk, account_id: AccountId) -> None:
    await desk.start(account_id, BY_QR)
    shown = await desk.until(account_id, LoginStep.QR)
    assert shown.qr_url is not None
    assert shown.qr_url.startswith("tg://login?token=")
    (row,) = await desk.execute("SELECT * FROM account_logins")
    assert shown.qr_url.partition("=")[2] not in repr(row)
    assert shown.qr_url not in repr(shown)
    desk.rig.server.simulator.scan_qr(shown.qr_url, "alice")
    assert (await desk.until(account_id, LoginStep.DONE)).qr_url is None
    (row,) = await desk.execute("SELECT qr_ciphertext, qr_expires_at FROM account_logins")
    assert tuple(row) == (None, None)
    assert (await desk.rig.read_account(account_id)).tg_user_id == derive_user_id("alice")


async def test_a_scanned_qr_code_may_want_a_password(desk: Desk, account_id: AccountId) -> None:
    desk.rig.server.simulator.add_phone(PHONE, "alice", code=CODE, password=PASSWORD)
    await desk.start(account_id, BY_QR)
    shown = await desk.until(account_id, LoginStep.QR)
    assert shown.qr_url is not None
    desk.rig.server.simulator.scan_qr(shown.qr_url, "alice")
    await desk.until(account_id, LoginStep.PASSWORD)
    await desk.type_password(account_id)
    await desk.until(account_id, LoginStep.DONE)


async def test_a_bot_logs_in_by_its_token(desk: Desk, account_id: AccountId) -> None:
    desk.rig.server.simulator.add_bot(BOT_TOKEN, "robot")
    await desk.start(account_id, BY_TOKEN)
    await desk.until(account_id, LoginStep.DONE)
    assert (await desk.rig.read_account(account_id)).kind == "BOT"


async def test_a_bot_takes_over_the_campaigns_that_were_made_before_it_logged_in(
    desk: Desk, account_id: AccountId
) -> None:
    desk.rig.server.simulator.add_bot(BOT_TOKEN, "robot")
    campaign_id = await desk.real.add_campaign(account_id, "robot", 3)
    await desk.start(account_id, BY_TOKEN)
    await desk.until(account_id, LoginStep.DONE)
    assert (await desk.rig.read_account(account_id)).kind == "BOT"
    await desk.rig.finish(campaign_id)
    desk.rig.check_each_once(3)
    (campaign,) = await desk.execute("SELECT account_kind FROM campaigns")
    assert campaign.account_kind == "BOT"


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (NewLogin(method=LoginMethod.PHONE), "phone"),
        (NewLogin(method=LoginMethod.PHONE, phone="canary"), "phone"),
        (NewLogin(method=LoginMethod.BOT), "token"),
        (NewLogin(method=LoginMethod.BOT, token="canary"), "token"),
    ],
)
async def test_what_can_be_no_number_or_token_is_refused_at_once(
    desk: Desk, account_id: AccountId, new: NewLogin, field: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await desk.start(account_id, new)
    assert caught.value.field == field
    assert "canary" not in caught.value.message
    assert await desk.execute("SELECT 1 FROM account_logins") == []


async def test_a_banned_number_ends_the_login_in_plain_words(desk: Desk, account_id: AccountId) -> None:
    desk.rig.server.simulator.add_phone(PHONE, "alice", is_banned=True)
    await desk.start(account_id)
    view = await desk.until(account_id, LoginStep.FAILED)
    assert (view.error_code, view.error_field) == ("PHONE_NUMBER_BANNED", "phone")
    assert PHONE not in repr(view)


async def test_a_flood_wait_is_told_with_its_time_and_kept(desk: Desk, account_id: AccountId) -> None:
    desk.rig.set_faults(Fault(method="auth.sendCode", kind=FaultKind.ERROR, code=420, name="FLOOD_WAIT_90"))
    await desk.start(account_id)
    view = await desk.until(account_id, LoginStep.FAILED)
    assert view.error_code == "FLOOD_WAIT"
    assert view.retry_at is not None
    assert view.finished_at is not None
    assert timedelta(seconds=80) < view.retry_at - view.finished_at < timedelta(seconds=100)
    desk.rig.set_faults()
    with pytest.raises(TooManyRequestsError) as caught:
        await desk.start(account_id)
    assert 0 < caught.value.retry_after <= 90


async def test_a_short_wait_is_sat_out_in_the_same_login(desk: Desk, account_id: AccountId) -> None:
    await desk.reach_code(account_id)
    desk.rig.set_faults(Fault(method="auth.signIn", kind=FaultKind.ERROR, code=420, name="FLOOD_WAIT_90"))
    await desk.type_code(account_id)
    view = await desk.until(account_id, LoginStep.CODE, error="FLOOD_WAIT")
    assert view.retry_at is not None
    desk.rig.set_faults()
    with pytest.raises(TooManyRequestsError, match="try again"):
        await desk.type_code(account_id)
    await desk.execute("UPDATE account_logins SET resend_at = NULL")
    with pytest.raises(TooManyRequestsError, match="ask for another code"):
        async with open_session(desk.rig.stage.engine) as session:
            await account_logins.resend_code(session, str(account_id))
    await desk.cancel(account_id)
    with pytest.raises(TooManyRequestsError, match="begin another login"):
        await desk.start(account_id)


async def test_a_wait_that_nobody_can_sit_out_ends_the_login_and_is_kept(
    desk: Desk, account_id: AccountId
) -> None:
    await desk.reach_code(account_id)
    desk.rig.set_faults(Fault(method="auth.signIn", kind=FaultKind.ERROR, code=420, name="FLOOD_WAIT_600"))
    await desk.type_code(account_id)
    view = await desk.until(account_id, LoginStep.FAILED)
    assert view.error_code == "FLOOD_WAIT"
    desk.rig.set_faults()
    with pytest.raises(TooManyRequestsError) as caught:
        await desk.start(account_id)
    assert 300 < caught.value.retry_after <= 600


async def test_another_user_is_refused_and_his_session_ended(desk: Desk, account_id: AccountId) -> None:
    await desk.execute("UPDATE accounts SET tg_user_id = 5, tg_name = 'Bob' WHERE id = :id", id=account_id)
    await desk.reach_code(account_id)
    await desk.type_code(account_id)
    view = await desk.until(account_id, LoginStep.FAILED)
    assert view.error_code == "WRONG_USER"
    assert view.error is not None
    assert "'Bob' (5)" in view.error
    row = await desk.rig.read_account(account_id)
    assert (row.state, row.session_ciphertext, row.tg_user_id) == ("NEEDS_LOGIN", None, 5)
    assert await is_logged_out(desk, "alice")


async def is_logged_out(desk: Desk, user: str) -> bool:
    return all(entry.revoked for entry in desk.rig.server.simulator.list_keys(user))


async def test_a_worker_that_dies_breaks_the_login_off_and_another_login_begins_anew(
    desk: Desk, account_id: AccountId
) -> None:
    await desk.reach_code(account_id)
    await desk.rig.workers[0].kill()
    view = await desk.until(account_id, LoginStep.FAILED)
    assert view.error_code == "BROKEN_OFF"
    assert view.error
    await desk.real.start_worker()
    await desk.reach_code(account_id)
    await desk.type_code(account_id)
    await desk.until(account_id, LoginStep.DONE)


async def test_a_worker_that_stops_breaks_the_login_off_at_once(desk: Desk, account_id: AccountId) -> None:
    await desk.reach_code(account_id)
    await desk.rig.workers[0].stop()
    assert (await desk.look(account_id)).error_code == "BROKEN_OFF"


async def test_a_cancelled_login_ends_and_the_next_may_begin_at_once(
    desk: Desk, account_id: AccountId
) -> None:
    await desk.reach_code(account_id)
    assert (await desk.cancel(account_id)).step is LoginStep.CANCELLED
    await desk.reach_code(account_id)
    await desk.type_code(account_id)
    await desk.until(account_id, LoginStep.DONE)


async def test_only_one_login_of_an_account_is_under_way(desk: Desk, account_id: AccountId) -> None:
    await desk.reach_code(account_id)
    with pytest.raises(ConflictError, match="under way"):
        await desk.start(account_id)


async def test_an_account_that_is_logged_in_needs_no_login(desk: Desk, account_id: AccountId) -> None:
    second = await desk.real.add("second", desk.real.log_in("bob"))
    with pytest.raises(ConflictError, match="log it out first"):
        await desk.start(second)


async def test_without_a_worker_nothing_is_stored(desk: Desk) -> None:
    account_id = await desk.add()
    with pytest.raises(NoWorkerError, match="no worker is running"):
        await desk.start(account_id)
    assert await desk.execute("SELECT 1 FROM account_logins") == []
    assert await desk.execute("SELECT 1 FROM account_commands") == []


async def test_a_sixth_login_within_an_hour_is_refused(desk: Desk, account_id: AccountId) -> None:
    for _ in range(5):
        await desk.start(account_id)
        await desk.cancel(account_id)
    with pytest.raises(TooManyRequestsError) as caught:
        await desk.start(account_id)
    assert 3_000 < caught.value.retry_after <= 3_600
    await desk.execute(
        "UPDATE account_logins SET recent_starts = ARRAY(SELECT s - interval '61 minutes' FROM unnest(recent_starts) s)"
    )
    await desk.start(account_id)


async def test_a_fifty_first_login_of_any_account_within_an_hour_is_refused(
    desk: Desk, account_id: AccountId
) -> None:
    """Otherwise codes could be guessed without end by adding accounts."""
    await desk.execute(
        "INSERT INTO accounts (name, kind, state) SELECT 'account ' || n, 'USER', 'NEEDS_LOGIN'"
        " FROM generate_series(1, 10) n"
    )
    await desk.execute(
        "INSERT INTO account_logins (account_id, login_id, method, step, expires_at, finished_at, recent_starts)"
        " SELECT id, gen_random_uuid(), 'PHONE', 'FAILED', now(), now(),"
        " array_fill(now() - interval '10 minutes', ARRAY[5]) FROM accounts WHERE name LIKE 'account %'"
    )
    with pytest.raises(TooManyRequestsError, match="any account") as caught:
        await desk.start(account_id)
    assert 2_900 < caught.value.retry_after <= 3_000
    await desk.execute(
        "UPDATE account_logins SET recent_starts = recent_starts[2:]"
        " WHERE account_id = (SELECT id FROM accounts WHERE name = 'account 1')"
    )
    await desk.start(account_id)


async def test_what_nobody_takes_up_is_wiped(desk: Desk, account_id: AccountId) -> None:
    await desk.rig.workers[0].stop()
    await desk.execute(
        "INSERT INTO account_leases (account_id, holder, epoch, lease_until)"
        " VALUES (:id, 'somebody', 1, now() + interval '1 hour')",
        id=account_id,
    )
    await desk.start(account_id)
    (row,) = await desk.execute("SELECT payload_ciphertext FROM account_commands WHERE kind = 'LOGIN'")
    assert row.payload_ciphertext is not None
    await desk.execute("UPDATE account_commands SET expires_at = now() - interval '1 second'")
    await desk.execute("UPDATE account_logins SET started_at = now() - interval '61 seconds'")
    view = await desk.look(account_id)
    assert (view.step, view.error_code) == (LoginStep.FAILED, "NOT_TAKEN_UP")
    (row,) = await desk.execute("SELECT * FROM account_commands WHERE kind = 'LOGIN'")
    assert (row.status, row.payload_ciphertext) == ("EXPIRED", None)


async def test_a_login_that_nobody_feeds_ends(desk: Desk, account_id: AccountId) -> None:
    await desk.reach_code(account_id)
    await desk.execute("UPDATE account_logins SET expires_at = now()")
    assert (await desk.until(account_id, LoginStep.FAILED)).error_code == "TIME_OVER"


async def log_in(desk: Desk, account_id: AccountId) -> None:
    await desk.reach_code(account_id)
    await desk.type_code(account_id)
    await desk.until(account_id, LoginStep.DONE)


async def test_logging_out_ends_the_session_at_telegram_and_a_login_brings_the_campaign_on(
    desk: Desk, account_id: AccountId
) -> None:
    await log_in(desk, account_id)
    campaign_id = await desk.real.add_campaign(account_id, "alice", 40, rate=20)
    await desk.rig.wait_for_posts(3)
    assert (await desk.log_out(account_id)).method is LoginMethod.LOG_OUT
    await desk.until(account_id, LoginStep.DONE)
    row = await desk.rig.read_account(account_id)
    assert (row.state, row.session_ciphertext, row.session_digest) == ("NEEDS_LOGIN", None, None)
    assert await is_logged_out(desk, "alice")
    await desk.rig.stay_silent(0.3)
    assert await desk.rig.stage.read_status(campaign_id) == "RUNNING"
    await log_in(desk, account_id)
    await desk.rig.finish(campaign_id)
    desk.rig.check_each_once(40)


async def test_a_restriction_outlasts_a_log_out_and_a_login(desk: Desk, account_id: AccountId) -> None:
    await log_in(desk, account_id)
    await desk.execute("UPDATE accounts SET state = 'LIMITED', state_reason = 'PEER_FLOOD: so it is.'")
    with pytest.raises(ConflictError, match="a login would not help"):
        await desk.start(account_id)
    await desk.log_out(account_id)
    await desk.until(account_id, LoginStep.DONE)
    row = await desk.rig.read_account(account_id)
    assert (row.state, row.state_reason, row.session_ciphertext) == ("LIMITED", "PEER_FLOOD: so it is.", None)
    campaign_id = await desk.real.add_campaign(account_id, "alice", 3)
    await log_in(desk, account_id)
    assert (await desk.look(account_id)).account_state == "LIMITED"
    await desk.rig.stay_silent(0.5)
    await desk.release(account_id)
    await desk.rig.finish(campaign_id)
    desk.rig.check_each_once(3)


async def test_a_restricted_account_that_is_released_logged_out_needs_a_login(
    desk: Desk, account_id: AccountId
) -> None:
    await log_in(desk, account_id)
    await desk.execute("UPDATE accounts SET state = 'LIMITED'")
    await desk.log_out(account_id)
    with pytest.raises(ConflictError, match="under way"):
        await desk.release(account_id)
    await desk.until(account_id, LoginStep.DONE)
    assert (await desk.release(account_id)).state == "NEEDS_LOGIN"
    await log_in(desk, account_id)
    assert (await desk.rig.read_account(account_id)).state == "ACTIVE"


async def test_a_restricted_account_that_was_switched_off_and_logged_out_is_still_restricted(
    desk: Desk, account_id: AccountId
) -> None:
    await log_in(desk, account_id)
    await desk.execute("UPDATE accounts SET state = 'DISABLED', state_before = 'LIMITED'")
    await desk.log_out(account_id)
    await desk.until(account_id, LoginStep.DONE)
    async with open_session(desk.rig.stage.engine) as session:
        assert (await enable_account(session, ACTOR, str(account_id))).state == "LIMITED"
    await log_in(desk, account_id)
    assert (await desk.rig.read_account(account_id)).state == "LIMITED"


async def test_a_session_that_telegram_forgot_is_logged_out_all_the_same(
    desk: Desk, account_id: AccountId
) -> None:
    await log_in(desk, account_id)
    desk.rig.server.simulator.revoke_keys("alice")
    await desk.log_out(account_id)
    await desk.until(account_id, LoginStep.DONE)
    assert (await desk.rig.read_account(account_id)).session_ciphertext is None


async def test_a_session_whose_key_telegram_does_not_know_at_all_is_logged_out_all_the_same(
    desk: Desk, account_id: AccountId
) -> None:
    unknown = make_session_string(desk.rig.server.endpoint, secrets.token_bytes(AUTH_KEY_BYTES))
    await desk.real.replace(account_id, unknown)
    await desk.real.until_state(account_id, "NEEDS_LOGIN")
    await desk.log_out(account_id)
    await desk.until(account_id, LoginStep.DONE)
    assert (await desk.rig.read_account(account_id)).session_ciphertext is None


async def test_a_code_can_be_sent_in_the_next_way(desk: Desk, account_id: AccountId) -> None:
    shown = await desk.reach_code(account_id)
    if shown.next_kind is None:
        pytest.fail("the simulator offers a second way")
    await desk.execute("UPDATE account_logins SET resend_at = now()")
    async with open_session(desk.rig.stage.engine) as session:
        await account_logins.resend_code(session, str(account_id))
    again = await desk.until(account_id, LoginStep.CODE)
    assert again.code_kind == shown.next_kind
    await desk.type_code(account_id)
    await desk.until(account_id, LoginStep.DONE)


async def test_another_code_is_not_asked_for_too_early(desk: Desk, account_id: AccountId) -> None:
    await desk.reach_code(account_id)
    await desk.execute("UPDATE account_logins SET resend_at = now() + interval '1 minute'")
    with pytest.raises(TooManyRequestsError):
        async with open_session(desk.rig.stage.engine) as session:
            await account_logins.resend_code(session, str(account_id))
