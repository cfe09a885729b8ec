"""The audit log: written in the transaction of the action itself, never changed afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import AuditLog
from vestnik.domain.actors import Actor, ActorKind


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


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFilter:
    """Which entries are wanted; None means any. `action` may end with a dot: all of a noun's."""

    action: str | None = None
    actor: str | None = None
    actor_kind: ActorKind | None = None
    entity_type: str | None = None
    entity_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    left_out: Sequence[str] = ()
    """Actions that are not wanted whatever else is."""


async def list_audit(
    session: AsyncSession, wanted: AuditFilter, *, limit: int, before_id: int | None = None
) -> Sequence[AuditLog]:
    """The newest entries first, beyond the one with `before_id`."""
    query = select(AuditLog).order_by(AuditLog.id.desc()).limit(limit)
    exact = {
        AuditLog.actor: wanted.actor,
        AuditLog.actor_kind: wanted.actor_kind,
        AuditLog.entity_type: wanted.entity_type,
        AuditLog.entity_id: wanted.entity_id,
    }
    for column, value in exact.items():
        if value is not None:
            query = query.where(column == value)
    if wanted.action is not None and wanted.action.endswith("."):
        query = query.where(AuditLog.action.startswith(wanted.action, autoescape=True))
    elif wanted.action is not None:
        query = query.where(AuditLog.action == wanted.action)
    if wanted.left_out:
        query = query.where(AuditLog.action.not_in(wanted.left_out))
    if wanted.since is not None:
        query = query.where(AuditLog.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(AuditLog.created_at < wanted.until)
    if before_id is not None:
        query = query.where(AuditLog.id < before_id)
    return (await session.scalars(query)).all()
