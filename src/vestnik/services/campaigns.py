"""Campaigns: make, look at, start, schedule, pause, resume, cancel, retry what failed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import campaigns as rows
from vestnik.db import transitions
from vestnik.db.audit import record_audit
from vestnik.db.batches import count_batch_channels
from vestnik.db.campaigns import ALL_CAMPAIGNS, CampaignFilter
from vestnik.db.legacy_ids import find_by_legacy_id
from vestnik.domain.actors import Actor
from vestnik.domain.campaigns import (
    DEFAULT_RETRY_LIMIT,
    check_rate,
    check_retry_limit,
    parse_mode,
)
from vestnik.domain.errors import ConflictError, InvalidInputError, NotFoundError
from vestnik.domain.ids import AccountId, BatchId, CampaignId, TemplateId
from vestnik.domain.names import check_name
from vestnik.domain.states import AccountKind, Mode
from vestnik.domain.times import format_time
from vestnik.services.accounts import choose_account, parse_id, quote_names
from vestnik.services.batches import create_batch, find_batch
from vestnik.services.campaign_views import (
    CampaignView,
    StandingView,
    build_campaign_view,
    build_standing_view,
)
from vestnik.services.channels import ImportResult, import_channels
from vestnik.services.preflights import require_usable
from vestnik.services.templates import create_template, find_template, require_postable

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
    parse_mode: str | None = None
    rate: Decimal | str
    retry_limit: int = DEFAULT_RETRY_LIMIT
    mode: str = Mode.TEST.value
    account: str | None = None


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
    await require_postable(session, template_id, AccountId(account.id))
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
    view = await get_campaign(session, campaign_id)
    await record_audit(
        session, actor, "campaign.created", "campaign", campaign_id, after=describe_campaign(view)
    )
    return CreatedCampaign(
        campaign=view,
        channels=await count_batch_channels(session, batch_id),
        imported=imported,
    )


def describe_campaign(view: CampaignView) -> dict[str, Any]:
    """What a campaign is, for the audit log; under the names of its fields."""
    return {
        "name": view.name,
        "mode": view.mode,
        "account": view.account_name,
        "account_id": str(view.account_id),
        "batch": view.batch_name,
        "batch_id": str(view.batch_id),
        "template": view.template_name,
        "template_id": str(view.template_id),
        "delivery_rate": float(view.delivery_rate),
        "retry_limit": view.retry_limit,
        "max_error_rate": float(view.max_error_rate),
        "scheduled_at": None if view.scheduled_at is None else format_time(view.scheduled_at),
    }


def _require_one(first: str, first_value: object, second: str, second_value: object) -> None:
    if (first_value is None) == (second_value is None):
        problem = (
            "are both given; give one of them" if first_value is not None else "are both missing; give one"
        )
        raise InvalidInputError(f"{first} and {second} {problem}", field=first)


async def _choose_template(session: AsyncSession, actor: Actor, new: NewCampaign, name: str) -> TemplateId:
    if new.text is not None:
        template = await create_template(
            session, actor, name, new.text, number_name=True, parse_mode=new.parse_mode
        )
        return TemplateId(template.id)
    if new.parse_mode is not None:
        raise InvalidInputError(
            "a template has a parse mode of its own; leave this one out", field="parse_mode"
        )
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
    return build_campaign_view(record)


async def list_campaigns(
    session: AsyncSession,
    *,
    limit: int,
    before: tuple[datetime, CampaignId] | None = None,
    wanted: CampaignFilter = ALL_CAMPAIGNS,
) -> list[CampaignView]:
    """The newest first; `before` is (created_at, id) of the last one already seen."""
    found = await rows.list_campaigns(session, limit=limit, before=before, wanted=wanted)
    return [build_campaign_view(record) for record in found]


async def read_progress(
    session: AsyncSession, campaign_ids: Sequence[CampaignId]
) -> dict[CampaignId, StandingView]:
    """Status and progress of those of the campaigns that there are; cheap enough to ask all the time."""
    standings = await rows.read_standings(session, campaign_ids)
    return {standing.campaign_id: build_standing_view(standing) for standing in standings}


async def get_progress(session: AsyncSession, campaign_id: CampaignId) -> StandingView:
    """Status and progress as they are now. Raises NotFoundError."""
    found = await read_progress(session, [campaign_id])
    if campaign_id not in found:
        raise NotFoundError(f"there is no campaign {campaign_id}", field="campaign")
    return found[campaign_id]


async def count_failures(session: AsyncSession, campaign_id: CampaignId) -> dict[str, int]:
    """Failed messages by error code."""
    return await rows.count_failures(session, campaign_id)


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
    campaign_id = await find_by_legacy_id(session, "campaigns", reference) or parse_id(reference)
    if campaign_id is not None and await rows.get_campaign(session, CampaignId(campaign_id)) is not None:
        return CampaignId(campaign_id)
    names = await rows.list_campaign_names(session, limit=_SUGGESTIONS)
    hint = f"the newest are {quote_names(names)}" if names else "there is none yet"
    raise NotFoundError(f"there is no campaign '{reference}'; {hint}", field="campaign")


async def start_campaign(
    session: AsyncSession, actor: Actor, campaign_id: CampaignId, *, skip_failing: bool = False
) -> CampaignView:
    """Freeze content and audience, make the messages and set RUNNING.

    With `skip_failing` the channels that the campaign's preflight says would fail are left out: their messages end
    as CANCELLED / SKIPPED_BY_PREFLIGHT. Raises NotFoundError, ConflictError (also without a preflight that is
    whole, recent and of the campaign as it is), and InvalidInputError when no channel can be sent to.
    """
    preflight = await require_usable(session, campaign_id) if skip_failing else None

    async def start(session: AsyncSession, campaign_id: CampaignId) -> None:
        await transitions.start_campaign(
            session, campaign_id, preflight_id=None if preflight is None else preflight.id
        )

    after = None if preflight is None else {"skipped": preflight.failing}
    return await _change_status(session, actor, campaign_id, "campaign.started", start, after=after)


async def pause_campaign(session: AsyncSession, actor: Actor, campaign_id: CampaignId) -> CampaignView:
    """Stop sending until `resume_campaign`. Raises NotFoundError, ConflictError."""
    return await _change_status(session, actor, campaign_id, "campaign.paused", transitions.pause_campaign)


async def resume_campaign(session: AsyncSession, actor: Actor, campaign_id: CampaignId) -> CampaignView:
    """Go on sending, after the end of a hold if there is one. Raises NotFoundError, ConflictError."""
    return await _change_status(session, actor, campaign_id, "campaign.resumed", transitions.resume_campaign)


async def cancel_campaign(session: AsyncSession, actor: Actor, campaign_id: CampaignId) -> CampaignView:
    """End it for good; what is on its way to Telegram is still recorded.

    Of many messages some may still be queued afterwards; `finish_cancel` ends them, which workers call as well.
    Raises NotFoundError, ConflictError.
    """
    return await _change_status(
        session, actor, campaign_id, "campaign.cancelled", transitions.cancel_campaign
    )


async def finish_cancel(session: AsyncSession) -> bool:
    """End the next messages of cancelled campaigns; False when none is left. To be committed after each call."""
    return await transitions.finish_cancel(session)


async def schedule_campaign(
    session: AsyncSession, actor: Actor, campaign_id: CampaignId, at: datetime
) -> CampaignView:
    """Have a worker start it at an instant. Raises NotFoundError, ConflictError, InvalidInputError."""

    async def schedule(session: AsyncSession, campaign_id: CampaignId) -> None:
        await transitions.schedule_campaign(session, campaign_id, at)

    return await _change_status(session, actor, campaign_id, "campaign.scheduled", schedule)


async def unschedule_campaign(session: AsyncSession, actor: Actor, campaign_id: CampaignId) -> CampaignView:
    """Make it a DRAFT again. Raises NotFoundError, ConflictError."""
    return await _change_status(
        session, actor, campaign_id, "campaign.unscheduled", transitions.unschedule_campaign
    )


async def retry_failed(
    session: AsyncSession, actor: Actor, campaign_id: CampaignId, codes: Sequence[str] | None = None
) -> transitions.RetriedJobs:
    """Queue failed messages again, under the same random_id: those with the codes, or all but UNKNOWN_OUTCOME.

    Raises NotFoundError; ConflictError also when there is nothing to retry.
    """
    retried = await transitions.retry_failed(session, campaign_id, codes)
    after = {
        "reopened": retried.reopened,
        "skipped": retried.skipped,
        "codes": list(codes) if codes else None,
    }
    await record_audit(session, actor, "campaign.retried", "campaign", campaign_id, after=after)
    return retried


async def change_pace(
    session: AsyncSession,
    actor: Actor,
    campaign_id: CampaignId,
    *,
    rate: Decimal | str | None = None,
    retry_limit: int | None = None,
) -> CampaignView:
    """Change rate or retry limit, also while it runs. Raises NotFoundError, ConflictError, InvalidInputError."""
    if rate is None and retry_limit is None:
        raise InvalidInputError("nothing to change: give a rate or a retry limit", field="rate")
    before = await get_campaign(session, campaign_id)
    await transitions.change_pace(
        session,
        campaign_id,
        rate=None if rate is None else check_rate(rate),
        retry_limit=None if retry_limit is None else check_retry_limit(retry_limit),
    )
    view = await get_campaign(session, campaign_id)
    await record_audit(
        session,
        actor,
        "campaign.changed",
        "campaign",
        campaign_id,
        before={"delivery_rate": float(before.delivery_rate), "retry_limit": before.retry_limit},
        after={"delivery_rate": float(view.delivery_rate), "retry_limit": view.retry_limit},
    )
    return view


async def _change_status(
    session: AsyncSession,
    actor: Actor,
    campaign_id: CampaignId,
    action: str,
    change: Callable[[AsyncSession, CampaignId], Awaitable[None]],
    *,
    after: dict[str, Any] | None = None,
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
        after={"status": view.stored_status, "total": view.progress.total} | (after or {}),
    )
    return view
