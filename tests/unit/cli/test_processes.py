"""Supervision with small Python scripts as children."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta

import psutil
import pytest

from vestnik.cli.processes import ChildFailedError, ChildSpec, Supervisor

LIMIT = timedelta(seconds=20)
OBEDIENT = """
import json, sys
print(json.dumps({"event": "ready", "name": sys.argv[1]}), flush=True)
sys.stdin.read()
print("stopped", file=sys.stderr, flush=True)
"""
STUBBORN = """
import json, time
print(json.dumps({"event": "ready"}), flush=True)
time.sleep(600)
"""
REFUSING = "import sys; print('vestnik: error: the port is taken', file=sys.stderr); sys.exit(1)"
NEVER_READY = "import sys; sys.stdin.read()"


class Recorder:
    def __init__(self) -> None:
        self.started: list[tuple[str, int]] = []
        self.died: list[tuple[str, int]] = []
        self.lines: list[tuple[str, str]] = []
        self._changed = asyncio.Event()

    def on_started(self, name: str, pid: int) -> None:
        self.started.append((name, pid))
        self._changed.set()

    def on_died(self, name: str, exit_code: int, restart_in: timedelta, reason: str) -> None:
        self.died.append((name, exit_code))
        self._changed.set()

    def on_line(self, name: str, line: str) -> None:
        self.lines.append((name, line))
        self._changed.set()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT.total_seconds()):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


def script(text: str, *arguments: str) -> Callable[[], Sequence[str]]:
    return lambda: (sys.executable, "-c", text, *arguments)


def kill_hard(pid: int) -> None:
    psutil.Process(pid).kill()


async def test_children_are_ended_in_reverse_order_when_the_block_ends() -> None:
    recorder = Recorder()
    async with Supervisor(recorder) as supervisor:
        for name in ("first", "second", "third"):
            supervisor.start(ChildSpec(name=name, command=script(OBEDIENT, name)))
            assert (await supervisor.wait_ready(name, LIMIT))["name"] == name
        pids = supervisor.list_pids()
    await recorder.wait_until(lambda: len(recorder.lines) == 3)
    assert recorder.lines == [("third", "stopped"), ("second", "stopped"), ("first", "stopped")]
    assert not any(psutil.pid_exists(pid) for pid in pids.values())
    assert recorder.died == []


async def test_a_killed_child_is_started_again_after_its_death_was_seen_to() -> None:
    recorder = Recorder()
    deaths: list[int] = []

    async def note_death() -> None:
        deaths.append(len(recorder.started))

    async with Supervisor(recorder) as supervisor:
        supervisor.start(ChildSpec(name="worker", command=script(OBEDIENT, "worker"), on_death=note_death))
        await supervisor.wait_ready("worker", LIMIT)
        first = supervisor.list_pids()["worker"]
        kill_hard(first)
        await recorder.wait_until(lambda: len(recorder.started) == 2)
        assert supervisor.list_pids()["worker"] != first
    assert deaths == [1]
    assert [name for name, _ in recorder.died] == ["worker"]


async def test_a_child_that_refuses_to_start_is_quoted_and_not_tried_again() -> None:
    recorder = Recorder()
    async with Supervisor(recorder) as supervisor:
        supervisor.start(ChildSpec(name="api", command=script(REFUSING)))
        with pytest.raises(ChildFailedError, match="api process could not start: the port is taken"):
            await supervisor.wait_ready("api", LIMIT)
    assert len(recorder.started) == 1


async def test_a_child_killed_before_it_was_ready_gets_another_start() -> None:
    recorder = Recorder()
    scripts = iter([NEVER_READY, OBEDIENT])
    async with Supervisor(recorder) as supervisor:
        supervisor.start(
            ChildSpec(name="worker", command=lambda: (sys.executable, "-c", next(scripts), "worker"))
        )
        kill_hard(supervisor.list_pids()["worker"])
        assert (await supervisor.wait_ready("worker", LIMIT))["event"] == "ready"
    assert len(recorder.started) == 2


async def test_a_child_that_is_not_ready_in_time_is_an_error() -> None:
    async with Supervisor(Recorder()) as supervisor:
        supervisor.start(ChildSpec(name="worker", command=script(NEVER_READY)))
        with pytest.raises(ChildFailedError, match="not ready within"):
            await supervisor.wait_ready("worker", timedelta(seconds=0.1))


async def test_an_error_of_the_block_comes_out_as_it_is_once_all_children_have_ended() -> None:
    async def fail() -> None:
        async with Supervisor(Recorder()) as supervisor:
            supervisor.start(ChildSpec(name="worker", command=script(OBEDIENT, "worker")))
            pids.append(supervisor.list_pids()["worker"])
            raise ChildFailedError("no")

    pids: list[int] = []
    with pytest.raises(ChildFailedError, match="no"):
        await fail()
    assert not psutil.pid_exists(pids[0])


async def test_a_child_that_does_not_end_by_itself_is_killed() -> None:
    async with Supervisor(Recorder(), stop_grace=timedelta(seconds=0.2)) as supervisor:
        supervisor.start(ChildSpec(name="worker", command=script(STUBBORN)))
        await supervisor.wait_ready("worker", LIMIT)
        pid = supervisor.list_pids()["worker"]
    assert not psutil.pid_exists(pid)


async def test_leaving_does_not_wait_for_a_restart_that_is_far_away() -> None:
    recorder = Recorder()
    dying = 'import sys; print(\'{"event": "ready"}\', flush=True); sys.exit(3)'
    async with Supervisor(recorder) as supervisor:
        supervisor.start(ChildSpec(name="worker", command=script(dying)))
        # 0 + 0.5 + 1 s have passed by the fourth death; the next start would be 2 s away.
        await recorder.wait_until(lambda: len(recorder.died) == 3)
    assert [code for _, code in recorder.died] == [3, 3, 3]


async def test_each_start_gets_a_fresh_environment() -> None:
    recorder = Recorder()
    speaking = "import os, sys; print(os.environ['HOLDER'], file=sys.stderr, flush=True); sys.exit(1)"
    numbers = iter(range(100))

    async with Supervisor(recorder) as supervisor:
        supervisor.start(
            ChildSpec(
                name="worker",
                command=script(f'print(\'{{"event": "ready"}}\', flush=True)\n{speaking}'),
                environment=lambda: {"HOLDER": f"holder-{next(numbers)}"},
            )
        )
        await recorder.wait_until(lambda: len(recorder.lines) == 2)
    assert [line for _, line in recorder.lines[:2]] == ["holder-0", "holder-1"]


PARENT = """
import asyncio, signal, sys
# Who runs the tests in the background of a shell has it ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
from datetime import timedelta
from vestnik.cli.processes import ChildSpec, Supervisor

CHILD = '''
import json, time
from vestnik.cli.child import StopRequest, catch_signals, serve_until_stopped, watch_parent
import asyncio
request = StopRequest()
watch_parent(request)
async def main(stop):
    print(json.dumps({"event": "ready"}), flush=True)
    await stop.wait()
with catch_signals(request):
    asyncio.run(serve_until_stopped(main, request))
'''

class Quiet:
    def on_started(self, name, pid): print(pid, flush=True)
    def on_died(self, *facts): pass
    def on_line(self, name, line): print(line, file=sys.stderr, flush=True)

async def main():
    async with Supervisor(Quiet()) as supervisor:
        supervisor.start(ChildSpec(name="child", command=lambda: (sys.executable, "-c", CHILD)))
        await supervisor.wait_ready("child", timedelta(seconds=20))
        print("ready", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL if os.name == "posix" else signal.SIGTERM, signal.SIGINT])
def test_children_end_with_their_parent_however_it_dies(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        assert parent.stdout.readline().strip() == "ready"
        parent.send_signal(number)
        parent.wait(timeout=20)
        child.wait(timeout=10)
