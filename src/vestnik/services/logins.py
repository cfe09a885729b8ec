"""Signing in and out, in steps: the slow part, checking the password, happens between transactions."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import logins as rows
from vestnik.db import sessions, users
from vestnik.db.audit import record_audit
from vestnik.domain.actors import Actor, ActorKind
from vestnik.domain.addresses import find_network
from vestnik.domain.errors import ConflictError, TooManyRequestsError
from vestnik.domain.users import check_email
from vestnik.services.audit import FAILED_SIGN_IN
from vestnik.services.credentials import hash_secret, make_cookie
from vestnik.services.users import UserView, view_user

WINDOW: Final = timedelta(minutes=15)
MOST_FOR_EMAIL: Final = 5
MOST_FOR_ADDRESS: Final = 20
MOST_AUDITED_A_MINUTE: Final = 60
"""Failures beyond this are counted but not audited: guessing from everywhere must not fill the audit log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Challenge:
    """A sign-in that was begun, and counts as failed until it is finished.

    Without a user, or with a deactivated one, it goes on in the same way and cannot succeed.
    """

    attempt_id: int
    email: str
    address: str | None
    user_id: UUID | None
    password_hash: str | None = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedIn:
    """A new session: its cookie is told this one time."""

    cookie: str = field(repr=False)
    user: UserView


async def begin_sign_in(session: AsyncSession, email: str, address: str | None) -> Challenge:
    """Count an attempt; whoever asks at the same time for the same person is counted before or after.

    Raises InvalidInputError, and TooManyRequestsError after too many failures for the person or from the address.
    """
    email = check_email(email)
    network = find_network(address)
    await rows.lock_attempts(session, email=email, address=network)
    waits = (
        await rows.measure_wait(session, email=email, most=MOST_FOR_EMAIL, within=WINDOW),
        await rows.measure_wait(session, address=network, most=MOST_FOR_ADDRESS, within=WINDOW),
    )
    wait = max((wait for wait in waits if wait is not None), default=None)
    if wait is not None:
        raise TooManyRequestsError(
            "too many failed sign-ins; wait, or have an administrator set a new password",
            retry_after=max(wait.total_seconds(), 1),
        )
    attempt_id = await rows.record_attempt(session, email=email, address=network)
    user = await users.find_user_by_email(session, email)
    is_possible = user is not None and user.is_active
    return Challenge(
        attempt_id=attempt_id,
        email=email,
        address=address,
        user_id=user.id if user is not None and is_possible else None,
        password_hash=user.password_hash if user is not None and is_possible else None,
    )


async def finish_sign_in(
    session: AsyncSession, challenge: Challenge, *, new_hash: str | None
) -> SignedIn | None:
    """Open a session after the right password; None when person or password have changed meanwhile.

    `new_hash` replaces one whose parameters have aged.
    """
    assert challenge.user_id is not None
    user = await users.get_user(session, challenge.user_id, for_update=True)
    if user is None or not user.is_active or user.password_hash != challenge.password_hash:
        return None
    if new_hash is not None:
        user.password_hash = new_hash
    user.last_login_at = func.clock_timestamp()
    await session.flush()
    await session.refresh(user)
    await rows.mark_succeeded(session, challenge.attempt_id)
    cookie = make_cookie()
    session_id = await sessions.insert_session(session, user_id=user.id, token_hash=hash_secret(cookie))
    await record_audit(
        session,
        _make_actor(challenge),
        "session.signed_in",
        "session",
        session_id,
        after={"user": user.email},
    )
    return SignedIn(cookie=cookie, user=view_user(user))


async def record_failure(session: AsyncSession, challenge: Challenge) -> None:
    """Audit a failed sign-in, unless there are very many."""
    if await rows.count_recent_failures(session, timedelta(minutes=1)) > MOST_AUDITED_A_MINUTE:
        return
    await record_audit(session, _make_actor(challenge), FAILED_SIGN_IN, "session", challenge.email)


async def mark_right(session: AsyncSession, challenge: Challenge) -> None:
    """The password was right, though it was asked for something else than a session."""
    await rows.mark_succeeded(session, challenge.attempt_id)


async def sign_out(session: AsyncSession, actor: Actor, session_id: UUID | None) -> None:
    """End a session. Raises ConflictError for a token, which has none."""
    if session_id is None:
        raise ConflictError("a token has no session to end; revoke it instead (DELETE /api/tokens/{id})")
    if await sessions.delete_session(session, session_id):
        await record_audit(session, actor, "session.signed_out", "session", session_id)


def _make_actor(challenge: Challenge) -> Actor:
    """Who claims to sign in."""
    return Actor(kind=ActorKind.USER, name=challenge.email, address=challenge.address)
