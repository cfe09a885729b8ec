"""Campaigns with what belongs to them: progress, account, hold, names."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, delete, func, insert, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from vestnik.db.job_parts import IS_FAILED, IS_RETURNED
from vestnik.db.models import Account, AccountHold, Batch, Campaign, CampaignProgress, Job, Template
from vestnik.db.statements import load_statement
from vestnik.domain.ids import AccountId, BatchId, CampaignId, TemplateId
from vestnik.domain.states import AccountKind, AccountState, CampaignStatus, HoldScope, Mode


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
class Counters:
    """A campaign's jobs by status, and its posts in the last minutes by the clock."""

    total: int
    queued: int
    sending: int
    sent: int
    failed: int
    cancelled: int
    version: int
    minute_started_at: datetime | None
    minute_sent: int
    previous_minute_sent: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What decides how a campaign's status and progress are shown. `counters` are None before the first start."""

    campaign_id: CampaignId
    status: str
    pause_reason: str | None
    status_detail: str | None
    delivery_rate: Decimal
    messages: int
    """Of each of its posts, while it runs: an album is several, and the rates count messages."""
    account_name: str
    account_state: str
    account_state_reason: str | None
    hold_until: datetime | None
    is_expanding: bool
    """Not all channels of the batch have become jobs yet."""
    counters: Counters | None
    pace: Pace


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignRecord:
    """A campaign and its surroundings in one query."""

    campaign: Campaign
    account_name: str
    batch_name: str
    template_name: str
    standing: Standing


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignFilter:
    """Which campaigns a list shows; `statuses` are those that are shown, holds included. Empty means all."""

    statuses: Sequence[CampaignStatus] = ()
    mode: Mode | None = None
    account_id: AccountId | None = None
    batch_id: BatchId | None = None
    search: str | None = None


ALL_CAMPAIGNS = CampaignFilter()


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
    max_error_rate: Decimal | None = None,
) -> CampaignId:
    """Make a DRAFT; without `max_error_rate` it has the usual one."""
    further = {} if max_error_rate is None else {"max_error_rate": max_error_rate}
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
            **further,
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
        select(func.max(Job.not_before)).where(Job.campaign_id == Campaign.id, IS_RETURNED).scalar_subquery()
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
        .where(Campaign.deleted_at.is_(None))
        .execution_options(populate_existing=True)
    )


def _build_record(row: Row[*tuple[Any, ...]]) -> CampaignRecord:
    campaign, progress = row.Campaign, row.CampaignProgress
    return CampaignRecord(
        campaign=campaign,
        account_name=row.account_name,
        batch_name=row.batch_name,
        template_name=row.template_name,
        standing=Standing(
            campaign_id=CampaignId(campaign.id),
            status=campaign.status,
            pause_reason=campaign.pause_reason,
            status_detail=campaign.status_detail,
            delivery_rate=campaign.delivery_rate,
            messages=_count_messages(campaign),
            account_name=row.account_name,
            account_state=row.account_state,
            account_state_reason=row.account_state_reason,
            hold_until=row.hold_until,
            is_expanding=campaign.started_at is not None
            and campaign.expanded_at is None
            and campaign.status in {CampaignStatus.RUNNING, CampaignStatus.PAUSED},
            counters=None if progress is None else _read_counters(progress),
            pace=_read_pace(row),
        ),
    )


def _count_messages(campaign: Campaign) -> int:
    """As read_progress.sql does; what another version has stored may be anything."""
    files = (campaign.content or {}).get("files") if campaign.status == CampaignStatus.RUNNING else None
    return max(len(files), 1) if isinstance(files, list) else 1


def _read_counters(row: CampaignProgress | Row[Any]) -> Counters:
    return Counters(**{name: getattr(row, name) for name in Counters.__dataclass_fields__})


def _read_pace(row: Row[Any]) -> Pace:
    return Pace(
        read_at=row.read_at,
        account_rate=float(row.account_rate),
        account_demand=float(row.account_demand or 0),
        last_return_at=row.last_return_at,
    )


async def read_standings(session: AsyncSession, campaign_ids: Sequence[CampaignId]) -> list[Standing]:
    """Status and progress of those of the campaigns that there are, in one cheap query."""
    rows = await session.execute(load_statement("read_progress"), {"campaign_ids": list(campaign_ids)})
    return [
        Standing(
            campaign_id=CampaignId(row.campaign_id),
            status=row.status,
            pause_reason=row.pause_reason,
            status_detail=row.status_detail,
            delivery_rate=row.delivery_rate,
            messages=row.messages,
            account_name=row.account_name,
            account_state=row.account_state,
            account_state_reason=row.account_state_reason,
            hold_until=row.hold_until,
            is_expanding=row.is_expanding,
            counters=None if row.version is None else _read_counters(row),
            pace=_read_pace(row),
        )
        for row in rows
    ]


