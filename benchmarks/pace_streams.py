"""Campaigns at a pace, and when their requests arrived in the simulator."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.arrivals import split_at
from benchmarks.rehearsal import Rehearsal
from vestnik.domain.ids import CampaignId

SLOW, FAST = 20.0, 200.0
CRAWL = 0.001
"""Messages a second at which a campaign runs and sends nothing after its first post."""
STALL = 0.025
TICK = 0.005
SLACK = 90.0
"""Seconds beyond twice its ideal duration after which a stream is given up."""


@dataclass(slots=True)
class StallWatch:
    """How long the machine kept a process waiting that had nothing to do but wake up."""

    stalls: list[float] = field(default_factory=list)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """In a thread, for the length of the block."""
        over = threading.Event()

        def wake_up() -> None:
            before = time.monotonic()
            while not over.is_set():
                time.sleep(TICK)
                now = time.monotonic()
                if now - before > STALL:
                    self.stalls.append(now - before)
                before = now

        thread = threading.Thread(target=wake_up, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


async def warm_up(rehearsal: Rehearsal, channels: int) -> None:
    """Make the channels known to the account, so that no look-up is measured; returns when all is quiet."""
    await rehearsal.set_account_rate(FAST)
    campaign_id = await rehearsal.create(channels, CRAWL)  # so that it cannot end before it is cancelled
    await rehearsal.start(campaign_id)
    await rehearsal.wait_for_posts(1, 60)
    await rehearsal.wait_for_addresses(channels)
    await rehearsal.cancel(campaign_id)
    await asyncio.sleep(1)
    await rehearsal.look()


@dataclass(frozen=True, kw_only=True, slots=True)
class Stream:
    """When requests arrived, in the parts between which nothing was to be sent, and what became of the posts."""

    parts: Sequence[Sequence[float]]
    missing: int
    doubled: int
    stalls: Sequence[float]

    @property
    def longest_gap(self) -> float:
        """Seconds between the end of a part and the beginning of the next; 0 without any."""
        ends = zip(self.parts, self.parts[1:], strict=False)
        return max((after[0] - before[-1] for before, after in ends), default=0.0)


Act = Callable[[Rehearsal, CampaignId], Awaitable[list[float]]]
"""What comes between; the instants at which a new part begins."""


async def run_stream(
    rehearsal: Rehearsal, rate: float, seconds: float, act: Act | None = None, *, campaigns: int = 1
) -> Stream:
    """So many seconds of posts; what comes between does so when half of them are out.

    A second campaign starts at that moment. Judged are requests, refused ones included: each takes a slot.
    """
    number = round(rate * seconds) + 1
    await rehearsal.set_account_rate(rate)
    campaign_ids = [await rehearsal.create(number, rate) for _ in range(campaigns)]
    await rehearsal.look()
    known, known_attempts = len(rehearsal.posts), len(rehearsal.attempts)
    watch = StallWatch()
    cuts: list[float] = []
    await asyncio.sleep(1)  # until the worker has seen the account's rate
    with watch.watch():
        await rehearsal.start(campaign_ids[0])
        await rehearsal.wait_for_posts(number // 2, seconds + SLACK)
        if act is not None:
            cuts = await act(rehearsal, campaign_ids[0])
        for campaign_id in campaign_ids[1:]:
            await rehearsal.start(campaign_id)
        await rehearsal.wait_for_posts(number * campaigns, 2 * campaigns * seconds + SLACK)
    await asyncio.sleep(1)  # for posts that nobody asked for
    await rehearsal.look()
    posts = rehearsal.posts[known:]
    reached = len({(post.channel_id, post.text) for post in posts})
    # While fresh messages are left every slot is taken; after them only those come that are tried again.
    attempts = sorted(rehearsal.attempts[known_attempts:])[: number * campaigns]
    return Stream(
        parts=split_at(attempts, cuts),
        missing=number * campaigns - reached,
        doubled=len(posts) - reached,
        stalls=watch.stalls,
    )
