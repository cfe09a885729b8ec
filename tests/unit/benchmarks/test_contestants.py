"""Who takes part."""

from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.contestants import choose_contestants, list_versions, pick_one_of_each
from benchmarks.peers.installation import Runtime
from vestnik.domain.errors import InvalidInputError


@pytest.fixture
def known() -> dict[str, Any]:
    return {
        name: SimpleNamespace(
            package=SimpleNamespace(name=program, version="1.2", runtime=runtime), program=program
        )
        for name, program, runtime in (
            ("a", "one", Runtime.NODE),
            ("b", "two", Runtime.NODE),
            ("b at other settings", "two", Runtime.NODE),
            ("c", "three", Runtime.PYTHON),
        )
    }


def test_without_a_wish_all_take_part(known: dict[str, Any]) -> None:
    assert list(choose_contestants(None, known)) == ["a", "b", "b at other settings", "c"]


def test_a_wish_is_followed(known: dict[str, Any]) -> None:
    assert list(choose_contestants(("b",), known)) == ["b"]
    assert choose_contestants((), known) == {}


@pytest.mark.parametrize("there", [("a", "b"), ()])
def test_a_peer_that_is_not_there_is_named_with_the_cure(
    known: dict[str, Any], there: tuple[str, ...]
) -> None:
    names = ", ".join(there) or "none"
    with pytest.raises(InvalidInputError, match=f"no peer 'd'; there are {names}, and make bench-peers"):
        choose_contestants(("d",), {name: known[name] for name in there})


def test_versions_are_told(known: dict[str, Any]) -> None:
    assert list_versions(known) == {"one": "1.2", "two": "1.2", "three": "1.2"}


def test_a_short_run_has_each_library_of_node_once(known: dict[str, Any]) -> None:
    assert list(pick_one_of_each(known)) == ["a", "b"]
