"""What a child process gets to see, and what is quoted from its log when it fails."""

import os
import shutil
from pathlib import Path

from vestnik.db.embedded.files import open_private, write_private

# Nothing else is passed on: the environment of commands holds tokens and session strings.
_PASSED_ON = (
    "PATH", "HOME", "TMPDIR", "TEMP", "TMP", "TZDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "USERPROFILE", "APPDATA", "LOCALAPPDATA",
)  # fmt: skip
_PASSED_ON_TO_PYTHON = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONPYCACHEPREFIX",
    "PYTHONDONTWRITEBYTECODE",
    "VIRTUAL_ENV",
)

_QUOTED_LINES = 8
_QUOTED_BYTES = 16_384

_FULL_BELOW_BYTES = 1024 * 1024
_DISK_FULL = ("No space left on device", "Disk quota exceeded")


def program_environment() -> dict[str, str]:
    """Environment of PostgreSQL's programs: no PG* variable that could redirect them, messages in English."""
    return {**_select(_PASSED_ON), "LC_ALL": "C"}


def guard_environment() -> dict[str, str]:
    """Environment of the guard: what its interpreter needs to find this package, and no secrets."""
    return _select(_PASSED_ON + _PASSED_ON_TO_PYTHON)


def describe_failure(what: str, log: str, folder: Path | None = None) -> str:
    """One message: what failed, why, if the log or the disk of the folder tells, and the log's end."""
    lines = [line.strip() for line in log.splitlines() if line.strip()][-_QUOTED_LINES:]
    is_full = any(sign in log for sign in _DISK_FULL) or (folder is not None and _is_disk_full(folder))
    reason = ": the disk is full. Make room and start again" if is_full else ""
    quoted = " | ".join(lines)
    return f"{what}{reason}." + (f" Its last words: {quoted}" if quoted else "")


def read_tail(path: Path, start: int = 0) -> str:
    """The end of a log file from byte `start` on, at most 16 KiB; empty when there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(min(start, size), size - _QUOTED_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def limit_log(path: Path, max_bytes: int) -> None:
    """Keep a log that other processes append to below a size: its text moves to `NAME.1`, which is replaced.

    Lines written between the copy and the cut are lost.
    """
    try:
        if path.stat().st_size <= max_bytes:
            return
        with os.fdopen(open_private(path, os.O_RDWR), "r+b") as log:
            write_private(path.with_name(path.name + ".1"), log.read().decode(errors="replace"))
            log.truncate(0)
    except OSError:
        return


def _is_disk_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _FULL_BELOW_BYTES
    except OSError:
        return False


def _select(names: tuple[str, ...]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}
