"""Where there is no curl, tests/support/curl.py stands in for it when the lines of pages are run."""

import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from tests.acceptance.page_reader import Reader
from tests.acceptance.page_shell import STAND_IN, Shell
from tests.acceptance.test_commands_of_pages import folder
from tests.acceptance.test_lines_of_pages import PLAN
from tests.integration.cli.conftest import Run, run
from tests.support.local_servers import serve

__all__ = ["folder", "run"]


@dataclass
class Echo:
    """Keeps what was sent."""

    url: str = ""
    requests: list[tuple[str, ...]] = field(default_factory=list)


@pytest.fixture
def echo() -> Iterator[Echo]:
    found = Echo()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            kind = self.headers.get("Content-Type", "")
            if boundary := re.search("boundary=(.+)", kind):
                body = body.replace(boundary[1].encode(), b"BOUNDARY")
                kind = kind.replace(boundary[1], "BOUNDARY")
            found.requests.append(
                (self.command, self.path, kind, self.headers.get("Authorization", ""), body.hex())
            )
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        do_GET = do_POST  # noqa: N815 - http.server's name

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serve(Handler) as found.url:
        yield found


@pytest.fixture
def shell(echo: Echo, folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """In which every line leads to the echo."""
    monkeypatch.setenv("TOKEN", "token")
    reader = Reader(run=run, folder=folder, monkeypatch=monkeypatch, database=None)
    places = {"http://127.0.0.1:3000": echo.url, "http://localhost:3000": echo.url}
    return Shell(reader=reader, folder=folder, places=places)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl to compare with")
def test_what_stands_in_for_curl_sends_what_curl_sends(echo: Echo, shell: Shell) -> None:
    lines = [line.text for shown in PLAN.values() for line in shown if line.text.startswith(("A=", "curl "))]
    for line in lines:
        shell.type_in(line)
    by_curl = list(echo.requests)
    echo.requests.clear()
    shell.bring_curl(sys.executable, str(STAND_IN))
    for line in lines:
        shell.type_in(line)
    assert len(by_curl) >= 11
    assert {method for method, *_ in by_curl} == {"GET", "POST"}
    assert echo.requests == by_curl
