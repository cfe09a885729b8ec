"""The audit log: written in the transaction of the action itself, never changed afterwards."""

from typing import Any
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import AuditLog
from vestnik.domain.actors import Actor


async def record_audit(
    session: AsyncSession,
    actor: Actor,
    action: str,
    entity_type: str,
    entity_id: UUID | str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """Write one entry. `action` is `noun.verb`; `before` and `after` are JSON and hold no secret."""
    await session.execute(
        insert(AuditLog).values(
            actor_kind=actor.kind,
            actor=actor.name,
            address=actor.address,
            action=action,
            entity_type=entity_type,
            entity_id=str(entity_id),
            before=before,
            after=after,
        )
    )
