"""The reference page of Telegram's errors says what the code does."""

import re
from collections import defaultdict
from pathlib import Path

from vestnik.domain.transport import ErrorClass
from vestnik.telegram.error_names import NAME_CLASSES, NAME_FAMILIES

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "telegram-errors.md"


def _read_page() -> dict[ErrorClass, set[str]]:
    sections = re.split(r"^## (\w+)$", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]
    names: dict[ErrorClass, set[str]] = {}
    for heading, body in zip(sections[::2], sections[1::2], strict=True):
        listed = [line for line in body.splitlines() if line.startswith(("`", "Families"))]
        names[ErrorClass(heading)] = {name for line in listed for name in re.findall(r"`([^`]+)`", line)}
    return names


def test_every_name_and_family_stands_under_its_class() -> None:
    in_code: dict[ErrorClass, set[str]] = defaultdict(set)
    for name, error_class in NAME_CLASSES.items():
        in_code[error_class].add(name)
    for pattern, error_class in NAME_FAMILIES:
        in_code[error_class].add(pattern.pattern)
    assert _read_page() == in_code