async def get_campaign(session: AsyncSession, campaign_id: CampaignId) -> CampaignRecord | None:
    """The campaign as it is now, or None."""
    row = (await session.execute(_select_records().where(Campaign.id == campaign_id))).one_or_none()
    return None if row is None else _build_record(row)


async def get_outline(
    session: AsyncSession, campaign_id: CampaignId
) -> Row[UUID, str, datetime | None] | None:
    """account_id, mode and purged_at: what decides how its jobs are read; None when there is no such campaign."""
    query = select(Campaign.account_id, Campaign.mode, Campaign.purged_at).where(
        Campaign.id == campaign_id, Campaign.deleted_at.is_(None)
    )
    return (await session.execute(query)).one_or_none()


async def list_campaigns(
    session: AsyncSession,
    *,
    limit: int,
    before: tuple[datetime, CampaignId] | None = None,
    wanted: CampaignFilter = ALL_CAMPAIGNS,
) -> list[CampaignRecord]:
    """The newest campaigns first; `before` is the key (created_at, id) of the last one already seen."""
    query = _select_records().order_by(Campaign.created_at.desc(), Campaign.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tuple_(Campaign.created_at, Campaign.id) < tuple_(*before))
    if wanted.statuses:
        query = query.where(or_(*(_is_shown_as(status) for status in wanted.statuses)))
    if wanted.mode is not None:
        query = query.where(Campaign.mode == wanted.mode)
    if wanted.account_id is not None:
        query = query.where(Campaign.account_id == wanted.account_id)
    if wanted.batch_id is not None:
        query = query.where(Campaign.batch_id == wanted.batch_id)
    if wanted.search:
        query = query.where(Campaign.name.icontains(wanted.search, autoescape=True))
    return [_build_record(row) for row in await session.execute(query)]


def _is_shown_as(status: CampaignStatus) -> ColumnElement[bool]:
    """As `domain.campaigns.derive_status` shows it."""
    is_stopped = (Account.state != AccountState.ACTIVE) | AccountHold.until.is_not(None)
    is_running = Campaign.status == CampaignStatus.RUNNING
    if status is CampaignStatus.RUNNING:
        return is_running & ~is_stopped
    if status is CampaignStatus.PAUSED:
        return (Campaign.status == status) | (is_running & is_stopped)
    return Campaign.status == status


async def lock_campaign(session: AsyncSession, campaign_id: CampaignId) -> Campaign | None:
    """The campaign as it is now, with its row locked against every other change; posts are recorded meanwhile."""
    return await session.scalar(
        select(Campaign)
        .where(Campaign.id == campaign_id, Campaign.deleted_at.is_(None))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )


async def keep_batch(session: AsyncSession, batch_id: BatchId) -> bool:
    """Whether there is such a batch; it cannot be deleted then before the transaction ends."""
    query = select(Batch.id).where(Batch.id == batch_id).with_for_update(read=True, key_share=True)
    return await session.scalar(query) is not None


async def keep_template(session: AsyncSession, template_id: TemplateId) -> bool:
    """Whether there is such a template; it cannot be deleted then before the transaction ends."""
    query = select(Template.id).where(Template.id == template_id).with_for_update(read=True, key_share=True)
    return await session.scalar(query) is not None


async def delete_campaign(session: AsyncSession, campaign_id: CampaignId) -> None:
    """Delete it with its counters; its jobs must have gone before."""
    await session.execute(delete(Campaign).where(Campaign.id == campaign_id))


async def list_deleted_campaigns(session: AsyncSession, *, limit: int) -> list[CampaignId]:
    """Deleted campaigns of which messages are left."""
    query = select(Campaign.id).where(Campaign.deleted_at.is_not(None)).order_by(Campaign.id).limit(limit)
    return [CampaignId(campaign_id) for campaign_id in await session.scalars(query)]


async def find_campaign_ids(session: AsyncSession, name: str, *, limit: int) -> list[CampaignId]:
    """Ids of the campaigns of that name, the newest first: names are not unique."""
    query = select(Campaign.id).where(Campaign.name == name, Campaign.deleted_at.is_(None))
    ids = await session.scalars(query.order_by(Campaign.created_at.desc(), Campaign.id.desc()).limit(limit))
    return [CampaignId(campaign_id) for campaign_id in ids]


async def list_campaign_names(session: AsyncSession, *, limit: int) -> list[str]:
    """Names of the newest campaigns."""
    query = select(Campaign.name).where(Campaign.deleted_at.is_(None))
    return list(
        await session.scalars(query.order_by(Campaign.created_at.desc(), Campaign.id.desc()).limit(limit))
    )


async def count_failures(session: AsyncSession, campaign_id: CampaignId) -> dict[str, int]:
    """How many jobs failed, by error code, the most frequent first."""
    code = func.coalesce(Job.error_code, "UNKNOWN")
    query = (
        select(code, func.count())
        .where(Job.campaign_id == campaign_id, IS_FAILED)
        .group_by(code)
        .order_by(func.count().desc(), code)
    )
    return {str(name): count for name, count in await session.execute(query)}
