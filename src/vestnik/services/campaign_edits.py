"""Campaigns by their ids, as the API and the console make, change, copy and delete them."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import campaigns as rows
from vestnik.db import transitions
from vestnik.db.audit import record_audit
from vestnik.db.models import Account, Campaign
from vestnik.db.notifications import notify_account
from vestnik.domain.actors import Actor
from vestnik.domain.campaigns import (
    DEFAULT_RETRY_LIMIT,
    check_error_rate,
    check_rate,
    check_retry_limit,
)
from vestnik.domain.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    StaleRevisionError,
    VestnikError,
)
from vestnik.domain.ids import AccountId, BatchId, CampaignId, TemplateId
from vestnik.domain.names import check_name, name_stem
from vestnik.domain.states import AccountKind, CampaignStatus, Mode
from vestnik.services import retention
from vestnik.services.accounts import choose_account
from vestnik.services.campaign_views import CampaignView
from vestnik.services.campaigns import describe_campaign, get_campaign
from vestnik.services.templates import require_postable

_UNSTARTED = frozenset({CampaignStatus.DRAFT, CampaignStatus.SCHEDULED})
_SETTLED_AT_START = ("batch_id", "template_id", "account_id", "mode")
_PACE = ("delivery_rate", "retry_limit", "max_error_rate")


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignDraft:
    """What a campaign is to be; rates are messages per second, `max_error_rate` a fraction.

    Without an account it is the one that needs no name; with `scheduled_at` a worker starts it then.
    """

    name: str
    batch_id: BatchId
    template_id: TemplateId
    mode: Mode = Mode.TEST
    delivery_rate: Decimal
    retry_limit: int = DEFAULT_RETRY_LIMIT
    max_error_rate: Decimal | None = None
    account_id: AccountId | None = None
    scheduled_at: datetime | None = None
    copied_from: CampaignId | None = None
    """Noted in the audit log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignChanges:
    """What is to be changed; None leaves it as it is."""

    name: str | None = None
    batch_id: BatchId | None = None
    template_id: TemplateId | None = None
    mode: Mode | None = None
    account_id: AccountId | None = None
    delivery_rate: Decimal | None = None
    retry_limit: int | None = None
    max_error_rate: Decimal | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What is not None, by name."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: value for name, value in values.items() if value is not None}


async def draft_campaign(session: AsyncSession, actor: Actor, draft: CampaignDraft) -> CampaignView:
    """Make a DRAFT, or a SCHEDULED campaign. Raises InvalidInputError, NotFoundError."""
    name = check_name(draft.name)
    rate = check_rate(draft.delivery_rate, field="delivery_rate")
    retry_limit = check_retry_limit(draft.retry_limit)
    error_rate = None if draft.max_error_rate is None else check_error_rate(draft.max_error_rate)
    account = await _choose_account(session, draft.mode, draft.account_id)
    await _require_batch(session, draft.batch_id)
    await _require_template(session, draft.template_id)
    await _require_fitting(session, draft.template_id, AccountId(account.id))
    campaign_id = await rows.insert_campaign(
        session,
        name=name,
        account_id=AccountId(account.id),
        account_kind=AccountKind(account.kind),
        batch_id=draft.batch_id,
        template_id=draft.template_id,
        mode=draft.mode,
        rate=rate,
        retry_limit=retry_limit,
        max_error_rate=error_rate,
    )
    if draft.scheduled_at is not None:
        await transitions.schedule_campaign(session, campaign_id, draft.scheduled_at)
    view = await get_campaign(session, campaign_id)
    after = describe_campaign(view)
    if draft.copied_from is not None:
        after["copied_from"] = str(draft.copied_from)
    await record_audit(session, actor, "campaign.created", "campaign", campaign_id, after=after)
    return view


