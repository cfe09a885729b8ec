"""People: make, look at, change, deactivate, give a new password."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import sessions
from vestnik.db import users as rows
from vestnik.db.audit import record_audit
from vestnik.db.models import User
from vestnik.db.users import UserFilter
from vestnik.domain.actors import Actor
from vestnik.domain.errors import ConflictError, NotFoundError, StaleRevisionError
from vestnik.domain.names import check_person_name
from vestnik.domain.users import Role, check_email, check_password
from vestnik.services.credentials import hash_password, make_password

FIRST_ADMINISTRATOR: Final = "admin@localhost"


@dataclass(frozen=True, kw_only=True, slots=True)
class UserView:
    """A person as he is shown; without any secret."""

    id: UUID
    email: str
    name: str
    role: Role
    is_active: bool
    must_change_password: bool
    """The password was given out by somebody else and opens nothing until it is changed."""
    last_login_at: datetime | None
    revision: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class NewUser:
    """Who is to be let in."""

    email: str
    name: str = ""
    role: Role
    password: str = field(repr=False)
    must_change_password: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class UserChange:
    """What is to be changed; None leaves it."""

    email: str | None = None
    name: str | None = None
    role: Role | None = None
    is_active: bool | None = None

    @property
    def touches_administrators(self) -> bool:
        """Whether it could leave nobody who may manage people."""
        return self.role is not None or self.is_active is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstAdministrator:
    """The one that was made because there was nobody; the password is told once."""

    email: str
    password: str = field(repr=False)


def view_user(user: User) -> UserView:
    """What is shown of a person."""
    return UserView(
        id=user.id,
        email=user.email,
        name=user.name,
        role=Role(user.role),
        is_active=user.is_active,
        must_change_password=user.must_change_password,
        last_login_at=user.last_login_at,
        revision=user.revision,
        created_at=user.created_at,
        updated_at=user.updated_at,
    )


async def create_user(session: AsyncSession, actor: Actor, new: NewUser) -> UserView:
    """Let somebody in. Raises InvalidInputError; ConflictError when the e-mail address is taken."""
    email = check_email(new.email)
    name = _check_user_name(new.name)
    password = check_password(new.password, email=email)
    user = await rows.insert_user(
        session,
        email=email,
        name=name,
        role=new.role,
        password_hash=await hash_password(password),
        must_change_password=new.must_change_password,
    )
    if user is None:
        raise _describe_taken(email)
    await record_audit(session, actor, "user.created", "user", user.id, after=_describe(user))
    return view_user(user)


async def ensure_first_administrator(session: AsyncSession, actor: Actor) -> FirstAdministrator | None:
    """Make one with a random password when there is nobody at all, whoever else tries the same."""
    if await rows.is_any_user(session):
        return None
    await rows.lock_administrators(session)
    if await rows.is_any_user(session):
        return None
    first = FirstAdministrator(email=FIRST_ADMINISTRATOR, password=make_password())
    new = NewUser(email=first.email, name="Administrator", role=Role.ADMIN, password=first.password)
    await create_user(session, actor, new)
    return first


async def get_user(session: AsyncSession, user_id: UUID) -> UserView:
    """The person. Raises NotFoundError."""
    return view_user(_require(await rows.get_user(session, user_id), user_id))


async def find_user(session: AsyncSession, email: str) -> UserView:
    """The person of that e-mail address. Raises NotFoundError, InvalidInputError."""
    email = check_email(email)
    user = await rows.find_user_by_email(session, email)
    if user is None:
        raise NotFoundError(
            f"there is no user {email}; 'vestnik user list' shows those there are", field="user"
        )
    return view_user(user)


async def list_users(
    session: AsyncSession, wanted: UserFilter, *, limit: int, after: str | None = None
) -> list[UserView]:
    """By e-mail address; `after` is that of the last one already seen."""
    return [view_user(user) for user in await rows.list_users(session, wanted, limit=limit, after=after)]


async def change_user(
    session: AsyncSession,
    actor: Actor,
    user_id: UUID,
    change: UserChange,
    *,
    expected_revision: int | None = None,
) -> UserView:
    """Change a person; deactivation ends his sessions at once and makes his tokens useless.

    Raises NotFoundError, StaleRevisionError, InvalidInputError; ConflictError for a taken address and for the last
    active administrator, who cannot be demoted or deactivated.
    """
    if change.touches_administrators:
        await rows.lock_administrators(session)
    user = await _lock_user(session, user_id, expected_revision)
    before = _describe(user)
    await _apply(session, user, change)
    changed = {name: value for name, value in _describe(user).items() if value != before[name]}
    if not changed:
        return view_user(user)
    user.revision += 1
    user.updated_at = func.now()
    await _flush_unique(session, user)
    if changed.get("is_active") is False:
        changed["sessions_ended"] = await sessions.delete_sessions(session, user.id)
    await record_audit(
        session,
        actor,
        "user.changed",
        "user",
        user.id,
        before={name: before[name] for name in changed if name in before},
        after=changed,
    )
    return view_user(user)


async def _apply(session: AsyncSession, user: User, change: UserChange) -> None:
    if change.email is not None:
        user.email = check_email(change.email)
    if change.name is not None:
        user.name = _check_user_name(change.name)
    if change.touches_administrators:
        role = user.role if change.role is None else change.role.value
        is_active = user.is_active if change.is_active is None else change.is_active
        was_administrator = user.is_active and user.role == Role.ADMIN
        if was_administrator and not (is_active and role == Role.ADMIN):
            await _require_other_administrator(session, user)
        user.role, user.is_active = role, is_active


async def _require_other_administrator(session: AsyncSession, user: User) -> None:
    with session.no_autoflush:
        is_other = await rows.is_other_administrator(session, user.id)
    if not is_other:
        raise ConflictError(
            f"{user.email} is the last active administrator; make somebody else ADMIN first", field="role"
        )


async def set_password(
    session: AsyncSession,
    actor: Actor,
    user_id: UUID,
    password: str,
    *,
    must_change_password: bool,
    expected_revision: int | None = None,
) -> UserView:
    """Give a person a new password and end all his sessions.

    Raises NotFoundError, StaleRevisionError, InvalidInputError.
    """
    user = await _lock_user(session, user_id, expected_revision)
    password_hash = await hash_password(check_password(password, email=user.email))
    await _store_password(session, actor, user, password_hash, must_change_password=must_change_password)
    return view_user(user)


async def change_own_password(
    session: AsyncSession,
    actor: Actor,
    user_id: UUID,
    *,
    verified_hash: str | None,
    password_hash: str,
    kept_session: UUID | None,
) -> bool:
    """Store the hash of a person's own new password and end his other sessions.

    `verified_hash` is that of the password he proved to know; False when another one has been set since.
    """
    user = await _lock_user(session, user_id, None)
    if not user.is_active or user.password_hash != verified_hash:
        return False
    await _store_password(session, actor, user, password_hash, must_change_password=False, kept=kept_session)
    return True


async def _store_password(
    session: AsyncSession,
    actor: Actor,
    user: User,
    password_hash: str,
    *,
    must_change_password: bool,
    kept: UUID | None = None,
) -> None:
    user.password_hash = password_hash
    user.must_change_password = must_change_password
    user.revision += 1
    user.updated_at = func.now()
    await session.flush()
    await session.refresh(user)
    after = {
        "email": user.email,
        "must_change_password": must_change_password,
        "sessions_ended": await sessions.delete_sessions(session, user.id, but=kept),
    }
    await record_audit(session, actor, "user.password_changed", "user", user.id, after=after)


async def _lock_user(session: AsyncSession, user_id: UUID, expected_revision: int | None) -> User:
    user = _require(await rows.get_user(session, user_id, for_update=True), user_id)
    if expected_revision is not None and user.revision != expected_revision:
        raise StaleRevisionError(
            f"user {user.email} has been changed since; read it again and repeat the change", field="If-Match"
        )
    return user


async def _flush_unique(session: AsyncSession, user: User) -> None:
    email = user.email
    try:
        await session.flush()
    except IntegrityError as exc:
        raise _describe_taken(email) from exc
    await session.refresh(user)


def _require(user: User | None, user_id: UUID) -> User:
    if user is None:
        raise NotFoundError(f"there is no user {user_id}", field="user")
    return user


def _describe_taken(email: str) -> ConflictError:
    return ConflictError(f"there is a user {email} already", field="email")


def _check_user_name(name: str) -> str:
    return check_person_name(name) if name.strip() else ""


def _describe(user: User) -> dict[str, Any]:
    return {"email": user.email, "name": user.name, "role": user.role, "is_active": user.is_active}
