"""What goes wrong in a drill, and when: computed from the options and the seed before anything starts. Pure.

Faults come by progress, not by the clock, so that each really happens before the posts run out: kills after so
many posts of the process that is to die, interruptions after so many posts of all, floods and dropped connections
at the first request for a certain channel.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import accumulate
from typing import Final

from vestnik.cli.drill_options import DrillOptions
from vestnik.delivery.failpoints import Failpoint
from vestnik.domain.errors import InvalidInputError

KILL_SHARE: Final = 0.6
"""Part of the posts by which all kills have happened."""
_INTERRUPTION_SHARE: Final = 0.85
_LEAST_POSTS_PER_KILL: Final = 4.0
_MOST_CHANNEL_FAULTS: Final = 0.25
_CLAIM_SECONDS: Final = 0.25
_RECORD_SECONDS: Final = 0.1
"""How often a lane claims and records (delivery/options.py)."""
_FLOOD_SECONDS: Final = (2, 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedKill:
    """A worker dies at the `passes`-th pass of a failpoint, or, without one, after about `posts` posts of its own.

    With `gives_back` its parent ends its leases at once, as `vestnik up` does; without, they have to run out.
    """

    point: Failpoint | None
    passes: int
    posts: int
    gives_back: bool


class Interruption(StrEnum):
    """What is done to the whole while it runs."""

    DB_KILL = "db_kill"
    DB_OUTAGE = "db_outage"
    FREEZE = "freeze"
    PAUSE = "pause"


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedInterruption:
    """Happens once there are `at_posts` posts, and lasts `seconds`; `account` is whose campaign is paused."""

    kind: Interruption
    at_posts: int
    seconds: float = 0.0
    account: int = 0


class ChannelFaultKind(StrEnum):
    """What the simulated Telegram does at the first request for a channel."""

    FLOOD_WAIT = "flood_wait"
    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelFault:
    """Hits the `channel`-th post of an account; both count from 0. `seconds` is the wait of a FLOOD_WAIT."""

    kind: ChannelFaultKind
    account: int
    channel: int
    seconds: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class DrillPlan:
    """Everything that goes wrong. `jobs` is the number of posts of each account."""

    jobs: tuple[int, ...]
    kills: tuple[PlannedKill, ...] = ()
    interruptions: tuple[PlannedInterruption, ...] = ()
    channel_faults: tuple[ChannelFault, ...] = ()

    def without_faults(self) -> "DrillPlan":
        """The same posts, undisturbed."""
        return DrillPlan(jobs=self.jobs)

    def count(self, *kinds: Interruption | ChannelFaultKind) -> int:
        """How many interruptions and channel faults of these kinds there are."""
        planned = [entry.kind for entry in self.interruptions] + [entry.kind for entry in self.channel_faults]
        return sum(kind in kinds for kind in planned)


def make_plan(options: DrillOptions, *, lease: float, can_signal: bool) -> DrillPlan:
    """The plan for these options; the same seed gives the same plan.

    `can_signal`: processes can be stopped and the database's socket hidden, which Windows cannot. Raises
    InvalidInputError when there are too few posts for so many faults.
    """
    if options.jobs < options.accounts:
        raise InvalidInputError(
            f"{options.accounts} accounts need at least {options.accounts} posts; ask for more with --jobs",
            field="jobs",
        )
    rng = random.Random(options.seed)  # noqa: S311 - repeatable, not secret
    share, rest = divmod(options.jobs, options.accounts)
    jobs = tuple(share + (number < rest) for number in range(options.accounts))
    return DrillPlan(
        jobs=jobs,
        kills=_plan_kills(options, rng),
        interruptions=_plan_interruptions(options, rng, lease=lease, can_signal=can_signal),
        channel_faults=_plan_channel_faults(options, rng, jobs),
    )


def _plan_kills(options: DrillOptions, rng: random.Random) -> tuple[PlannedKill, ...]:
    """All kinds equally often, in any order; at least half of the leases are left to run out."""
    if not options.kills:
        return ()
    mean = options.jobs * KILL_SHARE / options.kills
    if mean < _LEAST_POSTS_PER_KILL:
        _refuse("kills", options.kills, math.ceil(options.kills * _LEAST_POSTS_PER_KILL / KILL_SHARE))
    kinds: list[Failpoint | None] = [None, *reversed(Failpoint)]
    points = [kinds[number % len(kinds)] for number in range(options.kills)]
    giving = [number < options.kills // 2 for number in range(options.kills)]
    rng.shuffle(points)
    rng.shuffle(giving)
    # Leases are acquired before the campaigns start: who is there first is not to die before there is work.
    points.sort(key=lambda point: point is Failpoint.AFTER_ACQUIRE)
    busy = points[: options.workers]
    rest = points[len(busy) :]
    rng.shuffle(rest)
    kills = []
    for point, gives_back in zip(busy + rest, giving, strict=True):
        posts = rng.randint(1, max(int(2 * mean) - 1, 1))
        passes = _count_passes(point, posts, float(options.rate))
        kills.append(PlannedKill(point=point, passes=passes, posts=posts, gives_back=gives_back))
    return _fit(kills, int(options.jobs * KILL_SHARE))


def _fit(kills: list[PlannedKill], budget: int) -> tuple[PlannedKill, ...]:
    """Scale the posts down to what there is, should chance have asked for more."""
    wanted = sum(kill.posts for kill in kills)
    if wanted <= budget:
        return tuple(kills)
    factor = budget / wanted
    return tuple(
        replace(
            kill,
            posts=max(int(kill.posts * factor), 1),
            passes=max(int(kill.passes * factor), 1),
        )
        for kill in kills
    )


def _count_passes(point: Failpoint | None, posts: int, rate: float) -> int:
    """About how often a process passes a failpoint in so many posts."""
    match point:
        case None | Failpoint.AFTER_ACQUIRE:
            return 1
        case Failpoint.BEFORE_SEND | Failpoint.AFTER_SEND:
            return posts
        case Failpoint.AFTER_CLAIM:
            return max(round(posts / max(rate * _CLAIM_SECONDS, 1)), 1)
        case Failpoint.BEFORE_RECORD | Failpoint.AFTER_RECORD:
            return max(round(posts / max(rate * _RECORD_SECONDS, 1)), 1)


def _plan_interruptions(
    options: DrillOptions, rng: random.Random, *, lease: float, can_signal: bool
) -> tuple[PlannedInterruption, ...]:
    kinds = [Interruption.DB_KILL] * options.db_kills + [Interruption.PAUSE] * options.pauses
    if can_signal:
        kinds += [Interruption.FREEZE]
        kinds += [Interruption.DB_OUTAGE] if options.db_outage else []
    rng.shuffle(kinds)
    costs = [_count_posts_during(kind, options.total_rate, lease) for kind in kinds]
    spare = options.jobs * _INTERRUPTION_SHARE - sum(costs)
    if spare < 0:
        what = "interruptions (pauses, database kills, the outage and the freeze)"
        _refuse(what, len(kinds), math.ceil(sum(costs) / _INTERRUPTION_SHARE))
    waits = sorted(rng.uniform(0, spare) for _ in kinds)
    before = [0.0, *accumulate(costs)]
    return tuple(
        PlannedInterruption(
            kind=kind,
            at_posts=int(wait + cost),
            seconds=_choose_seconds(kind, options, rng, lease),
            account=rng.randrange(options.accounts),
        )
        for kind, wait, cost in zip(kinds, waits, before, strict=False)
    )


def _count_posts_during(kind: Interruption, total_rate: float, lease: float) -> float:
    """How many posts may go out until such an interruption is over and done with."""
    match kind:
        case Interruption.FREEZE:
            return total_rate * (lease + 2.5)
        case Interruption.PAUSE:
            return total_rate * 2.0
        case Interruption.DB_KILL | Interruption.DB_OUTAGE:
            return total_rate * 0.5


def _choose_seconds(kind: Interruption, options: DrillOptions, rng: random.Random, lease: float) -> float:
    match kind:
        case Interruption.FREEZE:
            return round(lease + rng.uniform(1.5, 2.5), 2)
        case Interruption.PAUSE:
            return round(rng.uniform(1.0, 2.0), 2)
        case Interruption.DB_OUTAGE:
            return options.db_outage
        case Interruption.DB_KILL:
            return 0.0


def _plan_channel_faults(
    options: DrillOptions, rng: random.Random, jobs: Sequence[int]
) -> tuple[ChannelFault, ...]:
    count = options.flood_waits + options.drops
    if count > options.jobs * _MOST_CHANNEL_FAULTS:
        _refuse("flood waits and drops", count, math.ceil(count / _MOST_CHANNEL_FAULTS))
    places = [(account, channel) for account, total in enumerate(jobs) for channel in range(total)]
    chosen = rng.sample(places, count)
    kinds = [ChannelFaultKind.FLOOD_WAIT] * options.flood_waits
    for number in range(options.drops):
        kinds.append(ChannelFaultKind.DROP_AFTER if number % 2 == 0 else ChannelFaultKind.DROP_BEFORE)
    return tuple(
        ChannelFault(
            kind=kind,
            account=account,
            channel=channel,
            seconds=rng.choice(_FLOOD_SECONDS) if kind is ChannelFaultKind.FLOOD_WAIT else 0,
        )
        for kind, (account, channel) in zip(kinds, chosen, strict=True)
    )


def _refuse(what: str, count: int, needed: int) -> None:
    raise InvalidInputError(
        f"{count} {what} do not fit into so few posts: they need at least {needed}; "
        "ask for more with --jobs, or for fewer faults",
        field="jobs",
    )
