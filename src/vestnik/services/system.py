"""What Vestnik runs on."""

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import system as rows
from vestnik.db.system import DatabaseStanding

__all__ = ["DatabaseStanding", "read_database"]


async def read_database(session: AsyncSession) -> DatabaseStanding:
    """The database and its server, as they are now."""
    return await rows.read_database(session)
