"""The commands by name, and what is done about everything that can go wrong in them.

Exit codes: 0, 1 for an error, 2 for a command line that makes no sense, 130 for Ctrl+C.
"""

import contextlib
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from vestnik import __version__
from vestnik.cli import (
    INTERRUPTED,
    account,
    account_login,
    adoption,
    alerts,
    api,
    backup,
    batch,
    campaign,
    campaign_changes,
    channels,
    db,
    demo,
    doctor,
    drill,
    health,
    secrets,
    send,
    session,
    simulator,
    surveys,
    template,
    token,
    up,
    user,
    worker,
)
from vestnik.cli.context import GlobalOptions
from vestnik.cli.output import describe_unexpected, print_error, print_usage_error, use_safe_encoding
from vestnik.domain.errors import VestnikError

app = typer.Typer(
    name="vestnik",
    help="Broadcast posts to Telegram channels from a PostgreSQL queue, at an exact pace.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.run_demo)
app.command("drill")(drill.run_drill)
app.command("up")(up.run_up)
app.command("worker")(worker.run_worker)
app.command("api")(api.run_api)
app.command("simulator")(simulator.run_simulator)
app.command("send")(send.send_posts)
app.command("backup")(backup.make_backup)
app.command("restore")(backup.restore_backup)
app.command("doctor")(doctor.run_doctor)
app.command("health")(health.run_health)
account.app.command("login")(account_login.log_in)
account.app.command("logout")(account_login.log_out)
app.add_typer(account.app, name="account")
app.add_typer(session.app, name="session")
app.add_typer(channels.app, name="channels")
app.add_typer(batch.app, name="batch")
app.add_typer(template.app, name="template")
account.app.command("sync")(surveys.sync_account)
campaign.app.command("preflight")(surveys.check_campaign)
campaign.app.command("schedule")(campaign_changes.schedule_campaign)
campaign.app.command("unschedule")(campaign_changes.unschedule_campaign)
campaign.app.command("retry-failed")(campaign_changes.retry_failed)
campaign.app.command("set")(campaign_changes.change_campaign)
app.add_typer(campaign.app, name="campaign")
app.add_typer(user.app, name="user")
app.add_typer(token.app, name="token")
app.add_typer(secrets.app, name="secrets")
db.app.command("adopt")(adoption.adopt)
app.add_typer(alerts.app, name="alerts")
app.add_typer(db.app, name="db")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"vestnik {__version__}")
        raise typer.Exit


@app.callback()
def _read_global_options(
    context: typer.Context,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir",
            metavar="DIR",
            help="Folder of the embedded database, the key file and the logs (VESTNIK_DATA_DIR).",
        ),
    ] = None,
    show_traceback: Annotated[
        bool, typer.Option("--traceback", help="Show where in the program an error arose.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    context.obj = GlobalOptions(data_dir=data_dir, show_traceback=show_traceback)


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code. Errors go to standard error, as JSON with `--json`."""
    use_safe_encoding()
    try:
        return _run(arguments)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return _leave_quietly()
    except Exception as exc:  # noqa: BLE001 - the edge of the process
        return _report(exc, arguments)


def _report(exc: Exception, arguments: Sequence[str]) -> int:
    as_json = "--json" in arguments
    if isinstance(exc, TyperException):
        return print_usage_error(exc, as_json=as_json)
    if isinstance(exc, VestnikError):
        print_error(exc.code, exc.message, exc.field, as_json=as_json)
    else:
        print_error("INTERNAL", describe_unexpected(exc), None, as_json=as_json)
    if "--traceback" in arguments or os.environ.get("VESTNIK_LOG_LEVEL", "").lower() == "debug":
        traceback.print_exception(exc)
    return 1


def _run(arguments: Sequence[str]) -> int:
    try:
        result = typer.main.get_command(app).main(
            args=list(arguments), prog_name="vestnik", standalone_mode=False
        )
    except SystemExit as exc:
        # Typer's own answer to a reader that went away.
        raise BrokenPipeError from exc
    if sys.stdout is not None:
        sys.stdout.flush()
    return result if isinstance(result, int) else 0


def _leave_quietly() -> int:
    """The reader of our output went away: keep the interpreter from complaining when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
