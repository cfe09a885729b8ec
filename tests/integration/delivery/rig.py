"""Workers, simulator and database in one event loop, joined as in production: real Telethon, TCP, PostgreSQL."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.machine import require
from tests.support.stage import Stage
from vestnik.bootstrap import read_session_key
from vestnik.domain.ids import AccountId, CampaignId
from vestnik.domain.states import AccountKind
from vestnik.domain.telegram_login import LoginTransport
from vestnik.domain.transport import Transport
from vestnik.settings import load_settings
from vestnik.simulator.endpoint import SIMULATED_DC, derive_auth_key, make_session_string
from vestnik.simulator.faults import Fault, FaultKind
from vestnik.simulator.posts import Post, count_most_in_window
from vestnik.simulator.server import SimulatorServer
from vestnik.telegram.sessions import DataCentre, parse_session
from vestnik.telegram.transport import TelethonTransport
from vestnik.transports import Transports
from vestnik.worker.process import run_worker

PATIENCE = 45.0
"""Seconds that any wait may take; it only shows when a test fails."""
SEND = "messages.sendMessage"


class RunningWorker:
    """A worker of this process."""

    def __init__(
        self,
        task: asyncio.Task[None],
        stop: asyncio.Event,
        transports: "Transports | PlainTransports",
        holder: str,
    ) -> None:
        self.task = task
        self.holder = holder
        self._stop = stop
        self._transports = transports

    async def stop(self) -> None:
        """As SIGTERM."""
        self._stop.set()
        await self.task
        await self._transports.close()

    async def kill(self) -> None:
        """As kill -9, as far as the database can see: nothing is recorded or given back."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self._transports.close()


