"""Logins through our own transport, against the simulator over TCP."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from telethon.crypto import rsa
from telethon.tl import types

from tests.integration.telegram.conftest import DEADLINE
from tests.support.logins import BOT_TOKEN, CODE, OTHER_PHONE, PASSWORD, PHONE, serve_logins
from vestnik.domain.telegram_login import CodeKind, LoginError, PasswordNeededError, QrCode, SentCode
from vestnik.domain.transport import ErrorClass, Identity, TransportError
from vestnik.simulator.endpoint import SECOND_DC, SIMULATED_DC, derive_auth_key, make_session_string
from vestnik.simulator.faults import Fault, FaultKind
from vestnik.simulator.handshake import Handshake
from vestnik.simulator.logins import read_qr_url
from vestnik.simulator.server import SimulatorServer
from vestnik.telegram.keys import ATTEMPTS
from vestnik.telegram.login import TelethonLogin
from vestnik.telegram.login_errors import SAME_AS, SENTENCES
from vestnik.telegram.sessions import DataCentre, SessionLayout, parse_session
from vestnik.telegram.transport import TelethonTransport

OWNER = "owner"
MakeLogin = Callable[..., TelethonLogin]


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SimulatorServer]:
    async with serve_logins(monkeypatch) as running:
        yield running


@pytest.fixture
async def make_login(server: SimulatorServer, caplog: pytest.LogCaptureFixture) -> AsyncIterator[MakeLogin]:
    """Logins that are closed at the end; no task of theirs is left, and no secret in any log."""
    caplog.set_level(logging.DEBUG)
    made: list[TelethonLogin] = []

    def make(*, call_timeout: float = 3600, api_hash: str = "hash-canary", **settings) -> TelethonLogin:
        host, port = server.simulator.data_centres[SIMULATED_DC]
        start = {"server": DataCentre(dc_id=SIMULATED_DC, host=host, port=port)} | settings
        made.append(
            TelethonLogin(
                api_id=1,
                api_hash=api_hash,
                call_timeout=timedelta(seconds=call_timeout),
                connect_timeout=timedelta(seconds=DEADLINE),
                **start,
            )
        )
        return made[-1]

    async with asyncio.timeout(DEADLINE * 12):
        yield make
        for login in made:
            await login.disconnect()
    left = [repr(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert [task for task in left if "telethon" in task or "vestnik/telegram" in task] == []
    logged = "\n".join(record.getMessage() for record in caplog.records)
    for secret in (PHONE, OTHER_PHONE, PASSWORD, BOT_TOKEN, "hash-canary", "tg://"):
        assert secret not in logged
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.fixture
async def login(make_login: MakeLogin) -> TelethonLogin:
    connected = make_login()
    await connected.connect()
    return connected


def fail_at(server: SimulatorServer, method: str, name: str, code: int = 400, **fields: object) -> None:
    fault = Fault(method=method, kind=FaultKind.ERROR, code=code, name=name, **fields)  # type: ignore[arg-type]
    server.simulator.set_faults([fault])


async def refusal(step) -> LoginError:
    with pytest.raises(LoginError) as caught:
        await step
    return caught.value


async def who_is(session: str) -> Identity:
    """The session in the transport that posts."""
    transport = TelethonTransport(
        parse_session(session),
        api_id=1,
        call_timeout=timedelta(seconds=DEADLINE),
        connect_timeout=timedelta(seconds=DEADLINE),
    )
    try:
        return await transport.connect()
    finally:
        await transport.disconnect()


# ---- by phone -----------------------------------------------------------------------------------------------


async def test_a_phone_and_a_code_give_a_session_that_posts(server, login):
    user_id = server.simulator.add_phone(PHONE, OWNER)
    sent = await login.request_code(PHONE)
    assert sent == SentCode(
        kind=CodeKind.APP, length=5, resend_after=timedelta(seconds=60), next_kind=CodeKind.SMS
    )
    me = await login.sign_in(CODE)
    assert me == Identity(tg_id=user_id, name=OWNER, is_bot=False)
    session = login.export_session()
    await login.disconnect()
    parsed = parse_session(session)
    assert parsed.layout is SessionLayout.TELETHON
    assert (parsed.dc_id, parsed.host, parsed.port) == (2, server.endpoint.host, server.endpoint.port)
    assert await who_is(session) == me


async def test_two_logins_have_two_keys(server, make_login):
    server.simulator.add_phone(PHONE, OWNER)
    keys = set()
    for _ in range(2):
        login = make_login()
        await login.connect()
        await login.request_code(PHONE)
        await login.sign_in(CODE)
        keys.add(parse_session(login.export_session()).auth_key)
        await login.disconnect()
    assert len(keys) == 2


async def test_a_code_can_be_sent_in_other_ways_until_there_are_none(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    await login.request_code(PHONE)
    assert (await login.resend_code()).kind is CodeKind.SMS
    last = await login.resend_code()
    assert (last.kind, last.next_kind, last.resend_after) == (CodeKind.CALL, None, None)
    refused = await refusal(login.resend_code())
    assert (refused.name, refused.can_retry) == ("SEND_CODE_UNAVAILABLE", True)
    assert (await login.sign_in(CODE)).name == OWNER


async def test_a_cancelled_code_is_worth_nothing(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    await login.cancel_code()
    await login.request_code(PHONE)
    await login.cancel_code()
    await login.cancel_code()
    refused = await refusal(login.sign_in(CODE))
    assert (refused.name, refused.field, refused.can_retry) == ("PHONE_CODE_EXPIRED", "code", False)
    assert server.simulator.posts.calls["auth.cancelCode"] == 1
    assert server.simulator.posts.calls["auth.signIn"] == 0


async def test_cancelling_a_code_that_counts_no_more_is_no_error(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    await login.request_code(PHONE)
    server.simulator.logins.expire_codes()
    await login.cancel_code()


@pytest.mark.parametrize("step", ["sign_in", "resend_code"])
async def test_a_code_that_nobody_asked_for_cannot_be_used(login, step):
    refused = await refusal(login.sign_in(CODE) if step == "sign_in" else login.resend_code())
    assert (refused.name, refused.can_retry) == ("PHONE_CODE_EXPIRED", False)


async def test_a_wrong_code_can_be_tried_again_until_telegram_has_enough(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    await login.request_code(PHONE)
    for _ in range(5):
        wrong = await refusal(login.sign_in("00000"))
        assert (wrong.name, wrong.field, wrong.can_retry) == ("PHONE_CODE_INVALID", "code", True)
    for code, seconds in (("00000", 60), (CODE, 120)):
        flood = await refusal(login.sign_in(code))
        assert (flood.name, flood.field, flood.can_retry) == ("FLOOD_WAIT", "code", True)
        assert flood.wait == timedelta(seconds=seconds)
        assert f"wait {seconds} s" in flood.message


async def test_an_expired_code_asks_for_a_new_one_which_works_on_the_same_connection(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    await login.request_code(PHONE)
    server.simulator.logins.expire_codes()
    refused = await refusal(login.sign_in(CODE))
    assert (refused.name, refused.field, refused.can_retry) == ("PHONE_CODE_EXPIRED", "code", False)
    await login.request_code(PHONE)
    assert (await login.sign_in(CODE)).name == OWNER


async def test_an_empty_code_is_missing(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    await login.request_code(PHONE)
    refused = await refusal(login.sign_in(""))
    assert (refused.name, refused.field, refused.can_retry) == ("PHONE_CODE_EMPTY", "code", True)


async def test_a_number_without_an_account_is_told_to_make_one(login):
    await login.request_code(PHONE)
    refused = await refusal(login.sign_in(CODE))
    assert (refused.name, refused.field, refused.can_retry) == ("PHONE_NUMBER_UNOCCUPIED", "phone", False)
    assert "make the account in a Telegram app" in refused.message
    assert (await refusal_of_export(login)).name == "AUTH_KEY_UNREGISTERED"


async def refusal_of_export(login: TelethonLogin) -> LoginError:
    with pytest.raises(LoginError) as caught:
        login.export_session()
    return caught.value


async def test_a_banned_number_is_told_so(server, login):
    server.simulator.add_phone(PHONE, OWNER, is_banned=True)
    refused = await refusal(login.request_code(PHONE))
    assert (refused.name, refused.field, refused.can_retry) == ("PHONE_NUMBER_BANNED", "phone", False)


async def test_a_number_that_is_none_can_be_typed_again(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    refused = await refusal(login.request_code("12"))
    assert (refused.name, refused.field, refused.can_retry) == ("PHONE_NUMBER_INVALID", "phone", True)
    assert await login.request_code(PHONE)


async def test_codes_asked_for_too_often_are_a_wait(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    for _ in range(5):
        await login.request_code(PHONE)
    refused = await refusal(login.request_code(PHONE))
    assert (refused.name, refused.field, refused.wait) == ("FLOOD_WAIT", "phone", timedelta(seconds=60))


async def test_an_unknown_application_is_named(make_login):
    login = make_login(api_hash="")
    await login.connect()
    for step in (login.request_code(PHONE), login.sign_in_bot(BOT_TOKEN), login.show_qr()):
        refused = await refusal(step)
        assert (refused.name, refused.field, refused.can_retry) == ("API_ID_INVALID", "apiId", False)


async def test_telegrams_wish_to_begin_anew_is_met_once(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    fail_at(server, "auth.sendCode", "AUTH_RESTART", 500, count=1)
    assert (await login.request_code(PHONE)).kind is CodeKind.APP
    fail_at(server, "auth.sendCode", "AUTH_RESTART", 500, count=2)
    refused = await refusal(login.request_code(PHONE))
    assert (refused.name, refused.can_retry) == ("AUTH_RESTART", False)


@pytest.mark.parametrize(
    ("method", "code", "name", "known_as", "field"),
    [
        ("auth.sendCode", 400, "PHONE_NUMBER_FLOOD", "PHONE_NUMBER_FLOOD", "phone"),
        ("auth.sendCode", 406, "PHONE_PASSWORD_FLOOD", "PHONE_PASSWORD_FLOOD", "phone"),
        ("auth.sendCode", 400, "PHONE_NUMBER_APP_SIGNUP_FORBIDDEN", "PHONE_NUMBER_UNOCCUPIED", "phone"),
        ("auth.sendCode", 400, "API_ID_PUBLISHED_FLOOD", "API_ID_PUBLISHED_FLOOD", "apiId"),
        ("auth.sendCode", 406, "UPDATE_APP_TO_LOGIN", "UPDATE_APP_TO_LOGIN", "phone"),
        ("auth.sendCode", 401, "USER_DEACTIVATED_BAN", "USER_DEACTIVATED_BAN", "phone"),
        ("auth.sendCode", 420, "FLOOD_WAIT_7", "FLOOD_WAIT", "phone"),
        ("auth.sendCode", 400, "A_NEW_RULE", "A_NEW_RULE", "phone"),
        ("auth.sendCode", 403, "ANOTHER_NEW_RULE", "ANOTHER_NEW_RULE", "phone"),
        ("auth.signIn", 400, "PHONE_CODE_HASH_EMPTY", "PHONE_CODE_EXPIRED", "code"),
        ("auth.signIn", 401, "SESSION_REVOKED", "SESSION_REVOKED", "session"),
    ],
)
async def test_every_refusal_keeps_telegrams_name_and_says_what_to_do(
    server, login, method, code, name, known_as, field
):
    server.simulator.add_phone(PHONE, OWNER)
    if method == "auth.signIn":
        await login.request_code(PHONE)
    fail_at(server, method, name, code)
    refused = await refusal(login.request_code(PHONE) if method == "auth.sendCode" else login.sign_in(CODE))
    assert (refused.name, refused.field) == (known_as, field)
    assert refused.message.endswith(f"({known_as}).")
    assert len(refused.message) > len(known_as) + 20
    assert refused.wait == (timedelta(seconds=7) if known_as == "FLOOD_WAIT" else None)


async def test_every_name_that_is_known_is_understood_on_one_connection(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    names = {name: SAME_AS.get(name, name) for name in (*SENTENCES, *SAME_AS)}
    for name, known_as in names.items():
        is_wait = known_as == "FLOOD_WAIT"
        fail_at(server, "auth.sendCode", f"{name}_9" if is_wait else name, 420 if is_wait else 400)
        refused = await refusal(login.request_code(PHONE))
        assert refused.name == known_as
        assert refused.message == f"{SENTENCES[known_as].format(wait=9)} ({known_as})."
    server.simulator.set_faults([])
    assert await login.request_code(PHONE)


@pytest.mark.parametrize("code", [500, -503])
async def test_a_server_in_trouble_is_no_refusal_and_the_step_can_be_taken_again(server, login, code):
    server.simulator.add_phone(PHONE, OWNER)
    fail_at(server, "auth.sendCode", "RPC_CALL_FAIL", code, count=1)
    with pytest.raises(TransportError) as caught:
        await login.request_code(PHONE)
    assert caught.value.error_class is ErrorClass.TRANSIENT
    assert await login.request_code(PHONE)


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        (
            types.auth.SentCode(
                types.auth.SentCodeTypeSetUpEmailRequired(), "0123456789abcdef01", None, None
            ),
            "EMAIL_SETUP_REQUIRED",
        ),
        (
            types.auth.SentCodePaymentRequired(
                "product", "0123456789abcdef01", "a@b.example", "s", 0, "EUR", 100
            ),
            "CODE_PAYMENT_REQUIRED",
        ),
    ],
    ids=["e-mail", "payment"],
)
async def test_what_telegram_wants_before_it_sends_a_code_is_said(server, login, monkeypatch, answer, name):
    from telethon.tl import functions

    from vestnik.simulator.methods import METHODS

    monkeypatch.setitem(METHODS, functions.auth.SendCodeRequest, lambda call: answer)
    refused = await refusal(login.request_code(PHONE))
    assert (refused.name, refused.field, refused.can_retry) == (name, "phone", False)
    assert (await refusal(login.sign_in(CODE))).name == "PHONE_CODE_EXPIRED"


# ---- the two-step password ----------------------------------------------------------------------------------


@pytest.fixture
async def half(server: SimulatorServer, login: TelethonLogin) -> TelethonLogin:
    """A login whose code was right and whose password is still missing."""
    server.simulator.add_phone(PHONE, OWNER, password=PASSWORD, hint="a comic")
    await login.request_code(PHONE)
    with pytest.raises(PasswordNeededError) as caught:
        await login.sign_in(CODE)
    needed = caught.value
    assert (needed.name, needed.field, needed.hint) == ("SESSION_PASSWORD_NEEDED", "password", "a comic")
    assert "a comic" not in needed.message
    return login


async def test_the_password_completes_the_login(half):
    assert (await refusal_of_export(half)).name == "AUTH_KEY_UNREGISTERED"
    me = await half.check_password(PASSWORD)
    assert me.name == OWNER
    session = half.export_session()
    await half.disconnect()
    assert await who_is(session) == me


async def test_a_wrong_password_can_be_tried_again_until_telegram_has_enough(half, make_login):
    for wrong in ("", "wrong", PASSWORD.lower(), PASSWORD + " ", f" {PASSWORD}"):
        refused = await refusal(half.check_password(wrong))
        assert (refused.name, refused.field) == ("PASSWORD_HASH_INVALID", "password")
        assert refused.can_retry
    flood = await refusal(half.check_password("wrong"))
    assert (flood.name, flood.field, flood.wait) == ("FLOOD_WAIT", "password", timedelta(seconds=60))
    another = make_login()
    await another.connect()
    assert (await refusal(another.request_code(PHONE))).name == "PHONE_PASSWORD_FLOOD"


async def test_a_password_that_was_removed_meanwhile_is_noticed(server, half):
    server.simulator.find_account(OWNER).password = None
    refused = await refusal(half.check_password(PASSWORD))
    assert (refused.name, refused.field, refused.can_retry) == ("SRP_PASSWORD_CHANGED", "password", True)


async def test_a_question_that_changed_meanwhile_can_be_answered_again(server, half):
    fail_at(server, "auth.checkPassword", "SRP_ID_INVALID", count=1)
    refused = await refusal(half.check_password(PASSWORD))
    assert (refused.name, refused.can_retry) == ("SRP_PASSWORD_CHANGED", True)
    assert (await half.check_password(PASSWORD)).name == OWNER


async def test_a_question_of_a_kind_that_nobody_knows_is_no_crash(server, half, monkeypatch):
    password = server.simulator.find_account(OWNER).password
    monkeypatch.setattr(type(password), "algorithm", types.PasswordKdfAlgoUnknown())
    refused = await refusal(half.check_password(PASSWORD))
    assert (refused.name, refused.can_retry) == ("PASSWORD_NOT_ASKABLE", False)


async def test_a_password_is_not_asked_for_before_the_code(server, login):
    server.simulator.add_phone(PHONE, OWNER, password=PASSWORD)
    refused = await refusal(login.check_password(PASSWORD))
    assert (refused.name, refused.field) == ("AUTH_KEY_UNREGISTERED", "session")


async def test_the_password_itself_never_leaves_this_process(server, half):
    sent: list[bytes] = []
    original = server.simulator.find_account(OWNER).password.accepts

    def note(challenge, public, proof):
        sent.extend((public, proof))
        return original(challenge, public, proof)

    server.simulator.find_account(OWNER).password.accepts = note
    await half.check_password(PASSWORD)
    assert sent
    assert all(PASSWORD.encode() not in part for part in sent)


# ---- bots ---------------------------------------------------------------------------------------------------


async def test_a_bot_logs_in_by_its_token(server, login):
    user_id = server.simulator.add_bot(BOT_TOKEN, "a_bot")
    me = await login.sign_in_bot(BOT_TOKEN)
    assert me == Identity(tg_id=user_id, name="a_bot", is_bot=True)
    session = login.export_session()
    await login.disconnect()
    assert await who_is(session) == me


@pytest.mark.parametrize(
    ("is_known", "name"), [(False, "ACCESS_TOKEN_INVALID"), (True, "ACCESS_TOKEN_EXPIRED")]
)
async def test_a_bad_token_can_be_typed_again(server, login, is_known, name):
    if is_known:
        server.simulator.add_bot(BOT_TOKEN, "a_bot", is_expired=True)
    refused = await refusal(login.sign_in_bot(BOT_TOKEN))
    assert (refused.name, refused.field, refused.can_retry) == (name, "token", True)
    server.simulator.add_bot(BOT_TOKEN, "a_bot")
    assert (await login.sign_in_bot(BOT_TOKEN)).is_bot


# ---- other data centres -------------------------------------------------------------------------------------


async def test_a_user_of_another_data_centre_is_followed_there(server, login):
    user_id = server.simulator.add_phone(PHONE, OWNER, password=PASSWORD, dc_id=SECOND_DC)
    await login.request_code(PHONE)
    with pytest.raises(PasswordNeededError):
        await login.sign_in("44444")
    me = await login.check_password(PASSWORD)
    assert me.tg_id == user_id
    session = login.export_session()
    await login.disconnect()
    parsed = parse_session(session)
    assert (parsed.dc_id, parsed.port) == (SECOND_DC, server.simulator.data_centres[SECOND_DC][1])
    assert await who_is(session) == me
    assert server.connection_count == 0


async def test_a_bot_of_another_data_centre_is_followed_there(server, login):
    server.simulator.add_bot(BOT_TOKEN, "a_bot", dc_id=SECOND_DC)
    await login.sign_in_bot(BOT_TOKEN)
    assert parse_session(login.export_session()).dc_id == SECOND_DC


async def test_a_move_for_the_sake_of_the_network_is_made(server, login):
    server.simulator.add_phone(PHONE, OWNER, dc_id=SECOND_DC)
    fail_at(server, "auth.sendCode", f"NETWORK_MIGRATE_{SECOND_DC}", 303, count=1)
    await login.request_code(PHONE)
    await login.sign_in("44444")
    assert parse_session(login.export_session()).dc_id == SECOND_DC


async def test_being_sent_to_and_fro_ends(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    fail_at(server, "auth.sendCode", f"PHONE_MIGRATE_{SECOND_DC}", 303)
    assert (await refusal(login.request_code(PHONE))).name == "AUTH_RESTART"
    assert server.simulator.posts.calls["auth.sendCode"] == 6  # three moves, and once more from the beginning


async def test_a_data_centre_that_nobody_knows_is_not_dialled(server, login):
    fail_at(server, "auth.sendCode", "PHONE_MIGRATE_77", 303)
    assert (await refusal(login.request_code(PHONE))).name == "AUTH_RESTART"


# ---- by QR code ---------------------------------------------------------------------------------------------


async def scan(server: SimulatorServer, login: TelethonLogin, code: QrCode) -> Identity | None:
    """Scan while the login waits; the simulator tells it."""
    waiting = asyncio.create_task(login.wait_for_scan(timedelta(seconds=DEADLINE)))
    await asyncio.sleep(0)
    server.simulator.scan_qr(code.url, OWNER)
    return await waiting


async def test_a_scanned_code_logs_in(server, login):
    user_id = server.simulator.add_phone(PHONE, OWNER)
    code = await login.show_qr()
    assert code.url.startswith("tg://login?token=")
    assert timedelta(0) < code.expires_at - datetime.now(UTC) <= timedelta(seconds=32)
    assert code.url not in repr(code)
    me = await scan(server, login, code)
    assert me == Identity(tg_id=user_id, name=OWNER, is_bot=False)
    session = login.export_session()
    await login.disconnect()
    assert await who_is(session) == me


async def test_a_scan_before_anybody_waits_is_not_missed(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    code = await login.show_qr()
    server.simulator.scan_qr(code.url, OWNER)
    me = await login.wait_for_scan(timedelta(seconds=DEADLINE))
    assert me is not None
    assert me.name == OWNER


async def test_a_scan_between_two_codes_is_told_by_the_next_wait(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    code = await login.show_qr()
    assert await login.wait_for_scan(timedelta(0)) is None
    server.simulator.scan_qr(code.url, OWNER)
    assert await login.show_qr() is code
    me = await login.wait_for_scan(timedelta(0))
    assert me is not None
    assert me.name == OWNER


async def test_nobody_scans_and_the_next_code_is_another(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    first = await login.show_qr()
    assert await login.wait_for_scan(timedelta(milliseconds=10)) is None
    second = await login.show_qr()
    assert second.url != first.url
    assert (await scan(server, login, second)) is not None


async def test_a_code_that_has_expired_is_waited_for_no_longer(server, login, monkeypatch):
    monkeypatch.setattr("vestnik.simulator.logins.QR_SECONDS", 0.0)
    await login.show_qr()
    assert await login.wait_for_scan(timedelta(hours=1)) is None


async def test_a_host_whose_clock_is_wrong_shows_codes_as_long_as_others(server, login):
    login._clock_ahead += timedelta(hours=1)
    code = await login.show_qr()
    assert timedelta(minutes=-61) < code.expires_at - datetime.now(UTC) < timedelta(minutes=-59)


async def test_a_scan_by_a_user_with_a_password_asks_for_it(server, login):
    server.simulator.add_phone(PHONE, OWNER, password=PASSWORD, hint="a comic")
    code = await login.show_qr()
    with pytest.raises(PasswordNeededError) as caught:
        await scan(server, login, code)
    assert caught.value.hint == "a comic"
    assert (await login.check_password(PASSWORD)).name == OWNER


@pytest.mark.parametrize("password", [None, PASSWORD])
async def test_a_scan_by_a_user_of_another_data_centre_moves_there(server, login, password):
    server.simulator.add_phone(PHONE, OWNER, password=password, dc_id=SECOND_DC)
    code = await login.show_qr()
    if password is None:
        assert await scan(server, login, code) is not None
    else:
        with pytest.raises(PasswordNeededError):
            await scan(server, login, code)
        await login.check_password(password)
    session = login.export_session()
    await login.disconnect()
    assert parse_session(session).dc_id == SECOND_DC
    assert (await who_is(session)).name == OWNER


async def test_the_word_of_a_scan_is_understood_among_other_updates(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    code = await login.show_qr()
    waiting = asyncio.create_task(login.wait_for_scan(timedelta(seconds=DEADLINE)))
    await asyncio.sleep(0)
    now = asyncio.get_running_loop().time()
    entry = server.simulator.logins.find_qr_token(read_qr_url(code.url), now)
    entry.key.push(bytes(types.UpdatesTooLong()))
    entry.key.push(bytes(types.Updates([types.UpdateConfig()], [], [], 1, 0)))
    entry.account = server.simulator.find_account(OWNER)
    entry.key.push(bytes(types.Updates([types.UpdateConfig(), types.UpdateLoginToken()], [], [], 1, 0)))
    assert await waiting is not None


async def test_a_word_without_a_scan_leaves_the_code_as_it_is(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    code = await login.show_qr()
    waiting = asyncio.create_task(login.wait_for_scan(timedelta(seconds=DEADLINE)))
    for key in server.simulator.keyring:
        key.push(bytes(types.UpdateShort(types.UpdateLoginToken(), 1)))
    while server.simulator.posts.calls["auth.exportLoginToken"] < 2:  # noqa: ASYNC110 - nobody tells of calls
        await asyncio.sleep(0.01)
    server.simulator.scan_qr(code.url, OWNER)
    assert await waiting is not None


async def test_waiting_without_a_code_is_refused(login):
    refused = await refusal(login.wait_for_scan(timedelta(seconds=1)))
    assert (refused.name, refused.can_retry) == ("AUTH_TOKEN_EXPIRED", True)


async def test_a_connection_lost_while_waiting_is_told_at_once_and_a_new_code_mends_it(server, login):
    server.simulator.add_phone(PHONE, OWNER)
    await login.show_qr()
    waiting = asyncio.create_task(login.wait_for_scan(timedelta(seconds=DEADLINE)))
    await asyncio.sleep(0)
    server.drop_connections()
    with pytest.raises(TransportError) as caught:
        await waiting
    assert caught.value.name == "CONNECTION_LOST"
    assert (await scan(server, login, await login.show_qr())) is not None


async def test_giving_up_ends_a_wait(login):
    await login.show_qr()
    waiting = asyncio.create_task(login.wait_for_scan(timedelta(hours=1)))
    await asyncio.sleep(0)
    await login.disconnect()
    with pytest.raises(TransportError):
        await waiting


# ---- sessions that exist ------------------------------------------------------------------------------------


@pytest.fixture
def session(server) -> str:
    key = derive_auth_key(server.endpoint.token, OWNER)
    server.simulator.add_account(OWNER, key)
    return make_session_string(server.endpoint, key)


async def test_a_session_that_exists_is_identified_and_kept_as_it_is(server, make_login, session):
    login = make_login(session=parse_session(session))
    await login.connect()
    assert (await refusal_of_export(login)).name == "AUTH_KEY_UNREGISTERED"
    assert (await login.identify()).name == OWNER
    assert login.export_session() == session


async def test_a_session_is_ended_by_logging_out(server, make_login, session):
    login = make_login(session=parse_session(session))
    await login.connect()
    await login.log_out()
    assert (await refusal_of_export(login)).name == "AUTH_KEY_UNREGISTERED"
    again = make_login(session=parse_session(session))
    await again.connect()
    refused = await refusal(again.identify())
    assert (refused.name, refused.field) == ("AUTH_KEY_UNREGISTERED", "session")
    await again.log_out()
    assert server.connection_count == 0


async def test_logging_out_can_be_tried_again_when_telegram_asks_to_wait(server, make_login, session):
    login = make_login(session=parse_session(session))
    await login.connect()
    fail_at(server, "auth.logOut", "FLOOD_WAIT_3", 420, count=1)
    assert (await refusal(login.log_out())).wait == timedelta(seconds=3)
    await login.log_out()


async def test_a_session_whose_key_is_forgotten_is_told_so(server, make_login, session):
    server.simulator.forget_keys(OWNER)
    login = make_login(session=parse_session(session))
    refused = await refusal(login.connect())
    assert (refused.name, refused.field) == ("AUTH_KEY_NOT_FOUND", "session")
    assert "log in again" in refused.message


async def test_the_same_user_logs_in_again_after_his_session_was_revoked(server, make_login, session):
    user_id = server.simulator.add_phone(PHONE, OWNER)
    server.simulator.revoke_keys(OWNER)
    login = make_login()
    await login.connect()
    await login.request_code(PHONE)
    assert (await login.sign_in(CODE)).tg_id == user_id
    renewed = login.export_session()
    await login.disconnect()
    assert renewed != session
    assert (await who_is(renewed)).tg_id == user_id


# ---- connections --------------------------------------------------------------------------------------------


async def lose_connection(server: SimulatorServer, login: TelethonLogin) -> None:
    """Cut it, and wait until the client has noticed."""
    login._news.clear()
    server.drop_connections()
    await login._news.wait()


async def test_a_connection_lost_between_two_steps_is_opened_again_under_the_same_key(server, login):
    server.simulator.add_phone(PHONE, OWNER, password=PASSWORD)
    await login.request_code(PHONE)
    await lose_connection(server, login)
    with pytest.raises(PasswordNeededError):
        await login.sign_in(CODE)
    await lose_connection(server, login)
    assert (await login.check_password(PASSWORD)).name == OWNER


@pytest.mark.parametrize("kind", [FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER])
async def test_a_step_that_lost_its_answer_is_not_repeated_by_itself(server, login, kind):
    server.simulator.add_phone(PHONE, OWNER)
    server.simulator.set_faults([Fault(method="auth.sendCode", kind=kind, count=1)])
    with pytest.raises(TransportError) as caught:
        await login.request_code(PHONE)
    assert caught.value.name == "CONNECTION_LOST"
    assert server.simulator.posts.calls["auth.sendCode"] == 1
    await login.request_code(PHONE)
    assert (await login.sign_in(CODE)).name == OWNER


async def test_a_server_that_says_nothing_is_a_timeout(server, make_login):
    login = make_login()
    await login.connect()
    login._link._call_timeout = 0.2
    server.simulator.set_faults([Fault(method="auth.sendCode", kind=FaultKind.SILENCE)])
    with pytest.raises(TransportError) as caught:
        await login.request_code(PHONE)
    assert caught.value.name == "TIMEOUT"


async def test_nothing_is_said_when_it_may_not_be(server, make_login):
    login = make_login(call_timeout=2)
    with pytest.raises(TransportError):
        await login.connect(lambda: False)
    assert not server.simulator.posts.calls


async def test_nobody_at_the_address_is_a_failed_connection(make_login, server):
    host, port = server.simulator.data_centres[SIMULATED_DC]
    await server.stop()
    login = make_login(server=DataCentre(dc_id=2, host=host, port=port))
    with pytest.raises(TransportError) as caught:
        await login.connect()
    assert caught.value.name == "CONNECT_FAILED"
    assert "refused" in caught.value.message


async def test_a_server_that_is_not_telegram_gets_no_further_than_the_exchange(
    make_login, server, monkeypatch
):
    monkeypatch.setattr(rsa, "_server_keys", {})
    with pytest.raises(TransportError) as caught:
        await make_login().connect()
    assert (caught.value.name, caught.value.disconnected) == ("KEY_EXCHANGE_FAILED", True)
    assert not server.simulator.posts.calls


@pytest.mark.parametrize("failures", [1, ATTEMPTS - 1, ATTEMPTS])
async def test_an_exchange_that_fails_by_chance_is_made_again(server, make_login, monkeypatch, failures):
    finish, count = Handshake._finish, 0

    def finish_seldom(self, request):
        nonlocal count
        count += 1
        if count <= failures:
            return types.DhGenRetry(self._nonce, self._server_nonce, 0)
        return finish(self, request)

    monkeypatch.setattr(Handshake, "_finish", finish_seldom)
    login = make_login()
    if failures < ATTEMPTS:
        await login.connect()
        assert await login.request_code(PHONE)
    else:
        with pytest.raises(TransportError) as caught:
            await login.connect()
        assert caught.value.name == "KEY_EXCHANGE_FAILED"
    assert count == min(failures + 1, ATTEMPTS)


@pytest.mark.parametrize("mode", ["garbage", "hangs up", "silent"])
async def test_a_stranger_at_the_address_ends_the_exchange(make_login, mode):
    enough = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(4)
            if mode == "garbage":
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4)
            if mode != "hangs up":
                await enough.wait()
        finally:
            writer.close()

    stranger = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = stranger.sockets[0].getsockname()[:2]
    login = make_login(server=DataCentre(dc_id=2, host=host, port=port), call_timeout=0.5)
    with pytest.raises(TransportError) as caught:
        await login.connect()
    assert caught.value.disconnected
    enough.set()
    stranger.close()
    await stranger.wait_closed()


async def test_a_login_that_was_closed_stays_closed(login):
    await login.disconnect()
    with pytest.raises(TransportError) as caught:
        await login.request_code(PHONE)
    assert caught.value.name == "NOT_CONNECTED"


async def test_a_cancelled_connect_leaves_nothing_open(server, make_login):
    login = make_login()
    connecting = asyncio.create_task(login.connect())
    while not server.connection_count:  # noqa: ASYNC110 - the simulator tells nobody of a connection
        await asyncio.sleep(0)
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connecting
    await login.disconnect()
    async with asyncio.timeout(DEADLINE):
        while server.connection_count:  # noqa: ASYNC110 - nor of its end
            await asyncio.sleep(0.01)


async def test_giving_up_while_a_connection_is_made_leaves_nothing_open(server, make_login):
    login = make_login()
    connecting = asyncio.create_task(login.connect())
    while not server.connection_count:  # noqa: ASYNC110 - the simulator tells nobody of a connection
        await asyncio.sleep(0)
    await login.disconnect()
    with pytest.raises(TransportError) as caught:
        await connecting
    assert caught.value.name == "NOT_CONNECTED"
    assert not server.simulator.posts.calls
