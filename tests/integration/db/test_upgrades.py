"""Which schemas a version of Vestnik works with: its own, and later ones that promise to have only grown."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL

from tests.support.next_version import REVISION, next_version
from vestnik.db import schema
from vestnik.db.schema import (
    SchemaState,
    head_revision,
    read_schema_state,
    require_current_schema,
    upgrade_schema,
)
from vestnik.domain.errors import BusyError, SchemaVersionError

EXPANDS = "EXPANDS_ONLY = True"
DEADLINE = 60.0


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
    with connect(database_url) as connection:
        connection.execute("COMMENT ON TABLE alembic_version IS NULL")
    with pytest.raises(SchemaVersionError, match="a newer version"):
        require_current_schema(database_url)


def test_a_note_about_another_schema_counts_for_nothing(database_url: URL, tmp_path: Path) -> None:
    """As when something else than Vestnik brought the schema further."""
    with next_version(tmp_path, promise=EXPANDS):
        upgrade_schema(database_url)
    with connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'the_day_after'")
    with pytest.raises(SchemaVersionError, match="the_day_after, which a newer version"):
        require_current_schema(database_url)


def test_an_older_schema_is_still_to_be_upgraded(database_url: URL, tmp_path: Path) -> None:
    with next_version(tmp_path, promise=EXPANDS), pytest.raises(SchemaVersionError, match="db upgrade"):
        require_current_schema(database_url)


def test_an_upgrade_and_a_worker_never_wait_for_each_other(database_url: URL, tmp_path: Path) -> None:
    """Workers lock campaigns before jobs; the migration changes jobs before campaigns."""
    with next_version(tmp_path, promise=EXPANDS), connect(database_url) as worker:
        worker.execute("SELECT FROM campaigns FOR UPDATE")
        with upgrading(database_url) as upgrade:
            wait_until(lambda: count_waiting(database_url) == 1)
            worker.execute("UPDATE jobs SET error_code = NULL WHERE false")
            worker.commit()
            assert upgrade.result(DEADLINE).current != REVISION
        assert read_schema_state(database_url).current == REVISION


def test_an_upgrade_lets_others_work_while_somebody_keeps_a_table(
    database_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "LOCK_WAIT", timedelta(milliseconds=200))
    with next_version(tmp_path, promise=EXPANDS), connect(database_url) as keeper:
        keeper.execute("SELECT FROM jobs")
        with upgrading(database_url) as upgrade:
            wait_until(lambda: count_waiting(database_url) == 1)
            with connect(database_url) as worker:
                worker.execute("SELECT FROM campaigns FOR UPDATE")
            assert not upgrade.done()
            keeper.commit()
            assert upgrade.result(DEADLINE).current != REVISION
        assert read_schema_state(database_url).current == REVISION


def test_an_upgrade_gives_up_when_somebody_keeps_a_table_for_good(
    database_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "LOCK_WAIT", timedelta(milliseconds=50))
    monkeypatch.setattr(schema, "LOCK_PATIENCE", timedelta(milliseconds=200))
    with next_version(tmp_path, promise=EXPANDS), connect(database_url) as keeper:
        keeper.execute("SELECT FROM jobs")
        with pytest.raises(BusyError, match="nothing was changed: other sessions use the tables"):
            upgrade_schema(database_url)
        assert read_schema_state(database_url).current != REVISION


def connect(url: URL) -> "psycopg.Connection[Any]":
    return psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))


@contextmanager
def upgrading(url: URL) -> "Iterator[Future[SchemaState]]":
    """Begin an upgrade; it goes on beside what the block does."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(upgrade_schema, url)


def count_waiting(url: URL) -> int:
    """Sessions that wait for a table of ours."""
    with connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation' AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchone()
    assert row is not None
    return int(row[0])


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
