"""Whether the pace holds when something comes between: a pause, retries, a second campaign, a killed worker."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

import psutil

from benchmarks.pace_streams import Stream, run_stream, warm_up
from benchmarks.rehearsal import Rehearsal, open_rehearsal
from benchmarks.system import System
from vestnik.domain.ids import CampaignId
from vestnik.simulator.faults import Fault, FaultKind

PAUSED_FOR = 1.0
FAILING = 0.1
"""Part of all requests that are refused and tried again."""
RETRY_BASE = 1.0


async def pause(rehearsal: Rehearsal, campaign_id: CampaignId) -> list[float]:
    """And resume after a second."""
    paused_at = await rehearsal.pause(campaign_id)
    await asyncio.sleep(PAUSED_FOR)
    await rehearsal.resume(campaign_id)
    return [paused_at + PAUSED_FOR / 2]


async def kill(_rehearsal: Rehearsal, _campaign_id: CampaignId, *, pid: int) -> list[float]:
    """End the worker that sends as if its machine had lost its power; another one stands by."""
    process = psutil.Process(pid)
    process.kill()
    await asyncio.to_thread(process.wait)
    # Nobody sends until the lease has run out, so whatever comes from here on is the other one's.
    return [time.monotonic()]


async def run_failing(rehearsal: Rehearsal, rate: float, seconds: float) -> Stream:
    """A tenth of all requests is refused, and tried again after a second, two, four."""
    fault = Fault(
        method="messages.sendMessage",
        kind=FaultKind.ERROR,
        code=500,
        name="RPC_CALL_FAIL",
        probability=FAILING,
    )
    await rehearsal.control.set_faults([fault])
    try:
        return await run_stream(rehearsal, rate, seconds)
    finally:
        await rehearsal.control.clear_faults()


async def run_all(system: System, rates: Sequence[float], seconds: float) -> dict[tuple[str, float], Stream]:
    """By what came between and by rate; the worker is killed once for each rate."""
    streams: dict[tuple[str, float], Stream] = {}
    with ExitStack() as workers:
        pid = workers.enter_context(system.run_worker(retry_base=RETRY_BASE))
        async with open_rehearsal(system) as rehearsal:
            await warm_up(rehearsal, round(max(rates) * seconds) + 1)
            for rate in rates:
                streams["pause", rate] = await run_stream(rehearsal, rate, seconds, pause)
                streams["retry", rate] = await run_failing(rehearsal, rate, seconds)
                streams["second_campaign", rate] = await run_stream(rehearsal, rate, seconds / 2, campaigns=2)
                standby = workers.enter_context(system.run_worker(retry_base=RETRY_BASE))
                streams["takeover", rate] = await run_stream(rehearsal, rate, seconds, partial(kill, pid=pid))
                pid = standby
    return streams
