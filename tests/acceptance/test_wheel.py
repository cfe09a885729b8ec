"""What is released: a wheel that works by itself, and the notes that go with it."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from docs.release_notes import describe_update, read_notes

from vestnik import __version__

ROOT = Path(__file__).parents[2]
PATIENCE = 300.0


def find_uv() -> str:
    """The one that runs the tests, else the one of the Makefile."""
    local = ROOT / ".uv" / ("Scripts" if sys.platform == "win32" else "bin") / "uv"
    found = os.environ.get("UV") or shutil.which("uv") or str(local)
    assert Path(found).exists() or Path(f"{found}.exe").exists(), "run the tests with 'make test'"
    return found


def run(*command: str | Path, folder: Path) -> str:
    """What it prints."""
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in {"VIRTUAL_ENV", "PYTHONPATH", "UV_PROJECT_ENVIRONMENT"}
    }
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By way of the source distribution, as a stranger would build it."""
    folder = tmp_path_factory.mktemp("dist")
    run(find_uv(), "build", "--quiet", "--out-dir", folder, folder=ROOT)
    assert {path.suffix for path in folder.iterdir() if path.name != ".gitignore"} == {".whl", ".gz"}
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_carries_everything_that_is_no_python(wheel: Path) -> None:
    assert wheel.name == f"vestnik-{__version__}-py3-none-any.whl"
    names = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src" / "vestnik"
    assert {name for name in names if name.endswith((".sql", ".html", ".css", ".js", ".po"))} >= {
        f"vestnik/{path.relative_to(source).as_posix()}"
        for pattern in ("*.sql", "*.html", "*.css", "*.js", "*.po")
        for path in source.rglob(pattern)
    }
    assert "vestnik/console/static/vendor/htmx.min.js" in names
    assert f"vestnik-{__version__}.dist-info/licenses/LICENSE" in names


def test_installed_alone_it_delivers_the_demo(wheel: Path, tmp_path: Path) -> None:
    """In an empty environment outside of the repository, with the versions that are tested."""
    uv, place = find_uv(), tmp_path / "environment"
    locked = run(
        uv, "export", "--frozen", "--quiet", "--no-dev", "--no-emit-project", "--no-hashes", folder=ROOT
    )
    (tmp_path / "locked.txt").write_text(locked, encoding="utf-8")
    run(uv, "venv", "--quiet", "--python", sys.executable, place, folder=tmp_path)
    run(
        uv, "pip", "install", "--quiet", "--python", place, "--constraints", tmp_path / "locked.txt", wheel,
        folder=tmp_path,
    )  # fmt: skip
    scripts = place / ("Scripts" if sys.platform == "win32" else "bin")
    where = run(scripts / "python", "-c", "import vestnik; print(vestnik.__file__)", folder=tmp_path)
    assert Path(where.strip()).is_relative_to(place)
    printed = run(
        scripts / "vestnik", "demo", "--once", "--json", "--channels", "20", "--data-dir", tmp_path / "data",
        folder=tmp_path,
    )  # fmt: skip
    report = json.loads(printed.splitlines()[-1])
    assert [report[name] for name in ("sent", "distinct_posts", "duplicate_posts", "lost")] == [20, 20, 0, 0]


def test_the_notes_of_a_release_are_its_section_of_the_changelog() -> None:
    newer = "## Unreleased\n\nNew.\n\n## 1.1.0 (2026-01-02)\n\nBetter.\n\n* More.\n\n"
    changelog = f"# Changes\n\n{newer}## 1.0.0\n\nOld.\n"
    assert read_notes(changelog, "1.1.0") == "Better.\n\n* More.\n"
    assert read_notes(changelog, "1.0.0") == "Old.\n"
    assert read_notes(changelog, "1.2.0") == "New.\n"
    assert read_notes("# Changes\n", "1.0.0") is None
    assert read_notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), __version__)


def test_the_notes_say_whether_an_update_needs_a_pause() -> None:
    assert "from 0012 on works on it" in describe_update(["0015", "0014", "0013", "0012"])
    assert "needs a pause" in describe_update(["0016"])
