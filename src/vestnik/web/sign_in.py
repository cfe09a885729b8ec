"""Signing in and changing one's password: transactions with the slow check of the password between them."""

from collections.abc import Awaitable, Callable
from typing import NoReturn

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.domain.errors import InvalidInputError, UnauthorizedError
from vestnik.domain.users import check_password
from vestnik.services import logins
from vestnik.services.credentials import hash_password, verify_password
from vestnik.services.logins import Challenge, SignedIn
from vestnik.services.users import change_own_password
from vestnik.web.database import Database
from vestnik.web.identity import Identity


async def sign_in(database: Database, email: str, password: str, address: str | None) -> SignedIn:
    """Open a session.

    Raises UnauthorizedError, after the same time and in the same words for a wrong password, an unknown and a
    deactivated person; TooManyRequestsError after too many failures.
    """
    challenge = await database.run(lambda session: logins.begin_sign_in(session, email, address))
    verdict = await verify_password(challenge.password_hash, password)
    if verdict.is_right:
        new_hash = await hash_password(password) if verdict.is_aged else None
        signed_in = await database.run(
            lambda session: logins.finish_sign_in(session, challenge, new_hash=new_hash)
        )
        if signed_in is not None:
            return signed_in
    await database.run(lambda session: logins.record_failure(session, challenge))
    raise UnauthorizedError("the e-mail address or the password is wrong")


async def change_password(
    database: Database,
    identity: Identity,
    current: str,
    new: str,
    *,
    also: Callable[[AsyncSession], Awaitable[None]] | None = None,
) -> None:
    """Change the password of who asks; only his present session goes on. `also` is done in the same transaction.

    A wrong current one counts as a failed sign-in. Raises InvalidInputError, TooManyRequestsError.
    """
    check_password(new, email=identity.email, field="new_password")
    challenge = await database.run(
        lambda session: logins.begin_sign_in(session, identity.email, identity.actor.address)
    )
    verdict = await verify_password(challenge.password_hash, current)
    if not verdict.is_right:
        await _refuse(database, challenge)
    if new == current:
        await database.run(lambda session: logins.mark_right(session, challenge))
        raise InvalidInputError("the new password is the current one; take another", field="new_password")
    new_hash = await hash_password(new)

    async def change(session: AsyncSession) -> bool:
        is_changed = await change_own_password(
            session,
            identity.actor,
            identity.user_id,
            verified_hash=challenge.password_hash,
            password_hash=new_hash,
            kept_session=identity.session_id,
        )
        if is_changed:
            await logins.mark_right(session, challenge)
            if also is not None:
                await also(session)
        return is_changed

    if not await database.run(change):
        await _refuse(database, challenge)


async def _refuse(database: Database, challenge: Challenge) -> NoReturn:
    await database.run(lambda session: logins.record_failure(session, challenge))
    raise InvalidInputError("the current password is wrong", field="current_password")
