"""Who takes part."""

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.contestants import choose_contestants, list_versions
from vestnik.domain.errors import InvalidInputError


@pytest.fixture
def known() -> dict[str, Any]:
    return {
        name: SimpleNamespace(is_installed=installed, package=SimpleNamespace(version="1.2"))
        for name, installed in (("a", True), ("b", False), ("c", True))
    }


def test_without_a_wish_all_that_are_installed_take_part(known: dict[str, Any]) -> None:
    assert list(choose_contestants(None, known)) == ["a", "c"]


def test_a_wish_is_followed(known: dict[str, Any]) -> None:
    assert list(choose_contestants(("c",), known)) == ["c"]
    assert choose_contestants((), known) == {}


def test_a_peer_that_nobody_knows_is_named(known: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="there is no peer 'd'; there are a, b, c"):
        choose_contestants(("a", "d"), known)


def test_a_peer_that_is_not_installed_is_named_with_the_cure(known: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="'b' is not installed; see make bench-peers"):
        choose_contestants(("b",), known)


def test_versions_are_told(known: dict[str, Any]) -> None:
    assert list_versions(choose_contestants(None, known)) == {"a": "1.2", "c": "1.2"}
