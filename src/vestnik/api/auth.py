"""Signing in and out with a browser, who one is, and one's own password."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from vestnik.api.schemas import ApiModel, Text
from vestnik.api.users import Email, NewPassword, UserModel
from vestnik.domain.users import MAX_PASSWORD_BYTES, Role, TokenScope
from vestnik.services import logins, users
from vestnik.web import sign_in
from vestnik.web.authentication import make_csrf_token, read_address, require_own_origin
from vestnik.web.cookies import clear_session_cookie, put_session_cookie
from vestnik.web.idempotency import refuse_key
from vestnik.web.identity import SESSION_COOKIE, Identified, allow, allow_anyone, require_full_scope
from vestnik.web.problems import MEDIA_TYPE
from vestnik.web.state import read_state

router = APIRouter(prefix="/auth", tags=["auth"])


def _describe_problem(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


class SignIn(ApiModel):
    """Who wants to sign in."""

    email: Email
    password: Annotated[
        Text,
        Field(min_length=1, max_length=MAX_PASSWORD_BYTES, repr=False, examples=["correct horse battery"]),
    ]


class SignedInModel(ApiModel):
    """Who has signed in; the session itself is in the cookie."""

    user: UserModel
    csrf_token: Annotated[
        str,
        Field(
            description="To be sent as X-CSRF-Token with every change.", repr=False, examples=["5f3a" * 16]
        ),
    ]


class MeModel(ApiModel):
    """Who asks, and what he may do this way."""

    user: UserModel
    role: Annotated[Role, Field(description="VIEWER for a token of scope READ, whoever owns it.")]
    scope: TokenScope
    csrf_token: Annotated[
        str | None, Field(description="Of a session; null for a token, which needs none.", repr=False)
    ] = None


class PasswordChange(ApiModel):
    """One's own new password."""

    current_password: Annotated[
        Text, Field(min_length=1, max_length=MAX_PASSWORD_BYTES, repr=False, examples=["given out by admin"])
    ]
    new_password: NewPassword


@router.post(
    "/login",
    responses={
        401: _describe_problem("The e-mail address or the password is wrong"),
        403: _describe_problem("Sent by a page of another site"),
        429: _describe_problem("Too many failed sign-ins; Retry-After says how long to wait"),
    },
    **allow_anyone(Depends(refuse_key), Depends(require_own_origin)),
)
async def log_in(request: Request, response: Response, given: SignIn) -> SignedInModel:
    """Sign in with a browser: sets the session's cookie, which lasts 7 days, and 12 hours without use."""
    signed_in = await sign_in.sign_in(
        read_state(request.app).database, given.email, given.password, read_address(request)
    )
    put_session_cookie(request, response, signed_in.cookie)
    return SignedInModel(user=UserModel.show(signed_in.user), csrf_token=make_csrf_token(signed_in.cookie))


@router.post("/logout", status_code=HTTPStatus.NO_CONTENT, **allow(Role.VIEWER))
async def log_out(request: Request, response: Response, identity: Identified) -> None:
    """End this session."""
    await read_state(request.app).database.run(
        lambda session: logins.sign_out(session, identity.actor, identity.session_id)
    )
    clear_session_cookie(request, response)


@router.get("/me", **allow(Role.VIEWER))
async def show_me(request: Request, identity: Identified) -> MeModel:
    """Who asks, through a token or a browser."""
    view = await read_state(request.app).database.run(
        lambda session: users.get_user(session, identity.user_id)
    )
    is_session = identity.session_id is not None
    return MeModel(
        user=UserModel.show(view),
        role=identity.role,
        scope=identity.scope,
        csrf_token=make_csrf_token(request.cookies[SESSION_COOKIE]) if is_session else None,
    )


@router.post("/password", status_code=HTTPStatus.NO_CONTENT, **allow(Role.VIEWER))
async def change_password(
    request: Request,
    identity: Identified,
    given: PasswordChange,
    _: Annotated[None, Depends(refuse_key)],
) -> None:
    """Change one's own password; all other sessions end."""
    require_full_scope(identity)
    await sign_in.change_password(
        read_state(request.app).database, identity, given.current_password, given.new_password
    )
