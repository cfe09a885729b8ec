"""Campaigns: make, look at, start, pause, resume, cancel."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import campaigns as rows
from vestnik.db import transitions
from vestnik.db.audit import record_audit
from vestnik.db.batches import count_batch_channels
from vestnik.domain.actors import Actor
from vestnik.domain.campaigns import (
    DEFAULT_RETRY_LIMIT,
    check_rate,
    check_retry_limit,
    derive_status,
    parse_mode,
)
from vestnik.domain.errors import ConflictError, InvalidInputError, NotFoundError
from vestnik.domain.ids import AccountId, BatchId, CampaignId, TemplateId
from vestnik.domain.names import check_name
from vestnik.domain.states import AccountKind, AccountState, CampaignStatus, DerivedPause, Mode, PauseReason
from vestnik.services.accounts import choose_account, parse_id, quote_names
from vestnik.services.batches import create_batch, find_batch
from vestnik.services.channels import ImportResult, import_channels
from vestnik.services.templates import create_template, find_template

_SUGGESTIONS = 5
_AMBIGUOUS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCampaign:
    """What a campaign is to be. References are names or ids; one of each pair is given.

    `channels_file` is the content of a list, `rate` messages per second, `mode` TEST or LIVE.
    """

    name: str
    batch: str | None = None
    channels_file: bytes | None = field(default=None, repr=False)
    template: str | None = None
    text: str | None = None
    rate: Decimal | str
    retry_limit: int = DEFAULT_RETRY_LIMIT
    mode: str = Mode.TEST.value
    account: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgressView:
    """Counters of a campaign's messages; all 0 before the start."""

    total: int = 0
    queued: int = 0
    sending: int = 0
    sent: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def done(self) -> int:
        """Messages that need nothing more."""
        return self.sent + self.failed + self.cancelled


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignView:
    """A campaign as it is shown. `status` may derive PAUSED from the account; `stored_status` decides actions."""

    id: UUID
    name: str
    status: CampaignStatus
    pause_reason: PauseReason | DerivedPause | None
    resumes_at: datetime | None
    status_detail: str | None
    stored_status: CampaignStatus
    mode: Mode
    account_id: UUID
    account_name: str
    batch_id: UUID
    batch_name: str
    template_id: UUID
    template_name: str
    delivery_rate: Decimal
    retry_limit: int
    progress: ProgressView
    revision: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CreatedCampaign:
    """A new campaign, its number of channels, and what became of the list if one was given."""

    campaign: CampaignView
    channels: int
    imported: ImportResult | None


async def create_campaign(session: AsyncSession, actor: Actor, new: NewCampaign) -> CreatedCampaign:
    """Make a DRAFT, with a batch and a template of its own where a list and a text are given.

    Those are named after the campaign. Raises InvalidInputError, NotFoundError, ConflictError.
    """
    name = check_name(new.name)
    rate = check_rate(new.rate)
    retry_limit = check_retry_limit(new.retry_limit)
    mode = parse_mode(new.mode)
    _require_one("batch", new.batch, "channels_file", new.channels_file)
    _require_one("template", new.template, "text", new.text)
    account = await choose_account(session, mode, new.account)
    template_id = await _choose_template(session, actor, new, name)
    batch_id, imported = await _choose_batch(session, actor, new, name)
    campaign_id = await rows.insert_campaign(
        session,
        name=name,
        account_id=AccountId(account.id),
        account_kind=AccountKind(account.kind),
        batch_id=batch_id,
        template_id=template_id,
        mode=mode,
        rate=rate,
        retry_limit=retry_limit,
    )
    after = {
        "name": name,
        "mode": mode,
        "account": account.name,
        "rate": float(rate),
        "retry_limit": retry_limit,
    }
    await record_audit(session, actor, "campaign.created", "campaign", campaign_id, after=after)
    return CreatedCampaign(
        campaign=await get_campaign(session, campaign_id),
        channels=await count_batch_channels(session, batch_id),
        imported=imported,
    )


def _require_one(first: str, first_value: object, second: str, second_value: object) -> None:
    if (first_value is None) == (second_value is None):
        problem = (
            "are both given; give one of them" if first_value is not None else "are both missing; give one"
        )
        raise InvalidInputError(f"{first} and {second} {problem}", field=first)


async def _choose_template(session: AsyncSession, actor: Actor, new: NewCampaign, name: str) -> TemplateId:
    if new.text is not None:
        return TemplateId((await create_template(session, actor, name, new.text, number_name=True)).id)
    assert new.template is not None
    return TemplateId((await find_template(session, new.template)).id)


async def _choose_batch(
    session: AsyncSession, actor: Actor, new: NewCampaign, name: str
) -> tuple[BatchId, ImportResult | None]:
    if new.channels_file is not None:
        imported = await import_channels(session, actor, new.channels_file)
        batch = await create_batch(session, actor, name, imported.channels, number_name=True)
        return BatchId(batch.id), imported
    assert new.batch is not None
    return BatchId((await find_batch(session, new.batch)).id), None


async def get_campaign(session: AsyncSession, campaign_id: CampaignId) -> CampaignView:
    """The campaign with its progress as they are now. Raises NotFoundError."""
    record = await rows.get_campaign(session, campaign_id)
    if record is None:
        raise NotFoundError(f"there is no campaign {campaign_id}", field="campaign")
    return _view(record)


