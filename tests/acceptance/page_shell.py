"""The shell before which a page lies: its lines go to a real `sh` as they stand, and what curl brings is kept."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any, Final, TypeAlias

from tests.acceptance.page_reader import Reader
from tests.acceptance.running import DEADLINE

STAND_IN: Final = Path(__file__).parents[1] / "support" / "curl.py"
ASSIGNMENTS: Final = re.compile(r"(\w+=('[^']*'|\"[^\"]*\"|[^\s;'\"]*)(;\s*|\s*$))+")
STATUS: Final = re.compile(r"^HTTP/\S+ (\d{3})", re.MULTILINE)
ANSWER: Final = re.compile(r"(\{.*\})\s*(\d{3})?")
REST: Final = ", …}"
CHANGES_THE_MACHINE: Final = re.compile(r"\b(sudo|docker|systemctl|npm|pip|apt(-get)?)\s")
"""A page may show it; a test that would run it is to be told otherwise."""

Place: TypeAlias = "str | Callable[[Reader], str]"
"""What comes where the page has an example, or who knows it by then."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What a line printed; the status of what curl brought."""

    line: str
    out: str
    status: int | None = None


@dataclass(kw_only=True)
class Shell:
    """Types lines of a page in the reader's folder. What a page sets for its later lines stays set."""

    reader: Reader
    folder: Path
    places: Mapping[str, Place] = field(default_factory=dict)
    assignments: list[str] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._headers = self.reader.folder / "headers"
        self._programs = self.reader.folder / "programs"
        self._programs.mkdir()
        self.bring_curl(*_find_curl())
        for name in ("python", "python3"):
            self.bring(name, sys.executable)

    def bring(self, name: str, *command: str) -> None:
        """Let a word stand for a command."""
        program = self._programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        program.chmod(0o755)

    def bring_curl(self, *command: str) -> None:
        """Let this be curl. It writes the status of what it brings down, because it ends well whatever that is."""
        self.bring("curl", *command, "--silent", "--dump-header", str(self._headers))

    def type_in(self, line: str) -> Said:
        """Do what the line says and see that it works."""
        if ASSIGNMENTS.fullmatch(line):
            self.assignments.append(self._fill(line))
            return self._keep(Said(line=line, out=""))
        self._headers.unlink(missing_ok=True)
        done = subprocess.run(
            ["sh", "-c", self._script(line)],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        status = self._read_status()
        assert status is None or 200 <= status < 300, f"{line}\n{status} {done.stdout}"
        assert status is not None or not line.startswith("curl "), "curl said nothing of an answer"
        return self._keep(Said(line=line, out=done.stdout, status=status))

    def listen(self, line: str, sign: str) -> Said:
        """Type in what goes on for ever, until something is read that begins so; that line of it."""
        self._headers.unlink(missing_ok=True)
        with subprocess.Popen(
            ["sh", "-c", self._script(line, "exec ")],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            patience = Timer(DEADLINE, process.terminate)
            patience.start()
            try:
                found = next((read for read in process.stdout if read.startswith(sign)), None)
            finally:
                patience.cancel()
                process.terminate()
        assert found is not None, f"{line} brought nothing that begins with {sign}"
        assert self._read_status() == 200
        return self._keep(Said(line=line, out=found, status=200))

    def type_until(self, line: str) -> Said:
        """Type it in again until it works."""
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                return self.type_in(line)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    def compare(self, shown: str) -> None:
        """What a page shows as an answer with what the last line brought: fields, and words of Vestnik's."""
        match = ANSWER.match(shown)
        assert match is not None
        assert self.said, shown
        brought = json.loads(self.said[-1].out)
        expected: dict[str, Any] = json.loads(match[1].replace(REST, "}"))
        assert set(expected) <= set(brought), (shown, brought)
        assert REST in shown or set(expected) == set(brought), (shown, brought)
        for name, value in expected.items():
            assert type(brought[name]) is type(value), (name, brought)
            if isinstance(value, str) and "…" not in value:
                assert brought[name] == value
        assert match[2] is None or int(match[2]) == self.said[-1].status

    def _keep(self, said: Said) -> Said:
        self.said.append(said)
        return said

    def _script(self, line: str, before: str = "") -> str:
        filled = self._fill(line)
        assert not CHANGES_THE_MACHINE.search(filled), f"not run, because it would change the machine: {line}"
        return "\n".join([*self.assignments, before + filled])

    def _fill(self, line: str) -> str:
        for shown, place in self.places.items():
            if shown in line:
                line = line.replace(shown, place if isinstance(place, str) else place(self.reader))
        return line

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(self._programs), os.environ["PATH"]])
        return {**os.environ, "PATH": path, "NO_PROXY": "127.0.0.1", "CURL_HOME": str(self.reader.folder)}

    def _read_status(self) -> int | None:
        """Of the last answer, if curl was asked."""
        if not self._headers.exists():
            return None
        return int(STATUS.findall(self._headers.read_text())[-1])


def _find_curl() -> list[str]:
    """The real one; else what stands in for it, so that a machine without curl tests the same lines."""
    found = shutil.which("curl")
    return [found] if found else [sys.executable, str(STAND_IN)]
