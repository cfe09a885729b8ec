"""A real PgBouncer before the tests' PostgreSQL."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from sqlalchemy import URL

from tests.conftest import DatabaseServer

DEADLINE = 30.0

# As who PostgreSQL runs, because its socket is open to nobody else. A process of one thread may change the account
# between fork and exec, and the other one dies with it.
LAUNCH = """
import signal, subprocess, sys
from vestnik.db.embedded.binaries import DEFAULT_MAJOR, find_binaries
from vestnik.db.embedded.layout import Layout
from vestnik.db.embedded.privileges import choose_runner
data_dir, *command = sys.argv[1:]
runner = choose_runner(Layout.of(data_dir), find_binaries(DEFAULT_MAJOR).program("postgres"))
sys.exit(subprocess.call(command, preexec_fn=runner.preparation(signal.SIGTERM)))
"""

CONFIGURATION = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = {mode}
default_pool_size = {pool_size}
max_client_conn = 100
"""


def find_pgbouncer() -> str:
    """Where the program is; Debian puts it where only root's PATH looks."""
    places = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which("pgbouncer", path=places)
    assert found is not None, "PgBouncer is missing: run tests/deployment/prepare.sh"
    return found


@contextmanager
def run_pgbouncer(
    database_server: DatabaseServer, url: URL, folder: Path, *, mode: str, pool_size: int = 5
) -> Iterator[URL]:
    """The address of the database through it."""
    folder.mkdir(mode=0o755)
    users = folder / "users.txt"
    users.write_text(f'"{url.username}" "{url.password}"\n')
    port = find_free_port()
    configuration = folder / "pgbouncer.ini"
    configuration.write_text(
        CONFIGURATION.format(
            host=url.query["host"],
            port=url.query["port"],
            listen_port=port,
            users=users,
            mode=mode,
            pool_size=pool_size,
        )
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", LAUNCH, database_server.folder, find_pgbouncer(), configuration],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    pooled = url.set(host="127.0.0.1", port=port, query={})
    try:
        _wait_until_open(process, pooled, folder / "log")
        yield pooled
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(DEADLINE)
        process.kill()
        process.wait()


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_until_open(process: "subprocess.Popen[bytes]", url: URL, log: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False)).close()
        except psycopg.OperationalError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return
