"""`vestnik drill`: breaks everything around the engine on purpose and counts what became of every post."""

import asyncio
import os
import random
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vestnik.cli import INTERRUPTED
from vestnik.cli.child import JsonEvents, process_scope, run_or_stop, serve_until_stopped
from vestnik.cli.context import GlobalOptions
from vestnik.cli.demo import drop_ignored_variables
from vestnik.cli.drill_narrator import Narrator
from vestnik.cli.drill_options import DrillOptions, check_drill_rate
from vestnik.cli.drill_plan import ChannelFaultKind, DrillPlan, Interruption, make_plan
from vestnik.cli.drill_report import DrillReport, describe_figures, describe_plan, describe_verdict
from vestnik.cli.output import print_json, print_table
from vestnik.cli.stack import hold_data_dir
from vestnik.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from vestnik.settings import Settings

LEASE_SECONDS: Final = 4.0
"""Short, so that many takeovers fit into a few minutes; VESTNIK_LEASE_SECONDS overrides it."""
_MARK: Final = "drill"
"""A file that says that a data directory belongs to drills."""
_EVIDENCE: Final = "last-drill.json"
_MAX_JOBS: Final = 100_000
_CAN_SIGNAL: Final = sys.platform != "win32"


def run_drill(
    context: typer.Context,
    *,
    jobs: Annotated[int, typer.Option(min=1, max=_MAX_JOBS, help="Posts in all.")] = 2000,
    accounts: Annotated[int, typer.Option(min=1, max=50, help="Simulated accounts to spread them over.")] = 4,
    rate: Annotated[str, typer.Option(help="Posts per second of each account.")] = "20",
    workers: Annotated[int, typer.Option(min=1, max=16, help="Worker processes.")] = 2,
    kills: Annotated[int, typer.Option(min=0, max=5000, help="How often a worker is killed.")] = 20,
    db_kills: Annotated[int, typer.Option(min=0, max=100, help="How often the database is killed.")] = 1,
    db_outage: Annotated[
        float, typer.Option(min=0, max=120, help="Seconds for which the database is cut off; 0 for never.")
    ] = 10,
    flood_waits: Annotated[int, typer.Option(min=0, max=1000, help="FLOOD_WAIT answers.")] = 3,
    drops: Annotated[int, typer.Option(min=0, max=5000, help="Connections to Telegram that break.")] = 20,
    pauses: Annotated[int, typer.Option(min=0, max=100, help="Pauses of a campaign.")] = 2,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Repeat the plan of an earlier drill; else a random one.")
    ] = None,
    as_json: JsonEvents = False,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir", metavar="DIR", help="Folder for the drill's database and logs, new or empty."
        ),
    ] = None,
) -> int:
    """Kill, freeze, flood and cut everything off in mid-campaign, and count what became of every post.

    Runs on this machine alone, on simulated accounts. Exit code 0 means that every post arrived exactly once.
    """
    options = DrillOptions(
        jobs=jobs,
        accounts=accounts,
        rate=check_drill_rate(rate),
        workers=workers,
        kills=kills,
        db_kills=db_kills,
        db_outage=db_outage,
        flood_waits=flood_waits,
        drops=drops,
        pauses=pauses,
        seed=random.SystemRandom().randrange(1_000_000) if seed is None else seed,
        as_json=as_json,
    )
    drop_ignored_variables(os.environ)
    with process_scope() as request:
        global_options = context.find_object(GlobalOptions) or GlobalOptions()
        settings = _load_settings(data_dir or global_options.data_dir)
        plan = make_plan(options, lease=settings.lease_seconds, can_signal=_CAN_SIGNAL)
        _require_own_folder(settings.data_dir)
        with hold_data_dir(settings.data_dir):
            (settings.data_dir / _MARK).touch()
            from vestnik.bootstrap import run_async

            drill = _Drill(settings, options, plan)
            run_async(serve_until_stopped(drill.main, request))
    return drill.finish()


