"""The peers are what their programs and their pinned packages make of them."""

import json
import re

import pytest

from benchmarks.peers.catalogue import ALL, Paces, Pauses, Peer, list_peers
from benchmarks.peers.installation import PROGRAMS, Runtime

EXACT = re.compile(r"(npm:[a-z-]+@)?\d+\.\d+\.\d+")


def read_pins() -> dict[str, str]:
    pins = dict(json.loads((PROGRAMS / "package.json").read_bytes())["dependencies"])
    for line in (PROGRAMS / "requirements.txt").read_text().splitlines():
        name, version = line.split("==")
        pins[name] = version
    return pins


def test_every_package_is_pinned_to_one_version() -> None:
    pins = read_pins()
    assert {peer.package.name for peer in ALL} <= pins.keys()
    assert [pin for pin in pins.values() if not EXACT.fullmatch(pin)] == []


def test_what_is_installed_is_what_is_pinned() -> None:
    pins = read_pins()
    for peer in list_peers().values():
        assert pins[peer.package.name].rpartition("@")[2] == peer.package.version


def test_every_peer_has_a_name_of_its_own() -> None:
    names = [peer.name for peer in ALL]
    assert len(names) == len(set(names))
    assert [name for name in names if name in list_peers()] == list(list_peers())


@pytest.mark.parametrize("peer", ALL, ids=lambda peer: peer.name)
def test_a_peer_has_a_program_and_a_way_for_all_that_it_offers(peer: Peer) -> None:
    ending = "mjs" if peer.package.runtime is Runtime.NODE else "py"
    program = (PROGRAMS / f"{peer.program}.{ending}").read_text()
    assert bool(peer.pace_way) == isinstance(peer, Paces)
    assert bool(peer.pause_way) == isinstance(peer, Pauses)
    assert peer.pause_way in program
