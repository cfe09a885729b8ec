"""What `vestnik doctor` looks at on this machine: the data folder, its disk, the key, the port."""

import errno
import http.client
import json
import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vestnik.domain.doctor import Finding, judge_space
from vestnik.domain.errors import ConfigurationError, SecretError
from vestnik.settings import Settings

if TYPE_CHECKING:
    from vestnik.db.doctor import StoredSecret
    from vestnik.db.secrets import KeyRing

_PROBE_BYTES: Final = 65_536
_FULL: Final = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_ASK_SECONDS: Final = 3.0


def examine_folder(data_dir: Path) -> Iterator[Finding]:
    """Whether it is there or can be made, and keeps others out."""
    check, cure = (
        "data folder",
        "choose another one with --data-dir or VESTNIK_DATA_DIR, or give it to this user",
    )
    if not data_dir.exists():
        parent = _find_existing(data_dir)
        if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
            yield Finding.ok(check, f"{data_dir} is made when it is needed")
        else:
            yield Finding.fault(check, f"{data_dir} is not there and cannot be made in {parent}", cure)
        return
    if not data_dir.is_dir():
        yield Finding.fault(check, f"{data_dir} is not a folder", cure)
    elif not os.access(data_dir, os.R_OK | os.W_OK | os.X_OK):
        yield Finding.fault(check, f"{data_dir} cannot be written to by this user", cure)
    elif os.name != "nt" and stat.S_IMODE(data_dir.stat().st_mode) & 0o002:
        yield Finding.fault(check, f"everybody may write to {data_dir}", f"chmod 700 '{data_dir}'")
    else:
        yield Finding.ok(check, f"{data_dir} can be used")


def examine_disk(data_dir: Path, find_free_space: Callable[[Path], int]) -> Iterator[Finding]:
    """Free space, and whether something can be written at all: a quota or used up inodes show nowhere else."""
    folder = _find_existing(data_dir)
    try:
        if data_dir.is_dir():
            _write_probe(data_dir)
    except OSError as exc:
        reason = exc.strerror or str(exc)
        if exc.errno in _FULL:
            yield Finding.fault(
                "disk", f"nothing can be written to {data_dir}: {reason}", "free some space there"
            )
        else:
            yield Finding.fault(
                "disk", f"nothing can be written to {data_dir}: {reason}", "see what the reason says"
            )
        return
    yield judge_space("disk", f"at {folder}", find_free_space(folder))


def _find_existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _write_probe(folder: Path) -> None:
    with tempfile.TemporaryFile(prefix="vestnik-doctor-", dir=folder) as file:
        file.write(bytes(_PROBE_BYTES))
        file.flush()
        os.fsync(file.fileno())


