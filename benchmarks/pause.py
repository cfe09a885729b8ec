"""How soon a pause silences a campaign, and what it writes: `python -m benchmarks pause`.

A campaign sends 200 a second with 1,000, 100,000 and a million messages behind what goes out meanwhile. Silence is
counted from just before the COMMIT of the pause to the last request that arrives after it. What is written is
counted twice: by PostgreSQL, of the transaction that pauses (its audit entry included), and by the versions of
the rows of jobs that changed from then on until all was quiet, which are those under way or claimed ahead.
"""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from benchmarks.contestants import choose_contestants
from benchmarks.filling import (
    add_batch,
    add_campaign,
    add_channels,
    find_rehearsal_account,
    make_known,
    vacuum,
)
from benchmarks.options import Options
from benchmarks.pace_parts import SETTLE
from benchmarks.pace_streams import CRAWL, FAST, warm_up
from benchmarks.rehearsal import ACTOR, Rehearsal, open_rehearsal
from benchmarks.report import Measure, Summary, Target
from benchmarks.rounds import Rounds, run_rounds
from benchmarks.system import System, open_system
from vestnik.db.engine import make_engine, open_session
from vestnik.domain.ids import CampaignId
from vestnik.services.campaigns import pause_campaign

SIZES = (1_000, 5_000)
FULL_SIZES = (1_000, 100_000, 1_000_000)
TIMES, FULL_TIMES = 3, 20
SILENCE_MS = 100
ROWS = 10
"""More than a pause and its audit entry are, and less than anything that grows with the queue."""
RUN_FOR = 0.5
PATIENCE = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """Seconds until silence; rows that the pause wrote; jobs that changed afterwards, None where not counted."""

    silence: float
    rows: float
    changed_jobs: float | None = None


async def run_pauses(system: System, queued: int, times: int) -> list[Pause]:
    """One campaign, paused again and again; never less than `queued` messages are left."""
    margin = round(FAST * times * (RUN_FOR + 0.5)) + 400
    engine = make_engine(system.url, name="benchmark", pool_size=1)
    try:
        async with open_rehearsal(system) as rehearsal:
            await warm_up(rehearsal, margin)
            campaign_id = await queue_campaign(engine, rehearsal, queued)
            pauses = [await time_pause(engine, rehearsal, campaign_id) for _ in range(times)]
            left = await _read_progress(engine, campaign_id)
            if left < queued:
                raise SystemExit(f"{left} messages were left in the end of {queued}")
            return pauses
    finally:
        await engine.dispose()


async def queue_campaign(engine: AsyncEngine, rehearsal: Rehearsal, queued: int) -> CampaignId:
    """Paused, with channels that are really there in front and others, which nothing reaches, behind them."""
    async with open_session(engine) as session:
        account_id = await find_rehearsal_account(session)
        await add_channels(session, queued, prefix="behind")
        await make_known(session, account_id)
        batch_id = await add_batch(session, "all", ("bench", "behind"))
        campaign_id = await add_campaign(session, "long", account_id, batch_id, rate=CRAWL)
    await vacuum(engine)
    await rehearsal.start(campaign_id)
    try:
        async with asyncio.timeout(PATIENCE):
            while not await _is_expanded(engine, campaign_id):  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise SystemExit(f"{queued} messages were not queued after {PATIENCE} s") from None
    await rehearsal.look()
    # While it runs: the next slot that is stored with a claim is that of the rate at the time.
    await rehearsal.change_rate(campaign_id, FAST)
    await rehearsal.wait_for_posts(2, 30)
    await rehearsal.pause(campaign_id)
    await vacuum(engine)
    await rehearsal.look()
    return campaign_id


async def time_pause(engine: AsyncEngine, rehearsal: Rehearsal, campaign_id: CampaignId) -> Pause:
    """Resume, let it run evenly, and pause at any moment of it."""
    await rehearsal.resume(campaign_id)
    await rehearsal.wait_for_posts(round(FAST * RUN_FOR), 30)
    await asyncio.sleep(random.random() / 4)  # noqa: S311
    written: dict[str, int] = {}

    async def act(session: AsyncSession) -> None:
        # PostgreSQL may not have handed on yet what this connection wrote in earlier transactions.
        before = await _count_written(session)
        await pause_campaign(session, ACTOR, campaign_id)
        await session.flush()
        written["rows"] = await _count_written(session) - before
        written["transaction"] = int(await session.scalar(text("SELECT txid_current()")) or 0)

    paused_at = await rehearsal.commit(act)
    await asyncio.sleep(2 * SETTLE)
    await rehearsal.look()
    after = rehearsal.list_attempts(paused_at)
    return Pause(
        silence=max(after, default=paused_at) - paused_at,
        rows=written["rows"],
        changed_jobs=await _count_changed(engine, campaign_id, written["transaction"]),
    )


