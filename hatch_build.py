"""Puts htmx among the console's static files when the package is built or installed editable.

It comes from the build requirement django-htmx, which carries htmx in its wheel: so no file of others is
committed, and installing needs no Node. Django itself is never imported.
"""

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDOR = Path("src/vestnik/console/static/vendor")
HTMX_SHA256 = "71ea67185bfa8c98c39d31717c6fce5d852370fcdfd129db4543774d3145c0de"
"""Of htmx 2.0.10, as django-htmx 1.29.0 has it."""
LICENCE = """htmx (https://htmx.org), version 2, is distributed under the Zero-Clause BSD licence (0BSD): it may be
used, copied, modified and distributed for any purpose, with or without fee, and comes without any warranty.
"""


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Copies the one file, after checking that it is the one that was reviewed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the hook's signature
        """Run before anything is built. Raises RuntimeError for any other file."""
        source = _find_htmx()
        content = source.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != HTMX_SHA256:
            raise RuntimeError(f"{source.name} has the SHA-256 {found}, expected {HTMX_SHA256}")
        vendor = Path(self.root) / VENDOR
        vendor.mkdir(parents=True, exist_ok=True)
        (vendor / "htmx.min.js").write_bytes(content)
        (vendor / "LICENCE-htmx.txt").write_text(LICENCE, encoding="utf-8")


def _find_htmx() -> Path:
    # find_spec of a module inside would import the package above it, which is empty; its origin is enough.
    spec = importlib.util.find_spec("django_htmx")
    if spec is None or spec.origin is None:
        raise RuntimeError("the build requirement django-htmx is missing")
    return Path(spec.origin).parent / "static" / "django_htmx" / "htmx-2.min.js"
