"""The peers that take part in a run."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.peers.catalogue import list_peers
from benchmarks.peers.installation import Runtime
from vestnik.domain.errors import InvalidInputError


def choose_contestants(
    wanted: Sequence[str] | None, known: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Those that are wanted, or all; raises InvalidInputError for one that is not there."""
    peers: Mapping[str, Any] = list_peers() if known is None else known
    if wanted is None:
        return dict(peers)
    if missing := [name for name in wanted if name not in peers]:
        names = ", ".join(peers) or "none"
        raise InvalidInputError(
            f"there is no peer {missing[0]!r}; there are {names}, and make bench-peers installs them",
            field="peers",
        )
    return {name: peers[name] for name in wanted}


def pick_one_of_each(peers: Mapping[str, Any]) -> dict[str, Any]:
    """Of each library on Node the first peer, at its usual settings. A short run has no time for more.

    Those on Python are slower to start and to drain.
    """
    firsts: dict[str, str] = {}
    for name, peer in peers.items():
        if peer.package.runtime is Runtime.NODE:
            firsts.setdefault(peer.program, name)
    return {name: peers[name] for name in firsts.values()}


def list_versions(peers: Mapping[str, Any]) -> dict[str, str]:
    """Of their packages, each once."""
    return {peer.package.name: str(peer.package.version) for peer in peers.values()}
