"""What `vestnik doctor` looks at on this machine: the data folder, its disk, the key, the port."""

import errno
import http.client
import json
import os
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
            is_open = is_from_file and _is_open_to_others(path)
            cure = (
                f"chmod 600 '{path}', as its owner; if anybody else uses this machine, 'vestnik secrets rotate' then"
                if is_open
                else f"put back the key that encrypted the sessions ({KEY_FILE})"
            )
            yield Finding.fault("key", exc.message, cure)
            return
        if self.ring is None:
            yield Finding.ok("key", f"none yet; {path} is made with the first session")
        else:
            yield Finding.ok("key", f"{path} can be read" if is_from_file else "VESTNIK_SECRET_KEY is a key")

    def examine_stored(self, stored: "Sequence[StoredSecret]") -> Iterator[Finding]:
        """Whether it opens what lies in the database."""
        if not stored:
            yield Finding.ok("key", "no session is stored yet")
            return
        accounts = len({secret.account for secret in stored})
        if self.ring is None:
            if not self._is_unusable:
                yield Finding.fault(
                    "key",
                    f"there is no key, and the sessions of {accounts} account(s) are stored under one",
                    "set VESTNIK_SECRET_KEY to that key, or put the file secret.key back into "
                    f"{self._settings.data_dir}",
                )
            return
        unreadable = sorted({secret.account for secret in stored if not _opens(self.ring, secret)})
        if unreadable:
            names = ", ".join(f"'{name}'" for name in unreadable[:3]) + (" …" if len(unreadable) > 3 else "")
            yield Finding.fault(
                "key",
                f"the key does not open what is stored for {len(unreadable)} of {accounts} account(s): {names}",
                "it is another key than the one they were stored with: put that one back, after a comma beside the "
                "newer one in VESTNIK_SECRET_KEY; if it is lost, log these accounts in again",
            )
        else:
            yield Finding.ok("key", f"it opens the sessions of {accounts} account(s)")


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
        if version is not None:
            yield Finding.ok("port", f"Vestnik {version} answers on port {port}")
        else:
            problem, _, cure = exc.message.partition("; ")
            yield Finding.fault("port", problem, cure or "set PORT and VESTNIK_HOST")
    else:
        yield Finding.ok("port", f"port {port} on {host} is free")


def _ask_version(host: str, port: int) -> str | None:
    """Of the Vestnik that listens there; None if it is somebody else."""
    connection = http.client.HTTPConnection(to_reachable(host), port, timeout=_ASK_SECONDS)
    try:
        connection.request("GET", "/healthz")
        answer = json.loads(connection.getresponse().read(4096))
        return str(answer["version"]) if answer["status"] == "ok" else None
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()


def to_reachable(host: str) -> str:
    """An address of this machine at which what listens on `host` is reached."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared, not bound
    return everywhere.get(host, host)
