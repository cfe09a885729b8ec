"""How many messages a second go from the queue to a recorded result: `python -m benchmarks drain`.

A transport answers at once and nothing is paced. Of each message ours keeps that it was claimed, by which epoch
and how often, before it is sent under the random_id that its start had stored, and afterwards its result, the
message's id and the counters of its campaign: one transaction for each claim, and one for each batch of results.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from decimal import Decimal
from functools import partial

from sqlalchemy import URL, text

from benchmarks.contestants import choose_contestants
from benchmarks.drain_worker import DATABASE, VARIABLE, Drained, Share
from benchmarks.filling import add_batch, add_channels, make_known, settle, vacuum
from benchmarks.ledger import queue_campaign
from benchmarks.options import Options
from benchmarks.report import Measure, Target
from benchmarks.rounds import run_rounds
from benchmarks.system import open_database, open_module
from vestnik.db.engine import make_engine, open_session
from vestnik.db.rehearsals import ensure_simulated_account
from vestnik.domain.ids import AccountId

JOBS, FULL_JOBS = (10_000,), (10_000, 100_000)
BATCH = 500
WARM_UP = 2_000
"""As many as the peers' workers take before they are measured."""
SLOWEST = 200
"""Messages a second below which something is wrong."""
COUNTED = """
SELECT (SELECT count(*) FROM jobs WHERE status = 'SENT' AND NOT maybe_sent AND cardinality(message_ids) = 1) AS sent,
       (SELECT count(*) FROM jobs WHERE status <> 'SENT') AS left_over,
       (SELECT sum(sent) FROM campaign_progress) AS counted
"""
TARGETS = (
    Target(of="graphile-worker", at_least=0.8),
    Target(of="pg-boss", at_least=1.1),
    Target(of="pgqueuer", at_least=1.4),
    Target(of="bullmq", at_least=1.6),
    Target(of="procrastinate", at_least=40),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """Who drains: so many workers, each for so many accounts, each of which has one campaign."""

    workers: int = 1
    accounts: int = 1

    @property
    def name(self) -> str:
        """What its measure is called by."""
        return f"{self.workers}_workers" if self.workers > 1 else f"{self.accounts}_accounts"


ALONE = Setting()
SETTINGS = (Setting(accounts=2), Setting(accounts=4), Setting(workers=2))


def drain_ours(setting: Setting, jobs: int) -> float:
    """Messages a second, on a database of its own. Raises SystemExit when not each was recorded once."""
    with open_database() as (folder, url), ExitStack() as stack:
        account_ids = asyncio.run(prepare(url, setting, jobs))
        workers = []
        for number in range(setting.workers):
            mine = [str(account_id) for account_id in account_ids[number :: setting.workers]]
            variables = {
                VARIABLE: json.dumps(asdict(Share(accounts=mine, batch=BATCH))),
                DATABASE: url.render_as_string(hide_password=False),
            }
            workers.append(
                stack.enter_context(
                    open_module("benchmarks.drain_worker", str(number), folder=folder, variables=variables)
                )
            )
        for worker in workers:
            worker.say("go")
        drained = [Drained(**worker.hear()) for worker in workers]
        asyncio.run(check(url, jobs, drained))
    return jobs / (max(each.ended_at for each in drained) - min(each.began_at for each in drained))


async def prepare(url: URL, setting: Setting, jobs: int) -> list[AccountId]:
    """For each account two running campaigns: one to warm up, one with its part of the jobs."""
    engine = make_engine(url, name="benchmark", pool_size=1)
    count = setting.workers * setting.accounts
    try:
        async with open_session(engine) as session:
            account_ids = [
                await ensure_simulated_account(session, f"bench {number}", Decimal(1000))
                for number in range(count)
            ]
            await add_channels(session, jobs // count)
            for account_id in account_ids:
                await make_known(session, account_id)
            batch_id = await add_batch(session, "all")
            warm_up_id = await add_batch(session, "warm-up", limit=min(WARM_UP, jobs // count // 2))
        await vacuum(engine)
        for number, account_id in enumerate(account_ids):
            await queue_campaign(engine, account_id, f"warm-up {number}", warm_up_id)
            await queue_campaign(engine, account_id, f"campaign {number}", batch_id)
        await settle(engine)
    finally:
        await engine.dispose()
    return account_ids


async def check(url: URL, jobs: int, drained: Sequence[Drained]) -> None:
    """Every job counted one by one, and what the campaigns' counters say."""
    engine = make_engine(url, name="benchmark", pool_size=1)
    try:
        async with open_session(engine) as session:
            row = (await session.execute(text(COUNTED))).one()
    finally:
        await engine.dispose()
    if sum(each.jobs for each in drained) != jobs or row.left_over or row.sent != row.counted:
        raise SystemExit(f"of {jobs} messages {[each.jobs for each in drained]} were posted; {row._asdict()}")


def measure(options: Options) -> Iterator[Measure]:
    """One worker with one account beside the peers; then what more accounts and workers make of it."""
    known = choose_contestants(options.peers)
    for jobs in FULL_JOBS if options.full else JOBS:
        peers = {name: partial(peer.drain, jobs) for name, peer in known.items() if hasattr(peer, "drain")}
        rounds = run_rounds(f"drain.{jobs}", partial(drain_ours, ALONE, jobs), peers, options.runs)
        yield Measure(
            name=f"drain.{jobs}",
            unit="messages/s",
            ours=rounds.summarize_ours(float),
            peers=rounds.summarize_peers(float),
            targets=TARGETS,
            settings={"jobs": jobs, "batch": BATCH, "bytes": 300},
            failures=rounds.failures,
        )
    for setting in SETTINGS if options.full else SETTINGS[-1:]:
        rounds = run_rounds(setting.name, partial(drain_ours, setting, JOBS[0]), {}, options.runs)
        yield Measure(
            name=f"drain.{setting.name}",
            unit="messages/s",
            ours=rounds.summarize_ours(float),
            settings={**asdict(setting), "jobs": JOBS[0], "batch": BATCH},
        )
