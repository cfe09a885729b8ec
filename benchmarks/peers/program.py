"""The measures of a queue library of Python's, each the same for all of them, and the same as in program.mjs.

A program is called with its orders as one JSON object and prints one JSON object: what it measured, or why it
could not. It ends when its standard input does. It runs in the peers' environment, so nothing of Vestnik is
imported here.
"""

import asyncio
import json
import os
import random
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

MESSAGE_BYTES = 300
WARM_UP = 2000
FILL_AT_ONCE = 5000
RUN_UP = 0.5
UNCOUNTED = 5

Message = dict[str, Any]
Handle = Callable[[Message], Awaitable[None]]
Answer = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Timetable:
    """When each message is due, where the library takes an instant for each: the first, and how many a second."""

    first: float
    rate: float

    def due(self, message: Message) -> float:
        """In seconds since the epoch."""
        return self.first + float(message["number"]) / self.rate


class Worker(Protocol):
    """One worker, made but not begun."""

    async def start(self) -> None:
        """Returns when it has begun, or is about to."""

    async def stop(self) -> None:
        """Returns when it handles nothing more."""


class Library(Protocol):
    """What a queue library is asked for."""

    seconds_to_queue_one: float
    """Time for each message that has an instant of its own, before the first is due."""

    async def add(self, messages: list[Message], timetable: Timetable | None) -> None:
        """Queue them."""

    async def settle(self) -> None:
        """After messages were queued."""

    async def hire(self, handle: Handle, *, rate: float | None) -> Worker:
        """A worker at the best settings for the work; a rate is given where messages have a timetable."""

    async def count_left(self) -> int:
        """Messages that are not recorded as done."""

    async def count_recorded(self) -> int:
        """Messages that are."""

    async def close(self) -> None:
        """Close what is open."""


@dataclass(slots=True)
class Tally:
    """Whether each message was handled, and when."""

    count: int
    instants: list[float] = field(default_factory=list)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    seen: set[int] = field(default_factory=set)

    async def note(self, message: Message) -> None:
        """Called for each message."""
        self.instants.append(time.perf_counter())
        self.seen.add(message["number"])
        if len(self.seen) == self.count:
            self.done.set()

    def check(self) -> None:
        """Raises RuntimeError unless each was handled once."""
        repeated = len(self.instants) - len(self.seen)
        if len(self.seen) != self.count or repeated:
            raise RuntimeError(
                f"{len(self.seen)} of {self.count} messages were handled, {repeated} of them twice"
            )


def make_messages(first: int, count: int) -> list[Message]:
    """Of 300 bytes, with their number."""
    messages = []
    for number in range(first, first + count):
        rest = MESSAGE_BYTES - len(json.dumps({"number": number, "text": ""}, separators=(",", ":")))
        messages.append({"number": number, "text": "x" * rest})
    return messages


async def fill(library: Library, count: int, timetable: Timetable | None = None) -> None:
    """Queue that many."""
    for first in range(0, count, FILL_AT_ONCE):
        await library.add(make_messages(first, min(FILL_AT_ONCE, count - first)), timetable)


async def wait_until_recorded(library: Library) -> float:
    """The instant at which nothing was left any more."""
    while True:
        asked = time.perf_counter()
        if not await library.count_left():
            return asked
        await asyncio.sleep(0.001)


async def work_off(library: Library, count: int) -> Answer:
    """Queue them, then time them from the worker's beginning to the last record."""
    await fill(library, count)
    await library.settle()
    before = await library.count_recorded()
    tally = Tally(count)
    worker = await library.hire(tally.note, rate=None)
    started = time.perf_counter()
    await worker.start()
    await tally.done.wait()
    ended = await wait_until_recorded(library)
    await worker.stop()
    tally.check()
    recorded = await library.count_recorded() - before
    if recorded != count:
        raise RuntimeError(f"{recorded} of {count} messages were recorded as done")
    return {"seconds": ended - started, "first_seconds": tally.instants[0] - started}


async def drain(library: Library, orders: Answer) -> Answer:
    """Messages a second, after a first round that nobody counts."""
    jobs = orders["jobs"]
    await work_off(library, min(WARM_UP, jobs))
    return {"handled": jobs, **await work_off(library, jobs)}


async def pick_up(library: Library, orders: Answer) -> Answer:
    """From the request to queue a message until it is handled, with an idle worker."""
    arrived = asyncio.Event()
    instant = 0.0

    async def note(_message: Message) -> None:
        nonlocal instant
        instant = time.perf_counter()
        arrived.set()

    worker = await library.hire(note, rate=None)
    await worker.start()
    seconds = []
    for _ in range(UNCOUNTED + orders["times"]):
        await asyncio.sleep(0.1 + 0.2 * random.random())  # noqa: S311 - only not to fall into step
        arrived.clear()
        asked = time.perf_counter()
        await library.add(make_messages(0, 1), None)
        await arrived.wait()
        seconds.append(instant - asked)
    await wait_until_recorded(library)
    await worker.stop()
    return {"seconds": seconds[UNCOUNTED:]}


async def pace(library: Library, orders: Answer) -> Answer:
    """The instants at which messages were handled that have one each."""
    rate = orders["rate"]
    count = round(rate * orders["seconds"])
    tally = Tally(count)
    worker = await library.hire(tally.note, rate=rate)
    timetable = Timetable(first=time.time() + RUN_UP + library.seconds_to_queue_one * count, rate=rate)
    await fill(library, count, timetable)
    if time.time() > timetable.first:
        raise RuntimeError("queueing took longer than was foreseen, so the first messages are late already")
    await worker.start()
    await tally.done.wait()
    await wait_until_recorded(library)
    await worker.stop()
    tally.check()
    return {"instants": tally.instants}


MEASURES = {"drain": drain, "pick_up": pick_up, "pace": pace}


async def carry_out(open_library: Callable[[Answer], Awaitable[Library]], orders: Answer) -> Answer:
    """Raises TimeoutError when it takes too long."""
    async with asyncio.timeout(orders["timeout"]):
        library = await open_library(orders)
        answer = await MEASURES[orders["measure"]](library, orders)
        await library.close()
        return answer


def main(open_library: Callable[[Answer], Awaitable[Library]], loop: Callable[[], Any]) -> int:
    """Carry out the orders on the command line."""
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    orders = {**json.loads(sys.argv[1]), "database_url": os.environ["PEER_DATABASE_URL"]}
    with asyncio.Runner(loop_factory=loop) as runner:
        try:
            answer = runner.run(carry_out(open_library, orders))
        except Exception:  # noqa: BLE001 - the edge of the process: whatever it is, the answer says it
            print(json.dumps({"error": traceback.format_exc()}))
            return 1
    print(json.dumps(answer))
    return 0


def end_with_standard_input() -> None:
    """Whoever gave the orders is gone. Read without a buffer, whose lock would be held when the program ends."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)
