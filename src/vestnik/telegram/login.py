"""A `LoginTransport` over Telethon's parts: raw requests on a `Link`, as in `vestnik.telegram.transport`.

A phone code belongs to the key and the number and not to the connection, and a person takes minutes to type it. So
a connection that was lost between two steps is opened again, under the same key, when the next step begins; within
a step nothing is repeated.
"""

import asyncio
import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from telethon.password import compute_check
from telethon.tl.functions.account import GetPasswordRequest
from telethon.tl.functions.auth import (
    CancelCodeRequest,
    CheckPasswordRequest,
    ExportLoginTokenRequest,
    ImportBotAuthorizationRequest,
    ImportLoginTokenRequest,
    LogOutRequest,
    ResendCodeRequest,
    SendCodeRequest,
    SignInRequest,
)
from telethon.tl.functions.help import GetConfigRequest
from telethon.tl.functions.users import GetUsersRequest
from telethon.tl.tlobject import TLObject, TLRequest
from telethon.tl.types import CodeSettings, Config, InputUserSelf, UpdateLoginToken, UpdateShort, User
from telethon.tl.types.auth import (
    AuthorizationSignUpRequired,
    LoginToken,
    LoginTokenMigrateTo,
    LoginTokenSuccess,
)

from vestnik.domain.telegram_login import LoginError, PasswordNeededError, QrCode, SentCode
from vestnik.domain.transport import Identity, TransportError
from vestnik.telegram.errors import connection_lost_error, not_connected_error
from vestnik.telegram.identities import read_identity
from vestnik.telegram.keys import agree_on_key
from vestnik.telegram.link import ClientDescription, Link
from vestnik.telegram.login_codes import read_sent_code
from vestnik.telegram.login_errors import refuse, translate
from vestnik.telegram.sessions import (
    DATA_CENTRES,
    FIRST_DATA_CENTRE,
    DataCentre,
    ParsedSession,
    format_session,
)

_MOVES: Final = 3
"""Telegram names the right data centre at once; more moves than this in one step are its mistake."""


@contextmanager
def _in_terms_of_a_login(field: str | None = None) -> Iterator[None]:
    """Turn what Telegram answered into a LoginError; what says nothing of a login stays a TransportError."""
    try:
        yield
    except TransportError as error:
        refused = translate(error, field)
        if refused is None:
            raise
        raise refused from error


