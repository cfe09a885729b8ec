"""One PostgreSQL server process: start, watch, stop, and clearing up after one that was killed.

A process is taken for ours only by its command line or title, which name our cluster; never by a number alone.
On Windows pg_ctl starts and stops the server (PostgreSQL takes no signals there and wants fewer rights than an
administrator has); that branch is type-checked and was not run.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from vestnik.db.embedded.binaries import Binaries
from vestnik.db.embedded.files import open_log
from vestnik.db.embedded.layout import Layout
from vestnik.db.embedded.pidfile import PidFile, disown_pid_file, read_pid_file
from vestnik.db.embedded.privileges import Runner, is_private
from vestnik.db.embedded.surroundings import program_environment
from vestnik.domain.errors import ConfigurationError

SOCKET_PORT = 5432
LOOPBACK = "127.0.0.1"

_SHUTDOWN_PATIENCE = timedelta(seconds=15)

_SETTINGS = {
    "max_connections": "100",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "password_encryption": "scram-sha-256",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
    # One machine, no replica: the least WAL, and not much of it kept.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "max_logical_replication_workers": "0",
    # Rows of a queue change several times each: look often, and at small shares of a table.
    "autovacuum_naptime": "10s",
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_analyze_scale_factor": "0.02",
    # Statements are short; compiling or spreading them over workers costs more than it gives.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
}


@dataclass(kw_only=True)
class Postmaster:
    """The server of one cluster. `host` and `port` stay the same over restarts."""

    layout: Layout
    binaries: Binaries
    runner: Runner
    fsync: bool
    host: str = ""
    port: int = SOCKET_PORT
    log_start: int = 0
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def pid(self) -> int:
        """Number of the server process, 0 before the first start."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the process; `is_ready` says when it accepts connections."""
        self._settle_address()
        with contextlib.suppress(OSError):
            self.log_start = self.layout.server_log.stat().st_size
        descriptor = open_log(self.layout.server_log)
        try:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                cwd=self.layout.data_dir.anchor,
                env=program_environment(),
                # The guard has one thread. SIGINT is the fast shutdown, should the guard be killed.
                preexec_fn=self.runner.preparation(signal.SIGINT),  # noqa: PLW1509
            )
        finally:
            os.close(descriptor)

    def is_running(self) -> bool:
        """Whether the process lives."""
        if self._process is None:
            return False
        if sys.platform == "win32":
            # What was started is pg_ctl; it ends when the server is up or has failed.
            return self._process.poll() is None or self._find() is not None
        return self._process.poll() is None

    def is_ready(self) -> bool:
        """Whether it accepts connections: it says so in postmaster.pid."""
        content = read_pid_file(self.layout.cluster)
        if content is None or not content.is_ready:
            return False
        return sys.platform == "win32" or content.pid == self.pid

    def stop(self) -> None:
        """Stop with a fast shutdown: sessions are ended, data is written. Harder means if that does not work."""
        if self._process is None:
            return
        if sys.platform == "win32":
            subprocess.run(
                [self.binaries.program("pg_ctl"), "stop", "-D", self.layout.cluster, "-m", "fast", "-w"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=program_environment(),
                check=False,
            )
            return
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if self._process.poll() is None:
                self._process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_SHUTDOWN_PATIENCE.total_seconds())
        self.clear_leftovers()
        if not self.layout.socket_dir.is_relative_to(self.layout.data_dir):
            with contextlib.suppress(OSError):
                self.layout.socket_dir.rmdir()

    def clear_leftovers(self) -> None:
        """End what is left of an earlier server of this cluster, and what would keep a new one from starting.

        The caller holds the guard's lock, so none of it has a guard. A pid in postmaster.pid that is somebody
        else's by now (after a reboot, in a new container) is taken out of it.
        """
        content = read_pid_file(self.layout.cluster)
        if content is not None:
            from vestnik.db.embedded.processes import is_our_postmaster, stop_orphans, stop_postmaster

            if is_our_postmaster(content.pid, self.layout):
                stop_postmaster(content.pid, self.layout)
            else:
                disown_pid_file(self.layout.cluster)
            stop_orphans(self.layout)
        if sys.platform != "win32":
            for name in (f".s.PGSQL.{SOCKET_PORT}", f".s.PGSQL.{SOCKET_PORT}.lock"):
                with contextlib.suppress(FileNotFoundError):
                    (self.layout.socket_dir / name).unlink()

    def _find(self) -> PidFile | None:
        from vestnik.db.embedded.processes import is_our_postmaster

        content = read_pid_file(self.layout.cluster)
        return content if content is not None and is_our_postmaster(content.pid, self.layout) else None

    def _settle_address(self) -> None:
        if sys.platform == "win32":
            self.host = LOOPBACK
            if self.port == SOCKET_PORT or not _is_free(self.port):
                self.port = _find_free_port()
        else:
            self.host = str(prepare_socket_dir(self.layout, self.runner))

    def _command(self) -> list[str]:
        settings = dict(_SETTINGS, cluster_name=self.layout.cluster_name, port=str(self.port))
        settings["fsync"] = settings["full_page_writes"] = "on" if self.fsync else "off"
        if sys.platform == "win32":
            settings |= {"listen_addresses": LOOPBACK, "unix_socket_directories": ""}
            options = " ".join(f"-c {name}={value}" for name, value in settings.items() if value)
            command = [str(self.binaries.program("pg_ctl")), "start", "-w", "-D", str(self.layout.cluster)]
            return [*command, "-l", str(self.layout.server_log), "-o", options]
        settings |= {"listen_addresses": "", "unix_socket_directories": self.host}
        command = [str(self.binaries.program("postgres")), "-D", str(self.layout.cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        return command


def prepare_socket_dir(layout: Layout, runner: Runner) -> Path:
    """Make the socket's folder, open to the server's account alone; ConfigurationError if somebody else has it."""
    path = layout.socket_dir
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        runner.own(path)
    if sys.platform == "win32":
        return path
    wanted = os.geteuid() if runner.uid is None else runner.uid
    if not is_private(path) or os.lstat(path).st_uid not in {wanted, os.geteuid()}:
        raise ConfigurationError(
            f"The folder {path} is needed for the database's socket but is open to others or not ours. Remove it, "
            "or choose a data directory with a shorter path (VESTNIK_DATA_DIR)."
        )
    if os.lstat(path).st_uid != wanted:
        runner.own(path)
    return path


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _find_free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
