"""auth: how a key gets an account behind it (https://core.telegram.org/api/auth)."""

import os
from typing import Final

from telethon.tl import TLObject, functions, types

from vestnik.simulator.accounts import Account
from vestnik.simulator.calls import Call, Method
from vestnik.simulator.failures import RpcFailure
from vestnik.simulator.logins import RESEND_SECONDS, WAYS, Phone, SentCode, accept_qr_token
from vestnik.simulator.methods.views import show_user
from vestnik.simulator.sessions import AuthKey

_DEAD_KEY: Final = "AUTH_KEY_UNREGISTERED"


def send_code(call: Call) -> TLObject:
    """Send a code to the owner of a number, whoever has it; the first one by a message in the app."""
    _check_application(call)
    request, now = call.request, call.arrival.monotonic
    phone = call.simulator.logins.find_phone(request.phone_number)
    if phone.is_banned:
        raise RpcFailure(400, "PHONE_NUMBER_BANNED")
    if phone.account is not None:
        _require_home(call.key, phone.account, "PHONE_MIGRATE")
        if phone.account.password_tries.is_waiting(now):
            raise RpcFailure(406, "PHONE_PASSWORD_FLOOD")
    phone.requests.check(now)
    phone.requests.take(now)
    return _show_sent(phone, phone.begin(now))


def resend_code(call: Call) -> TLObject:
    """Send it by the next way; SEND_CODE_UNAVAILABLE after the last."""
    request, now = call.request, call.arrival.monotonic
    phone = call.simulator.logins.find_phone(request.phone_number)
    sent = phone.find_sent(request.phone_code_hash, now)
    if sent.way + 1 == len(WAYS):
        raise RpcFailure(406, "SEND_CODE_UNAVAILABLE")
    phone.requests.check(now)
    phone.requests.take(now)
    way = sent.way + 1
    sent = phone.begin(now)
    sent.way = way
    return _show_sent(phone, sent)


def cancel_code(call: Call) -> TLObject:
    """Make the code worthless."""
    request = call.request
    phone = call.simulator.logins.find_phone(request.phone_number)
    phone.find_sent(request.phone_code_hash, call.arrival.monotonic)
    phone.sent = None
    return True


def sign_in(call: Call) -> TLObject:
    """Show a code: an authorization, a password to be asked for, or a number that has to sign up first."""
    request, now = call.request, call.arrival.monotonic
    phone = call.simulator.logins.find_phone(request.phone_number)
    if not request.phone_code:
        raise RpcFailure(400, "PHONE_CODE_EMPTY")
    phone.find_sent(request.phone_code_hash, now)
    phone.check(request.phone_code, now)
    if phone.account is None:
        return types.auth.AuthorizationSignUpRequired()
    return _admit(call.key, phone.account)


def get_password(call: Call) -> TLObject:
    """The question that only who knows the two-step password can answer."""
    account = _find_asker(call.key)
    known = {
        "new_algo": types.PasswordKdfAlgoUnknown(),
        "new_secure_algo": types.SecurePasswordKdfAlgoUnknown(),
        "secure_random": os.urandom(256),
    }
    if account.password is None:
        return types.account.Password(**known)
    challenge = call.key.challenge = account.password.challenge()
    return types.account.Password(
        **known,
        has_password=True,
        current_algo=account.password.algorithm,
        srp_B=challenge.public,
        srp_id=challenge.srp_id,
        hint=account.password.hint or None,
    )


def check_password(call: Call) -> TLObject:
    """Judge the answer to `get_password`; too many wrong ones are FLOOD_WAIT."""
    account, given, now = _find_asker(call.key), call.request.password, call.arrival.monotonic
    account.password_tries.check(now)
    challenge, call.key.challenge = call.key.challenge, None
    if account.password is None or not isinstance(given, types.InputCheckPasswordSRP):
        raise RpcFailure(400, "PASSWORD_HASH_INVALID")
    if challenge is None or challenge.srp_id != given.srp_id:
        raise RpcFailure(400, "SRP_ID_INVALID")
    if not account.password.accepts(challenge, given.A, given.M1):
        account.password_tries.take(now)
        raise RpcFailure(400, "PASSWORD_HASH_INVALID")
    return _authorize(call.key, account)


def import_bot_authorization(call: Call) -> TLObject:
    """Log a bot in by its token."""
    _check_application(call)
    account = call.simulator.logins.find_bot(call.request.bot_auth_token)
    _require_home(call.key, account, "USER_MIGRATE")
    return _authorize(call.key, account)


