"""Delivers a demo's sample and counts, in the simulator, what came of it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from vestnik.cli.crashes import describe_crashes
from vestnik.cli.demo_options import DemoOptions
from vestnik.cli.demo_progress import show_progress
from vestnik.cli.demo_report import Arrived, DemoReport, Observed, is_success, make_report
from vestnik.cli.demo_sample import ACTOR, Sample, prepare_sample
from vestnik.domain.errors import DatabaseUnavailableError, SimulatorError
from vestnik.domain.states import CampaignStatus, PauseReason

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from vestnik.cli.stack import Stack
    from vestnik.services.campaign_views import CampaignView
    from vestnik.simulator.control import SimulatorControl

POLL: Final = timedelta(milliseconds=100)
_POSTS_PER_PAGE: Final = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a run ended. `failures` are counts by error code, `detail` why the campaign did not complete."""

    report: DemoReport
    status: CampaignStatus
    failures: dict[str, int]
    detail: str | None

    @property
    def is_success(self) -> bool:
        """Whether everything arrived exactly once or is accounted for, and no part of ours failed on the way."""
        return is_success(self.report, self.status)

    def with_crashes(self, count: int) -> "Outcome":
        """The same, after the delivery has crashed so often."""
        return replace(self, report=replace(self.report, crashes=count))

    @property
    def verdict(self) -> str:
        """The run in one sentence."""
        if not self.is_success:
            crashes = describe_crashes(self.report.crashes) if self.report.crashes else None
            reason = f": {self.detail or crashes}" if self.detail or crashes else ""
            return f"This is not as it should be{reason}."
        if self.report.failed:
            return "Every other channel got its post exactly once."
        return "Every channel got its post exactly once."


async def make_sample(stack: "Stack", options: DemoOptions) -> Sample:
    """Make account, channels, template and campaign in one transaction."""
    from vestnik.db.engine import open_session

    async with open_session(stack.engine) as session:
        return await prepare_sample(session, channels=options.channels, rate=options.rate)


async def deliver_sample(stack: "Stack", options: DemoOptions, sample: Sample) -> Outcome:
    """Start the campaign, watch it to its end, and count."""
    await _arrange_faults(stack, options, sample)
    with show_progress(options.rate, len(sample.usernames), as_json=options.as_json) as line:
        committed_at = await _start(stack.engine, sample)
        view = await _watch(stack.engine, sample, line.show)
    posts = await _read_posts(stack)
    return await _conclude(stack.engine, sample, view, posts, committed_at)


async def _arrange_faults(stack: "Stack", options: DemoOptions, sample: Sample) -> None:
    from vestnik.cli.demo_faults import plan_faults

    faults = plan_faults(options.faults, sample.usernames)
    if faults:
        async with await _connect(stack) as control:
            await control.set_faults(faults)


async def _start(engine: "AsyncEngine", sample: Sample) -> float:
    """Start the campaign as the API does; the instant after the commit, on the clock that posts have too."""
    from vestnik.db.engine import open_session
    from vestnik.services.campaigns import start_campaign

    async with open_session(engine) as session:
        await start_campaign(session, ACTOR, sample.campaign_id)
    return time.monotonic()


async def _watch(
    engine: "AsyncEngine", sample: Sample, show: "Callable[[CampaignView], None]"
) -> "CampaignView":
    """Read the progress until nothing more will happen by itself."""
    from vestnik.db.engine import open_session
    from vestnik.services.campaigns import get_campaign

    while True:
        try:
            async with open_session(engine) as session:
                view = await get_campaign(session, sample.campaign_id)
        except DatabaseUnavailableError:
            pass  # it is started again by its guard; a demo may well have it killed
        else:
            show(view)
            if view.stored_status.is_final or _stands_still(view):
                return view
        await asyncio.sleep(POLL.total_seconds())


def _stands_still(view: "CampaignView") -> bool:
    """Whether Vestnik itself has paused the campaign and waits for a person."""
    return view.stored_status is CampaignStatus.PAUSED and view.pause_reason is not PauseReason.OPERATOR


async def _read_posts(stack: "Stack") -> list[Arrived]:
    """All posts of the simulator, which is as fresh as the run."""
    posts: list[Arrived] = []
    async with await _connect(stack) as control:
        while True:
            page = await control.list_posts(first=len(posts), limit=_POSTS_PER_PAGE)
            posts += [
                Arrived(username=post.username or str(post.channel_id), at=post.arrived_monotonic)
                for post in page
            ]
            if len(page) < _POSTS_PER_PAGE:
                return posts


async def _connect(stack: "Stack") -> "SimulatorControl":
    from vestnik.simulator.control import SimulatorControl

    if stack.endpoint is None:
        raise SimulatorError("the simulator has not said where it listens")
    return await SimulatorControl.connect(stack.endpoint)


async def _conclude(
    engine: "AsyncEngine", sample: Sample, view: "CampaignView", posts: list[Arrived], committed_at: float
) -> Outcome:
    from vestnik.db.engine import open_session
    from vestnik.db.rehearsals import list_failed_usernames
    from vestnik.services.campaigns import count_failures

    async with open_session(engine) as session:
        failed_usernames = await list_failed_usernames(session, sample.campaign_id)
        failures = await count_failures(session, sample.campaign_id)
    observed = Observed(
        usernames=sample.usernames,
        posts=posts,
        sent=view.progress.sent,
        failed=view.progress.failed,
        failed_usernames=failed_usernames,
        rate=view.delivery_rate,
        committed_at=committed_at,
    )
    return Outcome(
        report=make_report(observed), status=view.status, failures=failures, detail=view.status_detail
    )
