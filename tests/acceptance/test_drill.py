"""`vestnik drill`, short: a few faults of each kind in real processes, and arguments that make no sense."""

import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.acceptance.running import Running, run
from tests.support.machine import require
from vestnik.cli.drill import LEASE_SECONDS

SHORT = (
    "--jobs", "600", "--accounts", "2", "--kills", "7", "--db-outage", "3", "--flood-waits", "2", "--drops", "6",
    "--pauses", "1", "--seed", "3",
)  # fmt: skip
MISLEADING = {
    "DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/nothing",
    "TELEGRAM_SESSION": "not a session",
    "RATE_LIMIT_MESSAGES_PER_SECOND": "1",
    "VESTNIK_FAILPOINTS": "after_claim",
}
IS_POSIX = os.name == "posix"


def count_processes_of(data_dir: Path) -> int:
    """Processes that were started for this data directory: those that name it, and their children."""
    return sum(
        str(data_dir) in " ".join(process.info["cmdline"] or ())
        or (process.info["environ"] or {}).get("VESTNIK_DATA_DIR") == str(data_dir)
        for process in psutil.process_iter(["cmdline", "environ"])
        if process.pid != os.getpid()
    )


@pytest.mark.timed
def test_a_short_drill_finds_every_post_exactly_once(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://nobody@127.0.0.1:1/nothing\n")
    data_dir = tmp_path / "data"
    arguments = ("drill", "--json", "--data-dir", str(data_dir), *SHORT)
    with Running(*arguments, folder=tmp_path, variables=MISLEADING) as drill:
        drill.process.wait(240)
        code = drill.finish()
    report: dict[str, Any] = drill.lines[-1]
    require([report[name] for name in ("jobs", "distinct_posts")], [600, 600])
    require([report[name] for name in ("lost", "duplicate_posts", "failed", "crashes")], [0, 0, 0, 0])
    assert code == 0, (report, drill.errors)
    assert [report[name] for name in ("sends_during_hold", "sends_during_pause", "two_senders_s")] == [
        0,
        0,
        0,
    ]
    assert report["sends_after_thaw"] == 0
    assert report["max_rate_ratio"] <= 1.1
    planned = ("kills", "db_kills", "freezes", "db_outages", "flood_waits", "drops", "pauses")
    assert [report[name] for name in planned] == [7, 1, IS_POSIX, IS_POSIX, 2, 6, 1]
    assert report["undone"] == []
    assert report["undisturbed_s"] == pytest.approx(15, abs=3)
    assert report["lease_s"] == LEASE_SECONDS
    assert count_processes_of(data_dir) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--jobs", "0"), 2, "--jobs"),
        (("--kills", "-1"), 2, "--kills"),
        (("--rate", "5"), 1, "from 10 to 200"),
        (("--jobs", "100"), 1, "ask for more with --jobs"),
        (("--kills", "5000"), 1, "5000 kills do not fit"),
        (("--seed", "x"), 2, "--seed"),
    ],
)
def test_arguments_that_make_no_sense_start_nothing(
    arguments: tuple[str, ...], code: int, words: str, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    result = run("drill", "--data-dir", str(data_dir), *arguments, folder=tmp_path)
    assert result.process.returncode == code
    assert words in result.errors
    assert "Traceback" not in result.errors
    assert not data_dir.exists()


def test_a_drill_keeps_off_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    result = run("drill", "--data-dir", str(tmp_path), folder=tmp_path)
    assert result.process.returncode == 1
    assert "was not made by a drill" in result.errors
    assert [path.name for path in tmp_path.iterdir()] == ["postgres"]
