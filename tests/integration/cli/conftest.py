"""The command line in this process, on a database of its own."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, Connection, create_engine

from vestnik.cli.app import run_command_line


@dataclass(frozen=True, kw_only=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        (line,) = self.out.splitlines()
        return json.loads(line)

    @property
    def json_lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Outcome]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run a command; nothing is set but the data directory, which is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VESTNIK_DATA_DIR", str(tmp_path / "data"))

    def run_command(*arguments: str) -> Outcome:
        capfd.readouterr()
        code = run_command_line(arguments)
        captured = capfd.readouterr()
        return Outcome(code=code, out=captured.out, err=captured.err)

    return run_command


@pytest.fixture
def vestnik(run: Run, database_url: URL, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on a fresh database that DATABASE_URL names."""
    monkeypatch.setenv("DATABASE_URL", database_url.render_as_string(hide_password=False))
    return run


@pytest.fixture
def connection(database_url: URL) -> Iterator[Connection]:
    """The database behind the commands."""
    engine = create_engine(database_url)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def channels_file(tmp_path: Path) -> str:
    path = tmp_path / "channels.txt"
    path.write_text("# ours\n@one_news\nhttps://t.me/two_news\n-1001234567890\n", encoding="utf-8")
    return str(path)
