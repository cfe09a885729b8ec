"""The reference page of the command line is what the program says of itself."""

import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "command-line.md"


def test_the_page_is_what_the_commands_say(tmp_path: Path) -> None:
    made = tmp_path / "command-line.md"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "typer",
            "vestnik.cli.app",
            "utils",
            "docs",
            "--name",
            "vestnik",
            "--output",
            made,
        ],
        check=True,
        capture_output=True,
    )
    assert made.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8"), (
        "run: typer vestnik.cli.app utils docs --name vestnik --output docs/reference/command-line.md"
    )