class Rig:
    """A stage with a simulator before it and workers behind it."""

    def __init__(self, engine: AsyncEngine, server: SimulatorServer) -> None:
        self.stage = Stage(engine)
        self.url = engine.url
        self.server = server
        self.workers: list[RunningWorker] = []
        self.may_crash = False
        """Whether the test makes lanes crash."""
        self.lag = 0.0
        """By how much a busy machine delayed this process so far, in seconds."""
        self._watching = asyncio.create_task(self._watch_lag())

    async def _watch_lag(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            late = time.monotonic() - before - 0.01
            self.lag += late if late > 0.01 else 0.0

    async def start_worker(
        self, url: URL | None = None, *, plain: bool = False, **settings: Any
    ) -> RunningWorker:
        """A worker that is ready; its retries, leases and timeouts are short."""
        chosen = {"lease_seconds": 2.0, "retry_base_seconds": 0.1, "call_timeout_seconds": 1.0} | settings
        loaded = load_settings(**chosen)
        transports: Transports | PlainTransports
        if plain:
            transports = PlainTransports(self.server)
        else:
            host, port = self.server.simulator.data_centres[SIMULATED_DC]
            transports = Transports(
                loaded,
                url or self.url,
                self.server.endpoint,
                login_server=DataCentre(dc_id=SIMULATED_DC, host=host, port=port),
            )
        stop, ready = asyncio.Event(), asyncio.Event()
        holder = f"worker {uuid4()}"
        task = asyncio.create_task(
            run_worker(
                url=url or self.url,
                transports=transports,
                read_session_key=read_session_key,
                settings=loaded,
                holder=holder,
                stop=stop,
                on_ready=ready.set,
            )
        )
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
        waiting.cancel()
        if task.done():
            await task
        self.workers.append(RunningWorker(task, stop, transports, holder))
        return self.workers[-1]

    async def close(self) -> None:
        """End what the test left running, and show what it died of."""
        self._watching.cancel()
        for worker in self.workers:
            if not worker.task.done():
                await worker.stop()
        for worker in self.workers:
            if not worker.task.cancelled() and (error := worker.task.exception()) is not None:
                raise error

    # -- the simulator --------------------------------------------------------------------------------------

    def set_faults(self, *faults: Fault) -> None:
        self.server.simulator.set_faults(faults)

    def break_sending(self, name: str, *, code: int = 400, **fields: Any) -> None:
        """Answer posts with an RPC error."""
        self.set_faults(Fault(method=SEND, kind=FaultKind.ERROR, code=code, name=name, **fields))

    @property
    def posts(self) -> list[Post]:
        return self.server.simulator.list_posts()

    @property
    def arrivals(self) -> list[float]:
        """Seconds of the monotonic clock, in order."""
        return sorted(post.arrived_monotonic for post in self.posts)

    @property
    def send_calls(self) -> int:
        """Requests to post, refused ones included."""
        return self.server.simulator.posts.calls[SEND]

    @property
    def most_in_a_second(self) -> int:
        return count_most_in_window(self.arrivals)

    def count_posts(self, words: str) -> int:
        return sum(post.text == words for post in self.posts)

    def check_each_once(self, number: int) -> None:
        """So many posts, and no channel has one of them twice."""
        posts = [(post.channel_id, post.text) for post in self.posts]
        require((len(posts), len(set(posts))), (number, number))

    def check_pace(
        self,
        ideal: float,
        arrivals: Sequence[float] | None = None,
        *,
        slack: float = 0.03,
        late: float | None = None,
    ) -> None:
        """The posts took as long as they should, give or take `slack`, plus what the machine made them wait.

        `late` is the slack above the ideal where it is another: how near to the ideal a machine comes that has to
        work hard for it is shown by benchmarks/, not asserted.
        """
        arrivals = self.arrivals if arrivals is None else arrivals
        took = arrivals[-1] - arrivals[0]
        longest = ideal * (1 + (slack if late is None else late)) + self.lag
        assert ideal * (1 - slack) <= took <= longest, (
            f"{took:.3f} s, ideal {ideal:.3f} s, lag {self.lag:.3f} s"
        )

    async def wait_for_posts(self, number: int) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.server.simulator.posts.wait_for(number)

    # -- waiting --------------------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], Awaitable[object]], patience: float = PATIENCE) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(patience):
            while not await condition():  # noqa: ASYNC110 - the database has no event for it
                await asyncio.sleep(0.02)

    async def until_status(self, status: str, *campaign_ids: CampaignId, patience: float = PATIENCE) -> None:
        async def is_so() -> bool:
            return all([await self.stage.read_status(key) == status for key in campaign_ids])

        await self.until(is_so, patience)

    async def until_counts(self, campaign_id: CampaignId, **counts: int) -> None:
        """Until the progress shows exactly these, such as SENT=3."""

        async def is_so() -> bool:
            return await self.stage.read_progress(campaign_id) == counts

        await self.until(is_so)

    async def finish(self, *campaign_ids: CampaignId, patience: float = PATIENCE) -> None:
        """Until the campaigns are complete; then the counters must be true."""
        await self.until_status("COMPLETED", *campaign_ids, patience=patience)
        for campaign_id in campaign_ids:
            assert await self.stage.read_progress(campaign_id) == await self.stage.count_jobs(campaign_id)

    async def stay_silent(self, seconds: float) -> None:
        """Nothing may be asked to be posted for so long."""
        before = self.send_calls
        await asyncio.sleep(seconds)
        assert self.send_calls == before

    async def read_errors(self, campaign_id: CampaignId) -> Sequence[str]:
        """The error codes of the failed jobs."""
        rows = await self.stage.execute(
            "SELECT error_code FROM jobs WHERE campaign_id = :id AND status = 'FAILED' ORDER BY id",
            id=campaign_id,
        )
        return [row.error_code for row in rows]

    async def read_account(self, account_id: AccountId) -> Any:
        return await self.stage.one("SELECT * FROM accounts WHERE id = :id", id=account_id)


class PlainTransports:
    """Transports of accounts that have to find their channels themselves, as real ones do.

    A rehearsal's own transport puts every channel among the dialogs first.
    """

    def __init__(self, server: SimulatorServer) -> None:
        self._endpoint = server.endpoint
        self._simulator = server.simulator

    def serves(self, kind: AccountKind) -> bool:
        return True

    async def make(self, account_id: AccountId, kind: AccountKind) -> Transport:
        name = str(account_id)
        key = derive_auth_key(self._endpoint.token, name)
        self._simulator.add_account(name, key)
        return TelethonTransport(
            parse_session(make_session_string(self._endpoint, key)),
            api_id=1,
            call_timeout=timedelta(seconds=2),
            connect_timeout=timedelta(seconds=5),
        )

    def make_login(self, *, api_id: int, api_hash: str, session: str | None = None) -> LoginTransport:
        raise AssertionError("these accounts need no login")

    async def close(self) -> None:
        return
