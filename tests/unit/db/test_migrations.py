"""What every migration says of itself."""

from pathlib import Path

import pytest

from vestnik.db import schema

FIRST_TO_SAY = "0013"
MIGRATIONS = sorted(
    path for path in (schema.MIGRATIONS / "versions").glob("0*.py") if path.name[:4] >= FIRST_TO_SAY
)


@pytest.mark.parametrize("migration", MIGRATIONS, ids=lambda path: path.stem)
def test_it_says_whether_older_code_may_go_on(migration: Path) -> None:
    """Silence counts as no, and asks everybody for a pause that may not be needed (docs/how-to/upgrade.md)."""
    lines = migration.read_text(encoding="utf-8").splitlines()
    assert {"EXPANDS_ONLY = True", "EXPANDS_ONLY = False"}.intersection(lines)
