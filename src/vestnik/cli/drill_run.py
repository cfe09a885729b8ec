"""One part of a drill: processes, campaigns, faults, and what came of it."""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from vestnik.cli.drill_analysis import Sending, Span
from vestnik.cli.drill_fleet import FAILPOINTS_VARIABLE, Fleet
from vestnik.cli.drill_interruptions import Interrupter
from vestnik.cli.drill_narrator import Narrator
from vestnik.cli.drill_options import DrillOptions
from vestnik.cli.drill_plan import ChannelFaultKind, DrillPlan
from vestnik.cli.drill_sample import ACTOR, Part, prepare_parts
from vestnik.cli.drill_watcher import Watcher
from vestnik.cli.stack import make_child_environment
from vestnik.cli.up import run_stack

if TYPE_CHECKING:
    from vestnik.cli.stack import Stack
    from vestnik.settings import Settings
    from vestnik.simulator.faults import Fault
    from vestnik.simulator.posts import Summary

STALL_SECONDS: Final = 60.0
"""Without a request for so long, and the longest interruption more, nothing is waited for any longer."""
_POLL: Final = 0.1
_SEND: Final = "messages.sendMessage"


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """The facts of one part. `began_at` is when the first campaign's start had been committed."""

    plan: DrillPlan
    summary: "Summary"
    sendings: Sequence[Sending]
    holds: Sequence[Span]
    fleet: Fleet
    interrupter: Interrupter
    failed: int
    began_at: float

    @property
    def elapsed(self) -> float:
        """From the start to the last request to post."""
        return max((sending.at for sending in self.sendings), default=self.began_at) - self.began_at


async def run_part(
    settings: "Settings", options: DrillOptions, plan: DrillPlan, narrator: Narrator, *, title: str
) -> Observed:
    """Start everything, deliver, carry the plan out, stop everything."""
    fleet = Fleet(plan.kills, narrator, workers=options.workers)
    environment = {
        **make_child_environment(settings, base=os.environ, isolated=True),
        "VESTNIK_LEASE_SECONDS": str(settings.lease_seconds),
        # What Telegram refuses in a drill may be asked again soon.
        "VESTNIK_RETRY_BASE_SECONDS": "1",
    }
    environment.pop(FAILPOINTS_VARIABLE, None)
    async with run_stack(settings, fleet, environment) as stack:
        parts = await _prepare(stack, options, plan, title)
        await stack.wait_for_simulator()
        await fleet.start(stack)
        return await _Part(stack, fleet, plan, parts, narrator).run(title)


async def _prepare(stack: "Stack", options: DrillOptions, plan: DrillPlan, title: str) -> list[Part]:
    from vestnik.db.engine import open_session

    stamp = f"{title} {int(time.time())}"
    async with open_session(stack.engine) as session:
        return await prepare_parts(session, jobs=plan.jobs, rate=options.rate, title=f"Drill {stamp}")


class _Part:
    """One part, once its processes run."""

    def __init__(
        self, stack: "Stack", fleet: Fleet, plan: DrillPlan, parts: list[Part], narrator: Narrator
    ) -> None:
        self._stack = stack
        self._fleet = fleet
        self._plan = plan
        self._parts = parts
        self._narrator = narrator

    async def run(self, title: str) -> Observed:
        """Deliver to the end."""
        from vestnik.simulator.control import SimulatorControl

        assert self._stack.endpoint is not None
        endpoint = self._stack.endpoint
        async with await SimulatorControl.connect(endpoint) as control:
            await control.set_faults(make_channel_faults(self._plan, self._parts))
            watcher = Watcher(control, self._stack.engine, self._parts)
            watcher.on_look.append(lambda: self._fleet.shoot_due(watcher.by_process.__getitem__))
            total = sum(self._plan.jobs)
            self._narrator.begin(title, lambda: 100 * watcher.posts / total)
            interrupter = Interrupter(self._stack, self._fleet, watcher, self._narrator, self._parts)
            began_at = await self._start_campaigns()
            await self._deliver(watcher, interrupter)
        # A new connection: the watch may have been ended in the middle of an exchange.
        async with await SimulatorControl.connect(endpoint) as control:
            await watcher.look(control)
            return Observed(
                plan=self._plan,
                summary=await control.summarize(with_arrivals=False),
                sendings=watcher.sendings,
                holds=watcher.holds,
                fleet=self._fleet,
                interrupter=interrupter,
                failed=await self._count_failed(),
                began_at=began_at,
            )

    async def _start_campaigns(self) -> float:
        from vestnik.db.engine import open_session
        from vestnik.services.campaigns import start_campaign

        began_at = 0.0
        for part in self._parts:
            async with open_session(self._stack.engine) as session:
                await start_campaign(session, ACTOR, part.campaign_id)
            began_at = began_at or time.monotonic()
        return began_at

    async def _deliver(self, watcher: Watcher, interrupter: Interrupter) -> None:
        """Watch and interrupt until every campaign has ended, or nothing moves any more."""
        longest = max((planned.seconds for planned in self._plan.interruptions), default=0.0)
        patience = STALL_SECONDS + longest
        watching = asyncio.create_task(watcher.run())
        interrupting = asyncio.create_task(interrupter.run(self._plan.interruptions))
        try:
            while not (watcher.are_all_final or watching.done() or _has_failed(interrupting)):
                await asyncio.sleep(_POLL)
                self._narrator.reassure()
                if time.monotonic() - watcher.moved_at > patience:
                    self._narrator.say(f"nothing has moved for {patience:g} s; the drill ends here")
                    break
            interrupter.hurry()
            await asyncio.wait({interrupting}, timeout=patience)
        finally:
            watching.cancel()
            interrupting.cancel()
            await asyncio.wait({watching, interrupting})
        for task in (watching, interrupting):
            with suppress(asyncio.CancelledError):
                task.result()

    async def _count_failed(self) -> int:
        from vestnik.db.engine import open_session
        from vestnik.services.campaigns import get_campaign

        failed = 0
        async with open_session(self._stack.engine) as session:
            for part in self._parts:
                failed += (await get_campaign(session, part.campaign_id)).progress.failed
        return failed


def _has_failed(task: "asyncio.Task[None]") -> bool:
    return task.done() and task.exception() is not None


def make_channel_faults(plan: DrillPlan, parts: Sequence[Part]) -> "list[Fault]":
    """The plan's floods and dropped connections as the simulator takes them."""
    from vestnik.simulator.faults import Fault, FaultKind
    from vestnik.transports import simulated_name

    kinds = {
        ChannelFaultKind.FLOOD_WAIT: FaultKind.ERROR,
        ChannelFaultKind.DROP_BEFORE: FaultKind.DROP_BEFORE,
        ChannelFaultKind.DROP_AFTER: FaultKind.DROP_AFTER,
    }
    return [
        Fault(
            method=_SEND,
            kind=kinds[fault.kind],
            account=simulated_name(parts[fault.account].account_id),
            channel=parts[fault.account].usernames[fault.channel],
            code=420 if fault.kind is ChannelFaultKind.FLOOD_WAIT else None,
            name=f"FLOOD_WAIT_{fault.seconds}" if fault.kind is ChannelFaultKind.FLOOD_WAIT else None,
            count=1,
        )
        for fault in plan.channel_faults
    ]
