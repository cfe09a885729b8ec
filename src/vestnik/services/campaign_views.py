"""A campaign as it is shown: its status with what the account makes of it, and its progress."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from vestnik.db import campaigns as rows
from vestnik.domain.campaigns import derive_status
from vestnik.domain.progress import compute_rate_per_minute, estimate_seconds_left
from vestnik.domain.states import AccountState, CampaignStatus, DerivedPause, Mode, PauseReason


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgressView:
    """Counters of a campaign's messages; all 0 before the start."""

    total: int = 0
    queued: int = 0
    sending: int = 0
    sent: int = 0
    failed: int = 0
    cancelled: int = 0
    rate_per_minute: float = 0.0
    """Posts recorded in the last 60 s."""
    seconds_left: float | None = None
    """Estimate, with holds and waiting retries; None unless the campaign runs, and while it is expanding."""
    is_expanding: bool = False
    """Not all channels of the batch have become messages yet: `total` still rises."""
    version: int = 0
    """Rises with every change of the counters."""

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
    max_error_rate: Decimal
    revision: int
    created_at: datetime
    scheduled_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    purged_at: datetime | None
    """When its messages were deleted; the counters are what is left."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StandingView:
    """Status and progress of a campaign, which is all that live displays need."""

    campaign_id: UUID
    status: CampaignStatus
    pause_reason: PauseReason | DerivedPause | None
    resumes_at: datetime | None
    status_detail: str | None
    progress: ProgressView

    @property
    def key(self) -> tuple[object, ...]:
        """Differs when there is something new to show; rate and estimate change by themselves."""
        return (
            self.progress.version,
            self.progress.is_expanding,
            self.status,
            self.pause_reason,
            self.resumes_at,
            self.status_detail,
        )


def build_campaign_view(record: rows.CampaignRecord) -> CampaignView:
    """What is shown of a campaign that was read together with its surroundings."""
    campaign = record.campaign
    shown = build_standing_view(record.standing)
    return CampaignView(
        id=campaign.id,
        name=campaign.name,
        status=shown.status,
        pause_reason=shown.pause_reason,
        resumes_at=shown.resumes_at,
        status_detail=shown.status_detail,
        stored_status=CampaignStatus(campaign.status),
        mode=Mode(campaign.mode),
        account_id=campaign.account_id,
        account_name=record.account_name,
        batch_id=campaign.batch_id,
        batch_name=record.batch_name,
        template_id=campaign.template_id,
        template_name=record.template_name,
        delivery_rate=campaign.delivery_rate,
        retry_limit=campaign.retry_limit,
        progress=shown.progress,
        max_error_rate=campaign.max_error_rate,
        revision=campaign.revision,
        created_at=campaign.created_at,
        scheduled_at=campaign.scheduled_at,
        started_at=campaign.started_at,
        ended_at=campaign.ended_at,
        purged_at=campaign.purged_at,
    )


def build_standing_view(standing: rows.Standing) -> StandingView:
    """What is shown of a campaign's status and progress."""
    shown = derive_status(
        CampaignStatus(standing.status),
        None if standing.pause_reason is None else PauseReason(standing.pause_reason),
        account_state=AccountState(standing.account_state),
        hold_until=standing.hold_until,
    )
    is_blocked = shown.pause_reason is DerivedPause.ACCOUNT_BLOCKED
    return StandingView(
        campaign_id=standing.campaign_id,
        status=shown.status,
        pause_reason=shown.pause_reason,
        resumes_at=shown.resumes_at,
        status_detail=_describe_block(standing) if is_blocked else standing.status_detail,
        progress=_view_progress(standing),
    )


def _view_progress(standing: rows.Standing) -> ProgressView:
    counters, pace = standing.counters, standing.pace
    if counters is None:
        return ProgressView()
    seconds_left = None
    is_known = standing.account_state == AccountState.ACTIVE and not standing.is_expanding
    if standing.status == CampaignStatus.RUNNING and is_known:
        seconds_left = estimate_seconds_left(
            now=pace.read_at,
            remaining=(counters.queued + counters.sending) * standing.messages,
            rate=float(standing.delivery_rate),
            account_rate=pace.account_rate,
            account_demand=pace.account_demand,
            hold_until=standing.hold_until,
            last_return_at=pace.last_return_at,
        )
    return ProgressView(
        total=counters.total,
        queued=counters.queued,
        sending=counters.sending,
        sent=counters.sent,
        failed=counters.failed,
        cancelled=counters.cancelled,
        rate_per_minute=compute_rate_per_minute(
            now=pace.read_at,
            minute_started_at=counters.minute_started_at,
            minute_sent=counters.minute_sent,
            previous_minute_sent=counters.previous_minute_sent,
        ),
        seconds_left=seconds_left,
        is_expanding=standing.is_expanding,
        version=counters.version,
    )


def _describe_block(standing: rows.Standing) -> str:
    reason = f": {standing.account_state_reason}" if standing.account_state_reason else ""
    return f"account '{standing.account_name}' is {standing.account_state}{reason}"
