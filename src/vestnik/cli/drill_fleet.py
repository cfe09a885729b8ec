"""The workers of a drill: started, killed by plan, started again."""

import asyncio
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from vestnik.cli.child import CHILD_VARIABLE, HOLDER_VARIABLE, SIMULATOR_VARIABLE, make_holder
from vestnik.cli.crashes import is_crash
from vestnik.cli.drill_analysis import Loss
from vestnik.cli.drill_narrator import Narrator
from vestnik.cli.drill_plan import PlannedKill
from vestnik.cli.processes import ChildSpec, own_command
from vestnik.cli.restarts import RestartDelays
from vestnik.cli.stack import READY_TIMEOUT, Stack
from vestnik.domain.errors import VestnikError

if TYPE_CHECKING:
    from pathlib import Path

FAILPOINTS_VARIABLE: Final = "VESTNIK_FAILPOINTS"
_GIVE_BACK_TIMEOUT: Final = 5.0
_KILLED_EXITS: Final = frozenset({-9, 137})
_AT_ONCE: Final = timedelta(0)


@dataclass(slots=True, eq=False)
class Life:
    """One process of a worker: `kill` is what it is to die of, if of anything."""

    worker: str
    holder: str
    kill: PlannedKill | None
    pid: int = 0
    is_frozen: bool = False
    is_over: bool = False
    was_shot: bool = False


