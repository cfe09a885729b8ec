"""The code of before the newest migration, taken from the history of this repository."""

import compileall
import io
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from vestnik.db import schema

ROOT = Path(__file__).parents[2]
SCHEMA = "src/vestnik/db/schema.py"
MIGRATIONS = "src/vestnik/db/migrations/versions"
NEEDS_HISTORY = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="a source distribution has no history"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class OlderCode:
    """Vestnik as it was at `commit`; a process with PYTHONPATH=`path` runs it, with the packages of today."""

    commit: str
    path: str


def export_code_before_newest_migration(folder: Path) -> OlderCode:
    """The last code without the newest migration that looks for word of whether it works on a newer schema."""
    commit = _find_commit(_name_newest_migration())
    packed = _git("archive", "--format=tar", commit, "src")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    # Once, and not by each process that starts.
    compileall.compile_dir(folder, quiet=1)
    return OlderCode(commit=commit, path=str(folder / "src"))


def _name_newest_migration() -> str:
    (path,) = (schema.MIGRATIONS / "versions").glob(f"{schema.head_revision()}_*.py")
    return path.name


def _find_commit(newest: str) -> str:
    for commit in _git("rev-list", "HEAD").decode().split():
        if _has(commit, f"{MIGRATIONS}/{newest}"):
            continue
        if b"EXPANDS_ONLY" in _git("show", f"{commit}:{SCHEMA}"):
            return commit
    raise AssertionError(
        f"the history has no code of before {newest}: fetch all of it ('git fetch --unshallow')"
    )


def _has(commit: str, path: str) -> bool:
    return bool(_git("ls-tree", "--name-only", commit, path))


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
