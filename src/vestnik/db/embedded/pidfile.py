"""postmaster.pid, where PostgreSQL says who serves a cluster and whether it accepts connections."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

# Lines of the file: pid, data directory, start time, port, socket folder, listen address, shared memory, status.
_STATUS_LINE = 7
_NAME = "postmaster.pid"


@dataclass(frozen=True, kw_only=True)
class PidFile:
    """What counts of it."""

    pid: int
    is_ready: bool


def read_pid_file(cluster: Path) -> PidFile | None:
    """Its content, or None when there is none or it is only half there."""
    try:
        lines = (cluster / _NAME).read_text(encoding="utf-8", errors="replace").splitlines()
        # A standalone backend writes its number negated.
        pid = abs(int(lines[0]))
    except (OSError, ValueError, IndexError):
        return None
    return PidFile(pid=pid, is_ready=len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready")


def disown_pid_file(cluster: Path) -> None:
    """Put our own number in place of one that is a stranger's by now.

    A server ignores the number of its parent there, which is us, but still checks that nobody uses the shared
    memory that the file names; without the file it could not.
    """
    path = cluster / _NAME
    with contextlib.suppress(FileNotFoundError):
        rest = path.read_bytes().partition(b"\n")[2]
        path.write_bytes(str(os.getpid()).encode() + b"\n" + rest)
