"""What the whole installation does, in figures for a monitoring system; by the labels of `metrics.catalogue`."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from vestnik.db import metrics as rows
from vestnik.db.engine import limit_duration
from vestnik.metrics import catalogue
from vestnik.metrics.catalogue import ChannelState, Metric, StopScope
from vestnik.metrics.registry import Samples
from vestnik.services.queue import ALIVE_FOR

LONGEST_STATEMENT: Final = 2.0
"""Seconds; whoever looks at figures must not hold up what they are about."""
LONGEST_COUNT: Final = 5.0
"""The same, where rows have to be counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InstallationFigures:
    """What there is to do and who does it."""

    jobs: Samples
    campaigns: Samples
    campaigns_paused: Samples
    campaigns_due: Samples
    queue_age: Samples
    oldest_sending: float
    accounts: Samples
    accounts_held: Samples
    hold_remaining: Samples
    alerts: Samples
    workers: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelFigures:
    """How many channels can be posted to, and why not."""

    channels: Samples
    stops: Samples


async def read_installation_figures(session: AsyncSession) -> InstallationFigures:
    """A few statements over counters and small tables."""
    await limit_duration(session, LONGEST_STATEMENT)
    campaigns = await rows.count_campaigns(session)
    due = await rows.read_due(session)
    holds = await rows.count_holds(session)
    return InstallationFigures(
        jobs=_complete(catalogue.JOBS, await rows.sum_jobs(session)),
        campaigns=_complete(
            catalogue.CAMPAIGNS, [(mode, status, number) for mode, status, _, number in campaigns]
        ),
        campaigns_paused=_complete(
            catalogue.CAMPAIGNS_PAUSED,
            [(mode, reason, number) for mode, _, reason, number in campaigns if reason is not None],
        ),
        campaigns_due=_complete(catalogue.CAMPAIGNS_DUE, [(mode, number) for mode, number, _ in due]),
        queue_age=_complete(catalogue.QUEUE_AGE, [(mode, seconds) for mode, _, seconds in due]),
        oldest_sending=await rows.measure_oldest_sending(session),
        accounts=_complete(catalogue.ACCOUNTS, await rows.count_accounts(session)),
        accounts_held=_complete(
            catalogue.ACCOUNTS_HELD, [(mode, scope, number) for mode, scope, number, _ in holds]
        ),
        hold_remaining=_complete(
            catalogue.HOLD_REMAINING, [(mode, scope, seconds) for mode, scope, _, seconds in holds]
        ),
        alerts=_complete(catalogue.ALERTS, await rows.count_alerts(session)),
        workers=await rows.count_workers(session, ALIVE_FOR.total_seconds()),
    )


async def read_channel_figures(session: AsyncSession) -> ChannelFigures:
    """Counts channels one by one: ask for it rarely."""
    await limit_duration(session, LONGEST_COUNT)
    total, inactive = await rows.count_channels(session)
    of_all = await rows.count_stopped_channels(session)
    of_pairs = await rows.count_stopped_pairs(session)
    return ChannelFigures(
        channels={(ChannelState.ACTIVE,): total - inactive, (ChannelState.INACTIVE,): inactive},
        stops={
            **{(StopScope.ALL, reason): number for reason, number in of_all},
            **{(StopScope.ACCOUNT, reason): number for reason, number in of_pairs},
        },
    )


def _complete(metric: Metric, found: Iterable[tuple[Any, ...]]) -> Samples:
    """Sums of (labels…, number), and 0 for the rest of the catalogue: a missing series has no rate."""
    samples = dict.fromkeys(product(*metric.labels.values()), 0.0)
    for *labels, number in found:
        key = tuple(labels)
        samples[key] = samples.get(key, 0.0) + float(number)
    return samples
