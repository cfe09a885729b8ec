"""Hot and locking SQL lives in files of its own, one statement a file, and is read once."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import CursorResult, Row, TextClause, text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from vestnik.db.engine import UNAVAILABLE, open_connection, wrap_database_error
from vestnik.domain.errors import DatabaseUnavailableError

_FOLDER = Path(__file__).parent / "sql"


@cache
def load_statement(name: str) -> TextClause:
    """The statement in `sql/<name>.sql`; its leading comment says what it does and why it is written so."""
    return text((_FOLDER / f"{name}.sql").read_text(encoding="utf-8"))


class StatementRunner:
    """Runs statements that commit by themselves, one round trip each.

    Its methods raise DatabaseUnavailableError when PostgreSQL cannot be reached.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        """For work that takes several statements in one transaction."""
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which every statement commits."""
        try:
            async with open_connection(self._autocommit) as connection:
                yield connection
        except UNAVAILABLE as exc:
            raise wrap_database_error(exc) from exc
        except PoolTimeoutError as exc:
            raise DatabaseUnavailableError("PostgreSQL does not answer: all connections are waiting") from exc

    async def fetch(self, statement: str, **parameters: object) -> Sequence[Row[Any]]:
        """Run `sql/<statement>.sql`; its rows, none for a statement that returns nothing."""
        async with self.connection() as connection:
            result: CursorResult[Any] = await connection.execute(load_statement(statement), parameters)
            return result.fetchall() if result.returns_rows else ()


def clean_text(text: str | None) -> str | None:
    """PostgreSQL's text has no zero byte and no half of a surrogate pair; an error message may have."""
    return None if text is None else text.encode(errors="replace").decode().replace("\0", "?")


def read_seconds(value: float | None) -> timedelta | None:
    """Seconds as a statement gives them."""
    return None if value is None else timedelta(seconds=value)
