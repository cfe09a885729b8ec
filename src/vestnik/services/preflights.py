"""Preflights: what would become of a campaign if it started now, told by whoever speaks for its account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import campaigns as campaign_rows
from vestnik.db import preflights as rows
from vestnik.db import surveys
from vestnik.db.accounts import get_account
from vestnik.db.audit import record_audit
from vestnik.db.commands import lock_idempotency_key
from vestnik.db.models import Campaign, Preflight
from vestnik.db.notifications import notify_account
from vestnik.domain.actors import Actor
from vestnik.domain.channels import ChannelName
from vestnik.domain.commands import CommandKind, CommandStatus
from vestnik.domain.errors import ConflictError, NotFoundError
from vestnik.domain.ids import AccountId, CampaignId, CommandId, TemplateId
from vestnik.domain.preflights import LASTS
from vestnik.domain.states import CampaignStatus, PreflightVerdict
from vestnik.services.direct_send import require_ready
from vestnik.services.templates import require_postable

_UNSTARTED: Final = frozenset({CampaignStatus.DRAFT, CampaignStatus.SCHEDULED})
_EXPLANATIONS: Final = {
    "NO_WORKER": "No worker took it in time; ask again once one speaks for the account.",
    "INTERRUPTED": "It was interrupted too often; ask again.",
    "CAMPAIGN_GONE": "The campaign was deleted meanwhile.",
}
FIRST: Final = 0
"""Before the first channel of a batch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeCount:
    """How many channels a finding concerns."""

    verdict: PreflightVerdict
    code: str
    channels: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PreflightView:
    """A report, or how far it has come; the numbers are 0 and `reasons` empty before it is whole."""

    id: UUID
    campaign_id: UUID
    status: CommandStatus
    checked: int
    """Channels looked at so far."""
    missing: int
    """Of these the addresses are being looked for."""
    total: int
    ready: int
    failing: int
    waiting: int
    """Not found out: their addresses are still to be looked up."""
    warned: int
    reasons: Sequence[CodeCount]
    is_current: bool
    """Whether campaign, template and batch are what they were, and it is recent: then a start may rely on it."""
    error_code: str | None
    error_message: str | None
    requested_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FindingView:
    """What was found of one channel."""

    channel_id: UUID
    channel: str
    title: str | None
    verdict: PreflightVerdict
    code: str
    detail: str | None
    at: datetime | None
    position: int


async def request_preflight(session: AsyncSession, actor: Actor, campaign_id: CampaignId) -> PreflightView:
    """Have each channel of a campaign looked at; one that is on its way already is the answer then.

    Raises NotFoundError; ConflictError for a campaign that has started and an account that cannot be used now,
    InvalidInputError for a template that the account cannot post, AccountHeldError, NoWorkerError.
    """
    await lock_idempotency_key(session, f"preflight {campaign_id}")
    campaign = await _get_campaign(session, campaign_id)
    if CampaignStatus(campaign.status) not in _UNSTARTED:
        raise ConflictError(
            f"campaign '{campaign.name}' is {campaign.status}; a preflight is for one that has not started",
            field="status",
        )
    basis = await rows.describe_basis(session, campaign_id)
    assert basis is not None  # batch and template cannot be deleted while it refers to them
    current = await find_preflight(session, campaign_id)
    if current is not None and not current.status.is_final and current.is_current:
        return current
    account_id = AccountId(campaign.account_id)
    account = await get_account(session, account_id)
    assert account is not None
    await require_postable(session, TemplateId(campaign.template_id), account_id)
    await require_ready(session, account)
    preflight_id = CommandId(uuid4())
    await rows.replace_preflight(session, preflight_id, campaign_id, basis)
    await surveys.insert_survey(session, account_id, CommandKind.PREFLIGHT, preflight_id)
    await record_audit(session, actor, "campaign.preflight_requested", "campaign", campaign_id)
    await notify_account(session, account_id)
    return await get_preflight(session, campaign_id)


async def _get_campaign(session: AsyncSession, campaign_id: CampaignId) -> Campaign:
    record = await campaign_rows.get_campaign(session, campaign_id)
    if record is None:
        raise NotFoundError(f"there is no campaign {campaign_id}", field="campaign")
    return record.campaign


async def get_preflight(session: AsyncSession, campaign_id: CampaignId) -> PreflightView:
    """The campaign's report. Raises NotFoundError, also where none was asked for."""
    found = await find_preflight(session, campaign_id)
    if found is None:
        campaign = await _get_campaign(session, campaign_id)
        raise NotFoundError(f"there is no preflight of campaign '{campaign.name}'", field="campaign")
    return found


