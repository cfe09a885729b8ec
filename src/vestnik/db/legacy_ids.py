"""What was taken over from the predecessor, by the ids that it had there."""

from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Text, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import Batch, Campaign, Channel, Template, User

_KINDS: Final[Mapping[str, type[Batch | Campaign | Channel | Template | User]]] = {
    "batches": Batch,
    "campaigns": Campaign,
    "channels": Channel,
    "templates": Template,
    "users": User,
}
KINDS: Final = frozenset(_KINDS)
"""As their tables and the API's paths call them."""
MAX_LENGTH: Final = 200


async def find_by_legacy_id(session: AsyncSession, kind: str, legacy_id: str) -> UUID | None:
    """The id that it has here; None when nothing of that kind had this one."""
    model = _KINDS[kind]
    found: UUID | None = await session.scalar(select(model.id).where(model.legacy_id == legacy_id))
    return found


async def find_by_legacy_ids(
    session: AsyncSession, kind: str, legacy_ids: Collection[str]
) -> Mapping[str, UUID]:
    """The ids that they have here; what nothing of that kind had is left out."""
    model = _KINDS[kind]
    wanted = func.any(bindparam("wanted", sorted(legacy_ids), type_=ARRAY(Text)))
    rows = await session.execute(select(model.legacy_id, model.id).where(model.legacy_id == wanted))
    return {str(row.legacy_id): row.id for row in rows}