def export_login_token(call: Call) -> TLObject:
    """A new QR code; or, when one of this key has been scanned, what came of it."""
    _check_application(call)
    logins = call.simulator.logins
    scanned = logins.find_scanned(call.key)
    if scanned is None:
        token, entry = logins.make_qr_token(call.key, call.arrival.monotonic)
        expires = call.arrival.wall + entry.until - call.arrival.monotonic
        return types.auth.LoginToken(int(expires), token)
    token, account = scanned
    if account.dc_id != call.key.dc_id:
        return types.auth.LoginTokenMigrateTo(account.dc_id, token)
    logins.drop_qr_tokens(call.key)
    return types.auth.LoginTokenSuccess(_admit(call.key, account))


def import_login_token(call: Call) -> TLObject:
    """Take a scanned QR code over that was shown under a key of another data centre."""
    logins = call.simulator.logins
    entry = logins.find_qr_token(call.request.token, call.arrival.monotonic)
    if entry.account is None:
        raise RpcFailure(400, "AUTH_TOKEN_INVALID")
    if entry.account.dc_id != call.key.dc_id:
        return types.auth.LoginTokenMigrateTo(entry.account.dc_id, call.request.token)
    logins.drop_qr_tokens(entry.key)
    return types.auth.LoginTokenSuccess(_admit(call.key, entry.account))


def accept_login_token(call: Call) -> TLObject:
    """Scan a QR code with a client that is logged in."""
    account = call.account
    entry = call.simulator.logins.find_qr_token(call.request.token, call.arrival.monotonic)
    accept_qr_token(entry, account, call.arrival.wall)
    now = int(call.arrival.wall)
    return types.Authorization(
        hash=int.from_bytes(entry.key.key_id, "little", signed=True),
        device_model="Simulated",
        platform="Simulated",
        system_version="1",
        api_id=1,
        app_name="Simulated",
        app_version="1",
        date_created=now,
        date_active=now,
        ip="127.0.0.1",
        country="",
        region="",
    )


def _check_application(call: Call) -> None:
    if call.request.api_id <= 0 or not call.request.api_hash:
        raise RpcFailure(400, "API_ID_INVALID")
    if call.key.revoked is not None and call.key.revoked.name != _DEAD_KEY:
        raise call.key.revoked


def _require_home(key: AuthKey, account: Account, name: str) -> None:
    """Telegram keeps every account in one data centre, and there alone it can log in."""
    if account.dc_id != key.dc_id:
        raise RpcFailure(303, f"{name}_{account.dc_id}")


def _show_sent(phone: Phone, sent: SentCode) -> TLObject:
    kinds = {
        "app": types.auth.SentCodeTypeApp,
        "sms": types.auth.SentCodeTypeSms,
        "call": types.auth.SentCodeTypeCall,
    }
    next_kinds = {"sms": types.auth.CodeTypeSms, "call": types.auth.CodeTypeCall}
    next_way = WAYS[sent.way + 1] if sent.way + 1 < len(WAYS) else None
    return types.auth.SentCode(
        type=kinds[WAYS[sent.way]](len(phone.code)),
        phone_code_hash=sent.code_hash,
        next_type=next_kinds[next_way]() if next_way is not None else None,
        timeout=RESEND_SECONDS if next_way is not None else None,
    )


def _find_asker(key: AuthKey) -> Account:
    """Whose password is meant: who is half logged in under this key, or who is logged in."""
    account = key.half_admitted or key.account
    if account is None:
        raise RpcFailure(401, _DEAD_KEY)
    return account


def _admit(key: AuthKey, account: Account) -> TLObject:
    """Let an account in whose code was right, unless it has a password as well."""
    if account.password is None:
        return _authorize(key, account)
    key.half_admitted = account
    raise RpcFailure(401, "SESSION_PASSWORD_NEEDED")


def _authorize(key: AuthKey, account: Account) -> TLObject:
    key.log_in(account)
    return types.auth.Authorization(show_user(account, account))


METHODS: Final[dict[type, Method]] = {
    functions.auth.SendCodeRequest: send_code,
    functions.auth.ResendCodeRequest: resend_code,
    functions.auth.CancelCodeRequest: cancel_code,
    functions.auth.SignInRequest: sign_in,
    functions.account.GetPasswordRequest: get_password,
    functions.auth.CheckPasswordRequest: check_password,
    functions.auth.ImportBotAuthorizationRequest: import_bot_authorization,
    functions.auth.ExportLoginTokenRequest: export_login_token,
    functions.auth.ImportLoginTokenRequest: import_login_token,
    functions.auth.AcceptLoginTokenRequest: accept_login_token,
}
