"""Logins with an unmodified TelegramClient, which shows that the simulator is true to what clients expect."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from telethon import TelegramClient, errors
from telethon.password import compute_check
from telethon.sessions import StringSession
from telethon.tl import functions, types

from tests.integration.simulator.conftest import make_key
from tests.support.logins import BOT_TOKEN, CODE, OTHER_PHONE, PASSWORD, PHONE, serve_logins
from vestnik.domain.errors import SimulatorError
from vestnik.simulator.control import SimulatorControl
from vestnik.simulator.endpoint import SECOND_DC, SIMULATED_DC, make_session_string
from vestnik.simulator.server import SimulatorConfig, SimulatorServer
from vestnik.simulator.state import Clock

DEADLINE = 20


@pytest.fixture
async def server(monkeypatch) -> AsyncIterator[SimulatorServer]:
    async with serve_logins(monkeypatch) as running:
        yield running


@pytest.fixture
async def control(server) -> AsyncIterator[SimulatorControl]:
    async with await SimulatorControl.connect(server.endpoint) as connected:
        yield connected


class _Strangers:
    """Makes clients that nobody is logged in with."""

    def __init__(self, server: SimulatorServer, stack: AsyncExitStack) -> None:
        self._server = server
        self._stack = stack

    async def connect(self, **settings: Any) -> Any:
        session = StringSession()
        session.set_dc(SIMULATED_DC, self._server.endpoint.host, self._server.endpoint.port)
        chosen: dict[str, Any] = {"flood_sleep_threshold": 0, "connection_retries": 3, "retry_delay": 0}
        client = TelegramClient(session, 1, "hash", **(chosen | settings))
        self._stack.push_async_callback(client.disconnect)
        await client.connect()
        return client


@pytest.fixture
async def strangers(server) -> AsyncIterator[_Strangers]:
    async with asyncio.timeout(DEADLINE * 3), AsyncExitStack() as stack:
        yield _Strangers(server, stack)


@pytest.fixture
async def client(strangers) -> Any:
    return await strangers.connect()


async def test_a_phone_and_a_code_log_in(client, control):
    user_id = await control.add_phone(PHONE, "owner")
    sent = await client.send_code_request("+1 (555) 000-1111")
    assert isinstance(sent.type, types.auth.SentCodeTypeApp)
    assert (sent.type.length, sent.timeout) == (5, 60)
    user = await client.sign_in(PHONE, CODE)
    assert (user.id, user.first_name, user.phone, user.is_self) == (user_id, "owner", PHONE, True)
    assert (await client.get_me()).id == user_id


async def test_a_session_that_a_login_made_is_good_for_another_connection(server, client, control, strangers):
    user_id = await control.add_phone(PHONE, "owner")
    await client.send_code_request(PHONE)
    await client.sign_in(PHONE, CODE)
    saved = client.session.save()
    await client.disconnect()
    again = TelegramClient(StringSession(saved), 1, "hash")
    async with again:
        assert (await again.get_me()).id == user_id


async def test_start_asks_for_phone_code_and_password(client, control, capsys):
    user_id = await control.add_phone(PHONE, "owner", password=PASSWORD)
    answers = iter(["00000", CODE])
    await client.start(phone=PHONE, code_callback=lambda: next(answers), password=PASSWORD)
    assert (await client.get_me()).id == user_id
    assert "Invalid code" in capsys.readouterr().err


async def test_a_password_is_asked_for_with_its_hint_and_judged(client, control):
    user_id = await control.add_phone(PHONE, "owner", password=PASSWORD, hint="a comic")
    await client.send_code_request(PHONE)
    with pytest.raises(errors.SessionPasswordNeededError):
        await client.sign_in(PHONE, CODE)
    assert await client.get_me() is None
    assert (await client(functions.account.GetPasswordRequest())).hint == "a comic"
    for wrong in ("", " ", PASSWORD + " ", PASSWORD.upper()):
        with pytest.raises(errors.PasswordHashInvalidError):
            await client(
                functions.auth.CheckPasswordRequest(
                    compute_check(await client(functions.account.GetPasswordRequest()), wrong)
                )
            )
    assert (await client.sign_in(password=PASSWORD)).id == user_id


async def test_an_answer_to_a_former_question_is_no_proof(client, control):
    await control.add_phone(PHONE, "owner", password=PASSWORD)
    await client.send_code_request(PHONE)
    with pytest.raises(errors.SessionPasswordNeededError):
        await client.sign_in(PHONE, CODE)
    question = await client(functions.account.GetPasswordRequest())
    await client(functions.account.GetPasswordRequest())
    with pytest.raises(errors.SrpIdInvalidError):
        await client(functions.auth.CheckPasswordRequest(compute_check(question, PASSWORD)))


@pytest.mark.parametrize("public", [b"", b"\0" * 256, b"\xff" * 300], ids=["nothing", "zero", "too long"])
async def test_a_proof_made_of_nothing_is_refused(client, control, public):
    await control.add_phone(PHONE, "owner", password=PASSWORD)
    await client.send_code_request(PHONE)
    with pytest.raises(errors.SessionPasswordNeededError):
        await client.sign_in(PHONE, CODE)
    question = await client(functions.account.GetPasswordRequest())
    proof = types.InputCheckPasswordSRP(question.srp_id, public, b"\0" * 32)
    with pytest.raises(errors.PasswordHashInvalidError):
        await client(functions.auth.CheckPasswordRequest(proof))


async def test_a_password_is_not_asked_of_somebody_who_has_shown_no_code(client, control):
    await control.add_phone(PHONE, "owner", password=PASSWORD)
    with pytest.raises(errors.AuthKeyUnregisteredError):
        await client(functions.account.GetPasswordRequest())


async def test_an_account_without_a_password_says_so(client, control):
    await control.add_phone(PHONE, "owner")
    await client.send_code_request(PHONE)
    await client.sign_in(PHONE, CODE)
    assert not (await client(functions.account.GetPasswordRequest())).has_password


async def test_a_code_goes_by_the_next_way_until_there_is_none(client, control):
    await control.add_phone(PHONE, "owner", code="123456")
    sent = await client.send_code_request(PHONE)
    ways = [type(sent.type)]
    while sent.next_type is not None:
        sent = await client(functions.auth.ResendCodeRequest(PHONE, sent.phone_code_hash))
        ways.append(type(sent.type))
    assert ways == [types.auth.SentCodeTypeApp, types.auth.SentCodeTypeSms, types.auth.SentCodeTypeCall]
    assert (sent.type.length, sent.timeout) == (6, None)
    with pytest.raises(errors.SendCodeUnavailableError):
        await client(functions.auth.ResendCodeRequest(PHONE, sent.phone_code_hash))
    assert await client.sign_in(PHONE, "123456", phone_code_hash=sent.phone_code_hash)


async def test_only_the_last_code_counts(client, control):
    await control.add_phone(PHONE, "owner")
    first = await client.send_code_request(PHONE)
    await client.send_code_request(PHONE)
    with pytest.raises(errors.PhoneCodeExpiredError):
        await client.sign_in(PHONE, CODE, phone_code_hash=first.phone_code_hash)


@pytest.mark.parametrize("spoil", ["cancelled", "used", "expired"])
async def test_a_code_is_worth_nothing_once_it_is(client, control, strangers, spoil):
    await control.add_phone(PHONE, "owner")
    sent = await client.send_code_request(PHONE)
    if spoil == "cancelled":
        assert await client(functions.auth.CancelCodeRequest(PHONE, sent.phone_code_hash)) is True
    elif spoil == "used":
        await client.sign_in(PHONE, CODE)
        client = await strangers.connect()
    else:
        await control.expire_codes()
    with pytest.raises(errors.PhoneCodeExpiredError):
        await client.sign_in(PHONE, CODE, phone_code_hash=sent.phone_code_hash)


async def test_a_code_is_good_for_five_minutes(monkeypatch):
    ahead = 0.0

    def read_monotonic() -> float:
        return asyncio.get_running_loop().time() + ahead

    config = SimulatorConfig(clock=Clock(monotonic=read_monotonic))
    async with serve_logins(monkeypatch, config) as server, AsyncExitStack() as stack:
        server.simulator.add_phone(PHONE, "owner")
        client = await _Strangers(server, stack).connect()
        await client.send_code_request(PHONE)
        ahead = 240.0
        with pytest.raises(errors.PhoneCodeInvalidError):
            await client.sign_in(PHONE, "00000")
        ahead = 301.0
        with pytest.raises(errors.PhoneCodeExpiredError):
            await client.sign_in(PHONE, CODE)


@dataclass(frozen=True)
class _Refused:
    error: type[Exception]
    number: str = PHONE
    code: str = CODE
    code_hash: str | None = None


@pytest.mark.parametrize(
    "refused",
    [
        _Refused(errors.PhoneCodeInvalidError, code="00000"),
        _Refused(errors.PhoneCodeEmptyError, code=""),
        _Refused(errors.PhoneCodeHashEmptyError, code_hash=""),
        _Refused(errors.PhoneCodeExpiredError, code_hash="another"),
        _Refused(errors.PhoneCodeExpiredError, number=OTHER_PHONE),
        _Refused(errors.PhoneNumberInvalidError, number="12"),
    ],
    ids=lambda refused: refused.error.__name__,
)
async def test_a_code_that_does_not_fit_is_refused_with_telegrams_name(client, control, refused):
    await control.add_phone(PHONE, "owner")
    sent = await client.send_code_request(PHONE)
    code_hash = sent.phone_code_hash if refused.code_hash is None else refused.code_hash
    with pytest.raises(refused.error):
        await client(functions.auth.SignInRequest(refused.number, code_hash, refused.code))


async def test_a_number_that_nobody_has_has_to_sign_up(client):
    await client.send_code_request(PHONE)
    with pytest.raises(errors.PhoneNumberUnoccupiedError):
        await client.sign_in(PHONE, CODE)
    assert await client.get_me() is None


@pytest.mark.parametrize("number", ["0", "123456", "1234567890123456", "+44 phone"])
async def test_what_is_no_number_gets_no_code(client, number):
    with pytest.raises(errors.PhoneNumberInvalidError):
        await client(functions.auth.SendCodeRequest(number, 1, "hash", types.CodeSettings()))


async def test_a_banned_number_gets_no_code(client, control):
    await control.add_phone(PHONE, "owner", is_banned=True)
    with pytest.raises(errors.PhoneNumberBannedError):
        await client.send_code_request(PHONE)


@pytest.mark.parametrize(("api_id", "api_hash"), [(0, "hash"), (-1, "hash"), (1, "")])
async def test_an_application_that_telegram_does_not_know_gets_nothing(client, api_id, api_hash):
    for request in (
        functions.auth.SendCodeRequest(PHONE, api_id, api_hash, types.CodeSettings()),
        functions.auth.ImportBotAuthorizationRequest(0, api_id, api_hash, BOT_TOKEN),
        functions.auth.ExportLoginTokenRequest(api_id, api_hash, []),
    ):
        with pytest.raises(errors.ApiIdInvalidError):
            await client(request)


async def test_codes_asked_for_too_often_are_flood_wait(client, control):
    await control.add_phone(PHONE, "owner")
    for _ in range(5):
        await client(functions.auth.SendCodeRequest(PHONE, 1, "hash", types.CodeSettings()))
    with pytest.raises(errors.FloodWaitError) as caught:
        await client(functions.auth.SendCodeRequest(PHONE, 1, "hash", types.CodeSettings()))
    assert caught.value.seconds == 60


async def test_wrong_codes_too_often_are_flood_wait_even_for_the_right_one(client, control):
    await control.add_phone(PHONE, "owner")
    code_hash = (await client.send_code_request(PHONE)).phone_code_hash
    for _ in range(5):
        with pytest.raises(errors.PhoneCodeInvalidError):
            await client(functions.auth.SignInRequest(PHONE, code_hash, "00000"))
    for code in ("00000", CODE):
        with pytest.raises(errors.FloodWaitError):
            await client(functions.auth.SignInRequest(PHONE, code_hash, code))


async def test_wrong_passwords_too_often_are_flood_wait_and_then_no_code_is_sent(client, control, strangers):
    await control.add_phone(PHONE, "owner", password=PASSWORD)
    await client.send_code_request(PHONE)
    with pytest.raises(errors.SessionPasswordNeededError):
        await client.sign_in(PHONE, CODE)

    async def try_password(password: str) -> None:
        question = await client(functions.account.GetPasswordRequest())
        await client(functions.auth.CheckPasswordRequest(compute_check(question, password)))

    for _ in range(5):
        with pytest.raises(errors.PasswordHashInvalidError):
            await try_password("wrong")
    for password in ("wrong", PASSWORD):
        with pytest.raises(errors.FloodWaitError):
            await try_password(password)
    with pytest.raises(errors.PhonePasswordFloodError):
        await (await strangers.connect()).send_code_request(PHONE)
    await control.reset()
    assert await (await strangers.connect()).send_code_request(PHONE)


async def test_a_number_at_home_in_another_data_centre_moves_the_client_there(server, client, control):
    user_id = await control.add_phone(PHONE, "owner", password=PASSWORD, dc_id=SECOND_DC)
    await client.send_code_request(PHONE)
    assert client.session.dc_id == SECOND_DC
    assert client.session.port == server.simulator.data_centres[SECOND_DC][1]
    with pytest.raises(errors.SessionPasswordNeededError):
        await client.sign_in(PHONE, "44444")
    assert (await client.sign_in(password=PASSWORD)).id == user_id


async def test_a_bot_logs_in_with_its_token_where_it_is_at_home(client, control):
    user_id = await control.add_bot(BOT_TOKEN, "a_bot", dc_id=SECOND_DC)
    await client.start(bot_token=BOT_TOKEN)
    me = await client.get_me()
    assert (me.id, me.bot) == (user_id, True)
    assert client.session.dc_id == SECOND_DC


@pytest.mark.parametrize(
    ("is_known", "error"), [(False, errors.AccessTokenInvalidError), (True, errors.AccessTokenExpiredError)]
)
async def test_a_token_that_is_not_good_is_refused(client, control, is_known, error):
    if is_known:
        await control.add_bot(BOT_TOKEN, "a_bot", is_expired=True)
    with pytest.raises(error):
        await client.sign_in(bot_token=BOT_TOKEN)


async def scan_when_awaited(waiting: "asyncio.Task[Any]", scan: Any) -> Any:
    """Scan once Telethon listens: `QRLogin.wait` has to be running before (tl/custom/qrlogin.py)."""
    await asyncio.sleep(0)
    await scan
    return await waiting


async def test_a_scanned_qr_code_logs_in(client, control):
    user_id = await control.add_phone(PHONE, "owner")
    qr = await client.qr_login()
    waiting = asyncio.create_task(qr.wait(DEADLINE))
    user = await scan_when_awaited(waiting, control.scan_qr(qr.url, "owner"))
    assert user.id == user_id


async def test_a_qr_code_scanned_by_a_user_of_another_data_centre_moves_the_client(client, control):
    user_id = await control.add_phone(PHONE, "owner", dc_id=SECOND_DC)
    qr = await client.qr_login()
    waiting = asyncio.create_task(qr.wait(DEADLINE))
    user = await scan_when_awaited(waiting, control.scan_qr(qr.url, "owner"))
    assert user.id == user_id
    assert client.session.dc_id == SECOND_DC


async def test_a_qr_code_of_a_user_with_a_password_asks_for_it(client, control):
    user_id = await control.add_phone(PHONE, "owner", password=PASSWORD)
    qr = await client.qr_login()
    waiting = asyncio.create_task(qr.wait(DEADLINE))
    with pytest.raises(errors.SessionPasswordNeededError):
        await scan_when_awaited(waiting, control.scan_qr(qr.url, "owner"))
    assert (await client.sign_in(password=PASSWORD)).id == user_id


async def test_a_client_that_is_logged_in_scans_a_qr_code_once(server, client, control, strangers):
    user_id = await control.add_phone(PHONE, "owner")
    device = await strangers.connect()
    await device.send_code_request(PHONE)
    await device.sign_in(PHONE, CODE)
    qr = await client.qr_login()
    waiting = asyncio.create_task(qr.wait(DEADLINE))
    assert (
        await scan_when_awaited(waiting, device(functions.auth.AcceptLoginTokenRequest(qr.token)))
    ).id == (user_id)
    other = await (await strangers.connect()).qr_login()
    await device(functions.auth.AcceptLoginTokenRequest(other.token))
    with pytest.raises(errors.AuthTokenAlreadyAcceptedError):
        await device(functions.auth.AcceptLoginTokenRequest(other.token))


async def test_a_stranger_cannot_scan(client, strangers):
    qr = await client.qr_login()
    with pytest.raises(errors.AuthKeyUnregisteredError):
        await (await strangers.connect())(functions.auth.AcceptLoginTokenRequest(qr.token))


async def test_a_qr_code_that_was_not_scanned_or_made_here_is_not_imported(client, strangers):
    qr = await client.qr_login()
    for token in (qr.token, b"made up"):
        with pytest.raises(errors.AuthTokenInvalidError):
            await (await strangers.connect())(functions.auth.ImportLoginTokenRequest(token))


async def test_a_client_that_wants_no_updates_gets_none_but_learns_of_the_scan_when_it_asks(
    server, strangers, control
):
    user_id = await control.add_phone(PHONE, "owner")
    quiet = await strangers.connect(receive_updates=False)
    qr = await quiet.qr_login()
    await control.scan_qr(qr.url, "owner")
    answer = await quiet(functions.auth.ExportLoginTokenRequest(1, "hash", []))
    assert answer.authorization.user.id == user_id


async def test_an_old_or_unknown_qr_code_cannot_be_scanned(client, control):
    await control.add_phone(PHONE, "owner")
    qr = await client.qr_login()
    await control.expire_codes()
    with pytest.raises(SimulatorError, match="AUTH_TOKEN_EXPIRED"):
        await control.scan_qr(qr.url, "owner")
    with pytest.raises(SimulatorError, match="AUTH_TOKEN_INVALID"):
        await control.scan_qr(base64.urlsafe_b64encode(b"nothing").decode(), "owner")
    with pytest.raises(SimulatorError, match="tg://login") as caught:
        await control.scan_qr("tg://login?token=*", "owner")
    assert caught.value.field == "url"


async def test_logging_out_ends_the_session_and_the_same_user_can_log_in_again(client, control, strangers):
    user_id = await control.add_phone(PHONE, "owner")
    await client.send_code_request(PHONE)
    await client.sign_in(PHONE, CODE)
    key = client.session.auth_key.key
    await client.log_out()
    again = await strangers.connect()
    await again.send_code_request(PHONE)
    assert (await again.sign_in(PHONE, CODE)).id == user_id
    assert again.session.auth_key.key != key


async def test_a_user_whose_keys_were_revoked_is_given_a_new_one(server, control, strangers):
    """A new login without a code: what other tests need to go on after a revoked session."""
    first, second = make_key(server, "first"), make_key(server, "second")
    user_id = await control.add_account("owner", first)
    await control.revoke_keys("owner")
    assert await control.add_account("owner", second) == user_id
    session = StringSession(make_session_string(server.endpoint, second))
    async with TelegramClient(session, 1, "hash") as client:
        assert (await client.get_me()).id == user_id


async def test_a_key_of_one_data_centre_is_unknown_in_the_other(server, control):
    key = make_key(server, "owner")
    await control.add_account("owner", key)
    session = StringSession(make_session_string(server.endpoint, key))
    session.set_dc(SECOND_DC, *server.simulator.data_centres[SECOND_DC])
    client = TelegramClient(session, 1, "hash", connection_retries=0, auto_reconnect=False)
    with pytest.raises(errors.AuthKeyNotFound):
        await client.connect()
    await client.disconnect()


@pytest.mark.parametrize(
    ("command", "arguments", "field"),
    [
        ("add_phone", {"number": "+15550001111", "account": "owner"}, "number"),
        ("add_phone", {"number": "12", "account": "owner"}, "number"),
        ("add_phone", {"number": PHONE, "account": ""}, "account"),
        ("add_phone", {"number": PHONE, "account": "owner", "password": ""}, "password"),
        ("add_phone", {"number": PHONE, "account": "owner", "dc_id": 5}, "dc_id"),
        ("add_phone", {"number": OTHER_PHONE, "account": "owner"}, "number"),
        ("add_phone", {"number": OTHER_PHONE, "account": "settled", "dc_id": 4}, "dc_id"),
        ("add_bot", {"token": BOT_TOKEN, "account": "neighbour"}, "account"),
        ("add_bot", {"token": "", "account": "a_bot"}, "token"),
        ("scan_qr", {"url": "AAAA", "account": "nobody"}, "account"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
async def test_a_command_that_cannot_be_carried_out_names_the_field(
    server, control, command, arguments, field
):
    await control.add_phone(OTHER_PHONE, "neighbour")
    await control.add_account("settled", make_key(server, "settled"))
    with pytest.raises(SimulatorError) as caught:
        await control.call(command, **arguments)
    assert caught.value.field == field
