"""The figures of a drill, its verdict, and how both are shown."""

from dataclasses import dataclass, field

from vestnik.cli.crashes import describe_crashes
from vestnik.cli.drill_options import DrillOptions

MAX_RATE_RATIO = 1.1


@dataclass(frozen=True, kw_only=True, slots=True)
class DrillReport:
    """Named as `--json` prints them. Seconds where the name ends in `_s`; `undone` is what was planned in vain.

    `crashes` are errors of our own that ended the delivery for an account, even if it went on after that.
    `takeover_max_s` and `after_outage_s` are None when nothing could be measured.
    """

    jobs: int
    distinct_posts: int
    duplicate_posts: int
    lost: int
    absorbed_repeats: int
    kills: int
    db_kills: int
    db_outages: int
    freezes: int
    flood_waits: int
    drops: int
    pauses: int
    elapsed_s: float
    undisturbed_s: float
    max_rate_ratio: float
    sends_during_hold: int
    sends_during_pause: int
    two_senders_s: float
    sends_after_thaw: int
    takeovers: int
    takeover_max_s: float | None
    after_outage_s: float | None
    lease_s: float
    holds: int
    failed: int
    unplanned_deaths: int
    crashes: int
    seed: int
    undone: list[str] = field(default_factory=list)
    passed: bool = False


def list_faults_found(report: DrillReport) -> list[str]:
    """What is not as it should be, a sentence each."""
    checks = [
        (report.lost > 0, f"{report.lost} posts are missing on the simulated Telegram"),
        (report.duplicate_posts > 0, f"{report.duplicate_posts} posts went up twice"),
        (report.sends_during_hold > 0, f"{report.sends_during_hold} posts while Telegram had said to wait"),
        (report.sends_during_pause > 0, f"{report.sends_during_pause} posts of a paused campaign"),
        (report.two_senders_s > 0, f"two processes sent for one account for {report.two_senders_s:.3f} s"),
        (
            report.sends_after_thaw > 0,
            f"{report.sends_after_thaw} posts of a thawed worker for what it had lost",
        ),
        (
            report.max_rate_ratio > MAX_RATE_RATIO,
            f"in some second {report.max_rate_ratio:.2f} times the account's rate was sent",
        ),
        (
            report.crashes > 0,
            f"{describe_crashes(report.crashes)} (see lane.crashed in the logs of the workers)",
        ),
        *((True, f"planned but not done: {what}") for what in report.undone),
    ]
    return [text for is_wrong, text in checks if is_wrong]


def describe_figures(report: DrillReport) -> list[tuple[str, str, str]]:
    """A line each: what, what it was, what it should be."""
    limit = report.lease_s + 1
    takeover = "—" if report.takeover_max_s is None else f"{report.takeover_max_s:.2f} s at most"
    return [
        ("posts that arrived", f"{report.distinct_posts} of {report.jobs}", "all"),
        ("lost", str(report.lost), "0"),
        ("posted twice", str(report.duplicate_posts), "0"),
        ("repeats that Telegram recognised", str(report.absorbed_repeats), "any: each was a post in doubt"),
        ("posts while Telegram said to wait", str(report.sends_during_hold), "0"),
        ("posts while paused", str(report.sends_during_pause), "0"),
        ("two processes for one account", f"{report.two_senders_s:.3f} s", "0"),
        ("posts of a thawed worker for what it lost", str(report.sends_after_thaw), "0"),
        ("crashes of the delivery", str(report.crashes), "0"),
        ("busiest second", f"{report.max_rate_ratio:.2f} × the rate", f"at most {MAX_RATE_RATIO}"),
        ("takeover from a dead worker", takeover, f"{limit:g} s: lease + 1 s"),
        (
            "first post after the database was back",
            "—" if report.after_outage_s is None else f"{report.after_outage_s:.2f} s",
            "below 2 s",
        ),
        ("time with all this", f"{report.elapsed_s:.1f} s", ""),
        ("time undisturbed", f"{report.undisturbed_s:.1f} s", ""),
    ]


def describe_verdict(report: DrillReport) -> str:
    """The drill in a sentence or two."""
    wrong = list_faults_found(report)
    if not wrong:
        return (
            f"PASSED. Each of the {report.jobs} posts is there exactly once, although {report.kills} workers were "
            f"killed and everything else above went wrong."
            if report.kills
            else f"PASSED. Each of the {report.jobs} posts is there exactly once."
        )
    return "FAILED: " + "; ".join(wrong) + f".\nThe same plan again: vestnik drill --seed {report.seed}"


def describe_plan(options: DrillOptions, counts: dict[str, int], *, lease: float, left_out: list[str]) -> str:
    """What is going to be done, for people who never saw this."""
    rate = f"{options.rate.normalize():f}"
    lines = [
        "Vestnik drill: does every post arrive exactly once when everything around it breaks?",
        "",
        f"A database, {options.workers} worker processes and a simulated Telegram run on this machine, for real.",
        f"{options.accounts} simulated accounts post to {options.jobs} channels in all, {rate} posts a second each.",
        "Nothing leaves this machine, and none of your data is touched.",
        "",
        "First undisturbed, to have something to compare with. Then the same again, while",
    ]
    words = {
        "kills": f"a worker is killed in mid-work (kill -9); a lease lasts {lease:g} s, then others take over",
        "db_kills": "the database server is killed (kill -9)",
        "db_outages": f"the database is cut off for {options.db_outage:g} s",
        "freezes": "a worker is frozen, loses its accounts, and thaws",
        "flood_waits": "Telegram says FLOOD_WAIT: this account has to keep still for a while",
        "drops": "the connection to Telegram breaks, half the time after the post went up",
        "pauses": "a campaign is paused and resumed",
    }
    lines += [f"  {counts[name]:4d} × {text}" for name, text in words.items() if counts.get(name)]
    if not any(counts.values()):
        lines.append("  nothing goes wrong (you asked for no faults)")
    lines += [f"  (left out: {what})" for what in left_out]
    lines += [
        "",
        "At the end the posts are counted on the simulated Telegram, not in Vestnik's own books.",
        f"Seed {options.seed}: the same seed gives the same plan of faults. Ctrl+C ends the drill.",
    ]
    return "\n".join(lines)
