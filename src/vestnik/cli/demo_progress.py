"""The live line of a demo: sent, failed, waiting, rate, time left."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

if TYPE_CHECKING:
    from vestnik.services.campaign_views import CampaignView

_RATE_WINDOW_SECONDS = 3.0


class ProgressLine(Protocol):
    """Is shown the campaign as often as it is read."""

    def show(self, view: "CampaignView") -> None:
        """Draw it."""


class RateMeter:
    """Posts a second over the last moments."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def measure(self, now: float, sent: int) -> float:
        """The rate, given the total sent so far."""
        self._samples.append((now, sent))
        while len(self._samples) > 2 and now - self._samples[0][0] > _RATE_WINDOW_SECONDS:
            self._samples.popleft()
        first_at, first_sent = self._samples[0]
        return (sent - first_sent) / (now - first_at) if now > first_at else 0.0


def estimate_seconds_left(view: "CampaignView", now: datetime) -> float:
    """How long the rest takes at the asked rate, after a wait if there is one."""
    left = (view.progress.total - view.progress.done) / float(view.delivery_rate)
    return left + held_seconds(view, now)


def held_seconds(view: "CampaignView", now: datetime) -> float:
    """How long Telegram makes the account wait; 0 if it does not."""
    return max((view.resumes_at - now).total_seconds(), 0.0) if view.resumes_at is not None else 0.0


class _Silent:
    def show(self, view: "CampaignView") -> None:
        """Draw nothing: standard output is for JSON, or no terminal."""


class _Bar:
    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None, note="starting")
        self._meter = RateMeter()

    def show(self, view: "CampaignView") -> None:
        """Draw it."""
        counts, now = view.progress, datetime.now(UTC)
        rate = self._meter.measure(time.monotonic(), counts.sent)
        parts = [f"{counts.sent} sent", f"{counts.failed} failed", f"{rate:.1f}/s"]
        held = held_seconds(view, now)
        if held:
            parts.append(f"waiting {held:.0f} s ({view.pause_reason})")
        left = estimate_seconds_left(view, now)
        parts.append(f"{left:.0f} s left" if not view.stored_status.is_final else "done")
        self._progress.update(
            self._task, total=counts.total or None, completed=counts.done, note=" · ".join(parts)
        )


@contextmanager
def show_progress(rate: Decimal, channels: int, *, as_json: bool) -> Iterator[ProgressLine]:
    """A bar on a terminal; nothing where programs read."""
    if as_json:
        yield _Silent()
        return
    print(f"Posting to {channels} channels, {rate.normalize():f} a second …", flush=True)
    if not sys.stdout.isatty():
        yield _Silent()
        return
    columns = (BarColumn(bar_width=30), TaskProgressColumn(), TextColumn("{task.fields[note]}"))
    with Progress(*columns, console=Console(highlight=False), refresh_per_second=10) as progress:
        yield _Bar(progress)
