"""Posts minute by minute: finished ones from their own table, the last of each campaign from its counters."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Row, Select, delete, func, select, true, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db.models import CampaignMinute, CampaignProgress
from vestnik.domain.ids import CampaignId


async def read_campaign_minutes(
    session: AsyncSession, campaign_id: CampaignId, since: datetime
) -> Sequence[Row[datetime, int]]:
    """(minute, sent) of one campaign from an instant on, the oldest first."""
    is_its = CampaignMinute.campaign_id == campaign_id
    return await _read(session, since, is_its, CampaignProgress.campaign_id == campaign_id)


async def read_minutes(session: AsyncSession, since: datetime) -> Sequence[Row[datetime, int]]:
    """(minute, sent) over all campaigns from an instant on, the oldest first."""
    return await _read(session, since, true(), true())


async def _read(
    session: AsyncSession, since: datetime, whose: ColumnElement[bool], whose_last: ColumnElement[bool]
) -> Sequence[Row[datetime, int]]:
    return (await session.execute(select_minutes(since, whose, whose_last))).all()


def select_minutes(
    since: datetime, whose: ColumnElement[bool], whose_last: ColumnElement[bool]
) -> Select[datetime, int]:
    """What both reads run."""
    over = select(CampaignMinute.minute.label("minute"), CampaignMinute.sent.label("sent")).where(
        CampaignMinute.minute >= since, whose
    )
    last = select(CampaignProgress.minute_started_at, CampaignProgress.minute_sent).where(
        CampaignProgress.minute_started_at >= since, CampaignProgress.minute_sent > 0, whose_last
    )
    part = union_all(over, last).subquery()
    return select(part.c.minute, func.sum(part.c.sent)).group_by(part.c.minute).order_by(part.c.minute)


async def forget_minutes(session: AsyncSession, campaign_id: CampaignId) -> None:
    """Delete those of a campaign."""
    await session.execute(delete(CampaignMinute).where(CampaignMinute.campaign_id == campaign_id))
