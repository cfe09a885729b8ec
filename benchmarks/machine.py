"""Where a run takes place: without it a figure means nothing."""

import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
from sqlalchemy import URL

from vestnik.db.embedded import EmbeddedPostgres
from vestnik.db.engine import parse_database_url

PACKAGES: Final = ("vestnik", "telethon", "cryptg", "psycopg", "sqlalchemy", "fastapi", "uvicorn")
SHOWN: Final = ("server_version", "fsync", "synchronous_commit", "shared_buffers", "max_wal_size")
FSYNCS: Final = 200


def describe_run() -> dict[str, Any]:
    """Everything that a figure of this run has to be read with."""
    with tempfile.TemporaryDirectory() as folder:
        fsync = time_fsync(Path(folder))
        with EmbeddedPostgres(Path(folder) / "data", stop_on_exit=True) as server:
            postgresql = read_settings(parse_database_url(server.url))
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": find_commit(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "processor": find_processor(),
        "processors": psutil.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load": [round(load, 2) for load in psutil.getloadavg()],
        "fsync_us": fsync,
        "python": platform.python_version(),
        "packages": find_versions(),
        "postgresql": postgresql,
    }


def find_versions() -> dict[str, str]:
    """Of what does the work; what is not installed is left out."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def read_settings(url: URL) -> Mapping[str, str]:
    """What the database promises and has."""
    found = {}
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        for name in SHOWN:
            row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
            assert row is not None
            found[name] = str(row[0])
    return found


def time_fsync(folder: Path) -> float:
    """Microseconds that the disk takes, in the median, to make 8 KiB durable."""
    took = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(FSYNCS):
            file.write(bytes(8192))
            begun = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - begun)
    return round(statistics.median(took) * 1e6, 1)


def find_processor() -> str:
    """Its name, where the system tells."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def find_commit() -> str:
    """Of the working tree; with a + when it differs from it, empty where there is none."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],  # noqa: S607
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
