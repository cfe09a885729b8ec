"""What a demo run came to: figures from the simulator's posts, and how they are shown."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from vestnik.cli.crashes import describe_crashes
from vestnik.domain.states import CampaignStatus
from vestnik.simulator.posts import count_most_in_window


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrived:
    """A post that the simulator has: in which channel, and when it came, in monotonic seconds."""

    username: str
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """The facts of a run.

    `posts` are the simulator's; `sent` and `failed` Vestnik's own counters, `failed_usernames` its FAILED jobs;
    `committed_at` is when the start's transaction had been committed, on the clock of the posts.
    """

    usernames: Sequence[str]
    posts: Sequence[Arrived]
    sent: int
    failed: int
    failed_usernames: Collection[str]
    rate: Decimal
    committed_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoReport:
    """The figures, named as `--once --json` prints them.

    `crashes` are errors of our own that ended the delivery for an account, even if it went on after that.
    """

    channels: int
    sent: int
    failed: int
    distinct_posts: int
    duplicate_posts: int
    lost: int
    elapsed_s: float
    ideal_s: float
    overhead_pct: float | None
    max_in_1s: int
    pickup_ms: float | None
    crashes: int = 0


def make_report(observed: Observed) -> DemoReport:
    """Count posts; two in one channel are a duplicate, since a run posts once to each."""
    wanted = {username.lower() for username in observed.usernames}
    posted = {post.username.lower() for post in observed.posts}
    failed = {username.lower() for username in observed.failed_usernames}
    arrivals = sorted(post.at for post in observed.posts)
    elapsed = arrivals[-1] - arrivals[0] if arrivals else 0.0
    ideal = max(observed.sent - 1, 0) / float(observed.rate)
    return DemoReport(
        channels=len(wanted),
        sent=observed.sent,
        failed=observed.failed,
        distinct_posts=len(posted),
        duplicate_posts=len(observed.posts) - len(posted),
        lost=len(wanted - posted - failed),
        elapsed_s=round(elapsed, 3),
        ideal_s=round(ideal, 3),
        overhead_pct=round((elapsed / ideal - 1) * 100, 2) if ideal else None,
        max_in_1s=count_most_in_window(arrivals),
        pickup_ms=round(max(arrivals[0] - observed.committed_at, 0.0) * 1000, 1) if arrivals else None,
    )


def is_success(report: DemoReport, status: CampaignStatus) -> bool:
    """Whether everything arrived exactly once or is accounted for, and no part of ours failed on the way."""
    is_complete = status is CampaignStatus.COMPLETED and report.lost == 0 and report.duplicate_posts == 0
    return is_complete and report.crashes == 0


def describe_report(
    report: DemoReport, status: CampaignStatus, rate: Decimal, failures: dict[str, int]
) -> list[tuple[str, str]]:
    """The figures in words, a line each, for people who see a queue for the first time."""
    lines = [
        ("posts that arrived", f"{report.distinct_posts} of {report.channels} channels have one"),
        ("posted twice", str(report.duplicate_posts) if report.duplicate_posts else "none"),
        ("lost", str(report.lost) if report.lost else "none"),
    ]
    if report.failed:
        reasons = ", ".join(f"{count} × {code}" for code, count in failures.items())
        lines.append(("could not be posted", f"{report.failed} ({reasons})"))
    pace = f"{report.elapsed_s:.2f} s from the first to the last post; {rate.normalize():f} a second were asked for"
    if report.overhead_pct is not None:
        pace += f", which takes {report.ideal_s:.2f} s ({report.overhead_pct:+.1f} %)"
    lines += [("pace", pace), ("most in one second", f"{report.max_in_1s} posts")]
    if report.pickup_ms is not None:
        lines.append(("first post", f"{report.pickup_ms:.0f} ms after the campaign was started"))
    if report.crashes:
        lines.append(("crashes", f"{describe_crashes(report.crashes)}; the worker's log says why"))
    if status is not CampaignStatus.COMPLETED:
        lines.append(("campaign", f"{status} — it did not complete"))
    return lines
