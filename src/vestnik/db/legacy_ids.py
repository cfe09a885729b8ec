"""What was taken over from the predecessor, by the ids that it had there."""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from sqlalchemy import select
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
