"""Several campaigns at once: how near each stays to its ideal time, and how an account shares itself out.

One worker and the simulator in this process, real Telethon over TCP, a database of its own. Run it from the
repository: `python -m benchmarks.campaigns --accounts 1 --campaigns 5 --channels 500 --rate 20`.
"""

import argparse
import asyncio
import json
import logging
import time
from collections import defaultdict
from decimal import Decimal
from itertools import cycle

import structlog
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.filling import add_batch, add_campaign, add_channels
from benchmarks.system import open_database
from vestnik.bootstrap import read_session_key
from vestnik.db.engine import make_engine, open_session
from vestnik.db.rehearsals import ensure_simulated_account
from vestnik.db.transitions import start_campaign
from vestnik.domain.ids import CampaignId
from vestnik.settings import load_settings
from vestnik.simulator.posts import count_most_in_window
from vestnik.simulator.server import SimulatorConfig, SimulatorServer, serve
from vestnik.transports import Transports
from vestnik.worker.process import run_worker


async def prepare(engine: AsyncEngine, options: argparse.Namespace) -> list[CampaignId]:
    """Accounts of the rate, and campaigns of the same rate that are spread over them in turn."""
    async with open_session(engine) as session:
        await add_channels(session, options.channels)
        batch_id = await add_batch(session, "bench")
        account_ids = [
            await ensure_simulated_account(session, f"bench {number}", Decimal(str(options.rate)))
            for number in range(options.accounts)
        ]
        return [
            await add_campaign(session, f"bench {number}", account_id, batch_id, rate=options.rate)
            for number, account_id in zip(range(options.campaigns), cycle(account_ids), strict=False)
        ]


async def deliver(engine: AsyncEngine, server: SimulatorServer, ids: list[CampaignId], limit: float) -> None:
    """Start all at once and wait until the simulator has every post, or `limit` seconds are over."""
    total = 0
    async with open_session(engine) as session:
        for campaign_id in ids:
            total += await start_campaign(session, campaign_id)
    async with asyncio.timeout(limit):
        await server.simulator.posts.wait_for(total)


def report(server: SimulatorServer, options: argparse.Namespace) -> dict[str, object]:
    """The figures, counted in the simulator."""
    posts = server.simulator.posts
    arrivals: dict[str, list[float]] = defaultdict(list)
    for post in server.simulator.list_posts(first=0, limit=len(posts)):
        arrivals[post.text].append(post.arrived_monotonic)
    sharing = max(options.campaigns / options.accounts, 1)
    ideal = (options.channels * sharing - 1) / options.rate
    overheads = [round(100 * ((max(times) - min(times)) / ideal - 1), 2) for times in arrivals.values()]
    return {
        "campaigns": options.campaigns,
        "accounts": options.accounts,
        "distinct_posts": posts.count_distinct(),
        "duplicate_posts": len(posts) - posts.count_distinct(),
        "ideal_s": round(ideal, 2),
        "overhead_pct_worst": max(overheads),
        "overhead_pct": overheads,
        "most_in_1s_of_a_campaign": max(count_most_in_window(times) for times in arrivals.values()),
    }


async def measure(url: URL, options: argparse.Namespace) -> dict[str, object]:
    """Deliver once, undisturbed, and count."""
    settings = load_settings()
    engine = make_engine(url, name="benchmark")
    async with serve(SimulatorConfig()) as server:
        transports = Transports(settings, url, server.endpoint)
        ids = await prepare(engine, options)
        stop, ready = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(
                run_worker(
                    url=url,
                    transports=transports,
                    settings=settings,
                    read_session_key=read_session_key,
                    holder=f"benchmark {time.time_ns()}",
                    stop=stop,
                    on_ready=ready.set,
                )
            )
            await ready.wait()
            await deliver(
                engine, server, ids, limit=60 + 2 * options.channels * options.campaigns / options.rate
            )
            stop.set()
        figures = report(server, options)
        await transports.close()
    await engine.dispose()
    return figures


def main() -> None:
    """Run once and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=5)
    parser.add_argument("--campaigns", type=int, default=5)
    parser.add_argument("--channels", type=int, default=500)
    parser.add_argument(
        "--rate", type=float, default=20, help="of each account and of each campaign, per second"
    )
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with open_database() as (_, url):
        print(json.dumps(asyncio.run(measure(url, options))))


if __name__ == "__main__":
    main()
