"""What deleting a large campaign's jobs after their time does to the pace of one that runs.

The same campaign is sent twice, first undisturbed, then by a worker that begins to delete `--jobs` jobs of an
ended campaign as it starts. Run it from the repository: `python -m benchmarks.retention`.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.arrivals import count_fewest_in_window, measure_lateness, pick_percentile
from benchmarks.pace_streams import StallWatch, warm_up
from benchmarks.rehearsal import Rehearsal, open_rehearsal
from benchmarks.system import System, open_system
from vestnik.cli.output import print_table
from vestnik.db.engine import make_engine, open_session
from vestnik.domain.errors import VestnikError
from vestnik.simulator.posts import count_most_in_window

RATE = 50.0
SECONDS = 60
LATENESS_LIMIT = 50.0
"""Milliseconds that nineteen of twenty posts may be late beside a purge."""

OLD_CAMPAIGN = """
INSERT INTO channels (username) SELECT 'old_' || i FROM generate_series(1, :jobs) i;

INSERT INTO batches (name) VALUES ('old');

INSERT INTO templates (name, content) VALUES ('old', 'old');

INSERT INTO campaigns (name, account_id, account_kind, batch_id, template_id, delivery_rate, status, content,
started_at, expanded_at, ended_at) SELECT 'old', a.id, a.kind, b.id, t.id, 20, 'COMPLETED',
jsonb_build_object('text', 'x', 'link_preview', true), past.at, past.at, past.at FROM accounts a, batches b,
templates t, (SELECT now() - interval '8 days' AS at) past WHERE b.name = 'old' AND t.name = 'old';

INSERT INTO jobs (campaign_id, channel_id, account_id, random_id, status, claims, sent_at) SELECT c.id, ch.id,
c.account_id, row_number() OVER (), 'SENT', 1, c.ended_at FROM campaigns c, channels ch WHERE c.name = 'old' AND
ch.username LIKE 'old%';

INSERT INTO campaign_progress (campaign_id, total, sent) SELECT id, :jobs, :jobs FROM campaigns WHERE name = 'old'
"""


async def add_old_campaign(engine: AsyncEngine, jobs: int) -> None:
    """An ended campaign whose jobs have been kept for longer than JOB_RETENTION_DAYS."""
    async with open_session(engine) as session:
        for statement in OLD_CAMPAIGN.split(";"):
            await session.execute(text(statement), {"jobs": jobs} if ":jobs" in statement else {})
    async with engine.connect() as connection:
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(
            text("VACUUM ANALYZE")
        )


async def count_old_jobs(engine: AsyncEngine) -> int:
    """What is still there of it."""
    async with open_session(engine) as session:
        return int(
            await session.scalar(
                text(
                    "SELECT count(*) FROM jobs j JOIN campaigns c ON c.id = j.campaign_id WHERE c.name = 'old'"
                )
            )
            or 0
        )


async def send_campaign(rehearsal: Rehearsal) -> tuple[list[float], list[float]]:
    """When its posts arrived, and how long the machine stalled meanwhile."""
    number = round(RATE * SECONDS) + 1
    campaign_id = await rehearsal.create(number, RATE)
    await rehearsal.look()
    known = len(rehearsal.posts)
    watch = StallWatch()
    with watch.watch():
        await rehearsal.start(campaign_id)
        await rehearsal.wait_for_posts(number, 3 * SECONDS + 30)
    await rehearsal.look()
    posts = rehearsal.posts[known:]
    if len({post.channel_id for post in posts}) != number or len(posts) != number:
        raise SystemExit(f"{number} posts were asked for, {len(posts)} arrived")
    return sorted(post.arrived_monotonic for post in posts), watch.stalls


def describe(arrivals: Sequence[float], stalls: Sequence[float]) -> dict[str, float]:
    """The pace in figures; milliseconds, and posts in a second."""
    late = measure_lateness(arrivals, RATE)
    return {
        "lateness_p50_ms": round(1000 * pick_percentile(late, 0.5), 2),
        "lateness_p95_ms": round(1000 * pick_percentile(late, 0.95), 2),
        "lateness_max_ms": round(1000 * max(late), 2),
        "busiest_second": count_most_in_window(arrivals),
        "emptiest_second": count_fewest_in_window(arrivals),
        "stalls_over_25_ms": len(stalls),
        "longest_stall_ms": round(1000 * max(stalls, default=0.0), 1),
    }


async def measure_alone(system: System) -> dict[str, float]:
    """With nothing to delete."""
    async with open_rehearsal(system) as rehearsal:
        await warm_up(rehearsal, round(RATE * SECONDS) + 1)
        await rehearsal.set_account_rate(RATE)
        return describe(*await send_campaign(rehearsal))


async def measure_beside(system: System, jobs: int) -> dict[str, float]:
    """Beside a purge; how many jobs went meanwhile stands with it."""
    engine = make_engine(system.url, name="benchmark", pool_size=1)
    try:
        await add_old_campaign(engine, jobs)
        with system.run_worker():
            async with open_rehearsal(system) as rehearsal:
                await rehearsal.look()
                measured = describe(*await send_campaign(rehearsal))
        return measured | {"purged_jobs": jobs - await count_old_jobs(engine)}
    finally:
        await engine.dispose()


def main() -> int:
    """Run once; the exit code is 1 when the target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="jobs to delete (default 1,000,000)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    try:
        with open_system() as system:
            with system.run_worker():
                alone = asyncio.run(measure_alone(system))
            beside = asyncio.run(measure_beside(system, options.jobs))
    except VestnikError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 2
    is_met = beside["lateness_p95_ms"] < LATENESS_LIMIT
    if options.json:
        print(json.dumps({"name": "purge", "alone": alone, "beside": beside, "met": is_met}))
    else:
        rows = [(name, alone.get(name, ""), value) for name, value in beside.items()]
        print_table((f"at {RATE:.0f}/s", "alone", "beside a purge"), rows)
        print(f"lateness p95 beside a purge at most {LATENESS_LIMIT:.0f} ms: {'met' if is_met else 'MISSED'}")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
