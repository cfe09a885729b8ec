"""Code of before and after the newest migration that only expands, from the history of this repository."""

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


def export_code_before_newest_expansion(folder: Path) -> OlderCode:
    """The last code without that migration that looks for word of whether it works on a newer schema."""
    return _export_code_before(_list_since_newest_expansion()[-1], folder)


def export_code_with_newest_expansion(folder: Path) -> OlderCode | None:
    """The last code on the schema which that migration makes; None when it is that of today."""
    since = _list_since_newest_expansion()
    return _export_code_before(since[-2], folder) if len(since) > 1 else None


def _list_since_newest_expansion() -> list[str]:
    """The files of the newest migration and of those before it, down to the first that promises to expand."""
    files = sorted((path.name for path in (schema.MIGRATIONS / "versions").glob("[0-9]*.py")), reverse=True)
    expands = [schema.promises_to_expand(name.partition("_")[0]) for name in files]
    return files[: expands.index(True) + 1]


def _export_code_before(migration: str, folder: Path) -> OlderCode:
    commit = _find_commit(migration)
    packed = _git("archive", "--format=tar", commit, "src")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    # Once, and not by each process that starts.
    compileall.compile_dir(folder, quiet=1)
    return OlderCode(commit=commit, path=str(folder / "src"))


def _find_commit(migration: str) -> str:
    for commit in _git("rev-list", "HEAD").decode().split():
        if _has(commit, f"{MIGRATIONS}/{migration}"):
            continue
        if b"EXPANDS_ONLY" in _git("show", f"{commit}:{SCHEMA}"):
            return commit
    raise AssertionError(
        f"the history has no code of before {migration}: fetch all of it ('git fetch --unshallow')"
    )


def _has(commit: str, path: str) -> bool:
    return bool(_git("ls-tree", "--name-only", commit, path))


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
