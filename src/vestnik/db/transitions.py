"""What people do to a campaign's status: start, schedule, pause, resume, cancel, retry what failed.

Each locks the campaign's row first (reliability order: lease, campaigns, jobs, progress) and changes the status
only from a status that allows it. They run in the caller's transaction and wake the account's lane when that
commits.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.content import frozen_from_json
from vestnik.db.campaign_content import freeze_content
from vestnik.db.models import (
    Account,
    AccountHold,
    AccountLease,
    Batch,
    Campaign,
    CampaignProgress,
    Template,
)
from vestnik.db.notifications import notify_account
from vestnik.db.statements import load_statement
from vestnik.domain.albums import LARGEST_ALBUM
from vestnik.domain.errors import AccountHeldError, ConflictError, InvalidInputError, NotFoundError
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.domain.lifecycle import CampaignAction, next_campaign_status
from vestnik.domain.posting import require_means
from vestnik.domain.states import AccountKind, CampaignStatus, HoldScope, PauseReason

EXPANSION_CHUNK = 50_000
"""Channels expanded within the start's own transaction, for which somebody waits (1.9 s; 100,000 took 3.7 s). For
the rest see `LANE_CHUNK`."""
LANE_CHUNK = 2_000
"""Channels that a lane expands at once: the campaign's lock is held meanwhile, and claims wait for it (40 ms)."""
CANCEL_CHUNK = 2_000
"""Queued jobs that one transaction cancels, for the same reason (70 ms)."""
ANALYZE_FROM = 10_000
"""Jobs of a campaign from which the planner is told about them at once: until autovacuum came by, claims of 100
took 40 ms instead of 9 right after an expansion of 300,000."""


async def start_campaign(
    session: AsyncSession, campaign_id: CampaignId, *, preflight_id: UUID | None = None
) -> int:
    """Freeze the content, make the jobs and set RUNNING; returns the number of jobs made so far.

    With a preflight the channels that it says would fail are left out. Raises NotFoundError; ConflictError unless
    the campaign is DRAFT or SCHEDULED; InvalidInputError when no channel of the batch can be sent to.
    """
    campaign = await _lock_campaign(session, campaign_id)
    status = next_campaign_status(campaign.name, CampaignStatus(campaign.status), CampaignAction.START)
    campaign.status = status
    campaign.status_detail = None
    campaign.preflight_id = preflight_id
    campaign.revision += 1
    total = await _begin(session, campaign)
    await notify_account(session, AccountId(campaign.account_id))
    return total


async def _begin(session: AsyncSession, campaign: Campaign) -> int:
    """Freeze the content and make the first jobs; how many."""
    with session.no_autoflush:  # RUNNING without content is refused
        template = await session.get_one(Template, campaign.template_id)
        campaign.content = await freeze_content(session, template)
    account = await session.get_one(Account, campaign.account_id)
    require_means(
        AccountKind(account.kind),
        account.name,
        has_buttons=bool(template.buttons),
        is_protected=template.protect_content,
    )
    campaign.started_at = func.clock_timestamp()
    # Sorting a hundred thousand rows in memory instead of on disk; for this transaction alone.
    await session.execute(select(func.set_config("work_mem", "64MB", True)))
    total, is_whole = await expand_campaign(session, campaign, EXPANSION_CHUNK)
    while not await _has_work(session, campaign, total) and not is_whole:
        total, is_whole = await expand_campaign(session, campaign, EXPANSION_CHUNK)
    await _tell_planner(session, total)
    if total == 0:
        batch = await session.get_one(Batch, campaign.batch_id)
        raise InvalidInputError(
            f"batch '{batch.name}' has no channel that can be sent to: it is empty, or all its channels are "
            "inactive; add channels or reactivate some",
            field="batch",
        )
    if not await _has_work(session, campaign, total):
        raise InvalidInputError(
            "nothing would be left to post: the preflight says that every channel would fail", field="skip"
        )
    return total


async def _has_work(session: AsyncSession, campaign: Campaign, total: int) -> bool:
    """Whether any job was made that is not left out."""
    if not total or campaign.preflight_id is None:
        return total > 0
    query = select(CampaignProgress.total > CampaignProgress.cancelled)
    return bool(await session.scalar(query.where(CampaignProgress.campaign_id == campaign.id)))


