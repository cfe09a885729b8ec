"""From what was observed in both parts of a drill to its report."""

import json
from collections.abc import Mapping
from dataclasses import astuple, replace
from pathlib import Path

from vestnik.cli.drill_analysis import (
    GRACE,
    Span,
    compute_max_rate_ratio,
    compute_two_senders,
    count_after_freezes,
    count_during,
    measure_recoveries,
    measure_takeovers,
)
from vestnik.cli.drill_options import DrillOptions
from vestnik.cli.drill_plan import Interruption
from vestnik.cli.drill_report import DrillReport, list_faults_found
from vestnik.cli.drill_run import Observed


def make_report(
    options: DrillOptions, calm: Observed, rough: Observed, planned: Mapping[str, int], *, lease: float
) -> DrillReport:
    """Count. What must never happen is summed over both parts, the rest is of the disturbed one."""
    done = count_done(rough)
    interrupter, losses = rough.interrupter, rough.fleet.losses
    waits: list[Span] = [*interrupter.pauses, *rough.holds]
    takeovers = measure_takeovers(rough.sendings, losses, [*interrupter.outages, *waits])
    recoveries = measure_recoveries(rough.sendings, interrupter.survived_outages, losses, waits, lease=lease)
    parts = (calm, rough)
    report = DrillReport(
        jobs=options.jobs,
        distinct_posts=rough.summary.distinct_posts,
        duplicate_posts=sum(part.summary.duplicate_posts for part in parts),
        lost=sum(options.jobs - part.summary.distinct_posts for part in parts),
        absorbed_repeats=rough.summary.absorbed_repeats,
        kills=done["kills"],
        db_kills=done["db_kills"],
        db_outages=done["db_outages"],
        freezes=done["freezes"],
        flood_waits=done["flood_waits"],
        drops=done["drops"],
        pauses=done["pauses"],
        elapsed_s=round(rough.elapsed, 2),
        undisturbed_s=round(calm.elapsed, 2),
        max_rate_ratio=round(
            max(compute_max_rate_ratio(part.sendings, float(options.rate)) for part in parts), 4
        ),
        sends_during_hold=count_during(
            rough.sendings, [replace(hold, begin=hold.begin + GRACE) for hold in rough.holds]
        ),
        sends_during_pause=count_during(rough.sendings, rough.interrupter.pauses),
        sends_after_thaw=count_after_freezes(rough.sendings, rough.fleet.freezes),
        two_senders_s=round(sum(compute_two_senders(part.sendings) for part in parts), 3),
        takeovers=len(takeovers),
        takeover_max_s=round(max(takeovers), 2) if takeovers else None,
        after_outage_s=round(max(recoveries), 2) if recoveries else None,
        lease_s=lease,
        holds=len(rough.holds),
        failed=rough.failed,
        unplanned_deaths=sum(len(part.fleet.unplanned_deaths) for part in parts),
        crashes=sum(part.fleet.crashes for part in parts),
        seed=options.seed,
        undone=[
            f"{planned[name] - number} of {planned[name]} {name.replace('_', ' ')}"
            for name, number in done.items()
            if number < planned[name]
        ],
    )
    return replace(report, passed=not list_faults_found(report))


def write_evidence(path: Path, calm: Observed, rough: Observed) -> None:
    """Keep what the figures were computed from: instants are seconds of this machine's monotonic clock."""
    parts = {
        name: {
            "began_at": part.began_at,
            "sendings": [astuple(sending) for sending in part.sendings],
            "losses": [astuple(loss) for loss in part.fleet.losses],
            "freezes": [astuple(loss) for loss in part.fleet.freezes],
            "holds": [astuple(span) for span in part.holds],
            "pauses": [astuple(span) for span in part.interrupter.pauses],
            "outages": [astuple(span) for span in part.interrupter.outages],
            "unplanned_deaths": part.fleet.unplanned_deaths,
        }
        for name, part in (("undisturbed", calm), ("disturbed", rough))
    }
    path.write_text(json.dumps(parts), encoding="utf-8")


def count_done(rough: Observed) -> dict[str, int]:
    """How many faults of each kind really happened."""
    done = rough.interrupter.done
    floods = sum(count for name, count in rough.summary.rejected.items() if name.startswith("FLOOD_WAIT"))
    return {
        "kills": rough.fleet.kills_done,
        "db_kills": done.count(Interruption.DB_KILL),
        "db_outages": done.count(Interruption.DB_OUTAGE),
        "freezes": done.count(Interruption.FREEZE),
        "flood_waits": floods,
        "drops": rough.summary.fault_hits - floods,
        "pauses": done.count(Interruption.PAUSE),
    }
