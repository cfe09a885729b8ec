"""Names of everything that the embedded server keeps below a data directory.

```
DATA_DIR/
  postgres/            the cluster; owned by the account that the server runs as
  postgres.new-*/      a cluster that is still being made
  server/
    gate.lock          held for moments: starting, joining and the decision to stop exclude each other
    guard.lock         held by the guard as long as it lives
    clients/*.lock     one per command that uses the server, held as long as it lives
    state.json         what the guard says about the server
    hurry              the last command asks to stop without the usual grace
    socket/            the Unix socket
    postgres.log, guard.log
```
"""

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

# sun_path holds 104 bytes on macOS and 108 on Linux, ".s.PGSQL.5432.lock" and a slash take 19.
_MAX_SOCKET_DIR_BYTES = 84
# libpq and the server split lists of hosts and folders at commas; quotes are not worth the trouble.
_PLAIN_PATH = re.compile(r"[^,\"'\\\x00-\x1f]+")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Paths below one data directory."""

    data_dir: Path

    @classmethod
    def of(cls, data_dir: Path | str) -> "Layout":
        """Layout of a data directory, which need not exist; relative names and links are resolved."""
        return cls(data_dir=Path(data_dir).expanduser().resolve())

    @property
    def cluster(self) -> Path:
        """The PostgreSQL data directory proper."""
        return self.data_dir / "postgres"

    @property
    def password_file(self) -> Path:
        """Password of the role, inside the cluster so that the two cannot be parted."""
        return self.cluster / "vestnik.password"

    @property
    def server_dir(self) -> Path:
        """Locks, state, logs and socket."""
        return self.data_dir / "server"

    @property
    def clients_dir(self) -> Path:
        """One lock file for each command that uses the server."""
        return self.server_dir / "clients"

    @property
    def gate_lock(self) -> Path:
        """See the module's picture."""
        return self.server_dir / "gate.lock"

    @property
    def guard_lock(self) -> Path:
        """See the module's picture."""
        return self.server_dir / "guard.lock"

    @property
    def state_file(self) -> Path:
        """See the module's picture."""
        return self.server_dir / "state.json"

    @property
    def hurry_file(self) -> Path:
        """See the module's picture."""
        return self.server_dir / "hurry"

    @property
    def server_log(self) -> Path:
        """What PostgreSQL says."""
        return self.server_dir / "postgres.log"

    @property
    def guard_log(self) -> Path:
        """What the guard says."""
        return self.server_dir / "guard.log"

    @property
    def cluster_name(self) -> str:
        """Name that PostgreSQL shows in the titles of all its processes; tells our clusters apart."""
        digest = hashlib.sha256(os.fsencode(self.cluster)).hexdigest()
        return f"vestnik-{digest[:16]}"

    @property
    def socket_dir(self) -> Path:
        """Folder of the Unix socket: ours if a socket's name may be that long, else one in the temp folder.

        The name follows from the data directory alone, so the address outlives restarts.
        """
        own = self.server_dir / "socket"
        if _fits(own):
            return own
        shared = Path(tempfile.gettempdir()) / self.cluster_name
        return shared if _fits(shared) else Path("/tmp") / self.cluster_name  # noqa: S108 — mode and owner are checked


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= _MAX_SOCKET_DIR_BYTES and _PLAIN_PATH.fullmatch(str(path)) is not None