class Keys:
    """The key for stored secrets. `ring` is None until it was looked at, and where there is none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.ring: KeyRing | None = None
        self._is_unusable = False

    def examine(self) -> Iterator[Finding]:
        """What there is of it on this machine."""
        from vestnik.db.secrets import KEY_FILE, read_key_ring

        path = self._settings.data_dir / KEY_FILE
        is_from_file = self._settings.secret_key is None
        try:
            self.ring = read_key_ring(self._settings.secret_key, self._settings.data_dir)
        except ConfigurationError as exc:
            self._is_unusable = True
            yield Finding.fault("key", exc.message, _cure_key(path if is_from_file else None))
            return
        if self.ring is None:
            yield Finding.ok("key", f"none yet; {path} is made with the first session")
        else:
            yield Finding.ok("key", f"{path} can be read" if is_from_file else "VESTNIK_SECRET_KEY is a key")

    def examine_stored(self, stored: "Sequence[StoredSecret]") -> Iterator[Finding]:
        """Whether it opens what lies in the database."""
        if not stored:
            yield Finding.ok("key", "nothing is stored under it yet")
            return
        owners = sorted({secret.owner for secret in stored})
        if self.ring is None:
            if not self._is_unusable:
                yield Finding.fault(
                    "key",
                    f"there is no key, and something is stored under one: {_name_some(owners)}",
                    "set VESTNIK_SECRET_KEY to that key, or put the file secret.key back into "
                    f"{self._settings.data_dir}",
                )
            return
        unreadable = sorted({secret.owner for secret in stored if not _opens(self.ring, secret)})
        if unreadable:
            yield Finding.fault(
                "key",
                f"the key does not open what is stored for {_name_some(unreadable)}",
                "it is another key than the one they were stored with: put that one back, after a comma beside the "
                "newer one in VESTNIK_SECRET_KEY; if it is lost, log these accounts in again and type the secrets of "
                "these destinations anew",
            )
        else:
            yield Finding.ok("key", f"it opens what is stored for {_name_some(owners)}")


def _cure_key(path: Path | None) -> str:
    """What to do about a key that cannot be used; without a path it is that of the environment."""
    if path is None:
        return (
            "set VESTNIK_SECRET_KEY to the key that encrypted the sessions; where none is stored yet, 'openssl rand "
            "-hex 32' makes one"
        )
    if _is_open_to_others(path):
        return f"chmod 600 '{path}', as its owner; if anybody else uses this machine, 'vestnik secrets rotate' then"
    return f"put back the key that encrypted the sessions ({path.name})"


def _name_some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _opens(ring: "KeyRing", secret: "StoredSecret") -> bool:
    try:
        ring.decrypt(secret.ciphertext, secret.identity)
    except SecretError:
        return False
    return True


def _is_open_to_others(path: Path) -> bool:
    try:
        return os.name != "nt" and bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
    except OSError:
        return False


def examine_port(host: str, port: int) -> Iterator[Finding]:
    """Whether an API could listen there, or does."""
    from vestnik.api.listener import bind_listener

    try:
        bind_listener(host, port).close()
    except ConfigurationError as exc:
        version = _ask_version(host, port)
        problem, _, cure = exc.message.partition("; ")
        if version is not None:
            yield Finding.ok("port", f"Vestnik {version} answers on port {port}")
        elif "in use" in problem:
            yield Finding.fault(
                "port",
                f"port {port} on {host} is in use, and no Vestnik answers there",
                f"if Vestnik is just starting, look again in a moment; otherwise {cure}",
            )
        else:
            yield Finding.fault("port", problem, cure or "set PORT and VESTNIK_HOST")
    else:
        yield Finding.ok("port", f"port {port} on {host} is free")


def examine_metrics_port(port: int) -> Iterator[Finding]:
    """Whether a worker could show its metrics there, or does; it goes on without."""
    if port == 0:
        return
    from vestnik.worker.metrics import HOST

    try:
        socket.create_server((HOST, port)).close()
    except OSError as exc:
        if b"\nvestnik_" in _ask(HOST, port, "/metrics"):
            yield Finding.ok("metrics", f"a worker shows its metrics on port {port}")
        else:
            yield Finding.warn(
                "metrics",
                f"port {port} on {HOST} cannot be had for a worker's metrics: {exc.strerror or exc}",
                "set VESTNIK_METRICS_PORT to a free one; every worker of a host needs its own, and goes on without "
                "until it has it",
            )
    else:
        yield Finding.ok("metrics", f"port {port} on {HOST} is free for a worker's metrics")


def _ask_version(host: str, port: int) -> str | None:
    """Of the Vestnik that listens there; None if it is somebody else."""
    try:
        answer = json.loads(_ask(to_reachable(host), port, "/healthz"))
        return str(answer["version"]) if answer["status"] == "ok" else None
    except (ValueError, KeyError, TypeError):
        return None


def _ask(host: str, port: int, path: str) -> bytes:
    """The beginning of what is answered; nothing if nobody does."""
    connection = http.client.HTTPConnection(host, port, timeout=_ASK_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().read(65_536)
    except (OSError, http.client.HTTPException):
        return b""
    finally:
        connection.close()


def to_reachable(host: str) -> str:
    """An address of this machine at which what listens on `host` is reached."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared, not bound
    return everywhere.get(host, host)
