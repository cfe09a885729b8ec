"""Where log lines go, and what may be in them.

A line is an event name plus fields. Fields are an allow-list: what is not in it is withheld, so a session, a
code, a password or a telephone number cannot get into a log by being passed along with something else.
"""

import logging
import logging.handlers
import re
import sys
from collections.abc import MutableMapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import structlog

MAX_FILE_BYTES = 5_000_000
KEPT_FILES = 3

ALLOWED_FIELDS = frozenset(
    {
        # structlog's own
        "event", "level", "logger", "timestamp", "exception", "stack",
        # processes
        "process", "pid", "holder", "host", "port", "exit_code", "delay", "reason", "signal", "version",
        # what is delivered, and by whom
        "account_id", "account_kind", "kind", "campaign_id", "channel_id", "job_id", "command_id", "epoch",
        "status", "state", "mode", "name", "error_class", "code", "scope", "until", "wait", "rate",
        "request_id", "attempt", "attempts", "claims", "count", "total", "queued", "sent", "failed", "cancelled",
        # database and API
        "error", "detail", "becomes", "jobs", "returned_jobs", "waiting", "tg_id", "username",
        "media_id", "size", "revision", "method", "route", "status_code", "duration_ms", "seconds", "failpoint",
    }
)  # fmt: skip
WITHHELD = "[withheld]"
_NOT_BRIEF = frozenset({"timestamp", "logger", "level", "account_id", "epoch", "stack"})

_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@")
_LIBRARIES = {"uvicorn": logging.WARNING, "uvicorn.access": logging.ERROR, "telethon": logging.WARNING,
              "alembic": logging.WARNING, "asyncio": logging.WARNING}  # fmt: skip


def withhold_unknown_fields(
    _logger: object, _method: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Keep the fields of the allow-list, and names that begin with an underscore (structlog's internal ones)."""
    for name in entry:
        if name not in ALLOWED_FIELDS and not name.startswith("_"):
            entry[name] = WITHHELD
    return entry


def hide_url_passwords(
    _logger: object, _method: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Blank the password of any URL inside the texts of an entry; libraries quote addresses whole."""
    for name, value in entry.items():
        if isinstance(value, str) and "://" in value:
            entry[name] = _PASSWORD_IN_URL.sub(r"\1:***@", value)
    return entry


def render_brief(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> str:
    """An event with its fields, without the time and the module, for the terminal of a parent process."""
    event = entry.pop("event", "")
    exception = entry.pop("exception", None)
    fields = [f"{name}={value}" for name, value in entry.items() if name not in _NOT_BRIEF]
    return " ".join([str(event), *fields]) + (f"\n{exception}" if exception else "")


class LogFormat(StrEnum):
    """How log lines look on standard error."""

    JSON = "json"
    CONSOLE = "console"
    BRIEF = "brief"


def configure_logging(
    *,
    level: str,
    terminal_format: LogFormat | None = None,
    terminal_level: str | None = None,
    file: Path | None = None,
) -> None:
    """Send log lines to standard error, and to a file whose size is limited if one is given.

    The file gets JSON. Without a format standard error gets lines for people if it is a terminal, else JSON.
    `terminal_level` (default `level`) applies to standard error alone.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if terminal_format is None:
        terminal_format = LogFormat.CONSOLE if sys.stderr.isatty() else LogFormat.JSON
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel((terminal_level or level).upper())
    terminal.setFormatter(_make_formatter(shared, terminal_format))
    handlers: list[logging.Handler] = [terminal]
    if file is not None:
        handlers.append(_open_file(file, shared))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level.upper())
    for library, minimum in _LIBRARIES.items():
        logging.getLogger(library).setLevel(minimum)
    # A full disk or a reader that went away must not end the process that only wanted to log.
    logging.raiseExceptions = False
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _open_file(file: Path, shared: list[Any]) -> logging.Handler:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handler = logging.handlers.RotatingFileHandler(
        file, maxBytes=MAX_FILE_BYTES, backupCount=KEPT_FILES - 1, encoding="utf-8"
    )
    handler.setFormatter(_make_formatter(shared, LogFormat.JSON))
    return handler


def _make_formatter(shared: list[Any], log_format: LogFormat) -> logging.Formatter:
    renderer: Any
    match log_format:
        case LogFormat.JSON:
            renderer = structlog.processors.JSONRenderer(default=str, ensure_ascii=False)
        case LogFormat.BRIEF:
            renderer = render_brief
        case LogFormat.CONSOLE:
            # Not rich's traceback, which is structlog's default where rich is installed: it prints local
            # variables, and a local variable may be a session.
            renderer = structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
            )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            withhold_unknown_fields,
            structlog.processors.format_exc_info,
            hide_url_passwords,
            renderer,
        ],
    )