async def _count_written(session: AsyncSession) -> int:
    statement = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_xact_user_tables"
    return int(await session.scalar(text(statement)) or 0)


async def _count_changed(engine: AsyncEngine, campaign_id: CampaignId, transaction: int) -> int:
    """Jobs whose row is of a transaction that began after the pause."""
    statement = text(
        """
        SELECT count(*) FROM jobs
        WHERE campaign_id = :campaign_id AND age(xmin) < age(CAST(CAST(:transaction AS text) AS xid))
        """
    )
    async with open_session(engine) as session:
        parameters = {"campaign_id": campaign_id, "transaction": transaction}
        return int(await session.scalar(statement, parameters) or 0)


async def _is_expanded(engine: AsyncEngine, campaign_id: CampaignId) -> bool:
    statement = text("SELECT expanded_at IS NOT NULL FROM campaigns WHERE id = :id")
    async with open_session(engine) as session:
        return bool(await session.scalar(statement, {"id": campaign_id}))


async def _read_progress(engine: AsyncEngine, campaign_id: CampaignId) -> int:
    statement = text("SELECT queued FROM campaign_progress WHERE campaign_id = :id")
    async with open_session(engine) as session:
        return int(await session.scalar(statement, {"id": campaign_id}) or 0)


def run_ours(queued: int, times: int) -> list[Pause]:
    """On a system of its own."""
    with open_system() as system, system.run_worker():
        return asyncio.run(run_pauses(system, queued, times))


def run_peer(peer: Any, queued: int) -> list[Pause]:  # noqa: ANN401 - each has what it offers
    """Once: what it takes grows with the queue."""
    silence, rows = peer.pause(queued)
    return [Pause(silence=silence, rows=rows)]


def measure(options: Options) -> Iterator[Measure]:
    """Each length of the queue."""
    times = FULL_TIMES if options.full else TIMES
    contestants = {
        name: peer for name, peer in choose_contestants(options.peers).items() if hasattr(peer, "pause")
    }
    sizes = FULL_SIZES if options.full else SIZES
    for queued in sizes:
        # In the short form others show what a pause takes, and only we that a longer queue changes nothing.
        invited = contestants if options.full or queued == sizes[0] else {}
        peers = {name: partial(run_peer, peer, queued) for name, peer in invited.items()}
        rounds = run_rounds(f"pause, {queued} queued", partial(run_ours, queued, times), peers, options.runs)
        yield from describe(queued, times, rounds)


def describe(queued: int, times: int, rounds: Rounds[list[Pause]]) -> Iterator[Measure]:
    """The longest silence and the most rows of each run."""
    settings = {"queued": queued, "times": times, "rate": FAST}

    def read_silence(pauses: list[Pause]) -> float:
        return 1000 * max(pause.silence for pause in pauses)

    def read_rows(pauses: list[Pause]) -> float:
        return max(pause.rows for pause in pauses)

    yield Measure(
        name=f"pause.{queued}.silence_max",
        unit="ms",
        ours=rounds.summarize_ours(read_silence),
        peers=rounds.summarize_peers(read_silence),
        targets=(Target(at_most=SILENCE_MS),),
        settings=settings,
        failures=rounds.failures,
    )
    yield Measure(
        name=f"pause.{queued}.rows",
        unit="rows",
        ours=rounds.summarize_ours(read_rows),
        peers=rounds.summarize_peers(read_rows),
        targets=(Target(at_most=ROWS),),
        settings=settings,
        failures=rounds.failures,
    )
    changed = [
        max(pause.changed_jobs for pause in run if pause.changed_jobs is not None) for run in rounds.ours
    ]
    yield Measure(
        name=f"pause.{queued}.jobs_changed_until_quiet",
        unit="rows",
        ours=Summary.of(changed),
        targets=(Target(at_most=FAST),),  # what a second makes: less is claimed ahead and under way
        settings=settings,
    )
