"""The measurements of `benchmarks.pace`, each against a worker that is idle at its beginning."""

import asyncio
import random
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.arrivals import (
    HELD_FOR,
    count_fewest_in_window,
    find_pace_change,
    measure_gap_errors,
    measure_lateness,
    pick_percentile,
)
from benchmarks.pace_streams import FAST, SLOW, run_stream
from benchmarks.rehearsal import Rehearsal
from vestnik.domain.ids import CampaignId
from vestnik.simulator.faults import Fault, FaultKind
from vestnik.simulator.posts import count_most_in_window

HANDED_OVER = 0.1
"""Seconds after which nothing that was already handed over is still under way."""
SETTLE = 0.4
PICK_UP_P95 = 50
"""Milliseconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One result; with a target it is met up to `at_most`, from `at_least` on, or between both."""

    name: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def is_met(self) -> bool | None:
        """None without a target."""
        if self.at_most is None and self.at_least is None:
            return None
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """How long and how often is measured."""

    slow_seconds: int = 30
    fast_seconds: int = 10
    pick_ups: int = 50
    pauses: int = 20
    rate_changes: int = 10
    floods: int = 5

    @property
    def pause_posts(self) -> int:
        """More than there is time for."""
        return round(self.pauses * FAST * 1.2) + 400

    @property
    def rate_change_posts(self) -> int:
        """More than there is time for."""
        return round(self.rate_changes * 2 * (SLOW + FAST)) + 400

    @property
    def flood_posts(self) -> int:
        """More than there is time for."""
        return round(self.floods * FAST * 1.5) + 600

    @property
    def channels(self) -> int:
        """What the largest campaign needs."""
        paced = round(max(FAST * self.fast_seconds, SLOW * self.slow_seconds)) + 1
        return max(paced, self.pause_posts, self.rate_change_posts, self.flood_posts)


QUICK = Profile(slow_seconds=6, fast_seconds=3, pick_ups=10, pauses=5, rate_changes=2, floods=1)


async def measure_pace(rehearsal: Rehearsal, rate: float, seconds: int, name: str) -> list[Figure]:
    """One campaign from its start to its end."""
    stream = await run_stream(rehearsal, rate, seconds)
    figures = [
        Figure(name="channels without a post", value=stream.missing, at_most=0),
        Figure(name="posts beyond one a channel", value=stream.doubled, at_most=0),
        *judge_pace(stream.parts[0], rate),
        Figure(name="stalls of the machine over 25 ms", value=len(stream.stalls)),
        Figure(name="longest stall of the machine", value=1000 * max(stream.stalls, default=0), unit="ms"),
    ]
    return _prefix(f"{name} {rate:.0f}/s", figures)


def judge_pace(arrivals: Sequence[float], rate: float) -> list[Figure]:
    """How near the arrivals are to an even pace."""
    late = measure_lateness(arrivals, rate)
    p1, p99 = pick_percentile(late, 0.01), pick_percentile(late, 0.99)
    gaps = measure_gap_errors(arrivals, rate)
    limit = 25.0 if rate > SLOW else 10.0
    ratio = 100 * ((arrivals[-1] - arrivals[0]) * rate / (len(arrivals) - 1) - 1)
    return [
        Figure(name="lateness p50", value=1000 * statistics.median(late), unit="ms"),
        Figure(name="lateness p99", value=1000 * p99, unit="ms", at_most=limit),
        Figure(name="lateness max", value=1000 * max(late), unit="ms"),
        # The first post may itself have been late, which flatters all others; the earliest hundredth do not.
        Figure(name="lateness p99 over p1", value=1000 * (p99 - p1), unit="ms", at_most=limit),
        Figure(name="gap off by p50", value=1000 * statistics.median(gaps), unit="ms"),
        Figure(name="gap off by p99", value=1000 * pick_percentile(gaps, 0.99), unit="ms"),
        Figure(name="gap off by max", value=1000 * max(gaps), unit="ms"),
        Figure(name="busiest second", value=count_most_in_window(arrivals), at_most=int(rate * 1.05 + 1)),
        Figure(name="emptiest second", value=count_fewest_in_window(arrivals), at_least=int(rate * 0.95)),
        Figure(name="longer than ideal", value=ratio, unit="%", at_most=0.5),
    ]


async def measure_pick_up(rehearsal: Rehearsal, profile: Profile) -> list[Figure]:
    """From the start of a campaign of five known channels to its first post, with an idle worker."""
    seconds = await time_pick_ups(rehearsal, profile.pick_ups)
    return _prefix("pick-up", _spread("start to first post", seconds, p95=PICK_UP_P95))


async def time_pick_ups(rehearsal: Rehearsal, times: int) -> list[float]:
    """Seconds from before a start's COMMIT to the arrival of the first request, one campaign after the other."""
    await rehearsal.set_account_rate(SLOW)
    drafts = [await rehearsal.create(5, SLOW) for _ in range(times)]
    seconds = []
    for campaign_id in drafts:
        await asyncio.sleep(SETTLE + random.random() / 2)  # noqa: S311
        started_at = await rehearsal.start(campaign_id)
        await rehearsal.wait_for_posts(5, 30)
        await rehearsal.look()
        seconds.append(rehearsal.list_attempts(started_at)[0] - started_at)
    return seconds


