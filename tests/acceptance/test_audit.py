"""The slow part of `make check`, with a stand-in of osv.dev on loopback.

What it answers is of the form that OSV's schema and pip-audit give it; osv.dev itself is not asked.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_wheel import PATIENCE, find_uv
from tests.support.local_servers import serve

ROOT = Path(__file__).parents[2]
AUDIT = ROOT / ".ci" / "audit"
PATH = "/v1/query"
Pin = tuple[str, str]
"""A package and its version."""

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="make and its scripts are not for Windows"),
    pytest.mark.skipif(not AUDIT.exists(), reason="a source distribution has no CI and no Makefile"),
]


@dataclass
class Weaknesses:
    """Answers what `known` says of a package and version; `status` in place of it, if that is no 200."""

    known: Mapping[Pin, str] = field(default_factory=dict)
    status: int = 200
    asked: list[Pin] = field(default_factory=list)
    url: str = ""

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """In the form of OSV's `query`."""
        assert question["package"]["ecosystem"] == "PyPI"
        name, version = question["package"]["name"], question["version"]
        self.asked.append((name, version))
        if (found := self.known.get((name, version))) is None:
            return {}
        package = {"name": name, "ecosystem": "PyPI"}
        fixed = {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9999.1"}]}
        affected = {"package": package, "ranges": [fixed]}
        return {"vulns": [{"id": found, "summary": "It is weak.", "affected": [affected]}]}


@pytest.fixture
def weaknesses() -> Iterator[Weaknesses]:
    """That none is known, unless the test says otherwise."""
    known = Weaknesses()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == PATH
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(known.answer(question)).encode()
            self.send_response(known.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with serve(Handler) as address:
        known.url = f"{address}{PATH}"
        yield known


def read_pins() -> set[Pin]:
    """All that the lock file pins: for every system and every Python."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    return {(each["name"], each["version"]) for each in lock["package"] if each["name"] != "vestnik"}


def audit(url: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [AUDIT],
        env={**os.environ, "UV": find_uv(), "PIP_AUDIT_OSV_URL": url, "NO_PROXY": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def test_it_passes_when_no_weakness_is_known_of_anything_that_is_locked(weaknesses: Weaknesses) -> None:
    done = audit(weaknesses.url)
    assert (done.returncode, done.stdout) == (0, "No known vulnerabilities found\n"), done.stderr
    assert set(weaknesses.asked) == read_pins()


def test_weaknesses_of_locked_packages_make_it_fail_and_name_them(weaknesses: Weaknesses) -> None:
    """One that is posted with, one of development, one that only Windows gets; another version is none of ours."""
    pins = {name: version for name, version in read_pins() if name in {"sqlalchemy", "ruff", "tzdata"}}
    weaknesses.known = {pin: f"PYSEC-2026-{pin[0]}" for pin in [*pins.items(), ("telethon", "0.1")]}
    done = audit(weaknesses.url)
    assert done.returncode == 1
    assert "Found 3 known vulnerabilities in 3 packages" in done.stderr
    told = [line.split() for line in done.stderr.splitlines()]
    for name, version in pins.items():
        assert [name, version, f"PYSEC-2026-{name}", "9999.1"] in told
    assert "telethon" not in done.stderr


@pytest.mark.parametrize("status", [None, 503], ids=["unreachable", "out of order"])
def test_it_says_so_and_fails_when_nobody_can_be_asked(weaknesses: Weaknesses, status: int | None) -> None:
    weaknesses.status = status or 200
    url = weaknesses.url if status else "http://127.0.0.1:9/v1/query"  # the port "discard"; nobody listens
    done = audit(url)
    assert done.returncode == 2, done.stdout
    assert f"The dependencies were not audited: {url} does not answer, or not as it should." in done.stderr
    assert "No known vulnerabilities" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "is_audited"), [((), False), (("SLOW=1",), True), (("SLOW=0",), False)]
)
def test_only_the_slow_check_asks(arguments: tuple[str, ...], is_audited: bool) -> None:
    done = subprocess.run(
        ["make", "--dry-run", "--directory", ROOT, "check", f"UV={find_uv()}", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ruff check" in done.stdout
    assert (".ci/audit" in done.stdout) is is_audited
