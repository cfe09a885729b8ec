"""`vestnik demo`: a whole installation on this machine delivers a sample campaign to simulated channels."""

import asyncio
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vestnik.cli.child import (
    JsonEvents,
    announce,
    process_scope,
    run_or_stop,
    serve_until_stopped,
)
from vestnik.cli.context import GlobalOptions
from vestnik.cli.demo_options import DemoOptions, FaultLevel
from vestnik.cli.output import print_fields, print_json, print_note
from vestnik.cli.stack import (
    StackReporter,
    hold_data_dir,
    make_child_environment,
    require_free_port,
    welcome_first_administrator,
)
from vestnik.cli.up import run_stack, start_all
from vestnik.domain.campaigns import check_rate
from vestnik.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from vestnik.cli.demo_run import Outcome
    from vestnik.cli.demo_sample import Sample
    from vestnik.cli.stack import Stack
    from vestnik.settings import Settings

MAX_CHANNELS: Final = 100_000
_INTERRUPTED: Final = 130
_IGNORED_PREFIXES: Final = ("SUPABASE_", "TELEGRAM_", "VESTNIK_S3_")
_IGNORED: Final = frozenset({"DATABASE_URL", "RATE_LIMIT_MESSAGES_PER_SECOND", "VESTNIK_METRICS_PORT"})


def run_demo(
    context: typer.Context,
    *,
    channels: Annotated[
        int, typer.Option("--channels", min=1, max=MAX_CHANNELS, help="How many channels to post to.")
    ] = 100,
    rate: Annotated[str, typer.Option("--rate", help="Posts per second.")] = "20",
    faults: Annotated[
        FaultLevel, typer.Option("--faults", help="How much goes wrong on the simulated Telegram.")
    ] = FaultLevel.NONE,
    once: Annotated[bool, typer.Option("--once", help="Stop when the campaign has ended.")] = False,
    as_json: JsonEvents = False,
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="Port of the API (PORT, 3000); 0 takes a free one."),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir", metavar="DIR", help="Folder of the demo's database and logs, made if missing."
        ),
    ] = None,
) -> int:
    """Deliver a sample campaign to simulated channels; nothing leaves this machine."""
    options = DemoOptions(channels=channels, rate=check_rate(rate), faults=faults, once=once, as_json=as_json)
    drop_ignored_variables(os.environ)
    with process_scope() as request:
        global_options = context.find_object(GlobalOptions) or GlobalOptions()
        settings = _load_settings(data_dir or global_options.data_dir, port)
        with hold_data_dir(settings.data_dir):
            settings = _choose_port(settings, is_explicit=port is not None, as_json=as_json)
            from vestnik.bootstrap import run_async

            run = _Run(settings, options)
            run_async(serve_until_stopped(run.main, request))
    return run.finish()


def drop_ignored_variables(environment: "os._Environ[str] | dict[str, str]") -> None:
    """Take out what could lead a demo to a real database or a real account; Settings ignore case, so this does."""
    for name in list(environment):
        if name.upper() in _IGNORED or name.upper().startswith(_IGNORED_PREFIXES):
            del environment[name]


def _load_settings(data_dir: Path | None, port: int | None) -> "Settings":
    """No `.env`; without a data directory of its own, `demo` below the usual one."""
    from vestnik.settings import load_settings

    settings = load_settings(env_file=None, **({} if port is None else {"port": port}))
    chosen = data_dir if data_dir is not None else settings.data_dir / "demo"
    return settings.model_copy(update={"data_dir": chosen.expanduser().absolute()})


def _choose_port(settings: "Settings", *, is_explicit: bool, as_json: bool) -> "Settings":
    """The port that was named must be free; in place of the usual one a demo takes any."""
    try:
        require_free_port(settings.host, settings.port)
    except ConfigurationError:
        if is_explicit or "port" in settings.model_fields_set:
            raise
        if not as_json:
            print_note(f"port {settings.port} is taken by another program; the demo takes a free one")
        return settings.model_copy(update={"port": 0})
    return settings


class _Run:
    """One run of the demo: its processes, its campaign, and what is left to say when all is down again."""

    def __init__(self, settings: "Settings", options: DemoOptions) -> None:
        self._settings = settings
        self._options = options
        self._reporter = StackReporter(json_events=options.as_json)
        self._outcome: Outcome | None = None

    async def main(self, stop: asyncio.Event) -> None:
        """Everything up to the moment when nothing runs any more."""
        await run_or_stop(self._work(), stop)

    def finish(self) -> int:
        """Print the figures of a `--once` run, as the last thing; the exit code."""
        if self._outcome is None:
            return _INTERRUPTED
        outcome = self._outcome.with_crashes(self._reporter.crashes)  # those at the end count too
        if self._options.once:
            self._print(outcome)
        elif outcome.report.crashes > self._outcome.report.crashes:
            print_note(outcome.verdict)
        return 0 if outcome.is_success else 1

    async def _work(self) -> None:
        from vestnik.cli.demo_run import deliver_sample

        options, settings = self._options, self._settings
        environment = make_child_environment(settings, base=os.environ, isolated=True)
        if not options.as_json:
            print("Starting database, simulated Telegram, API and worker …", flush=True)
        async with run_stack(settings, self._reporter, environment) as stack:
            url, sample = await start_all(stack, lambda: self._prepare(stack))
            if options.as_json:
                announce(
                    "ready", url=url, data_dir=str(settings.data_dir), campaign_id=str(sample.campaign_id)
                )
            outcome = await deliver_sample(stack, options, sample)
            self._outcome = outcome.with_crashes(self._reporter.crashes)
            if options.once:
                return
            self._print(self._outcome)
            if not options.as_json:
                self._describe_stay(url)
            await asyncio.get_running_loop().create_future()

    async def _prepare(self, stack: "Stack") -> "Sample":
        """The sample; and, unless all of it ends soon, somebody who may sign in."""
        from vestnik.cli.demo_run import make_sample

        if not self._options.once:
            await welcome_first_administrator(stack.engine, as_json=self._options.as_json)
        return await make_sample(stack, self._options)

    def _describe_stay(self, url: str) -> None:
        from vestnik.services.users import FIRST_ADMINISTRATOR

        command = f'vestnik --data-dir "{self._settings.data_dir}"'
        print(f"\nVestnik goes on running at {url} until Ctrl+C.")
        print("From another terminal, with DATABASE_URL unset:")
        print(f"  a token for its API           {command} token create --user {FIRST_ADMINISTRATOR}")
        print(f"  a password for the next time  {command} user password {FIRST_ADMINISTRATOR}")
        print(
            f"Sign in with POST {url}/api/auth/login, or send the token as 'Authorization: Bearer TOKEN'.",
            flush=True,
        )

    def _print(self, outcome: "Outcome") -> None:
        if self._options.as_json:
            print_json(asdict(outcome.report))
            sys.stdout.flush()
            return
        from vestnik.cli.demo_report import describe_report

        print()
        print_fields(describe_report(outcome.report, outcome.status, self._options.rate, outcome.failures))
        print(f"\n{outcome.verdict}", flush=True)
