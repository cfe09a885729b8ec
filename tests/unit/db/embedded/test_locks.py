"""Locks between processes."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from vestnik.db.embedded.locks import LockFile, is_locked

SHORT = timedelta(milliseconds=30)

HOLDER = """
import sys
from pathlib import Path
from vestnik.db.embedded.locks import LockFile
print(LockFile(Path(sys.argv[1])).try_acquire(), flush=True)
lock = LockFile(Path(sys.argv[1] + ".kept"))
print(lock.try_acquire(), flush=True)
sys.stdin.read()
"""


def test_one_holder_at_a_time(tmp_path: Path):
    path = tmp_path / "lock"
    first, second = LockFile(path), LockFile(path)
    assert first.try_acquire()
    assert not second.try_acquire()
    assert not second.acquire(SHORT)
    first.release()
    assert second.acquire(SHORT)
    second.release()
    second.release()


def test_asking_does_not_take(tmp_path: Path):
    path = tmp_path / "lock"
    assert not is_locked(path)
    with LockFile(path) as lock:
        assert lock.try_acquire()
        assert is_locked(path)
    assert not is_locked(path)
    assert not lock.is_mine


def test_removing_gives_back_and_deletes(tmp_path: Path):
    lock = LockFile(tmp_path / "lock")
    assert lock.try_acquire()
    lock.remove()
    assert not lock.path.exists()
    assert not lock.is_mine


def test_a_killed_holder_loses_the_lock(tmp_path: Path):
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert [holder.stdout.readline().strip() for _ in range(2)] == [b"True", b"True"]
        kept = Path(f"{path}.kept")
        assert is_locked(kept)
        holder.kill()
        holder.wait(10)
        assert not is_locked(kept)
        # Its other lock was dropped with the object already.
        assert not is_locked(path)


@pytest.mark.skipif(sys.platform == "win32", reason="modes and links of POSIX")
def test_the_file_is_private_and_never_a_link(tmp_path: Path):
    lock = LockFile(tmp_path / "lock")
    with lock:
        assert lock.try_acquire()
        assert os.stat(lock.path).st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(lock.path)
    with pytest.raises(OSError, match="symbolic"):
        LockFile(tmp_path / "link").try_acquire()
