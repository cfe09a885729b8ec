"""Adding accounts and logging them in, step by step; a worker talks to Telegram meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.console.account_login_words import BY_SESSION, NEXT, SESSION, WAYS, WHERE
from vestnik.console.forms import Form, Submitted, submit
from vestnik.console.qr_codes import draw_qr
from vestnik.console.visitors import Visiting, Visitor, lead_to, open_to
from vestnik.domain.account_logins import LoginMethod, LoginStep
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.telegram_login import CodeKind
from vestnik.domain.users import Role
from vestnik.services import account_logins
from vestnik.services.account_logins import LoginView, NewLogin
from vestnik.services.account_sessions import (
    NewAccount,
    NewSession,
    add_account,
    replace_session,
)
from vestnik.services.accounts import AccountView
from vestnik.services.queue import get_account_standing
from vestnik.web.state import read_state

router = APIRouter(prefix="/accounts")

Step = Callable[[AsyncSession, str], Awaitable[object]]
"""What a person does in a login, with the account's id."""

_LOOK_SECONDS: Final = 0.2
_LOOKS: Final = 15
"""So often it is looked for Telegram's answer before a page is shown: its browser may have no JavaScript."""
_WAITING: Final = {LoginStep.STARTING, LoginStep.CHECKING}


@router.get("/new", **open_to(Role.ADMIN))
async def show_new(visitor: Visiting) -> Response:
    """The ways to add an account."""
    return _show_new(visitor, Form.start(way=LoginMethod.PHONE))


@router.post("/new", **open_to(Role.ADMIN))
async def add(visitor: Visiting, form: Submitted) -> Response:
    """Add an account, and begin its login unless it brings a session."""
    setup = read_state(visitor.request.app).account_setup

    async def act(session: AsyncSession) -> str:
        way = form.text("way")
        new = NewAccount(
            name=form.text("name"),
            session=form.text("session") if way == SESSION else None,
            api_id=form.whole("api_id") if form.optional("api_id") else None,
            api_hash=form.optional("api_hash"),
        )
        login = None if way == SESSION else _read_login(form)
        account = await add_account(session, visitor.actor, new, setup=setup)
        if login is None:
            return f"/accounts/{account.id}"
        await account_logins.start_login(
            session, visitor.actor, str(account.id), login, open_keys=setup.open_keys
        )
        return f"/accounts/{account.id}/login"

    async def again(corrected: Form, status: int) -> Response:
        return _show_new(visitor, _to_whole(corrected), status)

    return await submit(visitor, form, act, again=again)


def _show_new(visitor: Visitor, form: Form, status: int = 200) -> Response:
    setup = read_state(visitor.request.app).account_setup
    return visitor.render(
        "accounts/new.html",
        form=form,
        ways={**WAYS, SESSION: BY_SESSION},
        has_application=setup.api_id is not None,
        status=status,
    )


@router.get("/{account_id}/session", **open_to(Role.ADMIN))
async def show_session(visitor: Visiting, account_id: UUID) -> Response:
    """The form for another session."""
    return await _show_session(visitor, account_id, Form.start())


@router.post("/{account_id}/session", **open_to(Role.ADMIN))
async def change_session(visitor: Visiting, account_id: UUID, form: Submitted) -> Response:
    """Give the account another session of the same Telegram user."""
    setup = read_state(visitor.request.app).account_setup

    async def act(session: AsyncSession) -> str:
        new = NewSession(
            session=form.text("session"),
            api_id=form.whole("api_id") if form.optional("api_id") else None,
            api_hash=form.optional("api_hash"),
        )
        await replace_session(session, visitor.actor, str(account_id), new, setup=setup)
        return f"/accounts/{account_id}"

    async def again(corrected: Form, status: int) -> Response:
        return await _show_session(visitor, account_id, _to_whole(corrected), status)

    return await submit(visitor, form, act, again=again, notice="session-replaced")


async def _show_session(visitor: Visitor, account_id: UUID, form: Form, status: int = 200) -> Response:
    account = await _read_account(visitor, account_id)
    return visitor.render("accounts/session.html", account=account, form=form, status=status)


@router.get("/{account_id}/login", **open_to(Role.ADMIN))
async def show_login(visitor: Visiting, account_id: UUID) -> Response:
    """How far the login is, and what it waits for."""
    is_part = "hx-request" in visitor.request.headers
    login = await _look(visitor, account_id, looks=1 if is_part else _LOOKS)
    return await _show_login(visitor, account_id, login)


@router.post("/{account_id}/login", **open_to(Role.ADMIN))
async def start_login(visitor: Visiting, account_id: UUID, form: Submitted) -> Response:
    """Begin a login."""

    async def start(session: AsyncSession, reference: str) -> object:
        new = _read_login(form)
        keys = read_state(visitor.request.app).open_keys
        return await account_logins.start_login(session, visitor.actor, reference, new, open_keys=keys)

    return await _take_step(visitor, account_id, form, start)


@router.post("/{account_id}/login/code", **open_to(Role.ADMIN))
async def submit_code(visitor: Visiting, account_id: UUID, form: Submitted) -> Response:
    """Hand the code over."""
    keys = read_state(visitor.request.app).open_keys
    return await _take_step(
        visitor,
        account_id,
        form,
        lambda session, reference: account_logins.submit_code(
            session, reference, form.text("code"), open_keys=keys
        ),
    )


