"""Logging Telegram accounts in and out, step by step; everything here is for administrators."""

from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.api.schemas import ApiModel, Text
from vestnik.domain.account_logins import LoginMethod, LoginStep
from vestnik.domain.telegram_login import MAX_PASSWORD, CodeKind
from vestnik.domain.users import Role
from vestnik.services import account_logins
from vestnik.services.account_logins import LoginView, NewLogin
from vestnik.web.idempotency import Acting, refuse_key
from vestnik.web.identity import Identified, allow
from vestnik.web.state import read_state

router = APIRouter(prefix="/accounts/{account_id}", tags=["accounts"])

NoKey = Annotated[None, Depends(refuse_key)]


class LoginWay(StrEnum):
    """PHONE: a code comes to the number. QR: scanned with a phone. BOT: by the token of a bot."""

    PHONE = "PHONE"
    QR = "QR"
    BOT = "BOT"


class LoginStart(ApiModel):
    """How to log in; the number and the token go to Telegram and are kept nowhere."""

    method: LoginWay
    phone: Annotated[
        Annotated[Text, Field(max_length=64)] | None,
        Field(repr=False, description="International.", examples=["+44 20 7946 0000"]),
    ] = None
    token: Annotated[
        Annotated[Text, Field(max_length=200)] | None,
        Field(
            repr=False, description="Of a bot, as @BotFather gives it.", examples=["123456:ABC-DEF1234ghIkl"]
        ),
    ] = None


class LoginCode(ApiModel):
    """What Telegram sent."""

    code: Annotated[Text, Field(max_length=100, repr=False, examples=["12345"])]


class LoginPassword(ApiModel):
    """The two-step password of the account."""

    password: Annotated[Text, Field(max_length=MAX_PASSWORD, repr=False, examples=["three unusual words"])]


class LoginModel(ApiModel):
    """How far a login is.

    CODE, PASSWORD and QR wait for a person, STARTING and CHECKING for Telegram: ask again after a second. `error`
    says what was wrong, `field` with which of what was typed.
    """

    account_id: UUID
    method: LoginMethod
    step: LoginStep
    code_kind: Annotated[CodeKind | None, Field(description="Where the code went.")]
    code_length: int | None
    next_kind: Annotated[CodeKind | None, Field(description="How it can be sent once more.")]
    resend_at: Annotated[datetime | None, Field(description="From when on it can be sent once more.")]
    hint: Annotated[str | None, Field(description="To the password, as its owner wrote it down.")]
    qr_url: Annotated[
        str | None,
        Field(
            repr=False,
            description="To be shown as a QR code and scanned in Telegram, Settings, Devices. As good as a password.",
            examples=[None],
        ),
    ]
    qr_expires_at: datetime | None
    attempts_left: Annotated[int, Field(description="So many codes or passwords may still be wrong.")]
    error_code: str | None
    error: str | None
    field: str | None
    retry_at: Annotated[datetime | None, Field(description="Before this Telegram takes no other attempt.")]
    started_at: datetime
    expires_at: Annotated[datetime, Field(description="Without input it ends then.")]
    finished_at: datetime | None

    @classmethod
    def show_login(cls, view: LoginView) -> Self:
        """The model of a login."""
        names = set(cls.model_fields) - {"field"}
        return cls(**{name: getattr(view, name) for name in names}, field=view.error_field)


@router.get("/login", **allow(Role.ADMIN))
async def show_login(request: Request, account_id: UUID) -> LoginModel:
    """How far the last login is; 404 when nobody ever logged the account in here."""
    state = read_state(request.app)
    found = await state.database.run(
        lambda session: account_logins.require_login(session, str(account_id), open_keys=state.open_keys)
    )
    return LoginModel.show_login(found)


@router.post("/login", status_code=HTTPStatus.ACCEPTED, **allow(Role.ADMIN))
async def start_login(
    request: Request, identity: Identified, account_id: UUID, body: LoginStart, _: NoKey
) -> LoginModel:
    """Begin; a worker asks Telegram, and GET tells what comes of it."""
    state = read_state(request.app)
    new = NewLogin(method=LoginMethod(body.method), phone=body.phone, token=body.token)
    begun = await state.database.run(
        lambda session: account_logins.start_login(
            session, identity.actor, str(account_id), new, open_keys=state.open_keys
        )
    )
    return LoginModel.show_login(begun)


@router.post("/login/code", status_code=HTTPStatus.ACCEPTED, **allow(Role.ADMIN))
async def submit_code(request: Request, account_id: UUID, body: LoginCode, _: NoKey) -> LoginModel:
    """Hand the code over."""
    state = read_state(request.app)
    view = await state.database.run(
        lambda session: account_logins.submit_code(
            session, str(account_id), body.code, open_keys=state.open_keys
        )
    )
    return LoginModel.show_login(view)


@router.post("/login/password", status_code=HTTPStatus.ACCEPTED, **allow(Role.ADMIN))
async def submit_password(request: Request, account_id: UUID, body: LoginPassword, _: NoKey) -> LoginModel:
    """Hand the two-step password over."""
    state = read_state(request.app)
    view = await state.database.run(
        lambda session: account_logins.submit_password(
            session, str(account_id), body.password, open_keys=state.open_keys
        )
    )
    return LoginModel.show_login(view)


@router.post("/login/resend", status_code=HTTPStatus.ACCEPTED, **allow(Role.ADMIN))
async def resend_code(act: Acting, account_id: UUID) -> LoginModel:
    """Have the code sent in the next way."""

    async def resend(session: AsyncSession) -> LoginModel:
        return LoginModel.show_login(await account_logins.resend_code(session, str(account_id)))

    return await act(resend)


@router.delete("/login", **allow(Role.ADMIN))
async def cancel_login(request: Request, identity: Identified, account_id: UUID) -> LoginModel:
    """End a login that is under way."""
    view = await read_state(request.app).database.run(
        lambda session: account_logins.cancel_login(session, identity.actor, str(account_id))
    )
    return LoginModel.show_login(view)


@router.post("/logout", status_code=HTTPStatus.ACCEPTED, **allow(Role.ADMIN))
async def log_out(act: Acting, account_id: UUID) -> LoginModel:
    """End the session at Telegram: nothing of the account is sent from now on, and it needs a login."""

    async def end(session: AsyncSession) -> LoginModel:
        return LoginModel.show_login(await account_logins.log_out(session, act.actor, str(account_id)))

    return await act(end)
