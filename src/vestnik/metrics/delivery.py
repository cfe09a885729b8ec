"""What a worker measures. A post costs it some microseconds: all series are looked up beforehand."""

from collections.abc import Callable, Iterator, Mapping

from vestnik.domain.states import AccountKind, AccountState, HoldScope, JobStatus, Mode, PauseReason
from vestnik.metrics import catalogue
from vestnik.metrics.catalogue import OTHER, LeaseChange, Origin, Process
from vestnik.metrics.registry import (
    CurrentFigures,
    Family,
    PoolUse,
    make_counter,
    make_family,
    make_histogram,
    make_registry,
    render,
    show_pool,
)


class WorkerMetrics:
    """The metrics of one worker process, and the registry that is scraped."""

    def __init__(self) -> None:
        registry = self.registry = make_registry(Process.WORKER)
        self.sends = make_counter(catalogue.SENDS, registry)
        self.send_duration = make_histogram(catalogue.SEND_DURATION, registry)
        self.slot_lateness = make_histogram(catalogue.SLOT_LATENESS, registry)
        self.claim_duration = make_histogram(catalogue.CLAIM_DURATION, registry)
        self.claimed_jobs = make_counter(catalogue.CLAIMED_JOBS, registry)
        self.record_duration = make_histogram(catalogue.RECORD_DURATION, registry)
        self.recorded_jobs = make_counter(catalogue.RECORDED_JOBS, registry)
        self.account_holds = make_counter(catalogue.ACCOUNT_HOLDS, registry)
        self.account_hold_seconds = make_counter(catalogue.ACCOUNT_HOLD_SECONDS, registry)
        self.account_blocks = make_counter(catalogue.ACCOUNT_BLOCKS, registry)
        self.campaigns_completed = make_counter(catalogue.CAMPAIGNS_COMPLETED, registry)
        self.campaign_pauses = make_counter(catalogue.CAMPAIGN_PAUSES, registry)
        self.lane_crashes = make_counter(catalogue.LANE_CRASHES, registry)
        leases = make_counter(catalogue.LEASE_CHANGES, registry)
        self._leases = {change: leases.labels(change) for change in LeaseChange}
        self._meters: dict[Mode, LaneMeter] = {mode: LaneMeter(self, mode) for mode in Mode}
        self._is_database_up: Callable[[], bool] = lambda: False
        self._read_pool: Callable[[], PoolUse] | None = None
        registry.register(CurrentFigures(self._show_current))

    def watch_database(self, is_up: Callable[[], bool], read_pool: Callable[[], PoolUse]) -> None:
        """Ask these two at each scrape; neither may ask the database."""
        self._is_database_up = is_up
        self._read_pool = read_pool

    def meter(self, kind: AccountKind) -> "LaneMeter":
        """What the lanes of such accounts count with."""
        return self._meters[Mode.TEST if kind is AccountKind.SIMULATED else Mode.LIVE]

    def note_lease(self, change: LeaseChange) -> None:
        """An account came or went."""
        self._leases[change].inc()

    def render(self) -> bytes:
        """All of it as text."""
        return render(self.registry)

    def _show_current(self) -> Iterator[Family]:
        yield make_family(catalogue.DATABASE_UP, {(): float(self._is_database_up())})
        meters = self._meters.items()
        yield make_family(catalogue.SENDS_IN_FLIGHT, {(mode,): meter.in_flight for mode, meter in meters})
        yield make_family(catalogue.RESULTS_WAITING, {(mode,): meter.waiting for mode, meter in meters})
        yield make_family(catalogue.LANES, {(mode,): meter.lanes for mode, meter in meters})
        if self._read_pool is not None:
            yield from show_pool(self._read_pool())


class LaneMeter:
    """Counts what the lanes of one mode do.

    What goes up and down is a plain number until somebody asks: cheaper than a gauge with its lock.
    """

    def __init__(self, metrics: WorkerMetrics, mode: Mode) -> None:
        self._sends = {
            (origin, result): metrics.sends.labels(mode, origin, result)
            for origin in Origin
            for result in catalogue.RESULTS
        }
        self._send_duration = {origin: metrics.send_duration.labels(mode, origin) for origin in Origin}
        self.in_flight = self.waiting = self.lanes = 0
        self._lateness = metrics.slot_lateness.labels(mode)
        self._claim_duration = metrics.claim_duration.labels(mode)
        self._claimed = metrics.claimed_jobs.labels(mode)
        self._record_duration = metrics.record_duration.labels(mode)
        self._recorded = {
            status: metrics.recorded_jobs.labels(mode, status)
            for status in catalogue.RECORDED_JOBS.labels["status"]
        }
        self._holds = {
            (scope, reason): metrics.account_holds.labels(mode, scope, reason)
            for scope in HoldScope
            for reason in catalogue.WAIT_REASONS
        }
        self._hold_seconds = {scope: metrics.account_hold_seconds.labels(mode, scope) for scope in HoldScope}
        self._blocks = {
            state: metrics.account_blocks.labels(mode, state)
            for state in catalogue.ACCOUNT_BLOCKS.labels["state"]
        }
        self._completed = metrics.campaigns_completed.labels(mode)
        self._pauses = {
            reason: metrics.campaign_pauses.labels(mode, reason)
            for reason in catalogue.CAMPAIGN_PAUSES.labels["reason"]
        }
        self._crashes = metrics.lane_crashes.labels(mode)

    def note_launch(self, late: float) -> None:
        """A post's turn came so many seconds ago."""
        self._lateness.observe(max(late, 0.0))

    def begin_send(self) -> None:
        """A post is handed to Telegram; `end_send` must follow."""
        self.in_flight += 1

    def end_send(self, origin: Origin, result: str | None, seconds: float) -> None:
        """Telegram has answered with a class of `catalogue.RESULTS`; None if nobody waited for it any more."""
        self.in_flight -= 1
        if result is not None:
            self._sends[origin, result].inc()
            self._send_duration[origin].observe(seconds)

    def note_claim(self, seconds: float, jobs: int) -> None:
        """A claim was answered."""
        self._claim_duration.observe(seconds)
        self._claimed.inc(jobs)

    def note_waiting(self, change: int) -> None:
        """So many more results, or fewer, are to be written."""
        self.waiting += change

    def note_recorded(self, seconds: float, became: Mapping[JobStatus, int]) -> None:
        """A batch of results is in the database."""
        self._record_duration.observe(seconds)
        for status, number in became.items():
            if (counter := self._recorded.get(status)) is not None:
                counter.inc(number)

    def note_hold(self, scope: HoldScope, seconds: float, reason: str) -> None:
        """Telegram makes an account wait."""
        self._holds[scope, reason if reason in catalogue.WAIT_REASONS else OTHER].inc()
        self._hold_seconds[scope].inc(seconds)

    def note_block(self, state: AccountState) -> None:
        """An account is stopped until a person acts."""
        if (counter := self._blocks.get(state)) is not None:
            counter.inc()

    def note_completed(self) -> None:
        """A campaign has come to its end."""
        self._completed.inc()

    def note_pause(self, reason: PauseReason) -> None:
        """A campaign has paused itself."""
        if (counter := self._pauses.get(reason)) is not None:
            counter.inc()

    def note_lanes(self, change: int) -> None:
        """The worker speaks for so many more accounts, or fewer."""
        self.lanes += change

    def note_crash(self) -> None:
        """A lane ended by an error of ours."""
        self._crashes.inc()