async def find_preflight(session: AsyncSession, campaign_id: CampaignId) -> PreflightView | None:
    """The campaign's report; None where none was asked for."""
    preflight = await rows.find_preflight(session, campaign_id)
    return None if preflight is None else await _view(session, preflight)


async def _view(session: AsyncSession, preflight: Preflight) -> PreflightView:
    status, result = await _read_command(session, preflight)
    is_whole = preflight.finished_at is not None
    code = result.get("error_code")
    counted = await rows.count_codes(session, preflight.id) if is_whole else []
    return PreflightView(
        id=preflight.id,
        campaign_id=preflight.campaign_id,
        status=status,
        checked=preflight.total if is_whole else int(result.get("checked") or 0),
        missing=0 if is_whole else int(result.get("missing") or 0),
        total=preflight.total,
        ready=preflight.ready,
        failing=preflight.failing,
        waiting=preflight.waiting,
        warned=preflight.warned,
        reasons=[
            CodeCount(verdict=verdict, code=found, channels=channels) for verdict, found, channels in counted
        ],
        is_current=await _is_current(session, preflight),
        error_code=code,
        error_message=result.get("error_message") or _EXPLANATIONS.get(code or ""),
        requested_at=preflight.requested_at,
        finished_at=preflight.finished_at,
    )


async def _read_command(session: AsyncSession, preflight: Preflight) -> tuple[CommandStatus, dict[str, Any]]:
    """The report outlives the command that made it, which is cleared away after a while."""
    if preflight.finished_at is not None:
        return CommandStatus.DONE, {}
    command = await surveys.get_command(session, CommandId(preflight.id))
    if command is None:
        return CommandStatus.EXPIRED, {"error_code": "INTERRUPTED"}
    if not CommandStatus(command.status).is_final:
        # Should no process be left that would end it.
        await surveys.settle_surveys(session, AccountId(command.account_id))
        await session.refresh(command)
    status, result = CommandStatus(command.status), command.result or {}
    # What cannot be checked at all has an end, but no report.
    return (CommandStatus.FAILED if status is CommandStatus.DONE else status), result


async def _is_current(session: AsyncSession, preflight: Preflight) -> bool:
    basis = await rows.describe_basis(session, CampaignId(preflight.campaign_id))
    begun_at = preflight.finished_at or preflight.requested_at
    return basis == preflight.basis and datetime.now(UTC) - begun_at < LASTS


async def require_usable(session: AsyncSession, campaign_id: CampaignId) -> PreflightView:
    """The report that a start may rely on; locks the campaign. Raises NotFoundError, ConflictError."""
    campaign = await campaign_rows.lock_campaign(session, campaign_id)
    if campaign is None:
        raise NotFoundError(f"there is no campaign {campaign_id}", field="campaign")
    preflight = await find_preflight(session, campaign_id)
    if preflight is None or preflight.finished_at is None:
        raise ConflictError(
            f"there is no finished preflight of campaign '{campaign.name}', so nobody knows which channels to leave "
            "out; run it first",
            field="skip",
        )
    if not preflight.is_current:
        raise ConflictError(
            f"the preflight of campaign '{campaign.name}' is older than a day, or than the last change of campaign, "
            "template or batch; run it again",
            field="skip",
        )
    return preflight


async def list_findings(
    session: AsyncSession,
    campaign_id: CampaignId,
    *,
    verdict: PreflightVerdict | None = None,
    code: str | None = None,
    after: int = FIRST,
    limit: int,
) -> list[FindingView]:
    """What was found, channel by channel, in the order of the batch; ready ones without a warning are not listed.

    Raises NotFoundError; ConflictError before the report is whole.
    """
    preflight = await get_preflight(session, campaign_id)
    if preflight.finished_at is None:
        raise ConflictError("the preflight is not finished; ask again when it is", field="status")
    found = await rows.list_findings(
        session, preflight.id, verdict=verdict, code=code, after=after, limit=limit
    )
    return [
        FindingView(
            channel_id=row.finding.channel_id,
            channel=str(ChannelName(username=row.username, tg_id=row.tg_id)),
            title=row.title,
            verdict=PreflightVerdict(row.finding.verdict),
            code=row.finding.code,
            detail=row.finding.detail,
            at=row.finding.at,
            position=row.finding.position,
        )
        for row in found
    ]
