"""Personal API tokens: found by their hash, listed by their owner."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import ApiToken, User
from vestnik.domain.users import Role, TokenScope

USED_AGAIN_AFTER: Final = timedelta(minutes=1)
"""`last_used_at` is no more exact than this, so that a busy token is not a write for each request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenOwner:
    """A token that is good now, and whose it is."""

    token_id: UUID
    token_name: str
    scope: TokenScope
    user_id: UUID
    email: str
    role: Role


async def find_token_owner(session: AsyncSession, token_hash: bytes) -> TokenOwner | None:
    """Whose token it is; None for one that is unknown, revoked, expired or of a deactivated person.

    Notes that it was used.
    """
    now = func.clock_timestamp()
    row = (
        await session.execute(
            select(
                ApiToken.id,
                ApiToken.name,
                ApiToken.scope,
                User.id.label("user_id"),
                User.email,
                User.role,
                func.coalesce(ApiToken.last_used_at < now - USED_AGAIN_AFTER, True).label("is_use_news"),
            )
            .join(User, User.id == ApiToken.user_id)
            .where(ApiToken.token_hash == token_hash, *_list_conditions())
        )
    ).one_or_none()
    if row is None:
        return None
    if row.is_use_news:
        await session.execute(update(ApiToken).where(ApiToken.id == row.id).values(last_used_at=now))
    return TokenOwner(
        token_id=row.id,
        token_name=row.name,
        scope=TokenScope(row.scope),
        user_id=row.user_id,
        email=row.email,
        role=Role(row.role),
    )


async def list_good_tokens(session: AsyncSession, ids: Collection[UUID]) -> set[UUID]:
    """Those that are good now, as `find_token_owner` has it. Notes that they are used."""
    now = func.clock_timestamp()
    query = select(ApiToken.id).join(User, User.id == ApiToken.user_id)
    found = set(await session.scalars(query.where(ApiToken.id.in_(ids), *_list_conditions())))
    if found:
        is_news = func.coalesce(ApiToken.last_used_at < now - USED_AGAIN_AFTER, True)
        await session.execute(
            update(ApiToken).where(ApiToken.id.in_(found), is_news).values(last_used_at=now)
        )
    return found


def _list_conditions() -> list[ColumnElement[bool]]:
    """A token is good while these hold of it and its owner."""
    return [
        ApiToken.revoked_at.is_(None),
        or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > func.clock_timestamp()),
        User.is_active.is_(True),
    ]


async def insert_token(
    session: AsyncSession,
    *,
    user_id: UUID,
    name: str,
    token_hash: bytes,
    hint: str,
    scope: TokenScope,
    expires_at: datetime | None,
) -> ApiToken:
    """Store a new token's hash."""
    values = {
        "user_id": user_id,
        "name": name,
        "token_hash": token_hash,
        "hint": hint,
        "scope": scope.value,
        "expires_at": expires_at,
    }
    result = await session.execute(insert(ApiToken).values(values).returning(ApiToken))
    token: ApiToken = result.scalar_one()
    return token


async def get_token(session: AsyncSession, token_id: UUID, *, for_update: bool = False) -> ApiToken | None:
    """The token, or None; `for_update` locks its row."""
    query = select(ApiToken).where(ApiToken.id == token_id).execution_options(populate_existing=True)
    return await session.scalar(query.with_for_update() if for_update else query)


async def list_tokens(
    session: AsyncSession, user_id: UUID, *, limit: int, before: tuple[datetime, UUID] | None = None
) -> Sequence[ApiToken]:
    """A person's tokens, the newest first, those included that are of no use any more."""
    query = select(ApiToken).where(ApiToken.user_id == user_id)
    if before is not None:
        query = query.where(tuple_(ApiToken.created_at, ApiToken.id) < before)
    query = query.order_by(ApiToken.created_at.desc(), ApiToken.id.desc()).limit(limit)
    return (await session.scalars(query)).all()


async def list_all_tokens(session: AsyncSession) -> Sequence[tuple[ApiToken, str]]:
    """Every token with its owner's e-mail address, by owner and age; for the command line."""
    query = select(ApiToken, User.email).join(User, User.id == ApiToken.user_id)
    rows = await session.execute(query.order_by(User.email, ApiToken.created_at, ApiToken.id))
    return [(token, email) for token, email in rows]
