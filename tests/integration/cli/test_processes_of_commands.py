"""Short commands as processes of their own, on the embedded database of a data directory."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vestnik.db.embedded import EmbeddedPostgres

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("commands") / "data"
    yield folder
    with EmbeddedPostgres(folder, stop_on_exit=True):
        pass


@pytest.fixture
def command(data_dir: Path, tmp_path: Path) -> Command:
    def run(*arguments: str, stdin: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "vestnik", "--data-dir", str(data_dir), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            cwd=tmp_path,
            timeout=120,
            check=False,
        )

    return run


def test_several_first_commands_at_once_share_one_database(command: Command) -> None:
    with ThreadPoolExecutor(4) as pool:
        runs = list(
            pool.map(lambda number: command("template", "create", f"T{number}", "--text", "x"), range(4))
        )
    assert [(run.returncode, run.stderr) for run in runs] == [(0, "")] * 4
    accounts = command("account", "list", "--json")
    assert [json.loads(line)["name"] for line in accounts.stdout.splitlines()] == ["rehearsal"]


def test_what_one_command_stored_the_next_one_finds(command: Command) -> None:
    made = command(
        "campaign", "create", "--name", "Новости", "--channels-file", "-", "--text", "Привет",
        "--rate", "2", "--json", stdin="@one_news\n@two_news\n",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    shown = command("campaign", "show", "Новости", "--json")
    assert json.loads(shown.stdout)["id"] == json.loads(made.stdout)["id"]


def test_errors_leave_by_exit_code_and_standard_error(command: Command) -> None:
    refused = command("campaign", "start", "nothing")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("vestnik: error: there is no campaign 'nothing'")
    assert command("nonsense").returncode == 2


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are POSIX")
def test_a_reader_that_goes_away_is_no_reason_to_complain(data_dir: Path, tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "vestnik", "--data-dir", str(data_dir), "account", "list", "--json"],
            stdout=write_end,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            timeout=120,
            check=False,
        )
    finally:
        os.close(write_end)
    assert ended.stderr == b""
    assert ended.returncode == 1


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    # This is what makes it answer at once; a clock would measure what else the machine does.
    heavy = ("sqlalchemy", "telethon", "alembic", "fastapi", "jinja2", "babel")
    code = f"import sys, vestnik.cli.app; print([name for name in {heavy} if name in sys.modules])"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert ended.stdout == "[]\n"
