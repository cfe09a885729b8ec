"""What the simulator saw, judged: who sent when, and whether somebody should have been silent. Pure.

Instants are seconds of the machine's monotonic clock, which all its processes share.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from vestnik.simulator.posts import count_most_in_window

GRACE: Final = 0.1
"""Seconds in which what was already handed over may still arrive."""
ACTIVE: Final = 1.0
"""An account is being sent for while its last request to post is at most this old."""


@dataclass(frozen=True, slots=True)
class Sending:
    """One request to post, whatever became of it: for which account, over which connection of which process."""

    account: str
    connection: int
    process: str
    at: float


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when something lasted; without an account it concerned all."""

    begin: float
    end: float
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """A process was killed or frozen at an instant.

    `runs_out`: its leases had to end first. `has_successor`: another worker was there and could take over.
    """

    process: str
    at: float
    runs_out: bool
    has_successor: bool = True


def compute_max_rate_ratio(sendings: Sequence[Sending], rate: float) -> float:
    """The most requests of one account in any second, divided by the account's rate."""
    most = [count_most_in_window([sending.at for sending in own]) for own in _by_account(sendings).values()]
    return max(most, default=0) / rate


def count_during(sendings: Iterable[Sending], spans: Sequence[Span]) -> int:
    """How many requests of a span's account fell into it; the caller has added the grace to its beginning."""
    return sum(
        any(span.begin < sending.at < span.end and span.account == sending.account for span in spans)
        for sending in sendings
    )


def compute_two_senders(sendings: Sequence[Sending]) -> float:
    """Seconds in which two processes both sent for one account.

    A process that gets an account back makes a new connection, so each connection is one tenure, from its first
    request to its last; those of different processes must not overlap.
    """
    total = 0.0
    for own in _by_account(sendings).values():
        tenures: dict[tuple[str, int], list[float]] = defaultdict(list)
        for sending in own:
            tenures[sending.process, sending.connection].append(sending.at)
        spans = sorted((min(times), max(times), process) for (process, _), times in tenures.items())
        for (_, first_end, first), (begin, end, second) in combinations(spans, 2):
            if first != second and begin <= first_end:
                # Two requests at one instant are an overlap too, though it has no length.
                total += max(min(first_end, end) - begin, 0.001)
    return total


def count_after_freezes(sendings: Sequence[Sending], freezes: Sequence[Loss]) -> int:
    """Requests of a process that was frozen for longer than its leases, over a connection from before that.

    What it sends by right goes over a connection made for a lease that it took later.
    """
    found = 0
    for freeze in freezes:
        own = [sending for sending in sendings if sending.process == freeze.process]
        old = {sending.connection for sending in own if sending.at <= freeze.at}
        found += sum(sending.connection in old and sending.at > freeze.at + GRACE for sending in own)
    return found


def measure_takeovers(
    sendings: Sequence[Sending], losses: Sequence[Loss], disturbances: Sequence[Span]
) -> list[float]:
    """Seconds from each loss to the first request of another process for each account that was being sent for.

    Only leases that had to run out count, and only where another worker could work by then and nothing else came
    between: no other loss, and none of the `disturbances`. (Where all workers are dead, the time until one of them
    has been started again is the machine's.)
    """
    found = []
    by_account = _by_account(sendings)
    for loss in losses:
        if not (loss.runs_out and loss.has_successor):
            continue
        for account, own in by_account.items():
            before = [sending for sending in own if sending.at <= loss.at]
            if not before or before[-1].process != loss.process or before[-1].at < loss.at - ACTIVE:
                continue
            after = next((sending for sending in own if sending.at > loss.at), None)
            if after is None or after.process == loss.process:
                continue
            others = [Span(other.at, other.at) for other in losses if other is not loss]
            if not _is_disturbed(account, loss.at, after.at, [*disturbances, *others]):
                found.append(after.at - loss.at)
    return found


def measure_recoveries(
    sendings: Sequence[Sending],
    outages: Sequence[Span],
    losses: Sequence[Loss],
    disturbances: Sequence[Span],
    *,
    lease: float,
) -> list[float]:
    """Seconds from the return of the database to the first request of anybody.

    Only outages after which somebody could send at once count: an account was being sent for when the database
    went, its sender lived on (or had died so long before the end that its lease was over by then), and neither a
    loss nor one of the `disturbances` came between. Otherwise the time is that of a takeover, a wait or a pause.
    """
    found = []
    by_account = _by_account(sendings)
    for outage in outages:
        first = min((sending.at for sending in sendings if sending.at > outage.end), default=None)
        if first is None or any(outage.end < loss.at <= first for loss in losses):
            continue
        if any(
            _was_being_sent_for(own, outage)
            and not _is_kept_by_dead(own, outage, losses, lease)
            and not _is_disturbed(account, outage.end, first, disturbances)
            for account, own in by_account.items()
        ):
            found.append(first - outage.end)
    return found


def _was_being_sent_for(own: Sequence[Sending], outage: Span) -> bool:
    return any(outage.begin - ACTIVE <= sending.at <= outage.end for sending in own)


def _is_kept_by_dead(own: Sequence[Sending], outage: Span, losses: Iterable[Loss], lease: float) -> bool:
    """Whether the account's last sender died (or froze) with a lease that may outlast the outage."""
    sender = [sending for sending in own if sending.at <= outage.end][-1].process
    return any(loss.process == sender and outage.end - lease < loss.at <= outage.end for loss in losses)


def _is_disturbed(account: str, begin: float, end: float, disturbances: Iterable[Span]) -> bool:
    return any(
        span.begin < end and span.end > begin and span.account in {None, account} for span in disturbances
    )


def _by_account(sendings: Iterable[Sending]) -> dict[str, list[Sending]]:
    found: dict[str, list[Sending]] = defaultdict(list)
    for sending in sorted(sendings, key=lambda entry: entry.at):
        found[sending.account].append(sending)
    return found
