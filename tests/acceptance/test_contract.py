"""The served description against the API that it describes: generated requests, all of Schemathesis' checks."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.running import Running, run

ROOT = Path(__file__).parents[2]
SECONDS = 240
EXAMPLES = 12


@pytest.fixture
def address(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """An API on an embedded database of its own, and an administrator's token."""
    variables = {"VESTNIK_DATA_DIR": str(tmp_path / "data"), "VESTNIK_API_RATE": "10000"}
    with Running("up", "--port", "0", "--json", folder=tmp_path, variables=variables) as up:
        url = up.wait_for("ready")["url"]
        made = run(
            "token", "create", "--user", "admin@localhost", "--json", folder=tmp_path, variables=variables
        )
        yield url, made.lines[-1]["token"]
        up.process.terminate()
        assert up.finish() == 0


def test_the_api_keeps_its_own_description(address: tuple[str, str], tmp_path: Path) -> None:
    url, token = address
    arguments = [
        f"{url}/api/openapi.json",
        f"--header=Authorization: Bearer {token}",
        "--checks=all",
        f"--max-examples={EXAMPLES}",
        "--seed=20261122",
        "--generation-deterministic",
        "--workers=2",
        "--continue-on-failure",
    ]
    result = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=SECONDS,
        env={**os.environ, "PYTHONUTF8": "1"},
        check=False,
    )
    (tmp_path / "schemathesis.txt").write_text(result.stdout + result.stderr)
    assert result.returncode == 0, json.dumps(result.stdout[-20_000:])
