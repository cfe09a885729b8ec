"""Which schemas a version of Vestnik works with: its own, and later ones that promise to have only grown."""

from pathlib import Path

import psycopg
import pytest
from sqlalchemy import URL

from tests.support.next_version import REVISION, next_version
from vestnik.db.schema import head_revision, read_schema_state, require_current_schema, upgrade_schema
from vestnik.domain.errors import SchemaVersionError

EXPANDS = "EXPANDS_ONLY = True"


def test_code_works_on_a_schema_that_has_only_grown_since(database_url: URL, tmp_path: Path) -> None:
    with next_version(tmp_path, promise=EXPANDS):
        assert upgrade_schema(database_url).current != REVISION
        assert read_schema_state(database_url).current == head_revision() == REVISION
    require_current_schema(database_url)
    state = read_schema_state(database_url)
    assert state.current == REVISION
    assert state.is_ahead


@pytest.mark.parametrize("promise", ["EXPANDS_ONLY = False", "# nothing is said of it"])
def test_code_refuses_a_newer_schema_that_promises_nothing(
    database_url: URL, tmp_path: Path, promise: str
) -> None:
    with next_version(tmp_path, promise=promise):
        upgrade_schema(database_url)
    with pytest.raises(SchemaVersionError, match="a newer version of Vestnik made"):
        require_current_schema(database_url)


def test_an_upgrade_by_older_code_leaves_a_newer_schema_alone(database_url: URL, tmp_path: Path) -> None:
    with next_version(tmp_path, promise=EXPANDS):
        upgrade_schema(database_url)
    assert upgrade_schema(database_url).is_ahead
    with next_version(tmp_path / "again", promise=EXPANDS):
        assert read_schema_state(database_url).is_current
    require_current_schema(database_url)


def test_a_database_that_says_nothing_is_not_worked_with(database_url: URL, tmp_path: Path) -> None:
    with next_version(tmp_path, promise=EXPANDS):
        upgrade_schema(database_url)
    with psycopg.connect(
        database_url.set(drivername="postgresql").render_as_string(hide_password=False)
    ) as connection:
        connection.execute("COMMENT ON TABLE alembic_version IS NULL")
    with pytest.raises(SchemaVersionError, match="a newer version"):
        require_current_schema(database_url)


def test_a_note_about_another_schema_counts_for_nothing(database_url: URL, tmp_path: Path) -> None:
    """As when something else than Vestnik brought the schema further."""
    with next_version(tmp_path, promise=EXPANDS):
        upgrade_schema(database_url)
    with psycopg.connect(
        database_url.set(drivername="postgresql").render_as_string(hide_password=False)
    ) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'the_day_after'")
    with pytest.raises(SchemaVersionError, match="the_day_after, which a newer version"):
        require_current_schema(database_url)


def test_an_older_schema_is_still_to_be_upgraded(database_url: URL, tmp_path: Path) -> None:
    with next_version(tmp_path, promise=EXPANDS), pytest.raises(SchemaVersionError, match="db upgrade"):
        require_current_schema(database_url)