async def change_campaign(
    session: AsyncSession,
    actor: Actor,
    campaign_id: CampaignId,
    changes: CampaignChanges,
    *,
    expected_revision: int | None,
) -> CampaignView:
    """Change what its status still allows: the name always, pace until its end, all else before the first start.

    Raises NotFoundError, StaleRevisionError, ConflictError, InvalidInputError.
    """
    campaign = await _lock(session, campaign_id, expected_revision)
    wanted = {name: value for name, value in _check(changes).items() if value != getattr(campaign, name)}
    if not wanted:
        return await get_campaign(session, campaign_id)
    _require_changeable(campaign, wanted)
    before = {name: getattr(campaign, name) for name in wanted}
    await _apply(session, campaign, wanted)
    campaign.revision += 1
    campaign.updated_at = func.clock_timestamp()
    await session.flush()
    after = {name: getattr(campaign, name) for name in wanted}
    await record_audit(
        session,
        actor,
        "campaign.changed",
        "campaign",
        campaign_id,
        before={name: _as_json(value) for name, value in before.items()},
        after={name: _as_json(value) for name, value in after.items()},
    )
    await notify_account(session, AccountId(campaign.account_id))
    return await get_campaign(session, campaign_id)


async def duplicate_campaign(
    session: AsyncSession, actor: Actor, campaign_id: CampaignId, *, name: str | None = None
) -> CampaignView:
    """Make a DRAFT with the same batch, template, account and pace. Raises NotFoundError, InvalidInputError."""
    campaign = await get_campaign(session, campaign_id)
    draft = CampaignDraft(
        name=f"{name_stem(campaign.name)} (copy)" if name is None else name,
        batch_id=BatchId(campaign.batch_id),
        template_id=TemplateId(campaign.template_id),
        mode=campaign.mode,
        delivery_rate=campaign.delivery_rate,
        retry_limit=campaign.retry_limit,
        max_error_rate=campaign.max_error_rate,
        account_id=AccountId(campaign.account_id),
        copied_from=campaign_id,
    )
    return await draft_campaign(session, actor, draft)


async def delete_campaign(
    session: AsyncSession, actor: Actor, campaign_id: CampaignId, *, expected_revision: int | None
) -> None:
    """Delete an unstarted or ended campaign: from the commit on nobody sees it any more.

    Of many messages only the first go in this transaction; a worker deletes the rest in parts, as it purges, and
    until then batch and template stay in use. Raises NotFoundError, ConflictError, StaleRevisionError.
    """
    campaign = await _lock(session, campaign_id, expected_revision)
    _require_deletable(campaign)
    before = await _describe_deleted(session, campaign)
    if CampaignStatus(campaign.status) in _UNSTARTED or campaign.started_at is None:
        await rows.delete_campaign(session, campaign_id)
    else:
        part = await retention.erase_campaign(session, campaign_id)
        if part is None:
            raise ConflictError(
                f"messages of campaign '{campaign.name}' are still on their way; delete it in a moment",
                field="status",
            )
        if part.next_after is not None:
            campaign.deleted_at = func.clock_timestamp()
            await session.flush()
    await record_audit(session, actor, "campaign.deleted", "campaign", campaign_id, before=before)


async def _describe_deleted(session: AsyncSession, campaign: Campaign) -> dict[str, Any]:
    """For the audit log, which is all that is left of it."""
    view = await get_campaign(session, CampaignId(campaign.id))
    progress = view.progress
    return (
        {"status": campaign.status}
        | describe_campaign(view)
        | {
            "total": progress.total,
            "sent": progress.sent,
            "failed": progress.failed,
            "cancelled": progress.cancelled,
        }
    )


def _require_deletable(campaign: Campaign) -> None:
    status = CampaignStatus(campaign.status)
    if status in _UNSTARTED:
        return
    if not status.is_final:
        raise ConflictError(
            f"campaign '{campaign.name}' is {status}; only one that has not started or has ended can be deleted: "
            "cancel it first",
            field="status",
        )
    if campaign.ended_at is None:
        raise ConflictError(
            f"campaign '{campaign.name}' is {status} and its last messages are being ended; delete it in a moment",
            field="status",
        )


