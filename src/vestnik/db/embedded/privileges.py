"""As whom PostgreSQL runs. It refuses to run as root, so root's guard starts it under a number without an account.

Nothing is created and no permission is widened for that. The number owns the cluster's folder; where it cannot
pass the folders above (/root is 0700) or read the programs, the server keeps the one capability that lets it,
as an ambient one: CAP_DAC_READ_SEARCH, or CAP_DAC_OVERRIDE in containers that grant only that. initdb insists
on an account with a name, so it runs as `nobody` and its files change hands afterwards.

Capabilities are a Linux matter. Elsewhere root works when the folders may be passed; that was not run there.
"""

import contextlib
import ctypes
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vestnik.db.embedded.layout import Layout
from vestnik.domain.errors import ConfigurationError

# Between the ranges that systemd lists for accounts, dynamic services and containers (systemd.io/UIDS-GIDS).
_FIRST_UID = 61040
_UIDS = 100

_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2
_PR_SET_PDEATHSIG = 1
_PR_SET_SECUREBITS = 28
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
# access(2), which PostgreSQL asks about its own program, ignores capabilities of non-root without this bit.
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_CAPABILITY_VERSION_3 = 0x20080522

_ADVICE = "Run Vestnik as an ordinary user, or set DATABASE_URL to a PostgreSQL server of your own."

Preparation = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Runner:
    """The account that PostgreSQL runs under. `uid` is None when it is our own."""

    uid: int | None = None
    gid: int | None = None
    capability: int | None = None

    def preparation(self, death_signal: signal.Signals) -> Preparation | None:
        """What a child does between fork and exec; `death_signal` reaches it when the guard dies (Linux).

        Only for processes with one thread.
        """
        if sys.platform == "win32":
            return None
        libc = _load_libc()
        parent = os.getpid()

        def prepare() -> None:
            self.become(libc)
            os.umask(0o077)
            if libc is not None:
                # Last: a change of user clears it.
                _check(libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0))
                if os.getppid() != parent:
                    os._exit(1)

        return prepare

    def become(self, libc: ctypes.CDLL | None) -> None:
        """Turn this process, which is root's, into one of the account, for good; OSError when not allowed."""
        if sys.platform == "win32" or self.uid is None or self.gid is None:
            return
        capability = None if libc is None else self.capability
        if libc is not None and capability is not None:
            _check(libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
        os.setgroups([self.gid])
        if sys.platform == "linux":
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(self.uid, self.uid, self.uid)
        else:
            os.setgid(self.gid)
            os.setuid(self.uid)
        if libc is not None and capability is not None:
            bit = 1 << capability
            header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
            data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
            _check(libc.capset(header, data))
            _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0))

    def own(self, path: Path) -> None:
        """Hand a file or a whole folder to the account."""
        if sys.platform == "win32" or self.uid is None or self.gid is None:
            return
        if path.is_dir() and not path.is_symlink():
            for folder, folders, files in os.walk(path):
                for name in (*folders, *files):
                    os.lchown(Path(folder, name), self.uid, self.gid)
        os.lchown(path, self.uid, self.gid)


def choose_runner(layout: Layout, program: Path) -> Runner:
    """The account for a cluster, which need not exist yet: that of its owner, or of the data directory's owner.

    Raises ConfigurationError when we are root and cannot run anything as somebody else.
    """
    if sys.platform == "win32" or os.geteuid() != 0:
        return Runner()
    owner = os.stat(layout.cluster if layout.cluster.exists() else layout.data_dir)
    runner = Runner(uid=owner.st_uid, gid=owner.st_gid)
    if owner.st_uid == 0:
        free = _find_free_uid()
        runner = Runner(uid=free, gid=free)
    return _grant_access(runner, (layout.data_dir, layout.socket_dir.parent), program)


def choose_initdb_runner(runner: Runner) -> Runner:
    """The same account if it has a name, else `nobody`; ConfigurationError when there is no such account."""
    if sys.platform == "win32":
        return runner
    import pwd

    try:
        pwd.getpwuid(os.geteuid() if runner.uid is None else runner.uid)
    except KeyError:
        if runner.uid is None:
            raise ConfigurationError(
                f"User number {os.geteuid()} has no entry in the list of accounts, and PostgreSQL's initdb wants "
                "one. Add an account (in a container: useradd), or set DATABASE_URL to a PostgreSQL server of "
                "your own."
            ) from None
    else:
        return runner
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise ConfigurationError(
            f"As root initdb needs the account nobody, which is missing. {_ADVICE}"
        ) from None
    return replace(runner, uid=nobody.pw_uid, gid=nobody.pw_gid)


def _find_free_uid() -> int:
    if sys.platform != "win32":
        import pwd

        for uid in range(_FIRST_UID, _FIRST_UID + _UIDS):
            try:
                pwd.getpwuid(uid)
            except KeyError:
                return uid
    return _FIRST_UID


def _grant_access(runner: Runner, folders: Sequence[Path], program: Path) -> Runner:
    """Add the least that lets the account run the program and reach into the folders."""
    capabilities = (None, _CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE) if sys.platform == "linux" else (None,)
    for capability in capabilities:
        candidate = replace(runner, capability=capability)
        if _works(candidate, folders, program):
            return candidate
    raise ConfigurationError(
        f"PostgreSQL refuses to run as root, and running it as user number {runner.uid} failed: that user cannot "
        f"reach {folders[0]} or {program}. {_ADVICE}"
    )


def _works(runner: Runner, folders: Sequence[Path], program: Path) -> bool:
    prepare = runner.preparation(signal.SIGTERM)

    def prepare_and_try() -> None:
        if prepare is not None:
            prepare()
        for folder in folders:
            with contextlib.suppress(FileNotFoundError):
                os.stat(folder / "any name; search permission is the question")
        with open(program.parent.parent / "share" / "postgresql" / "postgres.bki", "rb"):
            pass
        if not os.access(program, os.R_OK | os.X_OK):
            raise PermissionError(program)

    try:
        result = subprocess.run(
            [program, "--version"],
            preexec_fn=prepare_and_try,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return result.returncode == 0


def _load_libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def describe_owner(path: Path) -> str:
    """Owner of a path in words: name and number."""
    uid = os.stat(path).st_uid
    if sys.platform != "win32":
        import pwd

        with contextlib.suppress(KeyError):
            return f"{pwd.getpwuid(uid).pw_name} ({uid})"
    return str(uid)


def is_private(path: Path) -> bool:
    """Whether the folder is a real one (no link) without access for group and others."""
    mode = os.lstat(path).st_mode
    return stat.S_ISDIR(mode) and (sys.platform == "win32" or stat.S_IMODE(mode) & 0o077 == 0)
