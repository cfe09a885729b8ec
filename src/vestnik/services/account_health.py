"""How an account does, for those who look after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import account_health as rows
from vestnik.db.account_health import Wait
from vestnik.domain.ids import AccountId
from vestnik.services.queue import AccountStanding, get_account_standing

__all__ = ["SHOWN_WAITS", "AccountHealth", "Wait", "get_account_health"]

SHOWN_WAITS: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountHealth:
    """An account's standing, and what it did and met lately."""

    standing: AccountStanding
    connected_since: datetime | None
    posts_last_hour: int
    posts_last_day: int
    waits: Sequence[Wait]
    """How often Telegram made it wait, the last time first."""


async def get_account_health(session: AsyncSession, account_id: UUID) -> AccountHealth:
    """The account of this id. Raises NotFoundError."""
    standing = await get_account_standing(session, account_id)
    own = AccountId(account_id)
    return AccountHealth(
        standing=standing,
        connected_since=await rows.find_connected_since(session, own),
        posts_last_hour=await rows.count_posts(session, own, timedelta(hours=1)),
        posts_last_day=await rows.count_posts(session, own, timedelta(days=1)),
        waits=await rows.list_waits(session, own, limit=SHOWN_WAITS),
    )
