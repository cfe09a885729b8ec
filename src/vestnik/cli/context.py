"""From a command to its settings and a transaction."""

import getpass
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from vestnik.domain.actors import Actor, ActorKind

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from vestnik.services.account_sessions import AccountSetup
    from vestnik.settings import Settings

Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class GlobalOptions:
    """What stands before the command."""

    data_dir: Path | None = None
    show_traceback: bool = False


def read_settings(context: typer.Context, **overrides: object) -> "Settings":
    """The settings for a command; `--data-dir` before it wins over the environment.

    Raises ConfigurationError.
    """
    from vestnik import bootstrap

    options = context.find_object(GlobalOptions) or GlobalOptions()
    return bootstrap.load(data_dir=options.data_dir, **overrides)


def run_action(context: typer.Context, action: "Callable[[AsyncSession], Awaitable[Result]]") -> Result:
    """Run an action in one transaction; what it returns is read after the commit."""
    from vestnik import bootstrap
    from vestnik.cli.output import print_note

    return bootstrap.run_in_session(read_settings(context), action, announce=print_note)


def make_account_setup(context: typer.Context) -> "AccountSetup":
    """What accounts are made with, as the settings say."""
    from vestnik import bootstrap
    from vestnik.cli.output import print_note

    return bootstrap.make_account_setup(read_settings(context), announce=print_note)


def identify_actor() -> Actor:
    """The person at this terminal, for the audit log."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):
        name = f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
    return Actor(kind=ActorKind.CLI, name=name)