@router.post("/{account_id}/login/password", **open_to(Role.ADMIN))
async def submit_password(visitor: Visiting, account_id: UUID, form: Submitted) -> Response:
    """Hand the two-step password over."""
    keys = read_state(visitor.request.app).open_keys
    return await _take_step(
        visitor,
        account_id,
        form,
        lambda session, reference: account_logins.submit_password(
            session, reference, form.text("password"), open_keys=keys
        ),
    )


@router.post("/{account_id}/login/resend", **open_to(Role.ADMIN))
async def resend_code(visitor: Visiting, account_id: UUID, form: Submitted) -> Response:
    """Have the code sent in the next way."""
    return await _take_step(visitor, account_id, form, account_logins.resend_code)


@router.post("/{account_id}/login/cancel", **open_to(Role.ADMIN))
async def cancel_login(visitor: Visiting, account_id: UUID, form: Submitted) -> Response:
    """End the login."""
    return await _take_step(
        visitor,
        account_id,
        form,
        lambda session, reference: account_logins.cancel_login(session, visitor.actor, reference),
        leads_to="",
    )


@router.post("/{account_id}/logout", **open_to(Role.ADMIN))
async def log_out(visitor: Visiting, account_id: UUID, form: Submitted) -> Response:
    """End the session at Telegram."""
    return await _take_step(
        visitor,
        account_id,
        form,
        lambda session, reference: account_logins.log_out(session, visitor.actor, reference),
    )


# ---- parts --------------------------------------------------------------------------------------------------


def _read_login(form: Form) -> NewLogin:
    try:
        method = LoginMethod(form.text("way"))
    except ValueError:
        raise InvalidInputError("choose how the account is to log in", field="way") from None
    return NewLogin(
        method=method,
        phone=form.text("phone") if method is LoginMethod.PHONE else None,
        token=form.text("token") if method is LoginMethod.BOT else None,
    )


def _to_whole(form: Form) -> Form:
    """What is wrong with the account as a whole belongs to no field of the form."""
    problems = {"" if name in {"account", "login"} else name: text for name, text in form.problems.items()}
    return form.with_problems(**problems)


async def _take_step(
    visitor: Visitor, account_id: UUID, form: Form, step: Step, *, leads_to: str = "/login"
) -> Response:
    """Do what a form of the login's page asks for, and show what came of it; a mistake is shown on that page."""

    async def act(session: AsyncSession) -> str:
        await step(session, str(account_id))
        return f"/accounts/{account_id}{leads_to}"

    async def again(corrected: Form, status: int) -> Response:
        login = await _look(visitor, account_id, looks=1)
        return await _show_login(visitor, account_id, login, _to_whole(corrected), status)

    return await submit(visitor, form, act, again=again)


async def _look(visitor: Visitor, account_id: UUID, *, looks: int) -> LoginView | None:
    keys = read_state(visitor.request.app).open_keys
    login = None
    for look in range(looks):
        if look:
            await asyncio.sleep(_LOOK_SECONDS)
        login = await visitor.read(
            lambda session: account_logins.get_login(session, str(account_id), open_keys=keys)
        )
        if login is None or login.step not in _WAITING:
            break
    return login


def _explain_answer(visitor: Visitor, account: AccountView, login: LoginView | None) -> Form:
    """What Telegram said of what was typed, at its field; nothing of a login that matters no more."""
    way = LoginMethod.PHONE if login is None or login.method is LoginMethod.LOG_OUT else login.method
    form = Form.start(way=way)
    if login is None or not login.error:
        return form
    if login.is_over and not account.needs_login:
        return form
    return form.with_problems(**{login.error_field or "": visitor.say(login.error)})


async def _show_login(
    visitor: Visitor,
    account_id: UUID,
    login: LoginView | None,
    form: Form | None = None,
    status: int = 200,
) -> Response:
    account = await _read_account(visitor, account_id)
    if login is not None and login.step is LoginStep.DONE and login.method is not LoginMethod.LOG_OUT:
        return _lead_on(visitor, account_id)
    return visitor.render(
        "accounts/login.html",
        account=account,
        login=login,
        form=_explain_answer(visitor, account, login) if form is None else form,
        status=status,
        ways=WAYS,
        where=WHERE[CodeKind(login.code_kind)] if login is not None and login.code_kind else "",
        next_way=NEXT[CodeKind(login.next_kind)] if login is not None and login.next_kind else "",
        picture=_draw(visitor, login),
    )


def _lead_on(visitor: Visitor, account_id: UUID) -> Response:
    """To the account itself; htmx is told to go there as well, because only a part was asked for."""
    response = lead_to(f"/accounts/{account_id}", notice="account-logged-in")
    if "hx-request" in visitor.request.headers:
        response.status_code = 200
        response.headers["HX-Redirect"] = f"/accounts/{account_id}"
    return response


def _draw(visitor: Visitor, login: LoginView | None) -> Markup | None:
    if login is None or login.qr_url is None:
        return None
    return draw_qr(login.qr_url, visitor.language.gettext("QR code to scan with Telegram"))


async def _read_account(visitor: Visitor, account_id: UUID) -> AccountView:
    standing = await visitor.read(lambda session: get_account_standing(session, account_id))
    return standing.account
