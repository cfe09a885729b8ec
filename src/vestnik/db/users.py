"""People: found by their e-mail address, listed in its order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import exists, func, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import User
from vestnik.domain.users import Role


@dataclass(frozen=True, kw_only=True, slots=True)
class UserFilter:
    """Which people; None asks for any. `search` is part of an address or a name, in any case."""

    search: str | None = None
    role: Role | None = None
    is_active: bool | None = None


async def lock_administrators(session: AsyncSession) -> None:
    """Let changes of who is an administrator be made one after the other, until the transaction ends."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('users:administrators', 0))"))


async def is_other_administrator(session: AsyncSession, user_id: UUID) -> bool:
    """Whether somebody else is an active administrator."""
    others = exists().where(User.role == Role.ADMIN, User.is_active, User.id != user_id)
    return bool(await session.scalar(select(others)))


async def is_any_user(session: AsyncSession) -> bool:
    """Whether there is anybody."""
    return bool(await session.scalar(select(exists().where(User.id.is_not(None)))))


async def insert_user(
    session: AsyncSession,
    *,
    email: str,
    name: str,
    role: Role,
    password_hash: str,
    must_change_password: bool,
) -> User | None:
    """Store a new person; None when the address, in lower case, is taken."""
    values = {
        "email": email,
        "name": name,
        "role": role.value,
        "password_hash": password_hash,
        "must_change_password": must_change_password,
    }
    return await session.scalar(
        insert(User)
        .values(values)
        .on_conflict_do_nothing(index_elements=[text("lower(email)")])
        .returning(User)
    )


async def get_user(session: AsyncSession, user_id: UUID, *, for_update: bool = False) -> User | None:
    """The person, or None; `for_update` locks the row."""
    query = select(User).where(User.id == user_id).execution_options(populate_existing=True)
    return await session.scalar(query.with_for_update(key_share=True) if for_update else query)


async def find_user_by_email(session: AsyncSession, email: str, *, for_update: bool = False) -> User | None:
    """The person of that address, in lower case, or None; `for_update` locks the row."""
    query = select(User).where(func.lower(User.email) == email).execution_options(populate_existing=True)
    return await session.scalar(query.with_for_update(key_share=True) if for_update else query)


async def list_users(
    session: AsyncSession, wanted: UserFilter, *, limit: int, after: str | None = None
) -> Sequence[User]:
    """By e-mail address; `after` is that of the last one already seen."""
    email: Any = func.lower(User.email)
    query = select(User).order_by(email).limit(limit)
    if after is not None:
        query = query.where(email > after)
    if wanted.search is not None:
        part = wanted.search.lower()
        query = query.where(
            or_(email.contains(part, autoescape=True), func.lower(User.name).contains(part, autoescape=True))
        )
    if wanted.role is not None:
        query = query.where(User.role == wanted.role)
    if wanted.is_active is not None:
        query = query.where(User.is_active == wanted.is_active)
    return (await session.scalars(query)).all()
