"""What needs a person: derived from what is stored each time it is asked for, so nothing has to be taken back.

Only what a process sees of its own machine is stored first (see `services.alert_records`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import accounts, alert_destinations, alerts, attention
from vestnik.db import queue as queue_rows
from vestnik.db.accounts import AccountStanding
from vestnik.db.attention import FailingCampaign, LongHold, StalledCampaign, StuckCampaign
from vestnik.db.queue import WorkerStanding
from vestnik.domain.alerts import Alert, AlertKind, AlertRules
from vestnik.domain.states import AccountKind, AccountState, CampaignStatus, PauseReason
from vestnik.services.queue import ALIVE_FOR

__all__ = ["Alert", "AlertKind", "find_alerts", "list_alerts"]

MOST_SHOWN: Final = 20
MOST_FOUND: Final = 500
"""Of each kind of campaign alerts, so that a great many of them make no great many messages."""
SETTLED_AFTER: Final = timedelta(seconds=20)
"""A worker that runs for as long has taken every account that it can take."""
SEEN_BY_PROCESSES: Final = frozenset({AlertKind.DISK_NEARLY_FULL, AlertKind.DATABASE_AWAY})
"""What no statement finds out."""

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
class _AccountFacts:
    """An account as far as alerts are about it."""

    standing: AccountStanding
    running: int
    hold: LongHold | None


async def list_alerts(session: AsyncSession, rules: AlertRules) -> list[Alert]:
    """All there are, the urgent ones first."""
    found = await find_alerts(session, rules, most=MOST_SHOWN)
    for record in await alerts.list_firing(session, SEEN_BY_PROCESSES):
        found.append(
            Alert(
                kind=AlertKind(record.kind),
                is_urgent=record.is_urgent,
                id=record.subject_id,
                name=record.name,
                detail=record.detail,
            )
        )
    return sorted(found, key=lambda alert: not alert.is_urgent)


async def find_alerts(session: AsyncSession, rules: AlertRules, *, most: int = MOST_FOUND) -> list[Alert]:
    """Those that the database tells of; read from counters and indexes, so it may be asked every few seconds."""
    workers = await queue_rows.list_workers(session)
    running = await attention.count_running(session)
    holds = await attention.list_long_holds(session, at_least=rules.held_for)
    facts = [
        _AccountFacts(
            standing=standing,
            running=running.get(standing.account.id, 0),
            hold=holds.get(standing.account.id),
        )
        for standing in await accounts.list_accounts(session)
    ]
    is_awaited = bool(running) or await attention.is_any_scheduled(session)
    stuck = await attention.list_stuck_campaigns(session, limit=most)
    failing = await attention.list_failing_campaigns(session, share=rules.failed_share, limit=most)
    stalled = await attention.list_stalled_campaigns(session, after=rules.stalled_after, limit=most)
    return [
        *_judge_workers(workers, is_awaited=is_awaited),
        *_judge_accounts(workers, facts),
        *(_judge_campaign(campaign) for campaign in stuck),
        *(_judge_results(campaign) for campaign in failing),
        *(_judge_standstill(campaign) for campaign in stalled),
        *(
            Alert(
                kind=AlertKind.DESTINATION_FAILING,
                is_urgent=False,
                id=destination.id,
                name=destination.name,
                detail=destination.last_error,
            )
            for destination in await alert_destinations.list_failing(session)
        ),
    ]


def _judge_workers(workers: list[WorkerStanding], *, is_awaited: bool) -> Iterator[Alert]:
    alive = [worker for worker in workers if worker.silent_for < ALIVE_FOR]
    dead = [worker for worker in workers if worker.silent_for >= ALIVE_FOR]
    if not alive:
        # One that stops properly takes itself off the list: then somebody stopped the last one on purpose.
        yield Alert(
            kind=AlertKind.NO_WORKER,
            is_urgent=is_awaited,
            is_news=is_awaited or bool(dead),
            is_certain=bool(dead),
        )
        return
    for worker in dead:
        if not any(other.started_at > worker.seen_at for other in alive):
            yield Alert(kind=AlertKind.WORKER_GONE, is_urgent=False, name=f"{worker.host} ({worker.pid})")


def _judge_accounts(workers: list[WorkerStanding], facts: list[_AccountFacts]) -> Iterator[Alert]:
    settled = any(
        worker.silent_for < ALIVE_FOR and worker.seen_at - worker.started_at > SETTLED_AFTER
        for worker in workers
    )
    for fact in facts:
        account = fact.standing.account
        state = AccountState(account.state)
        kind = _OF_STATE.get(state)
        detail, is_certain = account.state_reason, True
        if kind is None and fact.hold is not None:
            kind, detail = AlertKind.ACCOUNT_HELD, _describe_hold(fact.hold)
        elif kind is None and settled and fact.running and not fact.standing.is_leased:
            is_simulated = account.kind == AccountKind.SIMULATED
            kind = AlertKind.REHEARSAL_SILENT if is_simulated else AlertKind.ACCOUNT_SILENT
            is_certain = False  # another worker may be about to take it over
        if kind is not None:
            yield Alert(
                kind=kind,
                is_urgent=fact.running > 0,
                id=account.id,
                name=account.name,
                detail=detail,
                is_news=_is_news(kind, has_spoken=account.tg_user_id is not None, running=fact.running),
                is_certain=is_certain,
            )


def _is_news(kind: AlertKind, *, has_spoken: bool, running: int) -> bool:
    """Whoever switches an account off, or adds one that is still to be logged in, knows it."""
    match kind:
        case AlertKind.ACCOUNT_DISABLED:
            return False
        case AlertKind.ACCOUNT_NEEDS_LOGIN:
            return has_spoken or running > 0
        case _:
            return True


def _describe_hold(hold: LongHold) -> str:
    return f"It posts again at {hold.until:%Y-%m-%d %H:%M} UTC, by itself."


def _judge_campaign(campaign: StuckCampaign) -> Alert:
    if campaign.pause_reason is not None:
        kind = _OF_PAUSE[campaign.pause_reason]
    elif campaign.status is CampaignStatus.DRAFT:
        kind = AlertKind.SCHEDULE_MISSED
    else:
        kind = AlertKind.CAMPAIGN_FAILED
    return Alert(kind=kind, is_urgent=True, id=campaign.id, name=campaign.name, detail=campaign.detail)


def _judge_results(campaign: FailingCampaign) -> Alert:
    return Alert(
        kind=AlertKind.FAILED_SHARE,
        is_urgent=False,
        id=campaign.id,
        name=campaign.name,
        detail=_describe_failures(campaign),
    )


def _describe_failures(campaign: FailingCampaign) -> str:
    return f"{campaign.failed} of {campaign.results} results are failures."


def _judge_standstill(campaign: StalledCampaign) -> Alert:
    return Alert(
        kind=AlertKind.STALLED,
        is_urgent=True,
        id=campaign.id,
        name=campaign.name,
        detail=_describe_standstill(campaign),
        # A worker that has just come, or an account that was just let go on, may be about to post.
        is_certain=False,
    )


def _describe_standstill(campaign: StalledCampaign) -> str:
    return f"The last sign of life was at {campaign.since:%Y-%m-%d %H:%M} UTC."