def _load_settings(data_dir: Path | None) -> "Settings":
    """No `.env`; without a data directory of its own, `drill` below the usual one."""
    from vestnik.settings import load_settings

    settings = load_settings(env_file=None)
    chosen = data_dir if data_dir is not None else settings.data_dir / "drill"
    is_given = "lease_seconds" in settings.model_fields_set
    changes = {
        "data_dir": chosen.expanduser().absolute(),
        "lease_seconds": settings.lease_seconds if is_given else LEASE_SECONDS,
        "failpoints": "",
    }
    return settings.model_copy(update=changes)


def _require_own_folder(data_dir: Path) -> None:
    """A drill kills the database that it finds there, so it must be a drill's."""
    try:
        is_foreign = data_dir.is_dir() and any(data_dir.iterdir()) and not (data_dir / _MARK).exists()
    except OSError as exc:
        raise ConfigurationError(
            f"the data directory {data_dir} cannot be read: {exc.strerror}", field="VESTNIK_DATA_DIR"
        ) from exc
    if is_foreign:
        raise ConfigurationError(
            f"the folder {data_dir} is not empty and was not made by a drill, which would kill the database in it; "
            "name a new or an empty one with --data-dir",
            field="VESTNIK_DATA_DIR",
        )


class _Drill:
    """Both parts, the undisturbed and the disturbed one, and the verdict."""

    def __init__(self, settings: "Settings", options: DrillOptions, plan: DrillPlan) -> None:
        self._settings = settings
        self._options = options
        self._plan = plan
        self._narrator = Narrator(as_json=options.as_json)
        self._report: DrillReport | None = None

    async def main(self, stop: asyncio.Event) -> None:
        """Everything up to the moment when nothing runs any more."""
        self._narrator.print(
            describe_plan(
                self._options,
                count_planned(self._plan),
                lease=self._settings.lease_seconds,
                left_out=[] if _CAN_SIGNAL else ["freezing and cutting off, which Windows cannot do"],
            )
        )
        await run_or_stop(self._work(), stop)

    def finish(self) -> int:
        """Print the figures, as the last thing; the exit code."""
        report = self._report
        if report is None:
            return INTERRUPTED
        if self._options.as_json:
            print_json(asdict(report))
        else:
            print()
            print_table(("", "this drill", "should be"), describe_figures(report))
            print(f"\n{describe_verdict(report)}")
            print(f"Logs, and every request that was seen: {self._settings.data_dir}", flush=True)
        return 0 if report.passed else 1

    async def _work(self) -> None:
        from vestnik.cli.drill_figures import make_report, write_evidence
        from vestnik.cli.drill_run import run_part

        run = partial(run_part, self._settings, self._options, narrator=self._narrator)
        calm = await run(self._plan.without_faults(), title="1 of 2: undisturbed")
        self._narrator.say(f"all {self._options.jobs} posts in {calm.elapsed:.1f} s")
        rough = await run(self._plan, title="2 of 2: with everything that can go wrong")
        self._report = make_report(
            self._options, calm, rough, count_planned(self._plan), lease=self._settings.lease_seconds
        )
        write_evidence(self._settings.data_dir / _EVIDENCE, calm, rough)


def count_planned(plan: DrillPlan) -> dict[str, int]:
    """How many faults of each kind there are to be, by the names of the report."""
    return {
        "kills": len(plan.kills),
        "db_kills": plan.count(Interruption.DB_KILL),
        "db_outages": plan.count(Interruption.DB_OUTAGE),
        "freezes": plan.count(Interruption.FREEZE),
        "flood_waits": plan.count(ChannelFaultKind.FLOOD_WAIT),
        "drops": plan.count(ChannelFaultKind.DROP_BEFORE, ChannelFaultKind.DROP_AFTER),
        "pauses": plan.count(Interruption.PAUSE),
    }
