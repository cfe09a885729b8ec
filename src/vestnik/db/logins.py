"""Sign-ins that were tried: the limits against guessing count them, whichever process was asked."""

from datetime import timedelta

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import LoginAttempt

KEPT_FOR = timedelta(days=1)


async def lock_attempts(session: AsyncSession, *, email: str, address: str) -> None:
    """Let sign-ins of one person and of one address be judged one after the other, until the transaction ends."""
    for key in sorted((f"login:{email}", f"address:{address}")):
        await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})


async def record_attempt(session: AsyncSession, *, email: str, address: str) -> int:
    """Note a sign-in that counts as failed until `mark_succeeded`; its id. `email` in lower case."""
    result = await session.execute(
        insert(LoginAttempt)
        .values(email=email, address=address, succeeded=False, at=func.clock_timestamp())
        .returning(LoginAttempt.id)
    )
    attempt_id: int = result.scalar_one()
    return attempt_id


async def mark_succeeded(session: AsyncSession, attempt_id: int) -> None:
    """It was the right password; what failed for the person before does not count any more."""
    await session.execute(
        update(LoginAttempt)
        .where(LoginAttempt.id == attempt_id)
        .values(succeeded=True, at=func.clock_timestamp())
    )


async def measure_wait(
    session: AsyncSession,
    *,
    email: str | None = None,
    address: str | None = None,
    most: int,
    within: timedelta,
) -> timedelta | None:
    """How long until fewer than `most` have failed `within` that time; None when fewer have.

    For a person only what failed since his last success counts; for an address everything does.
    """
    now = func.clock_timestamp()
    failed = select(LoginAttempt.at).where(~LoginAttempt.succeeded, LoginAttempt.at > now - within)
    if address is not None:
        failed = failed.where(LoginAttempt.address == address)
    if email is not None:
        last_success = (
            select(func.max(LoginAttempt.at))
            .where(LoginAttempt.email == email, LoginAttempt.succeeded)
            .scalar_subquery()
        )
        failed = failed.where(
            LoginAttempt.email == email, LoginAttempt.at > func.coalesce(last_success, now - within)
        )
    newest = failed.order_by(LoginAttempt.at.desc()).limit(most).subquery()
    row = (
        await session.execute(
            select(
                func.count().label("failures"),
                (func.min(newest.c.at) + within - func.clock_timestamp()).label("wait"),
            ).select_from(newest)
        )
    ).one()
    wait: timedelta | None = row.wait if row.failures >= most else None
    return wait


async def count_recent_failures(session: AsyncSession, within: timedelta) -> int:
    """How many sign-ins of anybody failed within a time."""
    query = (
        select(func.count())
        .select_from(LoginAttempt)
        .where(~LoginAttempt.succeeded, LoginAttempt.at > func.clock_timestamp() - within)
    )
    return await session.scalar(query) or 0


async def forget_aged_attempts(session: AsyncSession) -> int:
    """Delete what is older than `KEPT_FOR`; how many."""
    aged = delete(LoginAttempt).where(LoginAttempt.at <= func.now() - KEPT_FOR)
    return len((await session.execute(aged.returning(LoginAttempt.id))).all())
