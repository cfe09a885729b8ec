"""Results on their way into the ledger: in batches, kept while the database is away."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import structlog

from vestnik.db.ledger import Ledger, RecordedJob
from vestnik.delivery.clock import read_clock
from vestnik.delivery.failpoints import Failpoint, Failpoints
from vestnik.delivery.options import LaneOptions
from vestnik.delivery.waiting import back_off
from vestnik.domain.errors import DatabaseUnavailableError
from vestnik.domain.ids import JobId
from vestnik.domain.outcomes import JobResult
from vestnik.metrics.delivery import LaneMeter

log = structlog.get_logger()

LARGEST_BATCH = 500


class Recorder:
    """Writes results every `record_interval`; first what holds or stops the account, then what became of jobs."""

    def __init__(
        self,
        ledger: Ledger,
        options: LaneOptions,
        failpoints: Failpoints,
        on_recorded: Callable[[list[RecordedJob]], None],
        *,
        meter: LaneMeter,
    ) -> None:
        self._ledger = ledger
        self._options = options
        self._failpoints = failpoints
        self._on_recorded = on_recorded
        self._meter = meter
        self._results: dict[JobId, JobResult] = {}
        self._actions: list[Callable[[], Awaitable[object]]] = []
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def put(self, result: JobResult) -> None:
        """Record a result soon. A job has one result at a time; a later one follows a later claim."""
        self._meter.note_waiting(result.job_id not in self._results)
        self._results[result.job_id] = result
        self._note()

    def put_action(self, action: Callable[[], Awaitable[object]]) -> None:
        """Run a statement before the next results are written, again and again until the database takes it."""
        self._actions.append(action)
        self._note()

    def _note(self) -> None:
        self._emptied.clear()
        self._filled.set()

    async def wait_until_empty(self) -> None:
        """Returns when everything put so far is in the database."""
        await self._emptied.wait()

    async def run(self) -> None:
        """Write for ever; ended by cancellation."""
        try:
            while True:
                await self._filled.wait()
                await self._write_all()
        finally:
            self._meter.note_waiting(-len(self._results))  # of a lane that crashed

    async def _write_all(self) -> None:
        self._filled.clear()
        await self._run_actions()
        await asyncio.sleep(self._options.record_interval.total_seconds())
        await self._run_actions()
        while self._results:
            await self._write([self._results[key] for key in list(self._results)[:LARGEST_BATCH]])
        if not self._results and not self._actions:
            self._emptied.set()

    async def _run_actions(self) -> None:
        failures = 0
        while self._actions:
            try:
                await self._actions[0]()
            except DatabaseUnavailableError:
                await back_off(failures)
                failures += 1
            else:
                self._actions.pop(0)
                failures = 0

    async def _write(self, batch: list[JobResult]) -> None:
        """Write one batch, however long that takes; a result is dropped here only once it is in the ledger."""
        failures = 0
        while True:
            self._failpoints.hit(Failpoint.BEFORE_RECORD)
            begun_at = read_clock()
            try:
                recorded = await self._ledger.record(batch)
            except DatabaseUnavailableError as exc:
                if failures == 0:
                    log.warning("recorder.database_away", waiting=len(self._results), reason=exc.message)
                await back_off(failures)
                failures += 1
            else:
                break
        self._failpoints.hit(Failpoint.AFTER_RECORD)
        self._meter.note_recorded(read_clock() - begun_at, Counter(item.status for item in recorded))
        for result in batch:
            if self._results.get(result.job_id) is result:
                del self._results[result.job_id]
                self._meter.note_waiting(-1)
        self._on_recorded(recorded)
