"""Personal API tokens: everybody's own; administrators may also see and revoke those of others."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from vestnik.api.schemas import ApiModel, Instant, Limit, Name, Page, Text, make_page
from vestnik.domain.errors import ForbiddenError
from vestnik.domain.users import Role, TokenScope
from vestnik.services import tokens
from vestnik.services.tokens import NewToken
from vestnik.web.cursors import decode_cursor
from vestnik.web.idempotency import refuse_key
from vestnik.web.identity import Identified, allow, require_full_scope
from vestnik.web.state import read_state

router = APIRouter(prefix="/tokens", tags=["tokens"])


class TokenModel(ApiModel):
    """A token, without its text."""

    id: UUID
    user_id: UUID
    name: Annotated[str, Field(examples=["newsroom script"])]
    hint: Annotated[str, Field(description="Its last characters.", examples=["x7Qk"])]
    scope: TokenScope
    created_at: datetime
    last_used_at: Annotated[datetime | None, Field(description="To the minute.")]
    expires_at: datetime | None
    revoked_at: datetime | None


class NewTokenModel(TokenModel):
    """A new token; its text is told this one time."""

    token: Annotated[
        str,
        Field(
            description="To be sent as `Authorization: Bearer …`.",
            repr=False,
            examples=["vst_" + "0" * 39 + "x7Qk"],
        ),
    ]


class TokenCreation(ApiModel):
    """What a token is to be."""

    name: Annotated[Name, Field(examples=["newsroom script"])]
    scope: Annotated[
        TokenScope, Field(description="READ reads as a VIEWER; FULL does all its owner may.")
    ] = TokenScope.FULL
    expires_at: Annotated[
        Instant | None,
        Field(
            description="Never, if it is left out. One made with a token that expires may not outlive it.",
            examples=["2030-01-01T00:00:00Z"],
        ),
    ] = None


class TokenQuery(ApiModel):
    """Whose tokens are wanted, and which page of them."""

    user_id: Annotated[
        UUID | None, Field(description="Another person's, for administrators; one's own if left out.")
    ] = None
    limit: Limit = 50
    cursor: Annotated[Text | None, Field(max_length=500, description="nextCursor of the page before.")] = None


@router.get("", **allow(Role.VIEWER))
async def list_tokens(
    request: Request, identity: Identified, query: Annotated[TokenQuery, Query()]
) -> Page[TokenModel]:
    """One's own, the newest first, revoked and expired ones included."""
    user_id = query.user_id or identity.user_id
    if user_id != identity.user_id and not identity.role.includes(Role.ADMIN):
        raise ForbiddenError(
            f"tokens of others need the role {Role.ADMIN}; leave userId out", field="user_id"
        )
    before = None
    if query.cursor is not None:
        created_at, token_id = decode_cursor(query.cursor, [datetime, UUID])
        assert isinstance(created_at, datetime)
        assert isinstance(token_id, UUID)
        before = (created_at, token_id)
    found = await read_state(request.app).database.run(
        lambda session: tokens.list_tokens(session, user_id, limit=query.limit + 1, before=before)
    )
    return Page[TokenModel](
        **make_page(found, query.limit, TokenModel.show, lambda token: [token.created_at, token.id])
    )


@router.post("", status_code=HTTPStatus.CREATED, **allow(Role.VIEWER))
async def create_token(
    request: Request,
    response: Response,
    identity: Identified,
    given: TokenCreation,
    _: Annotated[None, Depends(refuse_key)],
) -> NewTokenModel:
    """Make a token for oneself; needs a session or a token of scope FULL."""
    require_full_scope(identity)
    new = NewToken(
        user_id=identity.user_id,
        name=given.name,
        scope=given.scope,
        expires_at=given.expires_at,
        made_with=identity.token_id,
    )
    created = await read_state(request.app).database.run(
        lambda session: tokens.create_token(session, identity.actor, new)
    )
    response.headers["Location"] = f"{request.url.path}/{created.view.id}"
    return NewTokenModel(**TokenModel.show(created.view).model_dump(by_alias=False), token=created.token)


@router.delete("/{token_id}", status_code=HTTPStatus.NO_CONTENT, **allow(Role.VIEWER))
async def revoke_token(request: Request, identity: Identified, token_id: UUID) -> None:
    """Revoke one's own token, or as an administrator anybody's; one that is revoked stays so."""
    require_full_scope(identity)
    owner = None if identity.role.includes(Role.ADMIN) else identity.user_id
    await read_state(request.app).database.run(
        lambda session: tokens.revoke_token(session, identity.actor, token_id, owner=owner)
    )