async def _lock(session: AsyncSession, campaign_id: CampaignId, expected_revision: int | None) -> Campaign:
    campaign = await rows.lock_campaign(session, campaign_id)
    if campaign is None:
        raise NotFoundError(f"there is no campaign {campaign_id}", field="campaign")
    if expected_revision is not None and campaign.revision != expected_revision:
        raise StaleRevisionError(
            f"campaign '{campaign.name}' was changed meanwhile: it is at revision {campaign.revision}, not "
            f"{expected_revision}; read it again",
            field="If-Match",
        )
    return campaign


def _check(changes: CampaignChanges) -> dict[str, Any]:
    given = changes.given
    if "name" in given:
        given["name"] = check_name(given["name"])
    if "delivery_rate" in given:
        given["delivery_rate"] = check_rate(given["delivery_rate"], field="delivery_rate")
    if "retry_limit" in given:
        given["retry_limit"] = check_retry_limit(given["retry_limit"])
    if "max_error_rate" in given:
        given["max_error_rate"] = check_error_rate(given["max_error_rate"])
    return given


def _require_changeable(campaign: Campaign, wanted: dict[str, Any]) -> None:
    status = CampaignStatus(campaign.status)
    # One that a restored backup paused has not started, but what it was to be has been decided.
    if status not in _UNSTARTED:
        for name in _SETTLED_AT_START:
            if name in wanted:
                raise ConflictError(
                    f"campaign '{campaign.name}' is {status}; its {name.removesuffix('_id')} can be changed only "
                    "before the first start: duplicate it instead",
                    field=name,
                )
    if status.is_final:
        for name in _PACE:
            if name in wanted:
                raise ConflictError(
                    f"campaign '{campaign.name}' is {status}; it has ended, and its {name.replace('_', ' ')} "
                    "changes nothing any more",
                    field=name,
                )


async def _apply(session: AsyncSession, campaign: Campaign, wanted: dict[str, Any]) -> None:
    with session.no_autoflush:  # mode and account change together or not at all
        if "batch_id" in wanted:
            await _require_batch(session, wanted["batch_id"])
        if "template_id" in wanted:
            await _require_template(session, wanted["template_id"])
        if "mode" in wanted or "account_id" in wanted:
            mode = Mode(wanted.get("mode", campaign.mode))
            account = await _choose_account(session, mode, wanted.get("account_id"))
            campaign.mode, campaign.account_id, campaign.account_kind = mode, account.id, account.kind
        if wanted.keys() & {"template_id", "mode", "account_id"}:
            template_id = TemplateId(wanted.get("template_id", campaign.template_id))
            await _require_fitting(session, template_id, AccountId(campaign.account_id))
    for name in ("name", "batch_id", "template_id", *_PACE):
        if name in wanted:
            setattr(campaign, name, wanted[name])


async def _choose_account(session: AsyncSession, mode: Mode, account_id: AccountId | None) -> Account:
    try:
        return await choose_account(session, mode, None if account_id is None else str(account_id))
    except VestnikError as exc:
        exc.field = "account_id"
        raise


async def _require_fitting(session: AsyncSession, template_id: TemplateId, account_id: AccountId) -> None:
    """Raises InvalidInputError for a template that the account cannot post."""
    try:
        await require_postable(session, template_id, account_id)
    except InvalidInputError as exc:
        exc.field = "account_id"
        raise


async def _require_batch(session: AsyncSession, batch_id: BatchId) -> None:
    if not await rows.keep_batch(session, batch_id):
        raise NotFoundError(f"there is no batch {batch_id}", field="batch_id")


async def _require_template(session: AsyncSession, template_id: TemplateId) -> None:
    if not await rows.keep_template(session, template_id):
        raise NotFoundError(f"there is no template {template_id}", field="template_id")


def _as_json(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    return value if isinstance(value, int) else str(value)