async def expand_running_campaign(session: AsyncSession, campaign_id: CampaignId) -> None:
    """Make the next jobs of a campaign that is too large for its start; nothing if it is not running or whole."""
    campaign = await session.scalar(
        select(Campaign)
        .where(Campaign.id == campaign_id, Campaign.expanded_at.is_(None))
        .where(Campaign.status == CampaignStatus.RUNNING)
        .with_for_update()
    )
    if campaign is not None:
        await _stay_on_indexes(session)
        total, is_whole = await expand_campaign(session, campaign, LANE_CHUNK)
        if is_whole:
            await _tell_planner(session, total)


async def _stay_on_indexes(session: AsyncSession) -> None:
    """For the rest of a transaction that touches a small part of large tables.

    For 2,000 of 100,000 rows the planner prefers to read tables from end to end: parts took 150 to 300 ms and the
    longer the larger the table was, instead of 60 to 90.
    """
    settings = ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin")
    await session.execute(select(*(func.set_config(name, "off", True) for name in settings)))


async def _tell_planner(session: AsyncSession, total: int) -> None:
    if total >= ANALYZE_FROM:
        await session.execute(text("ANALYZE (SKIP_LOCKED) public.jobs"))


async def expand_campaign(session: AsyncSession, campaign: Campaign, chunk: int) -> tuple[int, bool]:
    """Make the next jobs of a locked campaign; its total so far, and whether that is all (`expanded_at`)."""
    await session.flush()
    row = (
        await session.execute(
            load_statement("expand_campaign"),
            {
                "campaign_id": campaign.id,
                "account_id": campaign.account_id,
                "batch_id": campaign.batch_id,
                "after": campaign.expansion_position or 0,
                "chunk": chunk,
                "preflight_id": campaign.preflight_id,
            },
        )
    ).one()
    if row.position is not None:
        campaign.expansion_position = row.position
    is_whole = row.seen < chunk
    if is_whole:
        campaign.expanded_at = func.clock_timestamp()
    await session.flush()
    return int(row.total), is_whole


async def pause_campaign(session: AsyncSession, campaign_id: CampaignId) -> None:
    """Set PAUSED (OPERATOR). Accepted during a hold of the account, whose end then changes nothing.

    Raises NotFoundError; ConflictError unless RUNNING is stored.
    """
    campaign = await _lock_campaign(session, campaign_id)
    _move(campaign, CampaignAction.PAUSE)
    campaign.pause_reason = PauseReason.OPERATOR
    campaign.status_detail = None
    await _changed_by_a_person(session, campaign)


async def resume_campaign(session: AsyncSession, campaign_id: CampaignId) -> None:
    """Set RUNNING again; with the account on hold, sending starts when the hold ends.

    One that a restored backup paused before it had ever started begins now. Raises NotFoundError; ConflictError
    unless PAUSED is stored, with the time at which a hold ends.
    """
    campaign = await _lock_campaign(session, campaign_id)
    if campaign.status == CampaignStatus.RUNNING:
        until = await _hold_until(session, AccountId(campaign.account_id))
        if until is not None:
            raise AccountHeldError(
                f"campaign '{campaign.name}' is RUNNING and waits for Telegram until "
                f"{until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC; it goes on by itself",
                until=until,
                field="status",
            )
    _move(campaign, CampaignAction.RESUME)
    campaign.pause_reason = None
    campaign.status_detail = None
    if campaign.started_at is None:
        await _begin(session, campaign)
    await session.flush()
    await session.execute(load_statement("release_brake"), {"campaign_id": campaign.id})
    await _changed_by_a_person(session, campaign)


async def cancel_campaign(session: AsyncSession, campaign_id: CampaignId) -> None:
    """Set CANCELLED and end the queued jobs; what was already handed to Telegram is still recorded.

    Of many jobs only the first go in this transaction, the rest with `finish_cancel`: `ended_at` is set when none
    is left. Raises NotFoundError; ConflictError when the campaign has already ended.
    """
    campaign = await _lock_campaign(session, campaign_id)
    _move(campaign, CampaignAction.CANCEL)
    campaign.pause_reason = None
    campaign.status_detail = None
    await session.flush()
    await _cancel_jobs(session, campaign)
    await _changed_by_a_person(session, campaign)


