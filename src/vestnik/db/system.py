"""The database server itself, as far as any role may look."""

from dataclasses import dataclass
from functools import cache

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.schema import head_revision

_READ = text(
    "SELECT current_setting('server_version') AS version, current_database() AS name,"
    " pg_database_size(current_database()) AS size,"
    " current_setting('max_connections')::int AS most_connections,"
    " current_setting('transaction_read_only') = 'on' AS is_read_only,"
    " current_setting('is_superuser') = 'on' AS is_superuser,"
    " count(*) AS connections, count(*) FILTER (WHERE application_name LIKE 'vestnik-%') AS own_connections,"
    " (SELECT version_num FROM public.alembic_version) AS schema"
    " FROM pg_catalog.pg_stat_activity WHERE datname = current_database()"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseStanding:
    """The database at one moment. `connections` are those to it, `most_connections` what its server takes."""

    version: str
    name: str
    size: int
    """Bytes."""
    connections: int
    own_connections: int
    most_connections: int
    schema: str
    needed_schema: str
    is_read_only: bool
    is_superuser: bool
    """Whether we sign in as one."""


async def read_database(session: AsyncSession) -> DatabaseStanding:
    """As it is now; the size is asked of the file system, so this is not for every second."""
    row = (await session.execute(_READ)).one()
    return DatabaseStanding(
        version=row.version.split()[0],
        name=row.name,
        size=row.size,
        connections=row.connections,
        own_connections=row.own_connections,
        most_connections=row.most_connections,
        schema=row.schema,
        needed_schema=_find_needed_schema(),
        is_read_only=row.is_read_only,
        is_superuser=row.is_superuser,
    )


@cache
def _find_needed_schema() -> str:
    """Read from the migrations, which do not change while we run."""
    return head_revision()
