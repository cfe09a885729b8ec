"""Posts minute by minute, for charts. Minutes without any are left out.

They are kept as long as the records of a campaign's messages: until the campaign is deleted, or purged after
JOB_RETENTION_DAYS.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import rates as rows
from vestnik.domain.ids import CampaignId

Minutes = Sequence[tuple[datetime, int]]
"""The beginning of a minute and the posts recorded in it, the oldest first."""


async def read_campaign_minutes(session: AsyncSession, campaign_id: CampaignId, since: datetime) -> Minutes:
    """Those of one campaign that began at an instant or later, the one that is not over yet included."""
    return [
        (minute, int(sent)) for minute, sent in await rows.read_campaign_minutes(session, campaign_id, since)
    ]


async def read_minutes(session: AsyncSession, since: datetime) -> Minutes:
    """Those of all campaigns together that began at an instant or later, the one that is not over yet included."""
    return [(minute, int(sent)) for minute, sent in await rows.read_minutes(session, since)]
