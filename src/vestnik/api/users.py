"""People and their roles, for administrators. Nobody is deleted, since the audit log refers to people."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from vestnik.api.schemas import ApiModel, Limit, Name, Page, Patch, Text, make_page
from vestnik.db.users import UserFilter
from vestnik.domain.users import MAX_EMAIL_LENGTH, MAX_PASSWORD_BYTES, MIN_PASSWORD_LENGTH, Role
from vestnik.services import users
from vestnik.services.users import NewUser, UserChange, UserView
from vestnik.web.cursors import decode_cursor
from vestnik.web.etags import ExpectedRevision, put_etag
from vestnik.web.idempotency import refuse_key
from vestnik.web.identity import Identified, allow
from vestnik.web.patterns import EMAIL
from vestnik.web.state import read_state

router = APIRouter(prefix="/users", tags=["users"])

Email = Annotated[
    Text,
    Field(
        min_length=3,
        max_length=MAX_EMAIL_LENGTH,
        pattern=EMAIL,
        description="In any case; it is kept in lower case.",
        examples=["editor@news.example"],
    ),
]
NewPassword = Annotated[
    Text,
    Field(
        min_length=MIN_PASSWORD_LENGTH,
        max_length=MAX_PASSWORD_BYTES,
        repr=False,
        description=f"At most {MAX_PASSWORD_BYTES} bytes; it may not contain the e-mail address.",
        examples=["three unusual words"],
    ),
]
MustChange = Annotated[
    bool, Field(description="Whether a signed-in browser can do nothing else before it has been changed.")
]
UserName = Annotated[Text, Field(max_length=200, examples=["Anna Editor"])]


class UserModel(ApiModel):
    """A person who may sign in."""

    id: UUID
    email: Annotated[str, Field(examples=["editor@news.example"])]
    name: Annotated[str, Field(examples=["Anna Editor"])]
    role: Role
    is_active: bool
    must_change_password: bool
    last_login_at: datetime | None
    revision: int
    created_at: datetime
    updated_at: datetime


class UserCreation(ApiModel):
    """Who is to be let in."""

    email: Email
    name: UserName = ""
    role: Role
    password: NewPassword
    must_change_password: MustChange = True


class UserEdit(Patch):
    """What is to be changed; what is left out stays."""

    email: Email | None = None
    name: UserName | None = None
    role: Role | None = None
    is_active: Annotated[
        bool | None,
        Field(description="false ends the person's sessions at once and makes his tokens useless."),
    ] = None


class GivenPassword(ApiModel):
    """A password that an administrator gives out."""

    password: NewPassword
    must_change_password: MustChange = True


class UserQuery(ApiModel):
    """Which people are wanted, and which page of them."""

    search: Annotated[
        Name | None, Field(description="A part of the e-mail address or the name, in any case.")
    ] = None
    role: Role | None = None
    active: bool | None = None
    limit: Limit = 50
    cursor: Annotated[Text | None, Field(max_length=500, description="nextCursor of the page before.")] = None


@router.get("", **allow(Role.ADMIN))
async def list_users(request: Request, query: Annotated[UserQuery, Query()]) -> Page[UserModel]:
    """By e-mail address."""
    after = None if query.cursor is None else str(decode_cursor(query.cursor, [str])[0])
    wanted = UserFilter(search=query.search, role=query.role, is_active=query.active)
    found = await read_state(request.app).database.run(
        lambda session: users.list_users(session, wanted, limit=query.limit + 1, after=after)
    )
    return Page[UserModel](**make_page(found, query.limit, UserModel.show, lambda user: [user.email]))


@router.post("", status_code=HTTPStatus.CREATED, **allow(Role.ADMIN))
async def create_user(
    request: Request,
    response: Response,
    identity: Identified,
    given: UserCreation,
    _: Annotated[None, Depends(refuse_key)],
) -> UserModel:
    """Let somebody in. A repeated request is a 409, since an e-mail address can be taken once."""
    new = NewUser(
        email=given.email,
        name=given.name,
        role=given.role,
        password=given.password,
        must_change_password=given.must_change_password,
    )
    view = await read_state(request.app).database.run(
        lambda session: users.create_user(session, identity.actor, new)
    )
    response.headers["Location"] = f"{request.url.path}/{view.id}"
    return _show(response, view)


@router.get("/{user_id}", **allow(Role.ADMIN))
async def show_user(request: Request, response: Response, user_id: UUID) -> UserModel:
    """One person."""
    view = await read_state(request.app).database.run(lambda session: users.get_user(session, user_id))
    return _show(response, view)


@router.patch("/{user_id}", **allow(Role.ADMIN))
async def change_user(
    request: Request,
    *,
    response: Response,
    identity: Identified,
    user_id: UUID,
    given: UserEdit,
    expected_revision: ExpectedRevision,
) -> UserModel:
    """Change name, role or e-mail address, deactivate or activate; the last active ADMIN stays one (409)."""
    change = UserChange(email=given.email, name=given.name, role=given.role, is_active=given.is_active)
    view = await read_state(request.app).database.run(
        lambda session: users.change_user(
            session, identity.actor, user_id, change, expected_revision=expected_revision
        )
    )
    return _show(response, view)


@router.put("/{user_id}/password", status_code=HTTPStatus.NO_CONTENT, **allow(Role.ADMIN))
async def set_password(
    request: Request,
    *,
    response: Response,
    identity: Identified,
    user_id: UUID,
    given: GivenPassword,
    expected_revision: ExpectedRevision,
) -> None:
    """Give a person a new password; all his sessions end."""
    view = await read_state(request.app).database.run(
        lambda session: users.set_password(
            session,
            identity.actor,
            user_id,
            given.password,
            must_change_password=given.must_change_password,
            expected_revision=expected_revision,
        )
    )
    put_etag(response, view.revision)


def _show(response: Response, view: UserView) -> UserModel:
    put_etag(response, view.revision)
    return UserModel.show(view)
