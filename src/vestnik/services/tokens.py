"""Personal API tokens: make, list, revoke."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import tokens as rows
from vestnik.db import users
from vestnik.db.audit import record_audit
from vestnik.db.models import ApiToken
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from vestnik.domain.names import check_name
from vestnik.domain.users import TokenScope
from vestnik.services.credentials import HINT_LENGTH, hash_secret, make_token

LONGEST_LIFE: Final = timedelta(days=36_525)


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenView:
    """A token as it is shown; the text itself is not known any more."""

    id: UUID
    user_id: UUID
    name: str
    hint: str
    """Its last characters."""
    scope: TokenScope
    created_at: datetime
    last_used_at: datetime | None
    """To the minute."""
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class NewToken:
    """What a token is to be. `made_with` is the token that asks for it, if one does."""

    user_id: UUID
    name: str
    scope: TokenScope = TokenScope.FULL
    expires_at: datetime | None = None
    made_with: UUID | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CreatedToken:
    """A new token and, this one time, its text."""

    token: str = field(repr=False)
    view: TokenView


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnedToken:
    """A token and the e-mail address of its owner."""

    email: str
    view: TokenView


async def create_token(session: AsyncSession, actor: Actor, new: NewToken) -> CreatedToken:
    """Make a token for an active person.

    One that is asked for with a token may not outlive that.
    Raises NotFoundError, ConflictError, InvalidInputError, ForbiddenError.
    """
    name = check_name(new.name)
    _check_expiry(new.expires_at)
    user = await users.get_user(session, new.user_id)
    if user is None:
        raise NotFoundError(f"there is no user {new.user_id}", field="user")
    if not user.is_active:
        raise ConflictError(f"user {user.email} is deactivated; activate him first", field="user")
    await _require_within(session, new)
    text = make_token()
    token = await rows.insert_token(
        session,
        user_id=new.user_id,
        name=name,
        token_hash=hash_secret(text),
        hint=text[-HINT_LENGTH:],
        scope=new.scope,
        expires_at=new.expires_at,
    )
    after = {
        "user": user.email,
        "name": name,
        "scope": new.scope,
        "expires_at": None if new.expires_at is None else new.expires_at.isoformat(),
    }
    await record_audit(session, actor, "token.created", "token", token.id, after=after)
    return CreatedToken(token=text, view=_view(token))


def _check_expiry(expires_at: datetime | None) -> None:
    if expires_at is None:
        return
    now = datetime.now(UTC)
    if expires_at <= now:
        raise InvalidInputError("the token would have expired already; name a later time", field="expires_at")
    if expires_at > now + LONGEST_LIFE:
        raise InvalidInputError(
            "that is more than 100 years ahead; leave it out for a token without end", field="expires_at"
        )


async def _require_within(session: AsyncSession, new: NewToken) -> None:
    """A stolen token must not be made to live on in another one."""
    if new.made_with is None:
        return
    maker = await rows.get_token(session, new.made_with)
    if maker is None or TokenScope(maker.scope) is not TokenScope.FULL:
        raise ForbiddenError(f"this needs a token of scope {TokenScope.FULL}", field="scope")
    if maker.expires_at is not None and (new.expires_at is None or new.expires_at > maker.expires_at):
        raise InvalidInputError(
            f"a token may not outlive the one that makes it, which expires at {maker.expires_at.isoformat()}",
            field="expires_at",
        )


async def list_tokens(
    session: AsyncSession, user_id: UUID, *, limit: int, before: tuple[datetime, UUID] | None = None
) -> list[TokenView]:
    """A person's tokens, the newest first; `before` is (created_at, id) of the last one already seen."""
    return [_view(token) for token in await rows.list_tokens(session, user_id, limit=limit, before=before)]


async def list_all_tokens(session: AsyncSession) -> list[OwnedToken]:
    """Everybody's tokens, by owner and age."""
    found = await rows.list_all_tokens(session)
    return [OwnedToken(email=email, view=_view(token)) for token, email in found]


async def revoke_token(
    session: AsyncSession, actor: Actor, token_id: UUID, *, owner: UUID | None = None
) -> TokenView:
    """Make a token useless; once more does nothing. With `owner` only that person's. Raises NotFoundError."""
    token = await rows.get_token(session, token_id, for_update=True)
    if token is None or (owner is not None and token.user_id != owner):
        raise NotFoundError(f"there is no token {token_id}", field="token")
    if token.revoked_at is None:
        token.revoked_at = func.clock_timestamp()
        await session.flush()
        await session.refresh(token)
        after = {"name": token.name, "hint": token.hint}
        await record_audit(session, actor, "token.revoked", "token", token.id, after=after)
    return _view(token)


def _view(token: ApiToken) -> TokenView:
    return TokenView(
        id=token.id,
        user_id=token.user_id,
        name=token.name,
        hint=token.hint,
        scope=TokenScope(token.scope),
        created_at=token.created_at,
        last_used_at=token.last_used_at,
        expires_at=token.expires_at,
        revoked_at=token.revoked_at,
    )