async def list_campaigns(
    session: AsyncSession, *, limit: int, before: tuple[datetime, CampaignId] | None = None
) -> list[CampaignView]:
    """The newest first; `before` is (created_at, id) of the last one already seen."""
    return [_view(record) for record in await rows.list_campaigns(session, limit=limit, before=before)]


async def count_failures(session: AsyncSession, campaign_id: CampaignId) -> dict[str, int]:
    """Failed messages by error code."""
    return await rows.count_failures(session, campaign_id)


def _view(record: rows.CampaignRecord) -> CampaignView:
    campaign, progress = record.campaign, record.progress
    stored = CampaignStatus(campaign.status)
    shown = derive_status(
        stored,
        None if campaign.pause_reason is None else PauseReason(campaign.pause_reason),
        account_state=AccountState(record.account_state),
        hold_until=record.hold_until,
    )
    is_blocked = shown.pause_reason is DerivedPause.ACCOUNT_BLOCKED
    return CampaignView(
        id=campaign.id,
        name=campaign.name,
        status=shown.status,
        pause_reason=shown.pause_reason,
        resumes_at=shown.resumes_at,
        status_detail=_describe_block(record) if is_blocked else campaign.status_detail,
        stored_status=stored,
        mode=Mode(campaign.mode),
        account_id=campaign.account_id,
        account_name=record.account_name,
        batch_id=campaign.batch_id,
        batch_name=record.batch_name,
        template_id=campaign.template_id,
        template_name=record.template_name,
        delivery_rate=campaign.delivery_rate,
        retry_limit=campaign.retry_limit,
        progress=ProgressView()
        if progress is None
        else ProgressView(
            total=progress.total,
            queued=progress.queued,
            sending=progress.sending,
            sent=progress.sent,
            failed=progress.failed,
            cancelled=progress.cancelled,
        ),
        revision=campaign.revision,
        created_at=campaign.created_at,
        started_at=campaign.started_at,
        ended_at=campaign.ended_at,
    )


def _describe_block(record: rows.CampaignRecord) -> str:
    reason = f": {record.account_state_reason}" if record.account_state_reason else ""
    return f"account '{record.account_name}' is {record.account_state}{reason}"


async def find_campaign(session: AsyncSession, reference: str) -> CampaignId:
    """The id of the campaign of this name or id.

    Raises NotFoundError, and ConflictError with the ids when several campaigns have the name.
    """
    reference = check_name(reference, field="campaign")
    ids = await rows.find_campaign_ids(session, reference, limit=_AMBIGUOUS)
    if len(ids) > 1:
        listed = ", ".join(str(campaign_id) for campaign_id in ids)
        raise ConflictError(
            f"several campaigns are named '{reference}'; name one by its id, the newest first: {listed}",
            field="campaign",
        )
    if ids:
        return ids[0]
    campaign_id = parse_id(reference)
    if campaign_id is not None and await rows.get_campaign(session, CampaignId(campaign_id)) is not None:
        return CampaignId(campaign_id)
    names = await rows.list_campaign_names(session, limit=_SUGGESTIONS)
    hint = f"the newest are {quote_names(names)}" if names else "there is none yet"
    raise NotFoundError(f"there is no campaign '{reference}'; {hint}", field="campaign")


async def start_campaign(session: AsyncSession, actor: Actor, campaign_id: CampaignId) -> CampaignView:
    """Freeze content and audience, make the messages and set RUNNING.

    Raises NotFoundError, ConflictError, and InvalidInputError when no channel can be sent to.
    """

    async def start(session: AsyncSession, campaign_id: CampaignId) -> None:
        await transitions.start_campaign(session, campaign_id)

    return await _change_status(session, actor, campaign_id, "campaign.started", start)


async def pause_campaign(session: AsyncSession, actor: Actor, campaign_id: CampaignId) -> CampaignView:
    """Stop sending until `resume_campaign`. Raises NotFoundError, ConflictError."""
    return await _change_status(session, actor, campaign_id, "campaign.paused", transitions.pause_campaign)


async def resume_campaign(session: AsyncSession, actor: Actor, campaign_id: CampaignId) -> CampaignView:
    """Go on sending, after the end of a hold if there is one. Raises NotFoundError, ConflictError."""
    return await _change_status(session, actor, campaign_id, "campaign.resumed", transitions.resume_campaign)


async def cancel_campaign(session: AsyncSession, actor: Actor, campaign_id: CampaignId) -> CampaignView:
    """End it for good; what is on its way to Telegram is still recorded. Raises NotFoundError, ConflictError."""
    return await _change_status(
        session, actor, campaign_id, "campaign.cancelled", transitions.cancel_campaign
    )


async def _change_status(
    session: AsyncSession,
    actor: Actor,
    campaign_id: CampaignId,
    action: str,
    change: Callable[[AsyncSession, CampaignId], Awaitable[None]],
) -> CampaignView:
    before = await get_campaign(session, campaign_id)
    await change(session, campaign_id)
    await session.flush()
    view = await get_campaign(session, campaign_id)
    await record_audit(
        session,
        actor,
        action,
        "campaign",
        campaign_id,
        before={"status": before.stored_status},
        after={"status": view.stored_status, "total": view.progress.total},
    )
    return view
