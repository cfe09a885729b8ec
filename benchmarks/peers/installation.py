"""Where the peers' packages are, and which of them are there; `make bench-peers` brings them."""

import json
import shutil
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

PROGRAMS: Final = Path(__file__).resolve().parent
FOLDER: Final = PROGRAMS / ".installed"
BIN: Final = FOLDER / "python" / ("Scripts" if sys.platform == "win32" else "bin")
SITE: Final = [
    str(folder) for end in ("Lib", "lib/*") for folder in (FOLDER / "python").glob(f"{end}/site-packages")
]


class Runtime(StrEnum):
    """What a package is written for."""

    NODE = "node"
    PYTHON = "python"


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A library from its registry; `name` is the one under which it is installed."""

    name: str
    runtime: Runtime

    @property
    def version(self) -> str | None:
        """None when it is not installed."""
        if self.runtime is Runtime.NODE:
            manifest = FOLDER / "node_modules" / self.name / "package.json"
            return str(json.loads(manifest.read_bytes())["version"]) if manifest.is_file() else None
        return next((found.version for found in distributions(path=SITE, name=self.name)), None)


def find_program(runtime: Runtime) -> Path:
    """The interpreter that the peers run on."""
    return BIN / (f"{runtime}.exe" if sys.platform == "win32" else runtime)


def find_redis() -> str | None:
    """Debian's server, or whatever is on the path."""
    return shutil.which("redis-server")
