"""Where the messages of a peer are kept: a new server for every run, ended with it, on this machine alone."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.disks import slow_down
from benchmarks.peers.installation import find_redis
from benchmarks.peers.programs import PeerFailedError
from vestnik.db.embedded import EmbeddedPostgres
from vestnik.db.engine import parse_database_url

REDIS_SECONDS: Final = 10
REDIS_OPTIONS: Final = {
    "port": "0",  # no TCP
    "unixsocketperm": "700",
    # Every second, what was written until then: less than PostgreSQL promises, and what BullMQ's users run with.
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory-policy": "noeviction",
}


@contextmanager
def open_postgres() -> Iterator[str]:
    """The address of an empty database, with the settings of ours: fsync and synchronous_commit are on."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres(Path(folder) / "data", stop_on_exit=True) as server,
    ):
        url = parse_database_url(server.url).set(drivername="postgresql")
        slow_down(url)
        yield url.render_as_string(hide_password=False)


@contextmanager
def open_redis() -> Iterator[str]:
    """The socket of an empty Redis; raises PeerFailedError when it does not start."""
    program = find_redis()
    if program is None:
        raise PeerFailedError("there is no redis-server on this machine")
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "redis.sock"
        options = {**REDIS_OPTIONS, "unixsocket": str(socket), "dir": folder}
        # Killed with the benchmark where Linux can: nobody else would end it.
        setpriv = shutil.which("setpriv")
        with subprocess.Popen(
            [
                *([setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []),
                program,
                *(word for name, value in options.items() for word in (f"--{name}", value)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                _wait_for(socket, process)
                yield str(socket)
            finally:
                process.terminate()


def _wait_for(socket: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + REDIS_SECONDS
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise PeerFailedError("redis-server does not start")
        time.sleep(0.02)
