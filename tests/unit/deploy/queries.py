"""As much of PromQL as is needed to find the metrics and labels of a query."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

WORDS = frozenset({
    "and", "or", "unless", "offset", "sum", "min", "max", "avg", "count", "topk", "rate", "increase", "changes",
    "delta", "histogram_quantile",
})  # fmt: skip
"""Operators and functions; a query that uses another one has to have it put here first."""

_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\})?")
_MATCHER = re.compile(r"\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*\"([^\"]*)\"\s*(?:,|$)")


@dataclass(frozen=True, kw_only=True)
class Matcher:
    """label operator "value"."""

    label: str
    operator: str
    value: str

    def finds_one_of(self, values: list[str]) -> bool:
        """Whether a series with one of these values could be meant."""
        match self.operator:
            case "=":
                return self.value in values
            case "=~":
                # Each alternative, so that a misspelt one is found beside a right one.
                return all(
                    any(re.fullmatch(part, value) for value in values) for part in self.value.split("|")
                )
            case _:
                return self.value in values or any(re.fullmatch(self.value, value) for value in values)


@dataclass(frozen=True, kw_only=True)
class Selector:
    """A metric's series and what they are chosen by."""

    name: str
    matchers: list[Matcher]


def list_selectors(query: str) -> Iterator[Selector]:
    """Each metric of a query. Raises AssertionError for what this cannot read."""
    without_groups = _GROUPING.sub(" ", re.sub(r"\[[^\]]*\]", " ", query))
    for name, braces in _SELECTOR.findall(without_groups):
        if name in WORDS and not braces:
            continue
        yield Selector(name=name, matchers=list(_list_matchers(braces)))


def _list_matchers(braces: str) -> Iterator[Matcher]:
    inside = braces.strip("{}")
    read = 0
    for found in _MATCHER.finditer(inside):
        assert found.start() == read, inside
        read = found.end()
        yield Matcher(label=found[1], operator=found[2], value=found[3])
    assert read == len(inside), inside


def list_grouping_labels(query: str) -> set[str]:
    """The labels of `by (…)` and the like."""
    return {
        label.strip() for group in _GROUPING.findall(query) for label in group.split(",") if label.strip()
    }
