"""What the guard tells the commands: a small file, replaced as a whole."""

import contextlib
import json
import os
import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from vestnik.db.embedded.files import write_private

_REPLACE_ATTEMPTS = 50


class Phase(StrEnum):
    """How far the guard is."""

    STARTING = "STARTING"
    READY = "READY"
    FAILED = "FAILED"


@dataclass(frozen=True, kw_only=True)
class GuardState:
    """`host` and `port` count when READY; `code` and `message`, of a VestnikError, when FAILED."""

    phase: Phase
    guard_pid: int
    server_pid: int = 0
    host: str = ""
    port: int = 0
    code: str = ""
    message: str = ""


def write_state(path: Path, state: GuardState) -> None:
    """Replace the file in one step; on Windows again and again while a reader has it open."""
    fresh = path.with_suffix(".new")
    write_private(fresh, json.dumps(asdict(state)))
    for attempt in range(_REPLACE_ATTEMPTS):
        try:
            os.replace(fresh, path)
        except PermissionError:
            if attempt == _REPLACE_ATTEMPTS - 1:
                raise
            time.sleep(0.01)
        else:
            return


def read_state(path: Path) -> GuardState | None:
    """The state, or None when there is no file or it is not readable as one."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        return GuardState(**{**fields, "phase": Phase(fields["phase"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def remove_state(path: Path) -> None:
    """Forget the state."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
