"""Worker processes that die by kill -9, or whose hosts have wrong clocks; their successors finish the campaign."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.integration.delivery.rig import PATIENCE, Rig
from vestnik.cli.child import HOLDER_VARIABLE, SIMULATOR_VARIABLE
from vestnik.delivery.failpoints import Failpoint
from vestnik.domain.ids import AccountId

# Loaded by Python at its start, before anything of ours could keep a reference to the true clock.
WRONG_CLOCK = """
import os, time
_shift = float(os.environ["WRONG_BY_SECONDS"])
_time, _time_ns, _gettime = time.time, time.time_ns, time.clock_gettime
time.time = lambda: _time() + _shift
time.time_ns = lambda: _time_ns() + int(_shift * 1e9)
time.clock_gettime = lambda clock: _gettime(clock) + (_shift if clock == time.CLOCK_REALTIME else 0)
"""


@asynccontextmanager
async def run_process(rig: Rig, **variables: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "vestnik",
        "worker",
        env={
            **os.environ,
            "DATABASE_URL": rig.url.render_as_string(hide_password=False),
            "VESTNIK_LEASE_SECONDS": "2",
            SIMULATOR_VARIABLE: rig.server.endpoint.to_json(),
            **variables,
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def read_holder(rig: Rig, account_id: AccountId) -> str | None:
    rows = await rig.stage.execute(
        "SELECT holder FROM account_leases WHERE account_id = :id AND lease_until > clock_timestamp()",
        id=account_id,
    )
    return rows[0].holder if rows else None


@pytest.mark.timed
@pytest.mark.parametrize("failpoint", [Failpoint.AFTER_CLAIM, Failpoint.AFTER_SEND, Failpoint.BEFORE_RECORD])
async def test_every_post_is_out_once_wherever_its_sender_dies(
    rig: Rig, account_id: AccountId, failpoint: Failpoint
) -> None:
    await rig.stage.add_channels(30)
    campaign_id = await rig.stage.add_campaign(account_id, rate=40)
    async with run_process(rig, VESTNIK_FAILPOINTS=f"{failpoint}:3") as doomed, asyncio.timeout(PATIENCE):
        assert await doomed.wait() != 0
    assert await rig.stage.read_status(campaign_id) == "RUNNING"
    await rig.start_worker()
    await rig.finish(campaign_id)
    rig.check_each_once(30)
    assert await rig.stage.count_jobs(campaign_id) == {"SENT": 30}
    assert rig.most_in_a_second <= 43


@pytest.mark.timed
@pytest.mark.skipif(not hasattr(os, "posix_spawn"), reason="CLOCK_REALTIME is a clock of POSIX")
async def test_hosts_whose_clocks_are_hours_apart_keep_the_rate_and_post_nothing_twice(
    rig: Rig, account_id: AccountId, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(WRONG_CLOCK)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    await rig.stage.add_channels(100)
    ahead = run_process(rig, PYTHONPATH=path, WRONG_BY_SECONDS="3600", **{HOLDER_VARIABLE: "ahead"})
    behind = run_process(rig, PYTHONPATH=path, WRONG_BY_SECONDS="-3600", **{HOLDER_VARIABLE: "behind"})
    async with ahead as first, behind as second:

        async def are_both_there() -> bool:
            rows = await rig.stage.execute("SELECT holder FROM workers")
            return {row.holder for row in rows} == {"ahead", "behind"}

        await rig.until(are_both_there, patience=PATIENCE)
        campaign_id = await rig.stage.add_campaign(account_id, rate=40)
        await rig.wait_for_posts(30)
        holder = await read_holder(rig, account_id)
        (first if holder == "ahead" else second).kill()
        await rig.finish(campaign_id)
        assert {await read_holder(rig, account_id), holder} == {"ahead", "behind"}
    rig.check_each_once(100)
    assert rig.most_in_a_second <= 43 + 40 * rig.lag
