"""Signed-in browsers: found by the hash of their cookie."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import Session, User
from vestnik.domain.users import Role

IDLE_LIMIT: Final = timedelta(hours=12)
ABSOLUTE_LIMIT: Final = timedelta(days=7)
SEEN_AGAIN_AFTER: Final = timedelta(minutes=1)
"""`last_seen_at` is no more exact than this, so that a page that polls is not a write for each request."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionOwner:
    """A session that is good now, and whose it is."""

    session_id: UUID
    user_id: UUID
    email: str
    role: Role
    must_change_password: bool


async def find_session_owner(session: AsyncSession, token_hash: bytes) -> SessionOwner | None:
    """Whose browser it is; None for one that is unknown, signed out, idle too long or of a deactivated person.

    Notes that it was seen.
    """
    now = func.clock_timestamp()
    row = (
        await session.execute(
            select(
                Session.id,
                User.id.label("user_id"),
                User.email,
                User.role,
                User.must_change_password,
                (Session.last_seen_at < now - SEEN_AGAIN_AFTER).label("is_visit_news"),
            )
            .join(User, User.id == Session.user_id)
            .where(Session.token_hash == token_hash, *_list_conditions())
        )
    ).one_or_none()
    if row is None:
        return None
    if row.is_visit_news:
        await session.execute(update(Session).where(Session.id == row.id).values(last_seen_at=now))
    return SessionOwner(
        session_id=row.id,
        user_id=row.user_id,
        email=row.email,
        role=Role(row.role),
        must_change_password=row.must_change_password,
    )


async def list_good_sessions(session: AsyncSession, ids: Collection[UUID]) -> set[UUID]:
    """Those that are good now, and whose owner need not change his password first. Notes that they were seen."""
    now = func.clock_timestamp()
    query = select(Session.id).join(User, User.id == Session.user_id)
    conditions = (Session.id.in_(ids), User.must_change_password.is_(False), *_list_conditions())
    found = set(await session.scalars(query.where(*conditions)))
    if found:
        is_news = Session.last_seen_at < now - SEEN_AGAIN_AFTER
        await session.execute(update(Session).where(Session.id.in_(found), is_news).values(last_seen_at=now))
    return found


def _list_conditions() -> list[ColumnElement[bool]]:
    """A session is good while these hold of it and its owner."""
    now = func.clock_timestamp()
    return [
        Session.expires_at > now,
        Session.last_seen_at > now - IDLE_LIMIT,
        User.is_active.is_(True),
    ]


async def insert_session(session: AsyncSession, *, user_id: UUID, token_hash: bytes) -> UUID:
    """Store a new session; its id."""
    values = {
        "user_id": user_id,
        "token_hash": token_hash,
        "expires_at": func.clock_timestamp() + ABSOLUTE_LIMIT,
    }
    result = await session.execute(insert(Session).values(values).returning(Session.id))
    session_id: UUID = result.scalar_one()
    return session_id


async def delete_session(session: AsyncSession, session_id: UUID) -> bool:
    """End one; False when it had ended."""
    ended = delete(Session).where(Session.id == session_id).returning(Session.id)
    return await session.scalar(ended) is not None


async def delete_sessions(session: AsyncSession, user_id: UUID, *, but: UUID | None = None) -> int:
    """End all of a person's sessions but one; how many."""
    ended = delete(Session).where(Session.user_id == user_id)
    if but is not None:
        ended = ended.where(Session.id != but)
    return len((await session.execute(ended.returning(Session.id))).all())


async def forget_ended_sessions(session: AsyncSession) -> int:
    """Delete those that nobody can use any more; how many."""
    now = func.clock_timestamp()
    aged = delete(Session).where(or_(Session.expires_at <= now, Session.last_seen_at <= now - IDLE_LIMIT))
    return len((await session.execute(aged.returning(Session.id))).all())
