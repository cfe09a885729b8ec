"""Answers of requests that may be repeated, each kept in the transaction of the request itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import IdempotencyKey

KEPT_FOR = timedelta(hours=24)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptAnswer:
    """What was asked, as a SHA-256, and what was answered; `headers` are those that belong to the answer alone."""

    digest: bytes
    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


async def claim_key(session: AsyncSession, user_id: UUID, key: str) -> KeptAnswer | None:
    """What the key was answered before, or None: then nobody else can use it until the transaction ends."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"idempotency:{user_id}:{key}"},
    )
    return await find_answer(session, user_id, key)


async def find_answer(session: AsyncSession, user_id: UUID, key: str) -> KeptAnswer | None:
    """What the key was answered before, as far as that is committed."""
    row = await session.scalar(
        select(IdempotencyKey).where(
            IdempotencyKey.user_id == user_id,
            IdempotencyKey.key == key,
            IdempotencyKey.created_at > func.now() - KEPT_FOR,
        )
    )
    if row is None:
        return None
    return KeptAnswer(digest=row.request_digest, status=row.status, body=row.body, headers=row.headers)


async def store_answer(session: AsyncSession, user_id: UUID, key: str, answer: KeptAnswer) -> None:
    """Keep the answer for as long as `KEPT_FOR`; one that has aged is replaced."""
    await session.execute(
        delete(IdempotencyKey).where(IdempotencyKey.user_id == user_id, IdempotencyKey.key == key)
    )
    await session.execute(
        insert(IdempotencyKey).values(
            user_id=user_id,
            key=key,
            request_digest=answer.digest,
            status=answer.status,
            headers=dict(answer.headers),
            body=answer.body,
        )
    )


async def forget_aged_keys(session: AsyncSession) -> int:
    """Delete what is older than `KEPT_FOR`; how many."""
    aged = delete(IdempotencyKey).where(IdempotencyKey.created_at <= func.now() - KEPT_FOR)
    result = await session.execute(aged.returning(IdempotencyKey.key))
    return len(result.all())