async def measure_pauses(rehearsal: Rehearsal, profile: Profile) -> list[Figure]:
    """One campaign, again and again paused at any moment and resumed."""
    campaign_id = await _run_long(rehearsal, FAST, FAST, profile.pause_posts)
    silences, resumptions = [], []
    for _ in range(profile.pauses):
        paused_at = await rehearsal.pause(campaign_id)
        await asyncio.sleep(SETTLE)
        resumed_at = await rehearsal.resume(campaign_id)
        await asyncio.sleep(SETTLE + random.random() / 4)  # noqa: S311
        await rehearsal.look()
        after = rehearsal.list_attempts(paused_at, resumed_at)
        silences.append(max(after, default=paused_at) - paused_at)
        first = next(iter(rehearsal.list_attempts(resumed_at)), None)
        if first is None:
            raise SystemExit(f"nothing was posted within {SETTLE} s after a resume")
        resumptions.append(first - resumed_at)
    await rehearsal.cancel(campaign_id)
    await _rest(rehearsal)
    figures = _spread("pause to last post", silences, most=100) + _spread(
        "resume to first post", resumptions, most=300
    )
    return _prefix("pause", figures)


async def measure_rate_changes(rehearsal: Rehearsal, profile: Profile) -> list[Figure]:
    """One campaign at 20/s and 200/s by turns."""
    campaign_id = await _run_long(rehearsal, FAST, SLOW, profile.rate_change_posts)
    changes: list[tuple[float, float]] = []
    for _ in range(profile.rate_changes):
        for rate in (FAST, SLOW):
            changes.append((await rehearsal.change_rate(campaign_id, rate), rate))
            await asyncio.sleep(HELD_FOR + SETTLE + random.random() / 4)  # noqa: S311
    ended_at = await rehearsal.cancel(campaign_id)
    await _rest(rehearsal)
    delays: dict[float, list[float]] = {SLOW: [], FAST: []}
    ends = [at for at, _ in changes[1:]] + [ended_at]
    for (at, rate), end in zip(changes, ends, strict=True):
        held = find_pace_change(rehearsal.list_attempts(at - 1, end), rate, at)
        delays[rate].append(end - at if held is None else held - at)
    figures = _spread("20/s to 200/s", delays[FAST], most=1000) + _spread(
        "200/s to 20/s", delays[SLOW], most=1000
    )
    return _prefix("rate change", figures)


async def measure_floods(
    rehearsal: Rehearsal, profile: Profile, *, wait: int = 2, latency: float = 0.0
) -> list[Figure]:
    """One FLOOD_WAIT at a time at 200/s; with `latency` Telegram's answers take so many seconds."""
    await rehearsal.control.set_options(latency=latency)
    campaign_id = await _run_long(rehearsal, FAST, FAST, profile.flood_posts)
    flood = Fault(
        method="messages.sendMessage", kind=FaultKind.ERROR, code=420, name=f"FLOOD_WAIT_{wait}", count=1
    )
    under_way, late, last, strays, ends = [], [], [], 0, []
    for _ in range(profile.floods):
        asked_at = time.monotonic()
        await rehearsal.control.set_faults([flood])
        await asyncio.sleep(wait + 1 + SETTLE)
        await rehearsal.look()
        # What is read in one piece has one instant, so instants are counted off against each other.
        posted = Counter(post.arrived_monotonic for post in rehearsal.posts)
        refusals = Counter(rehearsal.list_attempts(asked_at)) - posted
        if refusals.total() != 1:
            raise SystemExit(f"{refusals.total()} requests were refused where one should have been")
        refused = min(refusals)
        answered = refused + latency
        after = rehearsal.list_attempts(answered, answered + wait)
        under_way.append(len(rehearsal.list_attempts(refused, answered)))
        late.append(len(after))
        last.append(max(after, default=answered) - answered)
        strays += sum(at > answered + HANDED_OVER for at in after)
        ends.append(next(iter(rehearsal.list_attempts(answered + wait)), time.monotonic()) - answered - wait)
        await asyncio.sleep(random.random() / 4)  # noqa: S311
    await rehearsal.cancel(campaign_id)
    await _rest(rehearsal)
    await rehearsal.control.set_options(latency=0.0)
    figures = [
        Figure(name="requests while the answer is on its way p50", value=statistics.median(under_way)),
        Figure(name="requests after the answer p50", value=statistics.median(late)),
        Figure(name="requests after the answer max", value=max(late)),
        Figure(name="requests over 100 ms after the answer", value=strays, at_most=0),
        *_spread("answer to last request", last, most=100),
        *_spread("end of the wait to first post", ends),
    ]
    return _prefix(f"FLOOD_WAIT, answers take {latency * 1000:.0f} ms", figures)


async def _run_long(rehearsal: Rehearsal, account_rate: float, rate: float, posts: int) -> CampaignId:
    """A campaign that is running evenly and will not end by itself."""
    await rehearsal.set_account_rate(account_rate)
    campaign_id = await rehearsal.create(posts, rate)
    await rehearsal.look()
    await rehearsal.start(campaign_id)
    await rehearsal.wait_for_posts(1, 30)
    await asyncio.sleep(1)
    return campaign_id


async def _rest(rehearsal: Rehearsal) -> None:
    """Until what was cancelled is recorded."""
    await asyncio.sleep(1)
    await rehearsal.look()


def _spread(
    name: str, seconds: Sequence[float], *, p95: float | None = None, most: float | None = None
) -> list[Figure]:
    """In milliseconds, with a target for one of them."""
    return [
        Figure(name=f"{name} p50", value=1000 * statistics.median(seconds), unit="ms"),
        Figure(name=f"{name} p95", value=1000 * pick_percentile(seconds, 0.95), unit="ms", at_most=p95),
        Figure(name=f"{name} max", value=1000 * max(seconds), unit="ms", at_most=most),
    ]


def _prefix(part: str, figures: Sequence[Figure]) -> list[Figure]:
    return [
        Figure(
            name=f"{part}: {each.name}",
            value=each.value,
            unit=each.unit,
            at_most=each.at_most,
            at_least=each.at_least,
        )
        for each in figures
    ]
