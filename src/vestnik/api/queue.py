"""What there is to do, who does it, and what is waited for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field

from vestnik.api.accounts import AccountView
from vestnik.api.schemas import ApiModel
from vestnik.domain.states import CampaignStatus
from vestnik.domain.users import Role
from vestnik.services.queue import ALIVE_FOR, AccountStanding, QueueStats, WorkerStanding, read_queue_stats
from vestnik.web.identity import allow
from vestnik.web.state import read_state

router = APIRouter(prefix="/queue", tags=["queue"])


class JobSums(ApiModel):
    """Messages of all campaigns by status."""

    total: Annotated[int, Field(examples=[100])]
    queued: Annotated[int, Field(examples=[60])]
    sending: Annotated[int, Field(examples=[2])]
    sent: Annotated[int, Field(examples=[35])]
    failed: Annotated[int, Field(examples=[3])]
    cancelled: Annotated[int, Field(examples=[0])]


class AccountLoadView(ApiModel):
    """An account and what it has to do."""

    account: AccountView
    running_campaigns: int
    queued: int
    sending: int


class WorkerView(ApiModel):
    """A worker that ran within the last day."""

    holder: Annotated[str, Field(examples=["worker-news1-4711"])]
    host: Annotated[str, Field(examples=["news1"])]
    pid: int
    started_at: datetime
    seen_at: Annotated[datetime, Field(description="Its last heartbeat.")]
    is_alive: bool
    accounts: Annotated[int, Field(description="How many accounts it speaks for now.")]


class OldestSendingView(ApiModel):
    """The message that has been on its way to Telegram for the longest time."""

    job_id: int
    campaign_id: UUID
    account_id: UUID
    since: datetime


class QueueStatsView(ApiModel):
    """The whole system at one moment."""

    jobs: JobSums
    campaigns: Annotated[
        dict[CampaignStatus, int], Field(description="By stored status.", examples=[{"RUNNING": 1}])
    ]
    accounts: Sequence[AccountLoadView]
    workers: Sequence[WorkerView]
    oldest_sending: OldestSendingView | None


@router.get("/stats", **allow(Role.VIEWER))
async def show_queue_stats(request: Request) -> QueueStatsView:
    """Messages by state, load and holds of each account, workers, the oldest message on its way."""
    return _show(await read_state(request.app).database.run(read_queue_stats))


def _show(stats: QueueStats) -> QueueStatsView:
    return QueueStatsView(
        jobs=JobSums.show(stats.jobs),
        campaigns={status: stats.campaigns.get(status, 0) for status in CampaignStatus},
        accounts=[_show_load(standing) for standing in stats.accounts],
        workers=[_show_worker(worker) for worker in stats.workers],
        oldest_sending=None if stats.oldest_sending is None else OldestSendingView.show(stats.oldest_sending),
    )


def _show_load(standing: AccountStanding) -> AccountLoadView:
    return AccountLoadView(
        account=AccountView.show_standing(standing),
        running_campaigns=standing.load.running_campaigns,
        queued=standing.load.queued,
        sending=standing.load.sending,
    )


def _show_worker(worker: WorkerStanding) -> WorkerView:
    return WorkerView(
        holder=worker.holder,
        host=worker.host,
        pid=worker.pid,
        started_at=worker.started_at,
        seen_at=worker.seen_at,
        is_alive=worker.silent_for < ALIVE_FOR,
        accounts=worker.accounts,
    )