class Fleet:
    """Keeps the workers running; while planned kills are left, every process that starts has one before it.

    So the posts of that time are at most what the kills need, and no worker without a kill takes all accounts
    over while another one waits in vain for its end. It is the supervisor's `Reporter`.
    """

    def __init__(self, kills: Sequence[PlannedKill], narrator: Narrator, *, workers: int) -> None:
        self._narrator = narrator
        self._names = [f"worker-{number + 1}" for number in range(workers)]
        self._queue = deque(kills)
        self._planned = len(kills)
        self._lives: dict[str, Life] = {}
        self._changed = asyncio.Event()
        self._stack: Stack | None = None
        self.holds_fire = False
        """While the database is away nobody is shot, so that the survivors show how they cope with that."""
        self.losses: list[Loss] = []
        self.freezes: list[Loss] = []
        self.kills_done = 0
        self.unplanned_deaths: list[str] = []
        self.crashes = 0
        """How often the delivery for an account ended by an error of its own."""

    async def start(self, stack: Stack) -> None:
        """Start the workers; returns when all of them can work."""
        self._stack = stack
        for name in self._names:
            stack.supervisor.start(
                ChildSpec(
                    name=name,
                    command=lambda: own_command("worker"),
                    environment=lambda name=name: self._make_environment(name),  # type: ignore[misc]
                    on_death=lambda name=name: self._bury(name),  # type: ignore[misc]
                    # Dying is what they are here for, so there is no reason to wait longer each time.
                    delays=lambda: RestartDelays(healthy_after=_AT_ONCE),
                )
            )
        for name in self._names:
            await stack.supervisor.wait_ready(name, READY_TIMEOUT)

    @property
    def lives(self) -> list[Life]:
        """The processes that run now."""
        return [life for life in self._lives.values() if not life.is_over]

    @property
    def size(self) -> int:
        """How many workers there are when all live."""
        return len(self._names)

    @property
    def is_complete(self) -> bool:
        """Whether every worker can work."""
        assert self._stack is not None
        return len(self.lives) == self.size and all(map(self._stack.supervisor.is_ready, self._names))

    def find_life(self, holder: str) -> Life | None:
        """The running process of this name."""
        return next((life for life in self.lives if life.holder == holder), None)

    def shoot_due(self, count_posts: Callable[[str], int]) -> None:
        """Kill the processes whose kill comes after so many posts and not at a failpoint."""
        for life in () if self.holds_fire else self.lives:
            kill = life.kill
            if kill is None or kill.point is not None or life.is_frozen or life.was_shot:
                continue
            if count_posts(life.holder) >= kill.posts:
                life.was_shot = True
                _kill(life.pid)

    def freeze(self, life: Life) -> None:
        """Stop a process where it is."""
        life.is_frozen = True
        os.kill(life.pid, signal.SIGSTOP)
        self.freezes.append(self._note_loss(life, runs_out=True))

    def thaw(self, life: Life) -> None:
        """Let it go on; harmless when it is gone."""
        if not life.is_over:
            os.kill(life.pid, signal.SIGCONT)
        life.is_frozen = False

    # -- the supervisor's reporter ------------------------------------------------------------------------

    def on_started(self, name: str, pid: int) -> None:
        """A process of this name runs."""
        if name in self._lives:
            self._lives[name].pid = pid

    def on_died(self, name: str, exit_code: int, restart_in: timedelta, reason: str) -> None:  # noqa: ARG002
        """It ended: by plan, or by itself."""
        life = self._lives.get(name)
        if life is None:
            self.unplanned_deaths.append(f"the {name} ended (exit code {exit_code}) {reason}".strip())
            self._narrator.say(self.unplanned_deaths[-1])
            return
        life.is_over = True
        kill = life.kill
        if kill is not None and (exit_code in _KILLED_EXITS or life.was_shot):
            self.kills_done += 1
            self._note_loss(life, runs_out=not kill.gives_back)
            self._narrate_kill(name, kill)
        else:
            self._note_loss(life, runs_out=True)
            self.unplanned_deaths.append(f"{name} ended by itself (exit code {exit_code}) {reason}".strip())
            self._narrator.say(self.unplanned_deaths[-1])
            if kill is not None:
                self._queue.appendleft(kill)
                life.kill = None
        self._changed.set()

    def on_line(self, name: str, line: str) -> None:
        """It wrote a warning: in a drill that is to be expected and is in its log; a crash is not."""
        if is_crash(line):
            self.crashes += 1
            self._narrator.say(f"{name}: {line}", event="crash", process=name)

    def _note_loss(self, life: Life, *, runs_out: bool) -> Loss:
        assert self._stack is not None
        has_successor = any(
            other is not life and not other.is_frozen and self._stack.supervisor.is_ready(other.worker)
            for other in self.lives
        )
        loss = Loss(life.holder, time.monotonic(), runs_out, has_successor)
        self.losses.append(loss)
        return loss

    def _narrate_kill(self, name: str, kill: PlannedKill) -> None:
        where = "at any moment" if kill.point is None else f"at '{kill.point}'"
        leases = "given back at once" if kill.gives_back else "left to run out"
        self._narrator.say(
            f"{name} killed {where} ({self.kills_done} of {self._planned}), its accounts {leases}",
            event="kill",
            process=name,
            point=kill.point,
            gives_back=kill.gives_back,
        )

    # -- lives ----------------------------------------------------------------------------------------------

    def _make_environment(self, name: str) -> Mapping[str, str]:
        stack = self._stack
        assert stack is not None
        assert stack.endpoint is not None
        kill = self._queue.popleft() if self._queue else None
        life = Life(name, make_holder(), kill)
        self._lives[name] = life
        log_file: Path = stack.settings.data_dir / "logs" / f"{name}.log"
        environment = {
            CHILD_VARIABLE: str(log_file),
            SIMULATOR_VARIABLE: stack.endpoint.to_json(),
            HOLDER_VARIABLE: life.holder,
        }
        if kill is not None and kill.point is not None:
            environment[FAILPOINTS_VARIABLE] = f"{kill.point}:{kill.passes}"
        return environment

    async def _bury(self, name: str) -> None:
        """Runs between the death of a process and the next start."""
        life = self._lives[name]
        if life.kill is not None and life.kill.gives_back:
            await self._give_back_leases(life.holder)
        # The last kills: who starts without one would take over the accounts of those that still have theirs.
        while not self._queue and any(other.kill is not None for other in self.lives):
            self._changed.clear()
            await self._changed.wait()

    async def _give_back_leases(self, holder: str) -> None:
        from vestnik.bootstrap import expire_holder

        assert self._stack is not None
        try:
            async with asyncio.timeout(_GIVE_BACK_TIMEOUT):
                await expire_holder(self._stack.engine, holder)
        except (VestnikError, TimeoutError):
            self._narrator.say("the database is away, so the accounts of that worker have to run out")


def _kill(pid: int) -> None:
    """End a process as by kill -9; one that is gone already does not mind."""
    try:
        os.kill(pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
