"""What needs a person: derived from what is stored each time it is asked for, so nothing has to be taken back."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import attention as rows
from vestnik.db.attention import StuckCampaign
from vestnik.domain.states import AccountKind, AccountState, CampaignStatus, PauseReason
from vestnik.services.queue import ALIVE_FOR, AccountStanding, QueueStats

MOST_CAMPAIGNS: Final = 20
SETTLED_AFTER: Final = timedelta(seconds=20)
"""A worker that runs for as long has taken every account that it can take."""


class AlertKind(StrEnum):
    """What is wrong."""

    NO_WORKER = "NO_WORKER"
    ACCOUNT_NEEDS_LOGIN = "ACCOUNT_NEEDS_LOGIN"
    ACCOUNT_LIMITED = "ACCOUNT_LIMITED"
    ACCOUNT_DISABLED = "ACCOUNT_DISABLED"
    ACCOUNT_SILENT = "ACCOUNT_SILENT"
    """Workers run, none speaks for an account that has something to post."""
    REHEARSAL_SILENT = "REHEARSAL_SILENT"
    """The same of a simulated account, which needs a worker beside a simulator."""
    CONTENT_ERROR = "CONTENT_ERROR"
    ERROR_RATE = "ERROR_RATE"
    RESTORED = "RESTORED"
    SCHEDULE_MISSED = "SCHEDULE_MISSED"
    CAMPAIGN_FAILED = "CAMPAIGN_FAILED"


_OF_STATE: Final = {
    AccountState.NEEDS_LOGIN: AlertKind.ACCOUNT_NEEDS_LOGIN,
    AccountState.LIMITED: AlertKind.ACCOUNT_LIMITED,
    AccountState.DISABLED: AlertKind.ACCOUNT_DISABLED,
}
_OF_PAUSE: Final = {
    PauseReason.CONTENT_ERROR: AlertKind.CONTENT_ERROR,
    PauseReason.ERROR_RATE: AlertKind.ERROR_RATE,
    PauseReason.RESTORED: AlertKind.RESTORED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """One thing that is wrong, and with which account or campaign."""

    kind: AlertKind
    is_urgent: bool
    """Posts wait for it."""
    id: UUID | None = None
    name: str = ""
    detail: str | None = None


async def list_alerts(session: AsyncSession, stats: QueueStats) -> list[Alert]:
    """The urgent ones first."""
    stuck = await rows.list_stuck_campaigns(session, limit=MOST_CAMPAIGNS)
    found = [
        *_judge_workers(stats),
        *_judge_accounts(stats),
        *(_judge_campaign(campaign) for campaign in stuck),
    ]
    return sorted(found, key=lambda alert: not alert.is_urgent)


def _judge_workers(stats: QueueStats) -> Iterator[Alert]:
    if not any(worker.silent_for < ALIVE_FOR for worker in stats.workers):
        waiting = (CampaignStatus.RUNNING, CampaignStatus.SCHEDULED)
        yield Alert(
            kind=AlertKind.NO_WORKER, is_urgent=any(stats.campaigns.get(status) for status in waiting)
        )


def _judge_accounts(stats: QueueStats) -> Iterator[Alert]:
    settled = any(
        worker.silent_for < ALIVE_FOR and worker.seen_at - worker.started_at > SETTLED_AFTER
        for worker in stats.workers
    )
    for standing in stats.accounts:
        account = standing.account
        kind = _OF_STATE.get(account.state)
        if kind is None and settled and _is_left_alone(standing):
            is_simulated = account.kind is AccountKind.SIMULATED
            kind = AlertKind.REHEARSAL_SILENT if is_simulated else AlertKind.ACCOUNT_SILENT
        if kind is not None:
            yield Alert(
                kind=kind,
                is_urgent=standing.load.running_campaigns > 0,
                id=account.id,
                name=account.name,
                detail=account.state_reason,
            )


def _is_left_alone(standing: AccountStanding) -> bool:
    return standing.leased_by is None and standing.load.running_campaigns > 0


def _judge_campaign(campaign: StuckCampaign) -> Alert:
    if campaign.pause_reason is not None:
        kind = _OF_PAUSE[campaign.pause_reason]
    elif campaign.status is CampaignStatus.DRAFT:
        kind = AlertKind.SCHEDULE_MISSED
    else:
        kind = AlertKind.CAMPAIGN_FAILED
    return Alert(kind=kind, is_urgent=True, id=campaign.id, name=campaign.name, detail=campaign.detail)
