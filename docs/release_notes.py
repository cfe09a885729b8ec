"""Print what the changelog says of this version, as the notes of its release."""

import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from vestnik.db.schema import list_compatible

CHANGELOG = Path(__file__).resolve().parents[1] / "CHANGELOG.md"


def read_notes(changelog: str, wanted: str) -> str | None:
    """The section of a version without its heading; that of what is not released yet if there is none of it."""
    sections = dict(re.findall(r"^## (\S+)[^\n]*\n(.*?)(?=^## |\Z)", changelog, re.DOTALL | re.MULTILINE))
    notes = sections.get(wanted, sections.get("Unreleased"))
    return notes.strip() + "\n" if notes and notes.strip() else None


def describe_update(compatible: Sequence[str]) -> str:
    """Whether an update needs a pause; `compatible` are the schemas whose code works on the first of them."""
    newest, *older = compatible
    if not older:
        return f"The schema is {newest}. No older code works on it: an update needs a pause (docs/how-to/upgrade.md).\n"
    return (
        f"The schema is {newest}. Code of the schemas from {older[-1]} on works on it meanwhile: an update from those "
        "needs no pause (docs/how-to/upgrade.md).\n"
    )


def main() -> int:
    """Exit code 1 when the changelog says nothing of this version."""
    wanted = version("vestnik")
    notes = read_notes(CHANGELOG.read_text(encoding="utf-8"), wanted)
    if notes is None:
        print(f"CHANGELOG.md has no section '## {wanted}'", file=sys.stderr)
        return 1
    sys.stdout.write(f"{notes}\n## Update\n\n{describe_update(list_compatible())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
