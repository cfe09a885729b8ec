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


def choose_contestants(
    wanted: Sequence[str] | None, known: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Those that are wanted; without a wish all that are installed.

    Raises InvalidInputError for one that nobody knows, or that is not installed.
    """
    peers = list_contestants() if known is None else known
    if wanted is None:
        return {name: peer for name, peer in peers.items() if peer.is_installed}
    for name in wanted:
        if name not in peers:
            raise InvalidInputError(
                f"there is no peer {name!r}; there are {', '.join(peers) or 'none'}", field="peers"
            )
        if not peers[name].is_installed:
            raise InvalidInputError(
                f"the peer {name!r} is not installed; see make bench-peers", field="peers"
            )
    return {name: peers[name] for name in wanted}


def list_versions(peers: Mapping[str, Any]) -> dict[str, str]:
    """Of what was installed of each."""
    return {name: str(peer.package.version) for name, peer in peers.items()}
