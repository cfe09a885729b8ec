"""The tutorial, in both languages: its commands do what it says, in the order in which they stand there."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.acceptance.running import DEADLINE, Running, iterate_until

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {"en": DOCS / "tutorial" / "first-campaign.md", "ru": DOCS / "ru" / "first-campaign.md"}
INDENTED = re.compile(r"^    (.+)$", re.MULTILINE)


def read_commands(page: str) -> list[list[str]]:
    """The lines that are to be typed after `vestnik up` runs."""
    return [shlex.split(line)[1:] for line in INDENTED.findall(page) if line.startswith("vestnik ")]


def read_channels(page: str) -> str:
    """What the file channels.txt is to hold."""
    return "".join(f"{line}\n" for line in INDENTED.findall(page) if line.startswith(("@", "https://t.me/")))


def test_both_languages_have_the_same_commands() -> None:
    shapes = {
        code: [
            [word for word in command if word.isascii() and " " not in word and word[0].islower()]
            for command in read_commands(page.read_text(encoding="utf-8"))
        ]
        for code, page in PAGES.items()
    }
    assert shapes["en"] == shapes["ru"]
    assert len(shapes["en"]) == 7
    assert len({read_channels(page.read_text(encoding="utf-8")) for page in PAGES.values()}) == 1


def type_in(*command: str, folder: Path, variables: dict[str, str]) -> str:
    """What the command prints."""
    done = subprocess.run(
        [sys.executable, "-m", "vestnik", *command],
        cwd=folder,
        env={**os.environ, **variables, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, (command, done.stderr)
    assert "warning" not in done.stderr, (command, done.stderr)
    return done.stdout


@pytest.mark.parametrize("code", PAGES)
def test_the_commands_lead_to_a_completed_campaign(code: str, tmp_path: Path) -> None:
    page = PAGES[code].read_text(encoding="utf-8")
    commands = read_commands(page)
    assert commands[-1][:2] == ["campaign", "show"]
    (tmp_path / "channels.txt").write_text(read_channels(page), encoding="utf-8")
    variables = {"VESTNIK_DATA_DIR": str(tmp_path / "data")}
    with Running("up", "--json", "--port", "0", folder=tmp_path, variables=variables) as up:
        up.wait_for("ready")
        for command in commands:
            type_in(*command, folder=tmp_path, variables=variables)
        for _ in iterate_until(time.monotonic() + DEADLINE):
            found = json.loads(type_in(*commands[-1], "--json", folder=tmp_path, variables=variables))
            if found["status"] != "RUNNING":
                break
        assert (found["status"], found["progress"]["sent"]) == ("COMPLETED", 3)
        up.process.terminate()
        assert up.finish() == 0
