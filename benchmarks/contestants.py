"""The peers that take part in a run."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from vestnik.domain.errors import InvalidInputError

CATALOGUE = "benchmarks.peers.catalogue"


def list_contestants() -> Mapping[str, Any]:
    """All that are known, by name."""
    try:
        found: Mapping[str, Any] = importlib.import_module(CATALOGUE).list_peers()
    except ModuleNotFoundError as exc:
        if exc.name is None or not CATALOGUE.startswith(exc.name):
            raise
        return {}
    return found


def choose_contestants(wanted: Sequence[str] | None) -> dict[str, Any]:
    """Those that are wanted, or all of them; raises InvalidInputError for one that is not known."""
    known = list_contestants()
    if wanted is None:
        return dict(known)
    if unknown := [name for name in wanted if name not in known]:
        raise InvalidInputError(
            f"there is no peer {unknown[0]!r}; there are {', '.join(known) or 'none'}", field="peers"
        )
    return {name: known[name] for name in wanted}
