"""The workers of a drill: who dies of what, and who may start in the meantime. No process is started here."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from vestnik.cli.child import HOLDER_VARIABLE
from vestnik.cli.drill_fleet import FAILPOINTS_VARIABLE, Fleet
from vestnik.cli.drill_narrator import Narrator
from vestnik.cli.drill_plan import PlannedKill
from vestnik.cli.processes import ChildSpec
from vestnik.cli.stack import Stack
from vestnik.delivery.failpoints import Failpoint

NOW = timedelta(0)
AT_CLAIM = PlannedKill(point=Failpoint.AFTER_CLAIM, passes=3, posts=9, gives_back=False)
AFTER_TEN = PlannedKill(point=None, passes=1, posts=10, gives_back=False)


class Supervisor:
    """Takes the specs and starts nothing."""

    def __init__(self) -> None:
        self.specs: dict[str, ChildSpec] = {}
        self.starting: set[str] = set()

    def start(self, spec: ChildSpec) -> None:
        self.specs[spec.name] = spec

    async def wait_ready(self, name: str, timeout: timedelta) -> None:
        pass

    def is_ready(self, name: str) -> bool:
        return name not in self.starting


class Workshop:
    """A fleet whose processes are started and killed by hand."""

    def __init__(self, *kills: PlannedKill, workers: int = 2) -> None:
        self.fleet = Fleet(kills, Narrator(as_json=True), workers=workers)
        self.supervisor = Supervisor()
        self._pids = iter(range(2_000_000_000, 2_000_000_100))

    async def open(self) -> None:
        stack: Any = SimpleNamespace(
            supervisor=self.supervisor,
            settings=SimpleNamespace(data_dir=Path("data")),
            endpoint=SimpleNamespace(to_json=lambda: "{}"),
        )
        await self.fleet.start(cast("Stack", stack))

    def start(self, name: str) -> Mapping[str, str]:
        environment = self.supervisor.specs[name].environment()
        self.fleet.on_started(name, next(self._pids))
        return environment

    def bury(self, name: str) -> "asyncio.Task[None]":
        on_death = self.supervisor.specs[name].on_death
        assert on_death is not None

        async def bury() -> None:
            await on_death()

        return asyncio.create_task(bury())


async def settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_each_process_has_a_name_of_its_own_and_the_next_kill_before_it() -> None:
    workshop = Workshop(AT_CLAIM, AFTER_TEN)
    await workshop.open()
    first, second = workshop.start("worker-1"), workshop.start("worker-2")
    assert first[FAILPOINTS_VARIABLE] == "after_claim:3"
    assert FAILPOINTS_VARIABLE not in second
    assert first[HOLDER_VARIABLE] != second[HOLDER_VARIABLE]


async def test_only_a_kill_counts_and_one_that_was_not_carried_out_is_tried_again() -> None:
    workshop = Workshop(AT_CLAIM, AT_CLAIM)
    await workshop.open()
    workshop.start("worker-1")
    workshop.start("worker-2")
    workshop.fleet.on_died("worker-1", -9, NOW, "")
    workshop.fleet.on_died("worker-2", 1, NOW, "the database is away")
    assert workshop.fleet.kills_done == 1
    assert workshop.fleet.unplanned_deaths == ["worker-2 ended by itself (exit code 1) the database is away"]
    assert workshop.start("worker-2")[FAILPOINTS_VARIABLE] == "after_claim:3"
    assert FAILPOINTS_VARIABLE not in workshop.start("worker-1")


async def test_a_loss_knows_whether_another_worker_was_there_to_take_over() -> None:
    workshop = Workshop(AT_CLAIM, AT_CLAIM, AT_CLAIM, workers=3)
    await workshop.open()
    for name in ("worker-1", "worker-2", "worker-3"):
        workshop.start(name)
    fleet = workshop.fleet
    fleet.on_died("worker-1", -9, NOW, "")
    for life in fleet.lives:
        life.is_frozen = life.worker == "worker-3"
    fleet.on_died("worker-2", -9, NOW, "")
    workshop.supervisor.starting.add("worker-1")
    workshop.start("worker-1")
    fleet.on_died("worker-3", -9, NOW, "")
    assert [loss.has_successor for loss in fleet.losses] == [True, False, False]


async def test_a_crash_that_a_worker_reports_is_counted_and_its_traceback_is_not() -> None:
    workshop = Workshop()
    await workshop.open()
    for line in ("lane.claim_lost reason=…", "lane.crashed kind=USER", "Traceback:", "  lane.crashed"):
        workshop.fleet.on_line("worker-1", line)
    assert workshop.fleet.crashes == 1


async def test_nobody_starts_without_a_kill_while_another_one_still_has_his_before_him() -> None:
    workshop = Workshop(AT_CLAIM, AT_CLAIM)
    await workshop.open()
    workshop.start("worker-1")
    workshop.start("worker-2")
    workshop.fleet.on_died("worker-1", -9, NOW, "")
    burial = workshop.bury("worker-1")
    await settle()
    assert not burial.done()
    workshop.fleet.on_died("worker-2", -9, NOW, "")
    await settle()
    assert burial.done()


async def test_while_kills_are_left_the_next_process_starts_at_once() -> None:
    workshop = Workshop(AT_CLAIM, AT_CLAIM, AT_CLAIM)
    await workshop.open()
    workshop.start("worker-1")
    workshop.start("worker-2")
    workshop.fleet.on_died("worker-1", -9, NOW, "")
    burial = workshop.bury("worker-1")
    await settle()
    assert burial.done()


async def test_a_process_is_shot_after_its_posts_but_not_while_frozen_or_the_database_is_away() -> None:
    workshop = Workshop(AFTER_TEN, workers=1)
    await workshop.open()
    holder = workshop.start("worker-1")[HOLDER_VARIABLE]
    life = workshop.fleet.find_life(holder)
    assert life is not None
    fleet = workshop.fleet
    fleet.shoot_due(lambda _: 9)
    assert not life.was_shot
    fleet.holds_fire = True
    fleet.shoot_due(lambda _: 10)
    assert not life.was_shot
    fleet.holds_fire = False
    life.is_frozen = True
    fleet.shoot_due(lambda _: 10)
    assert not life.was_shot
    life.is_frozen = False
    fleet.shoot_due(lambda asked: 10 if asked == holder else 0)
    assert life.was_shot