async def finish_cancel(session: AsyncSession) -> bool:
    """End the next queued jobs of a campaign that was cancelled or failed; False when there is nothing to do."""
    campaign = await session.scalar(
        select(Campaign)
        .where(
            Campaign.status.in_([CampaignStatus.CANCELLED, CampaignStatus.FAILED]),
            Campaign.ended_at.is_(None),
        )
        .order_by(Campaign.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if campaign is None:
        return False
    await _cancel_jobs(session, campaign)
    await session.flush()
    return True


async def fail_campaign(session: AsyncSession, campaign_id: CampaignId, detail: str) -> None:
    """Set FAILED because the rest of the batch cannot be turned into jobs; what is queued ends.

    Raises NotFoundError, ConflictError unless RUNNING.
    """
    campaign = await _lock_campaign(session, campaign_id)
    _move(campaign, CampaignAction.FAIL)
    campaign.status_detail = detail
    campaign.updated_at = func.clock_timestamp()
    await session.flush()
    await _cancel_jobs(session, campaign)
    await session.flush()
    await notify_account(session, AccountId(campaign.account_id))


async def settle_twins(
    session: AsyncSession, account_id: AccountId, epoch: int, peers: Sequence[Mapping[str, Any]]
) -> None:
    """Store addresses that make two of our channels one on Telegram; the second job of each campaign ends.

    `peers` are rows of `store_peers`: channel_id, tg_id, access_hash, can_post, slow_mode_seconds. Nothing happens
    once the lease is lost. Under the campaigns' locks no claim can take both jobs.
    """
    lease = select(AccountLease.epoch).where(
        AccountLease.account_id == account_id,
        AccountLease.epoch == epoch,
        AccountLease.lease_until > func.clock_timestamp(),
    )
    if await session.scalar(lease.with_for_update(read=True)) is None:
        return
    rows = json.dumps(peers, default=str)
    campaign_ids = await session.scalars(
        select(Campaign.id)
        .where(Campaign.account_id == account_id)
        .where(Campaign.status.in_([CampaignStatus.RUNNING, CampaignStatus.PAUSED]))
        .order_by(Campaign.id)
        .with_for_update()
    )
    parameters = {"account_id": account_id, "peers": rows}
    await session.execute(load_statement("fail_twins"), parameters | {"campaign_ids": list(campaign_ids)})
    await session.execute(load_statement("store_peers"), parameters | {"epoch": epoch, "settle": True})


async def _cancel_jobs(session: AsyncSession, campaign: Campaign) -> None:
    await _stay_on_indexes(session)
    left = await session.scalar(
        load_statement("cancel_jobs"), {"campaign_id": campaign.id, "chunk": CANCEL_CHUNK}
    )
    if not left:  # None before the first start
        campaign.ended_at = func.clock_timestamp()


async def schedule_campaign(session: AsyncSession, campaign_id: CampaignId, at: datetime) -> None:
    """Have a worker start the campaign at an instant; scheduling again moves it.

    Raises NotFoundError, ConflictError unless DRAFT or SCHEDULED, InvalidInputError for a time that has passed.
    """
    campaign = await _lock_campaign(session, campaign_id)
    now = await _now(session)
    _move(campaign, CampaignAction.SCHEDULE)
    if at <= now:
        raise InvalidInputError(
            f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC has passed; name a time to come, or start the campaign now",
            field="scheduled_at",
        )
    campaign.scheduled_at = at
    campaign.status_detail = None
    await _changed_by_a_person(session, campaign)


async def unschedule_campaign(session: AsyncSession, campaign_id: CampaignId) -> None:
    """Make a SCHEDULED campaign a DRAFT again. Raises NotFoundError, ConflictError."""
    campaign = await _lock_campaign(session, campaign_id)
    _move(campaign, CampaignAction.UNSCHEDULE)
    campaign.scheduled_at = None
    await _changed_by_a_person(session, campaign)


async def take_due_campaign(session: AsyncSession) -> Campaign | None:
    """A SCHEDULED campaign whose time has come, locked; None when there is none that nobody else has locked."""
    due: Campaign | None = await session.scalar(
        select(Campaign)
        .where(Campaign.status == CampaignStatus.SCHEDULED, Campaign.scheduled_at <= func.clock_timestamp())
        .order_by(Campaign.scheduled_at, Campaign.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return due


async def read_lateness(session: AsyncSession, campaign: Campaign) -> timedelta:
    """How long ago a scheduled campaign should have started, by the database's clock."""
    assert campaign.scheduled_at is not None
    return await _now(session) - campaign.scheduled_at


async def miss_schedule(session: AsyncSession, campaign: Campaign, detail: str) -> None:
    """Make a locked SCHEDULED campaign a DRAFT again and say why."""
    _move(campaign, CampaignAction.MISS_SCHEDULE)
    campaign.scheduled_at = None
    campaign.status_detail = detail
    campaign.updated_at = func.clock_timestamp()
    await session.flush()


@dataclass(frozen=True, kw_only=True, slots=True)
class RetriedJobs:
    """How many failed jobs went back to the queue, and how many did not because their channel is inactive."""

    reopened: int
    skipped: int


async def retry_failed(
    session: AsyncSession, campaign_id: CampaignId, codes: Sequence[str] | None
) -> RetriedJobs:
    """Queue failed jobs again: those with one of the error codes, or all but UNKNOWN_OUTCOME.

    A COMPLETED campaign runs again. Raises NotFoundError; ConflictError in other statuses, when the jobs have been
    purged, and when there is nothing to retry.
    """
    campaign = await _lock_campaign(session, campaign_id)
    _move(campaign, CampaignAction.RETRY_FAILED)
    if campaign.purged_at is not None:
        raise ConflictError(
            f"the jobs of campaign '{campaign.name}' were purged at "
            f"{campaign.purged_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC; start a new campaign instead"
        )
    await session.flush()
    row = (
        await session.execute(
            load_statement("reopen_jobs"),
            {"campaign_id": campaign.id, "codes": None if codes is None else list(codes)},
        )
    ).one()
    if row.reopened == 0:
        raise ConflictError(_explain_nothing_reopened(campaign.name, codes, row.skipped))
    campaign.ended_at = None if campaign.status == CampaignStatus.RUNNING else campaign.ended_at
    await _changed_by_a_person(session, campaign)
    return RetriedJobs(reopened=row.reopened, skipped=row.skipped)


def _explain_nothing_reopened(name: str, codes: Sequence[str] | None, skipped: int) -> str:
    which = f" with {', '.join(codes)}" if codes else ""
    if skipped:
        return (
            f"campaign '{name}': the channels of all {skipped} failed messages{which} are inactive or have the post "
            "by another entry"
        )
    hint = "" if codes else "; messages with UNKNOWN_OUTCOME are retried only when that code is named"
    return f"campaign '{name}' has no failed message{which} to retry{hint}"


async def change_pace(
    session: AsyncSession, campaign_id: CampaignId, *, rate: Decimal | None, retry_limit: int | None
) -> None:
    """Change rate or retry limit, also while running; the lane follows within a second.

    Raises NotFoundError, ConflictError when the campaign has ended.
    """
    campaign = await _lock_campaign(session, campaign_id)
    if CampaignStatus(campaign.status).is_final:
        raise ConflictError(f"campaign '{campaign.name}' is {campaign.status}; it has ended", field="status")
    if rate is not None:
        campaign.delivery_rate = rate
        if campaign.next_slot_at is not None:  # it may lie as far away as the old rate was slow
            soonest = timedelta(seconds=_count_slots_at_most(campaign) / float(rate))
            campaign.next_slot_at = func.least(Campaign.next_slot_at, func.clock_timestamp() + soonest)
    if retry_limit is not None:
        campaign.retry_limit = retry_limit
    await _changed_by_a_person(session, campaign)


def _count_slots_at_most(campaign: Campaign) -> int:
    """Of one post: an album takes one for each of its messages."""
    try:
        return frozen_from_json(campaign.content or {}).message_count
    except InvalidInputError:
        return LARGEST_ALBUM


async def _changed_by_a_person(session: AsyncSession, campaign: Campaign) -> None:
    campaign.revision += 1
    campaign.updated_at = func.clock_timestamp()
    await session.flush()
    await notify_account(session, AccountId(campaign.account_id))


async def _lock_campaign(session: AsyncSession, campaign_id: CampaignId) -> Campaign:
    campaign = await session.scalar(
        select(Campaign)
        .where(Campaign.id == campaign_id, Campaign.deleted_at.is_(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if campaign is None:
        raise NotFoundError(f"there is no campaign {campaign_id}")
    return campaign


def _move(campaign: Campaign, action: CampaignAction) -> None:
    campaign.status = next_campaign_status(campaign.name, CampaignStatus(campaign.status), action)


async def _now(session: AsyncSession) -> datetime:
    now: datetime | None = await session.scalar(select(func.clock_timestamp()))
    assert now is not None
    return now


async def _hold_until(session: AsyncSession, account_id: AccountId) -> datetime | None:
    return await session.scalar(
        select(AccountHold.until).where(
            AccountHold.account_id == account_id,
            AccountHold.scope == HoldScope.SEND,
            AccountHold.until > func.clock_timestamp(),
        )
    )
