"""`vestnik demo` in real processes over real TCP: what it promises, and what it survives."""

import os
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest

from tests.acceptance.running import DEADLINE, Running, iterate_until, run, wait_until_gone
from tests.support.machine import require

FIGURES = [
    "channels", "sent", "failed", "distinct_posts", "duplicate_posts", "lost", "elapsed_s", "ideal_s",
    "overhead_pct", "max_in_1s", "pickup_ms", "crashes",
]  # fmt: skip
MISLEADING = {
    "DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:1/nothing",
    "SUPABASE_URL": "https://example.invalid",
    "TELEGRAM_SESSION": "not a session",
    "RATE_LIMIT_MESSAGES_PER_SECOND": "1",
}
FATAL = signal.SIGKILL if os.name == "posix" else signal.SIGTERM


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: a demo may be repeated on its data directory."""
    return tmp_path_factory.mktemp("demo") / "data"


def demo(data_dir: Path, *arguments: str) -> list[str]:
    return ["demo", "--json", "--port", "0", "--data-dir", str(data_dir), *arguments]


@pytest.mark.timed
def test_every_channel_gets_its_post_once_at_the_asked_pace(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://nobody@127.0.0.1:1/nothing\n")
    result = run(
        *demo(data_dir, "--once", "--channels", "40", "--rate", "100"),
        folder=tmp_path,
        variables=MISLEADING,
    )
    assert result.process.returncode == 0, result.errors
    report = result.lines[-1]
    assert list(report) == FIGURES
    require([report[name] for name in ("channels", "sent", "distinct_posts")], [40, 40, 40])
    require([report[name] for name in ("failed", "duplicate_posts", "lost", "crashes")], [0, 0, 0, 0])
    assert report["ideal_s"] == 0.39
    assert report["elapsed_s"] < 2
    assert report["pickup_ms"] < 2000
    assert [line["event"] for line in result.lines if line.get("event") == "worker"] == ["worker"]


@pytest.mark.timed
def test_a_worker_killed_three_times_neither_loses_nor_repeats_a_post(data_dir: Path, tmp_path: Path) -> None:
    with Running(*demo(data_dir, "--once", "--channels", "500", "--rate", "100"), folder=tmp_path) as running:
        pid = running.wait_for("worker")["pid"]
        running.wait_for("ready")
        for _ in range(3):
            wait_until_it_talks(pid)
            psutil.Process(pid).kill()
            running.wait_for("died")
            pid = running.wait_for("worker")["pid"]
        code = running.finish()
    report = running.lines[-1]
    require([report[name] for name in ("distinct_posts", "duplicate_posts", "lost")], [500, 0, 0])
    assert report["max_in_1s"] <= 106  # rate * 1.05 + 1: the pacer's 25 ms and the machine's jitter
    assert code == 0, running.errors


def wait_until_it_talks(pid: int) -> None:
    """Return when a worker is connected to the simulator, so that it dies while it delivers."""

    for _ in iterate_until(time.monotonic() + DEADLINE):
        if any(
            link.status == psutil.CONN_ESTABLISHED and link.raddr
            for link in psutil.Process(pid).net_connections("tcp4")
        ):
            return


def test_faults_are_survived_and_accounted_for(data_dir: Path, tmp_path: Path) -> None:
    result = run(
        *demo(data_dir, "--once", "--channels", "60", "--rate", "100", "--faults", "mild"),
        folder=tmp_path,
        variables={"VESTNIK_RETRY_BASE_SECONDS": "0.5"},
    )
    report = result.lines[-1]
    assert result.process.returncode == 0, result.errors
    assert (report["sent"], report["failed"], report["distinct_posts"]) == (59, 1, 59)
    assert (report["duplicate_posts"], report["lost"]) == (0, 0)
    assert report["elapsed_s"] > 4, "a FLOOD_WAIT of 3 s holds everything"


@pytest.mark.parametrize("number", [FATAL, signal.SIGINT])
def test_nothing_is_left_behind_however_it_ends(
    data_dir: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with Running(*demo(data_dir, "--channels", "2000"), folder=tmp_path) as running:
        running.wait_for("ready")
        processes = running.find_processes(data_dir)
        assert len(processes) >= 5, "three children, the database's guard and server"
        running.process.send_signal(number)
        code = running.finish()
        assert wait_until_gone(processes, 5) == []
    assert code == (130 if number == signal.SIGINT else -FATAL)


def test_a_busy_port_is_an_error_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run(
            "demo", "--once", "--port", str(port), "--data-dir", str(tmp_path / "data"), folder=tmp_path
        )
    assert result.process.returncode == 1
    assert f"port {port}" in result.errors
    assert not (tmp_path / "data" / "postgres").exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--channels", "0"], "--channels"),
        (["--channels", "100001"], "--channels"),
        (["--rate", "0"], "rate"),
        (["--rate", "100000"], "rate"),
        (["--faults", "hurricane"], "--faults"),
        (["--port", "70000"], "--port"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], word: str, tmp_path: Path) -> None:
    result = run("demo", "--once", "--data-dir", str(tmp_path / "data"), *arguments, folder=tmp_path)
    assert result.process.returncode in {1, 2}
    assert word in result.errors
    assert result.errors.count("\n") == 1
    assert not (tmp_path / "data").exists()
