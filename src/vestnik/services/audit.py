"""Reading the audit log; taking it out of the house is itself an entry."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import audit as rows
from vestnik.db.audit import AuditFilter, record_audit
from vestnik.domain.actors import Actor, ActorKind
from vestnik.domain.errors import InvalidInputError
from vestnik.domain.users import Role

__all__ = ["AuditEntry", "AuditFilter", "begin_export", "list_entries"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """Who did what to which thing, when, and what it was before and after."""

    id: int
    created_at: datetime
    actor_kind: ActorKind
    actor: str
    address: str | None
    action: str
    entity_type: str
    entity_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


FAILED_SIGN_IN: Final = "session.failed"
"""Anybody can cause it, under any name: what was typed may be a password, and it is of use to administrators."""


async def list_entries(
    session: AsyncSession,
    wanted: AuditFilter,
    *,
    limit: int,
    before_id: int | None = None,
    role: Role,
) -> Sequence[AuditEntry]:
    """The newest first; only administrators see failed sign-ins, and from which addresses people came.

    Raises InvalidInputError for a span that ends before it begins.
    """
    is_administrator = role.includes(Role.ADMIN)
    if not is_administrator:
        wanted = replace(wanted, left_out=[FAILED_SIGN_IN])
    if wanted.since is not None and wanted.until is not None and wanted.since >= wanted.until:
        raise InvalidInputError("until must be later than since", field="until")
    found = await rows.list_audit(session, wanted, limit=limit, before_id=before_id)
    return [
        AuditEntry(
            id=row.id,
            created_at=row.created_at,
            actor_kind=ActorKind(row.actor_kind),
            actor=row.actor,
            address=row.address if is_administrator else None,
            action=row.action,
            entity_type=row.entity_type,
            entity_id=row.entity_id,
            before=row.before,
            after=row.after,
        )
        for row in found
    ]


async def begin_export(session: AsyncSession, actor: Actor) -> None:
    """Note that the log is being exported."""
    await record_audit(session, actor, "audit.exported", "audit_log", "export")
