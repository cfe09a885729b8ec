"""`vestnik account login` and `logout`: a conversation with Telegram that a worker carries out."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from vestnik.cli.account import Reference
from vestnik.cli.context import identify_actor, make_account_setup, read_settings, run_action
from vestnik.cli.output import JsonOption, format_time, print_json, print_note, print_warning
from vestnik.cli.typing_in import is_interactive, read_secret
from vestnik.domain.account_logins import LoginMethod, LoginStep
from vestnik.domain.errors import ConflictError, InvalidInputError, VestnikError
from vestnik.domain.states import AccountState
from vestnik.domain.telegram_login import CodeKind

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

    from vestnik.services.account_logins import LoginView
    from vestnik.services.account_sessions import AccountSetup

Result = TypeVar("Result")

_POLL_SECONDS: Final = 0.3
_WHERE: Final = {
    CodeKind.APP: "to the Telegram apps in which the account is logged in",
    CodeKind.SMS: "by SMS",
    CodeKind.SMS_TEXT: "by SMS, as a word or a phrase",
    CodeKind.CALL: "by a call that reads it out",
    CodeKind.FLASH_CALL: "by a call: it is in the caller's number",
    CodeKind.MISSED_CALL: "by a call that only rings: it is the last digits of the caller's number",
    CodeKind.EMAIL: "by e-mail",
    CodeKind.FRAGMENT: "to fragment.com",
    CodeKind.OTHER: "in a way that Vestnik does not know; look at your Telegram apps",
}


class LoginFailedError(VestnikError):
    """The login is over and the account is not logged in."""

    code = "LOGIN_FAILED"


def log_in(
    context: typer.Context,
    account: Reference,
    *,
    phone: Annotated[
        bool, typer.Option("--phone", help="By a code that comes to the number (default).")
    ] = False,
    qr: Annotated[bool, typer.Option("--qr", help="By a QR code that is scanned with a phone.")] = False,
    bot: Annotated[bool, typer.Option("--bot", help="By a bot's token.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Log an account in at Telegram; its campaigns go on afterwards.

    Number, code, password and token are asked for unseen, or are the lines of standard input in this order. A
    worker has to be running.
    """
    if phone + qr + bot > 1:
        raise InvalidInputError("choose one of --phone, --qr and --bot", field="method")
    method = LoginMethod.QR if qr else LoginMethod.BOT if bot else LoginMethod.PHONE
    dialogue = _Dialogue(context, account, make_account_setup(context))
    try:
        view = dialogue.hold(method)
    except BaseException:
        dialogue.cancel()
        raise
    _require_done(view)
    if as_json:
        print_json(view)
        return
    if view.account_state is AccountState.LIMITED:
        release = f"vestnik account release '{view.account_name}'"
        print(f"Account '{view.account_name}' is logged in; it posts nothing until it is released: {release}")
        return
    print(f"Account '{view.account_name}' is logged in; its campaigns go on.")


