"""Somebody who has done what a page takes for granted, and types what it shows, one command after the other."""

import io
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import pytest
from sqlalchemy import URL, create_engine, text

from tests.acceptance.running import Running
from tests.integration.cli.conftest import Run
from vestnik.cli import INTERRUPTED
from vestnik.db.embedded import EmbeddedPostgres
from vestnik.db.secrets import KEY_FILE
from vestnik.services.secrets import SETTLES_AFTER

SERVING = {
    "up": ("--json", "--port", "0"),
    "api": ("--json", "--port", "0"),
    "worker": ("--json",),
    "demo": ("--json", "--port", "0"),
}
"""Commands that go on until they are stopped, and what a test adds: events to wait for, a port that is free."""

WEBHOOK = "https://hooks.news.example/vestnik"
"""The receiver of a page."""

Step: TypeAlias = "str | Callable[[Reader], object]"
"""A command, or something that no command does."""


class Terminal(io.StringIO):
    """Where a person is asked."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True, slots=True)
class Typed:
    """What a command is told on its standard input: lines of a program, or a person's answers at a terminal."""

    lines: Sequence[str] = ()
    by_a_person: bool = False

    def open(self) -> io.TextIOBase:
        given = "".join(f"{line}\n" for line in self.lines)
        return Terminal(given) if self.by_a_person else io.TextIOWrapper(io.BytesIO(given.encode()))


@dataclass(kw_only=True)
class Reader:
    """Types commands in a folder of his own; what he has started ends with the block."""

    run: Run
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    database: URL | None
    typed: Mapping[str, Typed] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    """What he puts where the page has a word in capitals, or an address that is an example."""
    running: ExitStack = field(default_factory=ExitStack)

    def do(self, steps: Iterable[Step]) -> None:
        """One after the other."""
        for step in steps:
            if isinstance(step, str):
                self.type_in(step)
            else:
                step(self)

    def type_in(self, line: str) -> None:
        """Do what the line says and see that it works."""
        words = shlex.split(line)
        assert words.pop(0) == "vestnik"
        words = [self.places.get(word, word) for word in words]
        if words[0] in SERVING:
            self._serve(words)
            return
        code, told = self.try_out(line, words)
        assert code == 0, told

    def try_out(self, line: str, words: Sequence[str]) -> tuple[int, str]:
        """The exit code of a command that ends by itself, and what it says."""
        self.monkeypatch.setattr(sys, "stdin", self.typed.get(line, Typed()).open())
        done = self.run(*words)
        told = f"{line}\n{done.out}{done.err}"
        assert "Traceback" not in told, told
        return done.code, told

    def serve(self, *arguments: str) -> Running:
        """Start a process that ends, as it should, with the block."""
        process = self.running.enter_context(Running(*arguments, folder=self.folder))
        self.running.callback(self._stop, process)
        return process

    def _serve(self, words: list[str]) -> None:
        """Let it work for a moment; `up` goes on, for what the page does beside it."""
        command = [*words, *(word for word in SERVING[words[0]] if word not in words)]
        if words[0] == "up":
            url = self.serve(*command).wait_for("ready")["url"]
            self.monkeypatch.setenv("PORT", str(urlsplit(url).port))  # where commands look for the API
            return
        ends_itself = "--once" in words
        with Running(*command, folder=self.folder) as process:
            process.wait_for("ready")
            if not ends_itself:
                process.process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
            code = process.finish()
        # A demo that is stopped before its sample is out has no result.
        may_end = {0, INTERRUPTED} if words[0] == "demo" and not ends_itself else {0}
        assert code in may_end, (command, process.errors)
        assert "Traceback" not in process.errors

    @staticmethod
    def _stop(process: Running) -> None:
        process.process.terminate()
        assert process.finish() == 0, process.errors
        assert "Traceback" not in process.errors

    def execute(self, statement: str) -> str:
        """A statement in the database of the page; the first figure of its result, if it has one."""
        assert self.database is not None
        engine = create_engine(self.database)
        try:
            with engine.begin() as connection:
                result = connection.execute(text(statement))
                return str(result.scalar_one()) if result.returns_rows else ""
        finally:
            engine.dispose()

    def let_a_minute_pass(self) -> None:
        """For the key file."""
        then = time.time() - SETTLES_AFTER - 1
        os.utime(self.folder / "data" / KEY_FILE, (then, then))


@dataclass(frozen=True, kw_only=True, slots=True)
class NotRun:
    """Why a command is not run as a page shows it, and the test that runs it in its own way."""

    reason: str
    test: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What a page takes for granted."""

    database: str | None = "database_url"
    """The fixture of the database; without one the embedded server is used."""
    names_it_by: str = "DATABASE_URL"
    variables: Mapping[str, str] = field(default_factory=dict)
    has_telegram: bool = False
    has_webhook: bool = False
    before: Sequence[Step] = ()
    places: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def open_reader(
    scene: Scene,
    typed: Mapping[str, Typed],
    *,
    request: pytest.FixtureRequest,
    folder: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Reader]:
    """Somebody in this scene; fixtures that it names are taken from the request."""
    variables, places = {"PORT": "0", **scene.variables}, dict(scene.places)
    with ExitStack() as running:
        url: URL | None = None
        if scene.database is None:
            running.enter_context(EmbeddedPostgres(folder / "data", fsync=False, stop_on_exit=True))
        else:
            url = request.getfixturevalue(scene.database)
            variables[scene.names_it_by] = url.render_as_string(hide_password=False)
        if scene.has_telegram:
            variables |= request.getfixturevalue("telegram")
        if scene.has_webhook:
            places[WEBHOOK], _ = request.getfixturevalue("webhook")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        reader = Reader(
            run=run,
            folder=folder,
            monkeypatch=monkeypatch,
            database=url,
            typed=typed,
            places=places,
            running=running,
        )
        reader.do(scene.before)
        yield reader
