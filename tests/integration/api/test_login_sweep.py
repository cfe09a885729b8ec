"""The process that serves the API wipes what was typed for a login when no worker is there to do it."""

import asyncio
from datetime import timedelta
from typing import Any

from tests.support.stage import Stage
from vestnik.db.account_logins import insert_login_command
from vestnik.db.engine import open_session
from vestnik.db.secrets import KeyRing
from vestnik.domain.commands import CommandKind
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.ids import AccountId
from vestnik.web.database import Database
from vestnik.web.login_sweep import sweep_logins


async def test_what_was_typed_and_not_taken_up_is_wiped_without_a_worker(stage: Stage) -> None:
    row = await stage.one(
        "INSERT INTO accounts (name, kind, state) VALUES ('newsroom', 'USER', 'NEEDS_LOGIN') RETURNING id"
    )
    async with open_session(stage.engine) as session:
        await insert_login_command(
            session, AccountId(row.id), CommandKind.CODE, "12345", KeyRing([bytes(32)])
        )
    async with sweep_logins(Database(stage.engine), timedelta(milliseconds=20)):
        await stage.execute("UPDATE account_commands SET expires_at = now()")
        async with asyncio.timeout(30):
            while not await stage.execute(  # noqa: ASYNC110 - the database has no event for it
                "SELECT 1 FROM account_commands WHERE status = 'EXPIRED' AND payload_ciphertext IS NULL"
            ):
                await asyncio.sleep(0.02)


async def test_a_database_that_is_away_does_not_end_the_sweep(stage: Stage) -> None:
    """It goes on once the database is back: here, after a statement that it could not run."""
    looks = 0

    class Away(Database):
        async def look(self, work: Any) -> Any:
            nonlocal looks
            looks += 1
            if looks == 1:
                raise DatabaseUnavailableError("away")
            await super().look(work)
            back.set()

    back = asyncio.Event()
    async with sweep_logins(Away(stage.engine), timedelta(milliseconds=20)), asyncio.timeout(30):
        await back.wait()
