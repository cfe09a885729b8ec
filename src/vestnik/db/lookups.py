"""Look-ups of usernames, as those see them who wait for them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.statements import load_statement
from vestnik.domain.ids import CampaignId

MOST_COUNTED: Final = 1_000
"""Beyond it it is enough to know that there are more."""
MOST_LOOKED_AT: Final = 20_000
"""Posts whose channels are looked at. Behind them there may be more, and their turn is far."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LookupWait:
    """Channels of a campaign wait for their addresses until then.

    Those of the next MOST_LOOKED_AT posts are counted, up to MOST_COUNTED.
    """

    channels: int
    until: datetime
    daily_limit: int | None
    """The budget that is used up; None: Telegram holds the look-ups."""
    is_more: bool
    """Whether there may be more channels than `channels`."""


async def find_lookup_wait(session: AsyncSession, campaign_id: CampaignId) -> LookupWait | None:
    """None unless the campaign runs and look-ups that it needs have to wait."""
    parameters = {"campaign_id": campaign_id, "most": MOST_COUNTED + 1, "looked_at": MOST_LOOKED_AT}
    row = (await session.execute(load_statement("find_lookup_wait"), parameters)).one_or_none()
    if row is None:
        return None
    is_used_up = row.used_up_until is not None and (
        row.held_until is None or row.used_up_until >= row.held_until
    )
    return LookupWait(
        channels=min(row.channels, MOST_COUNTED),
        is_more=row.is_cut or row.channels > MOST_COUNTED,
        until=row.used_up_until if is_used_up else row.held_until,
        daily_limit=row.daily_limit if is_used_up else None,
    )
