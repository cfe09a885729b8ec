"""Carrying out the login of one account, or its log-out: a conversation between a person and Telegram.

The account is not active meanwhile, so it has no lane; the lease sees to it that only one process talks. What is
typed comes as commands, is wiped from the database as it is taken up, and is kept no longer than the call lasts.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, TypeVar
from uuid import UUID

import structlog

from vestnik.db.account_logins import QR_URL, LoginLedger, OpenLogin, TypedCommand
from vestnik.db.account_sessions import ReadSessionKey
from vestnik.db.commands import PAYLOAD
from vestnik.db.secret_rows import hold_keys
from vestnik.db.secrets import StoredKeys, identify_secret
from vestnik.delivery.clock import read_clock
from vestnik.delivery.lease import LeaseKeeper
from vestnik.delivery.waiting import back_off, wait_for_event
from vestnik.domain.account_logins import (
    BROKEN_OFF,
    LONGEST_PAUSE,
    MOST_WRONG,
    TIME_OVER,
    TOO_MANY_ATTEMPTS,
    LoginChange,
    LoginMethod,
    LoginStep,
)
from vestnik.domain.commands import CommandKind
from vestnik.domain.errors import (
    ConfigurationError,
    ConflictError,
    DatabaseUnavailableError,
    InvalidInputError,
    SecretError,
    VestnikError,
)
from vestnik.domain.telegram_login import (
    LoginError,
    LoginTransport,
    LoginTransportFactory,
    PasswordNeededError,
    QrCode,
    SentCode,
)
from vestnik.domain.transport import Identity, TransportError

Result = TypeVar("Result")

log = structlog.get_logger()

POLL_SECONDS: Final = 1.0
SCAN_LOOK: Final = timedelta(seconds=2)
"""How long a QR code is watched before it is looked whether the person went away."""
GOODBYE_SECONDS: Final = 5.0
LOST_AFTER_LOOKS: Final = 3
"""Looks that find a login waiting for us and nothing typed: a look may just have missed it, three do not."""
_GUESSES: Final = frozenset({"code", "password"})


class LoginConversation:
    """Carries a login out for as long as it holds the account's lease.

    `run` returns when the login is over, the lease is lost or `stop` was called; by then the connection is closed
    and the lease, if still held, has been given back. A login that was not finished then is ended as broken off.
    """

    is_idle = False

    def __init__(
        self,
        ledger: LoginLedger,
        keeper: LeaseKeeper,
        *,
        factory: LoginTransportFactory,
        keys: StoredKeys,
        read_key: ReadSessionKey,
    ) -> None:
        self._ledger = ledger
        self._keeper = keeper
        self._account_id = keeper.lease.account_id
        self._factory = factory
        self._keys = keys
        self._read_key = read_key
        self._login: OpenLogin | None = None
        self._step = LoginStep.STARTING
        self._attempts = 0
        self._shown = LoginChange(step=LoginStep.STARTING)
        """What the person was last asked for, to be asked again after a mistake."""
        self._resend_at: float | None = None
        self._qr: QrCode | None = None
        self._transport: LoginTransport | None = None
        self._is_over = False
        self._is_stopped = False
        self._looks_in_vain = 0
        self._wake = asyncio.Event()
        self._log = log.bind(account_id=str(self._account_id), epoch=keeper.lease.epoch)

    def wake(self) -> None:
        """Something was typed, or the login was cancelled."""
        self._wake.set()

    def stop(self) -> None:
        """Break the login off."""
        self._is_stopped = True
        self._wake.set()

    async def run(self) -> None:
        """See the class."""
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(self._keeper.run())
            try:
                await self._converse()
            finally:
                await self._hang_up()
                keeping.cancel()
            if self._keeper.is_valid:
                await self._keeper.give_back()

    async def _converse(self) -> None:
        failures = 0
        while self._keeper.is_valid and not self._is_over:
            try:
                if self._is_stopped:
                    await self._break_off()
                    return
                await self._take_turn()
                failures = 0
            except DatabaseUnavailableError as exc:
                self._log.debug("login.database_away", reason=exc.message)
                await back_off(failures)
                failures += 1

    async def _take_turn(self) -> None:
        """Look what was typed and do it; wait for the next thing to happen."""
        known = None if self._login is None else self._login.login_id
        login = await self._ledger.claim(self._keeper.lease, known)
        if login is None:
            self._is_over = True
            return
        if self._login is None:
            self._log.info("login.started", kind=login.method.value)
        self._login = login
        for command in login.commands:
            await self._guard(lambda command=command: self._carry_out(command))  # type: ignore[misc]
        if not self._is_over and not login.commands:
            await self._end_if_abandoned(login)
        if self._is_over:
            return
        if self._step is LoginStep.QR:
            await self._guard(self._watch_scan)
        else:
            await wait_for_event(self._wake, POLL_SECONDS)

    async def _end_if_abandoned(self, login: OpenLogin) -> None:
        """Nobody types any more; or what was typed got lost together with the answer of the database."""
        if login.is_late:
            await self._fail(TIME_OVER)
            return
        is_waiting = login.step in {LoginStep.STARTING, LoginStep.CHECKING}
        self._looks_in_vain = self._looks_in_vain + 1 if is_waiting else 0
        if self._looks_in_vain >= LOST_AFTER_LOOKS:
            await self._fail(BROKEN_OFF)

    async def _break_off(self) -> None:
        if self._login is not None:
            await self._fail(BROKEN_OFF)

    # -- what a person does ---------------------------------------------------------------------------------

    async def _carry_out(self, command: TypedCommand) -> None:
        match command.kind:
            case CommandKind.LOGIN:
                await self._begin(command)
            case CommandKind.LOG_OUT:
                await self._log_out()
            case CommandKind.CODE:
                await self._succeed(await self._require_transport().sign_in(self._open(command)))
            case CommandKind.PASSWORD:
                await self._succeed(await self._require_transport().check_password(self._open(command)))
            case CommandKind.RESEND:
                await self._show_code(await self._require_transport().resend_code())
            case CommandKind.SEND | CommandKind.SYNC | CommandKind.PREFLIGHT:
                raise AssertionError("only what belongs to a login is claimed here")

    async def _begin(self, command: TypedCommand) -> None:
        assert self._login is not None
        transport = await self._connect(None)
        match self._login.method:
            case LoginMethod.PHONE:
                await self._show_code(await transport.request_code(self._open(command)))
            case LoginMethod.BOT:
                await self._succeed(await transport.sign_in_bot(self._open(command)))
            case LoginMethod.QR:
                await self._show_qr(is_first=True)
            case LoginMethod.LOG_OUT:
                raise AssertionError("a log-out is a command of its own")

    async def _connect(self, session: str | None) -> LoginTransport:
        stored = await self._insist(lambda: self._ledger.read_credentials(self._account_id))
        if stored.api_id is None or stored.api_hash is None:
            raise InvalidInputError(
                "Telegram wants to know the application: give its API id and API hash, or set TELEGRAM_API_ID and "
                "TELEGRAM_API_HASH; both are made at my.telegram.org",
                field="api_id",
            )
        api_hash = self._keys.decrypt(
            stored.api_hash, identify_secret("accounts", self._account_id, "api_hash")
        )
        self._transport = self._factory.make_login(api_id=stored.api_id, api_hash=api_hash, session=session)
        await self._transport.connect(lambda: self._keeper.is_valid)
        return self._transport

    def _open(self, command: TypedCommand) -> str:
        if command.payload is None:
            raise InvalidInputError("nothing was typed")
        return self._keys.decrypt(
            command.payload, identify_secret("account_commands", command.command_id, PAYLOAD)
        )

    def _require_transport(self) -> LoginTransport:
        if self._transport is None:
            raise InvalidInputError("the login has not begun yet")
        return self._transport

    async def _log_out(self) -> None:
        assert self._login is not None
        stored = await self._insist(lambda: self._ledger.read_credentials(self._account_id))
        if stored.session is not None:
            text = self._keys.decrypt(
                stored.session, identify_secret("accounts", self._account_id, "session")
            )
            try:
                transport = await self._connect(text)
                await transport.log_out()
            except LoginError as exc:
                # Of a key that it does not know at all Telegram says so at once, to whatever is asked.
                if not exc.is_session_over:
                    raise
        login_id = self._login.login_id
        await self._insist(lambda: self._ledger.finish_log_out(self._keeper.lease, login_id))
        self._log.info("login.logged_out")
        self._is_over = True

    # -- what Telegram says ---------------------------------------------------------------------------------

    async def _guard(self, action: Callable[[], Awaitable[None]]) -> None:
        """Do something that Telegram may refuse, and show what came of it."""
        try:
            await action()
        except PasswordNeededError as exc:
            await self._show(
                LoginChange(step=LoginStep.PASSWORD, attempts=self._attempts, hint=exc.hint or None)
            )
        except LoginError as exc:
            await self._note_refusal(exc)
        except TransportError as exc:
            if exc.disconnected or not self._can_ask_again(exc.wait):
                await self._fail(exc.name, exc.message, wait=exc.wait)
            else:
                await self._ask_again(exc.name, exc.message, None, exc.wait)
        except (SecretError, ConfigurationError) as exc:
            await self._fail("SECRET_UNREADABLE", exc.message)
        except (InvalidInputError, ConflictError) as exc:
            await self._fail(exc.code, exc.message, exc.field)

    async def _note_refusal(self, error: LoginError) -> None:
        is_guess = error.can_retry and error.wait is None and error.field in _GUESSES
        self._attempts += is_guess
        if is_guess and self._attempts >= MOST_WRONG:
            await self._fail(TOO_MANY_ATTEMPTS, field=error.field)
        elif error.can_retry and self._can_ask_again(error.wait):
            await self._ask_again(error.name, error.message, error.field, error.wait)
        else:
            await self._fail(error.name, error.message, error.field, error.wait)

    def _can_ask_again(self, wait: timedelta | None) -> bool:
        """Whether a person is asked for something that he could still type after such a wait."""
        is_typed = self._step in {LoginStep.CODE, LoginStep.PASSWORD}
        return is_typed and (wait is None or wait <= LONGEST_PAUSE)

    async def _show_code(self, sent: SentCode) -> None:
        self._resend_at = None
        if sent.resend_after is not None:
            self._resend_at = read_clock() + sent.resend_after.total_seconds()
        change = LoginChange(
            step=LoginStep.CODE,
            attempts=self._attempts,
            code_kind=sent.kind.value,
            code_length=sent.length,
            next_kind=None if sent.next_kind is None else sent.next_kind.value,
            resend_after=sent.resend_after,
        )
        await self._show(change)

    async def _show_qr(self, *, is_first: bool = False) -> None:
        assert self._login is not None
        self._qr = await self._require_transport().show_qr()
        ring = self._keys.open_ring("qr codes")  # not held: nobody needs a code for longer than half a minute
        sealed = ring.encrypt(self._qr.url, identify_secret("account_logins", self._login.login_id, QR_URL))
        left = max(self._qr.expires_at - datetime.now(UTC), timedelta())
        await self._show(
            LoginChange(step=LoginStep.QR, qr_ciphertext=sealed, qr_lasts=left, extends=is_first)
        )

    async def _watch_scan(self) -> None:
        """Wait a moment for the code to be scanned; show another one when it is over."""
        assert self._qr is not None
        identity = await self._require_transport().wait_for_scan(SCAN_LOOK)
        if identity is not None:
            await self._succeed(identity)
        elif datetime.now(UTC) >= self._qr.expires_at:
            await self._show_qr()

    async def _succeed(self, identity: Identity) -> None:
        """Keep the session, unless somebody else than the account's user has logged in."""
        assert self._login is not None
        transport = self._require_transport()
        text = transport.export_session()
        login_id = self._login.login_id
        try:
            refusal = await self._insist(
                lambda: self._ledger.succeed(
                    self._keeper.lease,
                    login_id,
                    identity=identity,
                    session_text=text,
                    open_keys=partial(hold_keys, keys=self._keys),
                    read_key=self._read_key,
                )
            )
        except ConflictError:
            # Cancelled at the last moment: a session that nobody keeps must not stay at Telegram.
            await self._end_session(transport)
            raise
        if refusal is not None:
            await self._end_session(transport)
            await self._fail(refusal.code, refusal.message)
            return
        self._log.info("login.succeeded", kind=self._login.method.value, tg_id=identity.tg_id)
        self._is_over = True

    async def _end_session(self, transport: LoginTransport) -> None:
        with suppress(LoginError, TransportError, TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await transport.log_out()

    # -- what is shown --------------------------------------------------------------------------------------

    async def _show(self, change: LoginChange) -> None:
        self._step, self._shown = change.step, change
        await self._put(change)

    async def _ask_again(self, name: str, message: str, field: str | None, wait: timedelta | None) -> None:
        """The same step once more, with what was wrong."""
        shown = self._shown
        await self._put(
            LoginChange(
                step=shown.step,
                attempts=self._attempts,
                hint=shown.hint,
                code_kind=shown.code_kind,
                code_length=shown.code_length,
                next_kind=shown.next_kind,
                resend_after=self._measure_resend(),
                error_code=name,
                error_message=message,
                error_field=field,
                retry_after=wait,
            )
        )

    def _measure_resend(self) -> timedelta | None:
        if self._step is not LoginStep.CODE or self._resend_at is None:
            return None
        return timedelta(seconds=max(self._resend_at - read_clock(), 0.0))

    async def _fail(
        self, code: str, message: str | None = None, field: str | None = None, wait: timedelta | None = None
    ) -> None:
        self._log.warning("login.failed", error=code)
        self._is_over = True
        await self._put(
            LoginChange(
                step=LoginStep.FAILED,
                attempts=self._attempts,
                error_code=code,
                error_message=message,
                error_field=field,
                retry_after=wait,
            )
        )

    async def _put(self, change: LoginChange) -> None:
        assert self._login is not None
        login_id: UUID = self._login.login_id
        if not await self._insist(lambda: self._ledger.put(self._keeper.lease, login_id, change)):
            self._is_over = True

    async def _insist(self, statement: Callable[[], Awaitable[Result]]) -> Result:
        """Run a statement until the database takes it, for as long as the lease lasts."""
        failures = 0
        while True:
            try:
                return await statement()
            except DatabaseUnavailableError:
                if not self._keeper.is_valid:
                    raise
                await back_off(failures)
                failures += 1

    async def _hang_up(self) -> None:
        """Close the connection; a code that was asked for is made worthless, if that can be done at once."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        try:
            if self._step is LoginStep.CODE and self._keeper.is_valid:
                with suppress(VestnikError, TimeoutError):
                    async with asyncio.timeout(GOODBYE_SECONDS):
                        await transport.cancel_code()
        finally:
            await transport.disconnect()
