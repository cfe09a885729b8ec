"""The drawings of the state machines are those of the code."""

import re
from collections import defaultdict
from pathlib import Path

from vestnik.domain.lifecycle import list_campaign_transitions, list_job_transitions

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "states.md"


def _read_drawings() -> list[dict[tuple[str, str], set[str]]]:
    drawings = []
    for block in re.findall(r"```mermaid\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S):
        arrows = re.findall(r"^    (\w+) --> (\w+) : (.+)$", block, flags=re.M)
        drawings.append({(source, target): set(actions.split(", ")) for source, target, actions in arrows})
    return drawings


def _group(transitions) -> dict[tuple[str, str], set[str]]:
    grouped: dict[tuple[str, str], set[str]] = defaultdict(set)
    for source, target, action in transitions:
        grouped[source.value, target.value].add(action.value)
    return grouped


def test_both_drawings_show_exactly_the_transitions_of_the_code() -> None:
    assert _read_drawings() == [_group(list_campaign_transitions()), _group(list_job_transitions())]
