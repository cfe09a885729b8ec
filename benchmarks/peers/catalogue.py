"""The peers: what each is asked to do, and how long it may take. README.md says why each is set as it is.

A peer has a method for what its library offers and none for the rest. Each run has servers of its own. All methods
raise PeerFailedError, with the reason, when a run did not do exactly its work.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.peers.installation import PROGRAMS, Package, Runtime, find_program, find_redis
from benchmarks.peers.places import open_postgres, open_redis
from benchmarks.peers.programs import run_program

START_SECONDS: Final = 120
"""For all that does not grow with the work."""
SLOWEST_DRAIN: Final = 100
SLOWEST_QUEUEING: Final = 1000
SLOWEST_PICK_UP: Final = 5
SLOWEST_PACE: Final = 4
PAUSES: Final = 3


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A queue library at certain settings."""

    name: str
    package: Package
    program: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What the program is told of every measure."""
    pace_way: str = ""
    pause_way: str = ""
    needs_redis: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether it can be measured here."""
        return self.package.version is not None and not (self.needs_redis and find_redis() is None)

    def _run(self, measure: str, limit: float, **orders: object) -> dict[str, Any]:
        with self._open_place() as (database_url, place):
            return run_program(
                self._list_command(),
                {"measure": measure, **self.settings, **orders, **place},
                database_url=database_url,
                seconds=limit,
            )

    @contextmanager
    def _open_place(self) -> Iterator[tuple[str, Mapping[str, str]]]:
        if self.needs_redis:
            with open_redis() as socket:
                yield "", {"redis_socket": socket}
        else:
            with open_postgres() as url:
                yield url, {}

    def _list_command(self) -> list[str]:
        runtime = self.package.runtime
        if runtime is Runtime.NODE:
            return [str(find_program(runtime)), str(PROGRAMS / f"{self.program}.mjs")]
        return [str(find_program(runtime)), "-m", f"benchmarks.peers.{self.program}"]


class Queue(Peer):
    """It handles messages as fast as it can, and waits for them."""

    def drain(self, jobs: int) -> float:
        """Messages a second, from the beginning of a worker that is connected to the record of the last one."""
        answer = self._run("drain", START_SECONDS + jobs / SLOWEST_DRAIN, jobs=jobs)
        return float(answer["handled"] / answer["seconds"])

    def pick_up(self, times: int) -> list[float]:
        """Seconds from the request to queue a message, nothing else being queued, until the handler has it."""
        answer = self._run("pick_up", START_SECONDS + times * SLOWEST_PICK_UP, times=times)
        return [float(value) for value in answer["seconds"]]


class Paces(Peer):
    """It can be made to keep a rate."""

    def pace(self, rate: float, seconds: float) -> list[float]:
        """The instants, on a clock of its own, at which the handler had each of as many messages as fit."""
        limit = START_SECONDS + SLOWEST_PACE * seconds
        answer = self._run("pace", limit, rate=rate, seconds=seconds, way=self.pace_way)
        return [float(value) for value in answer["instants"]]


class Pauses(Peer):
    """It can be told to stop for a while what is queued."""

    def pause(self, queued: int) -> tuple[float, float]:
        """(seconds until the last message that begins after the pause, at most; what the pause writes).

        20 messages are in hand at a time, each for 100 ms, so there are 200 a second. What is written are rows, in
        Redis changes of keys.
        """
        limit = START_SECONDS + queued / SLOWEST_QUEUEING
        answer = self._run("pause", limit, queued=queued, way=self.pause_way, rounds=PAUSES)
        return max(map(float, answer["silences"])), float(answer["rows"])


class PacedQueue(Queue, Paces):
    """A queue whose messages can have a time of their own."""


class WholeQueue(PacedQueue, Pauses):
    """A queue that offers everything."""


def name_package(runtime: Runtime, name: str) -> Package:
    """As it is installed."""
    return Package(name=name, runtime=runtime)


# Of each program the first is the library at its usual settings.
ALL: Final[tuple[Peer, ...]] = (
    WholeQueue(
        name="graphile-worker",
        package=name_package(Runtime.NODE, "graphile-worker"),
        program="graphile_worker",
        settings={"batched": True},
        pace_way="run_at",
        pause_way="forbiddenFlags",
    ),
    Queue(
        name="graphile-worker-unbatched",
        package=name_package(Runtime.NODE, "graphile-worker"),
        program="graphile_worker",
        settings={"batched": False},
    ),
    WholeQueue(
        name="pg-boss",
        package=name_package(Runtime.NODE, "pg-boss"),
        program="pg_boss",
        settings={"version": 12},
        pace_way="polling",
        pause_way="offWork",
    ),
    Pauses(
        name="pg-boss-cancel",
        package=name_package(Runtime.NODE, "pg-boss"),
        program="pg_boss",
        settings={"version": 12},
        pause_way="cancel",
    ),
    WholeQueue(
        name="pg-boss-10",
        package=name_package(Runtime.NODE, "pg-boss-10"),
        program="pg_boss",
        settings={"version": 10},
        pace_way="polling",
        pause_way="offWork",
    ),
    WholeQueue(
        name="bullmq",
        package=name_package(Runtime.NODE, "bullmq"),
        program="bullmq",
        pace_way="per_slot",
        pause_way="pause",
        needs_redis=True,
    ),
    Paces(
        name="bullmq-per-second",
        package=name_package(Runtime.NODE, "bullmq"),
        program="bullmq",
        pace_way="per_second",
        needs_redis=True,
    ),
    WholeQueue(
        name="bullmq-postgres",
        package=name_package(Runtime.NODE, "bullmq"),
        program="bullmq",
        pace_way="per_slot",
        pause_way="pause",
    ),
    PacedQueue(
        name="procrastinate",
        package=name_package(Runtime.PYTHON, "procrastinate"),
        program="procrastinate_queue",
        pace_way="schedule_at",
    ),
    PacedQueue(
        name="pgqueuer",
        package=name_package(Runtime.PYTHON, "pgqueuer"),
        program="pgqueuer_queue",
        pace_way="execute_after",
    ),
)


def list_peers() -> dict[str, Peer]:
    """Those that are installed, by name."""
    return {peer.name: peer for peer in ALL if peer.is_installed}
