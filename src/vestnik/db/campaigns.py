"""Campaigns with what belongs to them: progress, account, hold, names."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, Select, func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from vestnik.db.models import Account, AccountHold, Batch, Campaign, CampaignProgress, Job, Template
from vestnik.domain.ids import AccountId, BatchId, CampaignId, TemplateId
from vestnik.domain.states import AccountKind, CampaignStatus, HoldScope, JobStatus, Mode


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """What decides how long a campaign still takes; read at `read_at` by the database's clock.

    Rates are messages per second; `account_demand` is the sum over the account's running campaigns.
    `last_return_at` is when the last of the jobs that wait for a retry is due.
    """

    read_at: datetime
    account_rate: float
    account_demand: float
    last_return_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignRecord:
    """A campaign and its surroundings in one query. `progress` is None before the first start."""

    campaign: Campaign
    progress: CampaignProgress | None
    account_name: str
    account_state: str
    account_state_reason: str | None
    hold_until: datetime | None
    batch_name: str
    template_name: str
    pace: Pace


async def insert_campaign(
    session: AsyncSession,
    *,
    name: str,
    account_id: AccountId,
    account_kind: AccountKind,
    batch_id: BatchId,
    template_id: TemplateId,
    mode: Mode,
    rate: Decimal,
    retry_limit: int,
) -> CampaignId:
    """Make a DRAFT."""
    campaign_id = await session.scalar(
        insert(Campaign)
        .values(
            name=name,
            account_id=account_id,
            account_kind=account_kind,
            batch_id=batch_id,
            template_id=template_id,
            mode=mode,
            delivery_rate=rate,
            retry_limit=retry_limit,
        )
        .returning(Campaign.id)
    )
    assert campaign_id is not None
    return CampaignId(campaign_id)


def _select_records() -> Select[*tuple[Any, ...]]:
    hold = AccountHold
    rival = aliased(Campaign)
    demand = (
        select(func.sum(rival.delivery_rate))
        .where(rival.account_id == Campaign.account_id, rival.status == CampaignStatus.RUNNING)
        .scalar_subquery()
    )
    last_return = (
        select(func.max(Job.not_before))
        .where(Job.campaign_id == Campaign.id, Job.status == JobStatus.QUEUED, Job.claims > 0)
        .scalar_subquery()
    )
    return (
        select(
            Campaign,
            CampaignProgress,
            Account.name.label("account_name"),
            Account.state.label("account_state"),
            Account.state_reason.label("account_state_reason"),
            hold.until.label("hold_until"),
            Batch.name.label("batch_name"),
            Template.name.label("template_name"),
            Account.rate.label("account_rate"),
            demand.label("account_demand"),
            last_return.label("last_return_at"),
            func.clock_timestamp().label("read_at"),
        )
        .join(Account, Account.id == Campaign.account_id)
        .join(Batch, Batch.id == Campaign.batch_id)
        .join(Template, Template.id == Campaign.template_id)
        .outerjoin(CampaignProgress, CampaignProgress.campaign_id == Campaign.id)
        .outerjoin(
            hold,
            (hold.account_id == Campaign.account_id)
            & (hold.scope == HoldScope.SEND)
            & (hold.until > func.clock_timestamp()),
        )
        .execution_options(populate_existing=True)
    )


def _build_record(row: Row[*tuple[Any, ...]]) -> CampaignRecord:
    return CampaignRecord(
        campaign=row.Campaign,
        progress=row.CampaignProgress,
        account_name=row.account_name,
        account_state=row.account_state,
        account_state_reason=row.account_state_reason,
        hold_until=row.hold_until,
        batch_name=row.batch_name,
        template_name=row.template_name,
        pace=Pace(
            read_at=row.read_at,
            account_rate=float(row.account_rate),
            account_demand=float(row.account_demand or 0),
            last_return_at=row.last_return_at,
        ),
    )


async def get_campaign(session: AsyncSession, campaign_id: CampaignId) -> CampaignRecord | None:
    """The campaign as it is now, or None."""
    row = (await session.execute(_select_records().where(Campaign.id == campaign_id))).one_or_none()
    return None if row is None else _build_record(row)


async def list_campaigns(
    session: AsyncSession, *, limit: int, before: tuple[datetime, CampaignId] | None = None
) -> list[CampaignRecord]:
    """The newest campaigns first; `before` is the key (created_at, id) of the last one already seen."""
    query = _select_records().order_by(Campaign.created_at.desc(), Campaign.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tuple_(Campaign.created_at, Campaign.id) < tuple_(*before))
    return [_build_record(row) for row in await session.execute(query)]


async def find_campaign_ids(session: AsyncSession, name: str, *, limit: int) -> list[CampaignId]:
    """Ids of the campaigns of that name, the newest first: names are not unique."""
    query = select(Campaign.id).where(Campaign.name == name)
    ids = await session.scalars(query.order_by(Campaign.created_at.desc(), Campaign.id.desc()).limit(limit))
    return [CampaignId(campaign_id) for campaign_id in ids]


async def list_campaign_names(session: AsyncSession, *, limit: int) -> list[str]:
    """Names of the newest campaigns."""
    query = select(Campaign.name).order_by(Campaign.created_at.desc(), Campaign.id.desc())
    return list(await session.scalars(query.limit(limit)))


async def count_failures(session: AsyncSession, campaign_id: CampaignId) -> dict[str, int]:
    """How many jobs failed, by error code, the most frequent first."""
    code = func.coalesce(Job.error_code, "UNKNOWN")
    query = (
        select(code, func.count())
        .where(Job.campaign_id == campaign_id, Job.status == JobStatus.FAILED)
        .group_by(code)
        .order_by(func.count().desc(), code)
    )
    return {str(name): count for name, count in await session.execute(query)}
