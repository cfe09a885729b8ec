"""Locks between processes that the operating system gives back when their holder dies, kill -9 included.

POSIX: flock(2), which belongs to the open file. Windows: one locked byte far behind the end of the file;
that branch is type-checked and was not run.
"""

import contextlib
import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from vestnik.db.embedded.files import open_private

_RETRY_SECONDS = 0.01
_WINDOWS_BYTE = 1 << 30


class LockFile:
    """An exclusive lock on a file of this name; threads of one process exclude each other too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def is_mine(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def try_acquire(self) -> bool:
        """Take the lock if nobody has it. Creates the file (mode 0600), not its folder."""
        assert self._descriptor is None
        descriptor = open_private(self.path, os.O_RDWR | os.O_CREAT)
        try:
            locked = _try_lock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        if locked:
            self._descriptor = descriptor
        else:
            os.close(descriptor)
        return locked

    def acquire(self, timeout: timedelta) -> bool:
        """Take the lock, waiting up to `timeout`; False when it was held all that time."""
        deadline = time.monotonic() + timeout.total_seconds()
        while not self.try_acquire():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_RETRY_SECONDS)
        return True

    def release(self) -> None:
        """Give the lock back; does nothing when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def remove(self) -> None:
        """Give the lock back and delete its file."""
        if sys.platform == "win32":
            self.release()
        with contextlib.suppress(OSError):
            self.path.unlink()
        self.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock. A missing file counts as free.

    Asking takes the lock for an instant, shared where that exists: askers do not see each other, but a taker
    may meet one and has to try again.
    """
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(descriptor, shared=True)
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int, *, shared: bool = False) -> bool:  # noqa: ARG001 — no such thing here
        os.lseek(descriptor, _WINDOWS_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