class _Dialogue:
    """Asks the person at the terminal for what the login waits for, until it is over."""

    def __init__(self, context: typer.Context, account: str, setup: "AccountSetup") -> None:
        self._context = context
        self._account = account
        self._setup = setup
        self._is_begun = False
        self._shown_qr: str | None = None

    def hold(self, method: LoginMethod) -> "LoginView":
        from vestnik.services import account_logins

        self._run(lambda session: account_logins.check_start(session, self._account))
        new = account_logins.NewLogin(
            method=method,
            phone=read_secret("Phone number", field="phone") if method is LoginMethod.PHONE else None,
            token=read_secret("Bot token", field="token") if method is LoginMethod.BOT else None,
        )
        keys = self._setup.open_keys
        self._run(
            lambda session: account_logins.start_login(
                session, identify_actor(), self._account, new, open_keys=keys
            )
        )
        self._is_begun = True
        while True:
            view = self._wait()
            if view.is_over:
                self._is_begun = False
                return view
            if view.error:
                print_warning(view.error)
            self._sit_out(view)
            if view.step is LoginStep.CODE:
                self._ask_for_code(view)
            else:
                self._ask_for_password(view)

    def cancel(self) -> None:
        """End what was begun; whatever goes wrong now is nobody's concern."""
        from vestnik.services import account_logins

        if not self._is_begun:
            return
        try:
            self._run(lambda session: account_logins.cancel_login(session, identify_actor(), self._account))
        except VestnikError:
            return
        print_note("the login was cancelled")

    def _ask_for_code(self, view: "LoginView") -> None:
        from vestnik.services import account_logins

        kind = CodeKind(view.code_kind or CodeKind.OTHER)
        if not view.error:
            print_note(f"Telegram has sent a code {_WHERE[kind]}")
        if view.next_kind and is_interactive():
            next_way = _WHERE[CodeKind(view.next_kind)]
            from_when = f" from {format_time(view.resend_at)} on" if view.resend_at else ""
            print_note(f"type + to have it sent {next_way}{from_when}")
        code = read_secret("Code", field="code")
        keys = self._setup.open_keys
        try:
            if code.strip() == "+":
                self._run(lambda session: account_logins.resend_code(session, self._account))
            else:
                self._run(
                    lambda session: account_logins.submit_code(session, self._account, code, open_keys=keys)
                )
        except VestnikError as exc:
            self._note_mistake(exc)

    def _ask_for_password(self, view: "LoginView") -> None:
        from vestnik.services import account_logins

        if view.hint:
            print_note(f"the hint to the two-step password is: {view.hint}")
        password = read_secret("Two-step password", field="password")
        keys = self._setup.open_keys
        try:
            self._run(
                lambda session: account_logins.submit_password(
                    session, self._account, password, open_keys=keys
                )
            )
        except VestnikError as exc:
            self._note_mistake(exc)

    def _note_mistake(self, error: VestnikError) -> None:
        """Ask a person again; a program has nothing else to say."""
        if not is_interactive() or isinstance(error, ConflictError):
            raise error
        print_warning(error.message)

    def _sit_out(self, view: "LoginView") -> None:
        if view.retry_at is None:
            return
        left = (view.retry_at - datetime.now(UTC)).total_seconds()
        if left > 0:
            print_note(f"Telegram takes the next attempt at {format_time(view.retry_at)}")
            time.sleep(left)

    def _run(self, action: "Callable[[AsyncSession], Awaitable[Result]]") -> Result:
        return run_action(self._context, action)

    def _wait(self) -> "LoginView":
        """Until a person is wanted or it is over; shows QR codes meanwhile."""
        from vestnik import bootstrap

        async def watch(engine: "AsyncEngine") -> "LoginView":
            from vestnik.db.engine import open_session
            from vestnik.services import account_logins

            while True:
                async with open_session(engine) as session:
                    view = await account_logins.require_login(
                        session, self._account, open_keys=self._setup.open_keys
                    )
                if view.is_over or view.step in account_logins.WAITING:
                    return view
                if view.qr_url is not None and view.qr_url != self._shown_qr:
                    self._shown_qr = view.qr_url
                    _draw_qr(view.qr_url)
                await asyncio.sleep(_POLL_SECONDS)

        return bootstrap.run_with_engine(read_settings(self._context), watch, announce=print_note)


def _draw_qr(url: str) -> None:
    """On standard error, so that --json stays JSON."""
    import segno

    print_note("scan this with Telegram on a phone: Settings, Devices, Link Desktop Device")
    segno.make(url, error="l", micro=False).terminal(out=sys.stderr, compact=True)


def log_out(context: typer.Context, account: Reference, as_json: JsonOption = False) -> None:
    """End an account's session at Telegram: nothing of it is sent from now on, and it needs a login."""
    from vestnik.services import account_logins

    async def act(session: "AsyncSession") -> "LoginView":
        return await account_logins.log_out(session, identify_actor(), account)

    run_action(context, act)
    view = _Dialogue(context, account, make_account_setup(context))._wait()
    _require_done(view)
    if as_json:
        print_json(view)
        return
    print(f"Account '{view.account_name}' is logged out.")


def _require_done(view: "LoginView") -> None:
    if view.step is LoginStep.CANCELLED:
        raise LoginFailedError("the login was cancelled")
    if view.step is not LoginStep.DONE:
        raise LoginFailedError(view.error or f"the login failed ({view.error_code})", field=view.error_field)
