"""What is measured of a library of Python's: each message once, all of them recorded, or no figure at all."""

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers.program import (
    MESSAGE_BYTES,
    UNCOUNTED,
    Handle,
    Message,
    Timetable,
    carry_out,
    make_messages,
)

ROOT = Path(__file__).parents[3]


@dataclass
class InMemory:
    """A queue in this process, its worker and what can be wrong with them."""

    repeats: bool = False
    forgets: bool = False
    seconds_to_queue_one: float = 0.001
    queue: asyncio.Queue[tuple[float, Message]] = field(default_factory=asyncio.Queue)
    left: int = 0
    recorded: int = 0
    is_closed: bool = False
    handle: Handle | None = None
    task: asyncio.Task[None] | None = None

    async def add(self, messages: list[Message], timetable: Timetable | None) -> None:
        self.left += len(messages)
        for message in messages:
            self.queue.put_nowait((timetable.due(message) if timetable else 0, message))

    async def settle(self) -> None:
        pass

    async def hire(self, handle: Handle, *, rate: float | None) -> "InMemory":
        self.handle = handle
        return self

    async def start(self) -> None:
        self.task = asyncio.create_task(self.work())

    async def work(self) -> None:
        assert self.handle is not None
        while True:
            _, message = await self.queue.get()
            for _ in range(2 if self.repeats else 1):
                await self.handle(message)
            self.left -= 1
            self.recorded += not self.forgets

    async def stop(self) -> None:
        assert self.task is not None
        self.task.cancel()

    async def count_left(self) -> int:
        return self.left

    async def count_recorded(self) -> int:
        return self.recorded

    async def close(self) -> None:
        self.is_closed = True


async def measure(library: InMemory, **orders: object) -> dict[str, Any]:
    async def open_library(_orders: dict[str, Any]) -> InMemory:
        return library

    return await carry_out(open_library, {"timeout": 60, **orders})


@pytest.mark.parametrize("number", [0, 9, 123_456])
def test_a_message_has_300_bytes_whatever_its_number(number: int) -> None:
    (message,) = make_messages(number, 1)
    assert len(json.dumps(message, separators=(",", ":"))) == MESSAGE_BYTES
    assert message["number"] == number


async def test_a_drain_counts_its_messages_after_a_round_that_nobody_counts() -> None:
    library = InMemory()
    answer = await measure(library, measure="drain", jobs=5500)
    assert answer["handled"] == 5500
    assert 0 < answer["first_seconds"] <= answer["seconds"]
    assert library.recorded == 5500 + 2000
    assert library.is_closed


async def test_a_message_handled_twice_is_no_drain() -> None:
    with pytest.raises(RuntimeError, match=r"^10 of 10 messages were handled, \d+ of them twice$"):
        await measure(InMemory(repeats=True), measure="drain", jobs=10)


async def test_a_message_that_is_not_recorded_is_no_drain() -> None:
    with pytest.raises(RuntimeError, match=r"^0 of 10 messages were recorded as done$"):
        await measure(InMemory(forgets=True), measure="drain", jobs=10)


async def test_a_library_that_gets_stuck_costs_no_more_than_its_limit() -> None:
    library = InMemory(left=1)
    with pytest.raises(TimeoutError):
        await measure(library, measure="drain", jobs=10, timeout=0.5)


async def test_pick_ups_are_timed_one_by_one() -> None:
    library = InMemory()
    answer = await measure(library, measure="pick_up", times=2)
    assert len(answer["seconds"]) == 2
    assert min(answer["seconds"]) >= 0
    assert library.recorded == 2 + UNCOUNTED


async def test_a_pace_gives_each_message_its_slot_and_tells_when_it_came() -> None:
    library = InMemory()
    dues: list[float] = []
    add = library.add

    async def add_and_note(messages: list[Message], timetable: Timetable | None) -> None:
        assert timetable is not None
        dues.extend(map(timetable.due, messages))
        await add(messages, timetable)

    library.add = add_and_note  # type: ignore[method-assign]
    answer = await measure(library, measure="pace", rate=100, seconds=0.2)
    assert len(answer["instants"]) == 20
    assert answer["instants"] == sorted(answer["instants"])
    assert [due - dues[0] for due in dues] == pytest.approx([number / 100 for number in range(20)], abs=1e-5)


async def test_a_pace_whose_slots_began_before_all_was_queued_is_none() -> None:
    with pytest.raises(RuntimeError, match="queueing took longer than was foreseen"):
        await measure(InMemory(seconds_to_queue_one=-1), measure="pace", rate=100, seconds=0.1)


def test_a_program_ends_when_nobody_waits_for_it_any_more() -> None:
    code = """
import asyncio
from benchmarks.peers.program import main

async def open_library(orders):
    print("open", flush=True)
    await asyncio.sleep(600)

main(open_library, asyncio.new_event_loop)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, '{"timeout": 600, "measure": "drain"}'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PEER_DATABASE_URL": "", "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"open\n"
            process.stdin.close()
            assert process.wait(30) == 1
        finally:
            process.kill()
