"""What the database says of itself, on the newest and the oldest server."""

from sqlalchemy.ext.asyncio import AsyncEngine

from vestnik.db.engine import open_session
from vestnik.db.schema import head_revision
from vestnik.db.system import read_database


async def test_the_database_is_described(engine: AsyncEngine, postgres_major: int) -> None:
    async with open_session(engine) as session:
        found = await read_database(session)
    assert found.version.split(".")[0] == str(postgres_major)
    assert found.name == engine.url.database
    assert found.size > 1_000_000
    assert found.schema == found.needed_schema == head_revision()
    assert 1 <= found.own_connections <= found.connections <= found.most_connections
    assert not found.is_read_only