class TelethonLogin:
    """See `vestnik.domain.telegram_login.LoginTransport` for the contract.

    Without a `session` it begins at `server` with a key of its own. The timeouts apply as in `TelethonTransport`.
    """

    def __init__(
        self,
        *,
        api_id: int,
        api_hash: str,
        call_timeout: timedelta,
        connect_timeout: timedelta,
        server: DataCentre = FIRST_DATA_CENTRE,
        session: ParsedSession | None = None,
        description: ClientDescription | None = None,
    ) -> None:
        self._api_id = api_id
        self._api_hash = api_hash
        self._call_timeout = call_timeout
        self._connect_timeout = connect_timeout
        self._description = description or ClientDescription()
        self._server = server
        self._session = session
        self._may_speak: Callable[[], bool] = lambda: True
        self._link: Link | None = None
        self._is_closed = False
        self._data_centres: dict[int, DataCentre] = {}
        self._clock_ahead = timedelta()
        self._identity: Identity | None = None
        self._phone = ""
        self._code_hash = ""
        self._qr: QrCode | None = None
        self._scanned: Identity | PasswordNeededError | None = None
        self._news = asyncio.Event()

    async def connect(self, may_speak: Callable[[], bool] = lambda: True) -> None:
        """Open the connection, under a new key unless there is a session."""
        self._may_speak = may_speak
        with _in_terms_of_a_login():
            await self._open()

    async def request_code(self, phone: str) -> SentCode:
        """Have a code sent; Telegram may ask to begin again once, which is done."""
        request = SendCodeRequest(phone, self._api_id, self._api_hash, CodeSettings())
        self._phone, self._code_hash = phone, ""
        try:
            answer = await self._ask(request, "phone")
        except LoginError as error:
            if error.name != "AUTH_RESTART":
                raise
            answer = await self._ask(request, "phone")
        return self._note_code(answer)

    async def resend_code(self) -> SentCode:
        """Have the code sent in the next way."""
        return self._note_code(await self._ask(ResendCodeRequest(*self._require_code()), "phone"))

    async def cancel_code(self) -> None:
        """Make the code worthless; one that counts no more is so already."""
        if not self._code_hash:
            return
        request = CancelCodeRequest(self._phone, self._code_hash)
        self._code_hash = ""
        try:
            await self._ask(request)
        except LoginError as error:
            if error.name != "PHONE_CODE_EXPIRED":
                raise

    async def sign_in(self, code: str) -> Identity:
        """Show the code."""
        phone, code_hash = self._require_code()
        return self._note_login(await self._ask(SignInRequest(phone, code_hash, code), "code"))

    async def check_password(self, password: str) -> Identity:
        """Prove to know the password (https://core.telegram.org/api/srp), beside the event loop: it takes long."""
        question = await self._ask(GetPasswordRequest(), "password")
        if not question.has_password:
            raise refuse("SRP_PASSWORD_CHANGED")
        try:
            proof = await asyncio.to_thread(compute_check, question, password)
        except ValueError as error:
            raise refuse("PASSWORD_NOT_ASKABLE") from error
        return self._note_login(await self._ask(CheckPasswordRequest(proof), "password"))

    async def sign_in_bot(self, token: str) -> Identity:
        """Log a bot in."""
        request = ImportBotAuthorizationRequest(0, self._api_id, self._api_hash, token)
        return self._note_login(await self._ask(request, "token"))

    async def show_qr(self) -> QrCode:
        """A new code to show, or the former one when it was scanned meanwhile."""
        if self._scanned is None:
            fresh = await self._export_token()
            self._qr = fresh or self._qr
        if self._qr is None:
            raise refuse("AUTH_TOKEN_EXPIRED")
        return self._qr

    async def wait_for_scan(self, timeout: timedelta) -> Identity | None:
        """Wait for Telegram's word that the code was scanned, and take what came of it.

        Telegram tells the connection that asked for the code, by updateLoginToken, and the next request for a code
        is answered with the login (https://core.telegram.org/api/qr-login).
        """
        if self._qr is None:
            raise refuse("AUTH_TOKEN_EXPIRED")
        patience = min(timeout, self._qr.expires_at - datetime.now(UTC))
        deadline = asyncio.get_running_loop().time() + patience.total_seconds()
        while self._scanned is None:
            try:
                async with asyncio.timeout_at(deadline):
                    await self._news.wait()
            except TimeoutError:
                return None
            self._news.clear()
            self._require_unbroken()
            await self._export_token()  # outside the time limit: its answer may be the login itself
        scanned, self._scanned, self._qr = self._scanned, None, None
        if isinstance(scanned, PasswordNeededError):
            raise scanned
        return scanned

    async def identify(self) -> Identity:
        """Ask who is logged in."""
        users = await self._ask(GetUsersRequest([InputUserSelf()]))
        user = next((user for user in users if isinstance(user, User)), None)
        if user is None:
            raise refuse("AUTH_KEY_UNREGISTERED")
        self._identity = read_identity(user)
        return self._identity

    async def log_out(self) -> None:
        """End the session at Telegram, and the connection."""
        try:
            await self._ask(LogOutRequest())
        except LoginError as error:
            if not error.is_session_over:
                raise
        self._identity = None
        await self.disconnect()

    def export_session(self) -> str:
        """The session as a string, in Telethon's layout if the server has an address."""
        if self._session is None or self._identity is None:
            raise refuse("AUTH_KEY_UNREGISTERED")
        return format_session(self._session)

    async def disconnect(self) -> None:
        """Close the connection; whoever waits for a scan is told that it is lost."""
        self._is_closed = True
        if self._link is not None:
            await self._link.close()

    async def _open(self) -> Link:
        """A connection to the present data centre, with a new key if there is none yet; learn of the others."""
        self._require_not_closed()
        if self._session is None:
            self._session = await agree_on_key(
                self._server,
                connect_timeout=self._connect_timeout,
                call_timeout=self._call_timeout,
                may_speak=self._may_speak,
            )
            self._require_not_closed()  # that took a while
        if self._link is not None:
            await self._link.close()  # one that was lost still has its ping
        self._link = Link(
            self._session,
            api_id=self._api_id,
            description=self._description,
            call_timeout=self._call_timeout,
            connect_timeout=self._connect_timeout,
            on_update=self._take_update,
            on_end=self._news.set,
        )
        self._note_config(await self._link.open(GetConfigRequest(), self._may_speak))
        return self._link

    async def _move(self, dc_id: int) -> None:
        """Go to another data centre and begin there with a new key: nobody is behind the present one."""
        known = self._data_centres.get(dc_id)
        if known is None and dc_id in DATA_CENTRES:
            known = DataCentre(dc_id=dc_id, host=DATA_CENTRES[dc_id])
        if known is None:
            raise refuse("AUTH_RESTART")
        if self._link is not None:
            await self._link.close()
        self._server, self._session = known, None
        await self._open()

    async def _ask(self, request: TLRequest, field: str | None = None) -> TLObject:
        """Ask where the account is at home; a missing password is asked for, so that its hint is known."""
        with _in_terms_of_a_login(field):
            try:
                return await self._ask_at_home(request)
            except TransportError as error:
                if error.name != "SESSION_PASSWORD_NEEDED":
                    raise
                raise await self._need_password() from error

    async def _ask_at_home(self, request: TLRequest) -> TLObject:
        for _ in range(_MOVES):
            link = self._link if self._link is not None and self._link.is_open else await self._open()
            try:
                return await link.call(request)
            except TransportError as error:
                # PHONE_MIGRATE, USER_MIGRATE and NETWORK_MIGRATE; the number is in Telethon's error alone.
                dc_id = getattr(error.__cause__, "new_dc", None)
                if dc_id is None:
                    raise
            await self._move(dc_id)
        raise refuse("AUTH_RESTART")

    async def _need_password(self) -> PasswordNeededError:
        question = await self._ask(GetPasswordRequest(), "password")
        return PasswordNeededError(
            "The account has a two-step password; type it to go on (SESSION_PASSWORD_NEEDED).",
            hint=question.hint or "",
        )

    async def _export_token(self) -> QrCode | None:
        """A new code to show; None when one was scanned, and then `_scanned` is what came of it."""
        try:
            answer = await self._ask(ExportLoginTokenRequest(self._api_id, self._api_hash, []))
            if isinstance(answer, LoginTokenMigrateTo):
                with _in_terms_of_a_login():
                    await self._move(answer.dc_id)
                answer = await self._ask(ImportLoginTokenRequest(answer.token))
        except PasswordNeededError as needed:
            self._scanned = needed
            return None
        if isinstance(answer, LoginToken):
            token = base64.urlsafe_b64encode(answer.token).decode().rstrip("=")
            return QrCode(url=f"tg://login?token={token}", expires_at=answer.expires - self._clock_ahead)
        if not isinstance(answer, LoginTokenSuccess):
            raise refuse("AUTH_RESTART")
        self._scanned = self._note_login(answer.authorization)
        return None

    def _take_update(self, update: TLObject) -> None:
        parts = [update.update] if isinstance(update, UpdateShort) else getattr(update, "updates", [])
        if any(isinstance(part, UpdateLoginToken) for part in parts):
            self._news.set()

    def _require_not_closed(self) -> None:
        if self._is_closed:
            raise not_connected_error()

    def _require_unbroken(self) -> None:
        if self._link is None or not self._link.is_open:
            raise connection_lost_error()

    def _require_code(self) -> tuple[str, str]:
        if not self._code_hash:
            raise refuse("PHONE_CODE_EXPIRED")
        return self._phone, self._code_hash

    def _note_code(self, answer: TLObject) -> SentCode:
        sent = read_sent_code(answer)
        self._code_hash = answer.phone_code_hash
        return sent

    def _note_login(self, authorization: TLObject) -> Identity:
        if isinstance(authorization, AuthorizationSignUpRequired):
            raise refuse("PHONE_NUMBER_UNOCCUPIED")
        self._identity = read_identity(authorization.user)
        return self._identity

    def _note_config(self, config: Config) -> None:
        """Telegram's clock, which QR codes expire by, and where its data centres are for the likes of us."""
        self._clock_ahead = config.date - datetime.now(UTC)
        is_ipv6 = self._session is not None and self._session.is_ipv6
        for option in config.dc_options:
            is_plain = not (option.media_only or option.tcpo_only or option.cdn or option.secret)
            if is_plain and bool(option.ipv6) is is_ipv6:
                self._data_centres.setdefault(
                    option.id, DataCentre(dc_id=option.id, host=option.ip_address, port=option.port)
                )
