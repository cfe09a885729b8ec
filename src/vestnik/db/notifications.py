"""Wake-ups between processes: one NOTIFY per start, pause, resume, cancel or command, never per job.

They only shorten the wait for the next poll; nothing depends on their arrival.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.domain.ids import AccountId

WAKE_CHANNEL = "vestnik_wake"


async def notify_account(session: AsyncSession, account_id: AccountId) -> None:
    """Wake the holder of an account's lease when the session's transaction commits."""
    await session.execute(
        text("SELECT pg_notify(:channel, :account_id)"),
        {"channel": WAKE_CHANNEL, "account_id": str(account_id)},
    )
