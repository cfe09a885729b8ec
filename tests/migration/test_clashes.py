"""Rows of the predecessor that clash with each other, or with what a database of ours can hold."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import sql
from sqlalchemy import URL

from tests.integration.cli.conftest import Run
from tests.migration.predecessor import add, build, connect, describe_database, one, read
from tests.migration.test_adopting import adopt, check_conservation, check_counters
from tests.migration.test_odd_rows import changes, fill, reasons

OWNER = "predecessors_owner"
PASSWORD = "x"
SCHEMA_WORKERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'vestnik-schema'"
)


@pytest.mark.parametrize(("table", "noun"), [("batches", "Batch"), ("templates", "Template")])
def test_names_that_become_equal_are_told_apart(vestnik: Run, prisma_url: URL, table: str, noun: str) -> None:
    content = {"content": "Hi"} if table == "templates" else {}
    names = {
        "x1": "Twice",
        "x2": "Twice",
        "x3": "Twice (x2)",
        "x4": None,
        "x5": f"{noun} (x4)",
        "x6": "TWICE",
    }
    add(prisma_url, table, *({"id": key, "name": name, **content} for key, name in names.items()))
    adoption = adopt(vestnik)
    found = dict(read(prisma_url, f"SELECT legacy_id, name FROM {table}"))
    ours = dict(read(prisma_url, f"SELECT legacy_id, id::text FROM {table}"))
    assert found == {
        "x1": "Twice", "x2": f"Twice (x2) ({ours['x2']})", "x3": "Twice (x2)",
        "x4": f"{noun} (x4) ({ours['x4']})", "x5": f"{noun} (x4)", "x6": "TWICE",
    }  # fmt: skip
    assert changes(adoption, table) == {"RENAMED": 2}


def test_a_refused_row_that_jsonb_cannot_hold_is_kept_as_text(vestnik: Run, prisma_url: URL) -> None:
    fill(prisma_url, {"jo1": {"status": "QUEUED", "channelId": "nobody"}})
    build(prisma_url, "ALTER TABLE jobs ADD extra json")
    with connect(prisma_url) as connection:
        connection.execute("UPDATE jobs SET extra = %s", [r'{"a": "\u0000"}'])
    check_conservation(prisma_url, adopt(vestnik))
    (row,) = one(prisma_url, "SELECT \"row\"->>'row' FROM legacy_rejects WHERE reason = 'NO_CHANNEL'")
    assert r'"extra":{"a": "\u0000"}' in row
    assert '"id":"jo1"' in row


def test_an_id_that_no_index_takes_is_refused_with_what_refers_to_it(vestnik: Run, prisma_url: URL) -> None:
    endless = "".join(chr(33 + (n * n + n // 7) % 94) for n in range(4000))
    build(prisma_url, "ALTER TABLE templates DROP CONSTRAINT templates_pkey")
    fill(prisma_url, {"jo1": {"status": "QUEUED"}}, templateId=endless)
    add(prisma_url, "templates", {"id": endless, "name": None, "content": "Hi"})
    adoption = adopt(vestnik)
    assert reasons(prisma_url, "templates") == {endless: "ID_TOO_LONG"}
    assert reasons(prisma_url, "campaigns") == {"ca1": "NO_TEMPLATE"}
    assert reasons(prisma_url, "jobs") == {"jo1": "NO_CAMPAIGN"}
    check_conservation(prisma_url, adoption)


def test_an_old_id_that_is_a_uuid_in_another_spelling_is_known_too(vestnik: Run, prisma_url: URL) -> None:
    loud = "ABCDEF00-0000-4000-8000-0000000000AB"
    fill(prisma_url, id=loud)
    adopt(vestnik)
    shown = vestnik("campaign", "show", loud, "--json").json
    assert shown["name"] == "Old"
    assert vestnik("campaign", "show", shown["id"], "--json").json["name"] == "Old"


def test_a_failed_message_with_a_time_of_posting_may_be_out(vestnik: Run, prisma_url: URL) -> None:
    out = {"status": "FAILED", "sentAt": "2025-01-16 09:30:00", "error": "500: TIMEOUT_X"}
    fill(
        prisma_url,
        {"jo1": out, "jo2": {"status": "QUEUED"}, "jo3": {**out, "sentAt": None, "channelId": "ch2"}},
    )
    adoption = adopt(vestnik)
    rows = read(prisma_url, "SELECT legacy_id, status, error_code, maybe_sent FROM jobs ORDER BY legacy_id")
    assert rows == [("jo1", "FAILED", "UNKNOWN_OUTCOME", True), ("jo3", "FAILED", "TIMEOUT_X", False)]
    assert changes(adoption, "jobs") == {"FAILED_WITH_A_TIME_OF_POSTING": 1}
    assert reasons(prisma_url, "jobs") == {"jo2": "DUPLICATE_JOB"}
    check_counters(prisma_url)


def test_what_will_start_by_itself_is_told(vestnik: Run, prisma_url: URL) -> None:
    fill(prisma_url, status="SCHEDULED", scheduled_at="2100-01-01T00:00:00Z")
    said = vestnik("db", "adopt", "--dry-run").out
    assert "STAYS_SCHEDULED: it starts by itself at its time; vestnik campaign unschedule" in said


def test_very_long_texts_are_taken_over(vestnik: Run, prisma_url: URL) -> None:
    fill(prisma_url, {"jo1": {"status": "FAILED", "error": "A_B" * 300_000}})
    add(
        prisma_url,
        "templates",
        {"id": "te2", "name": "x" * 100_000, "content": "<b>a {x}</b>" * 30_000, "parse_mode": "HTML"},
        {"id": "te3", "name": "deep", "content": "<b>" * 30_000, "parse_mode": "HTML"},
        {"id": "te4", "name": "far", "content": "z", "mediaUrl": "http://x/" + "y" * 300_000},
    )
    add(prisma_url, "channels", {"id": "ch4", "username": "x" * 500_000})
    check_conservation(prisma_url, adopt(vestnik))
    assert one(prisma_url, "SELECT length(error_message) FROM jobs") == (900_000,)
    assert reasons(prisma_url, "channels") == {"ch4": "NO_ADDRESS"}


# -- who may do it ------------------------------------------------------------------------------------------------


@pytest.fixture
def owned_url(old_url: URL) -> Iterator[URL]:
    """Its tables belong to a role that may do nothing else than own them."""
    name, owner = sql.Identifier(str(old_url.database)), sql.Identifier(OWNER)
    with connect(old_url) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(owner, sql.Literal(PASSWORD)))
        connection.execute(sql.SQL("GRANT ALL ON DATABASE {} TO {}").format(name, owner))
        connection.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(owner))
        for (table,) in read(old_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            connection.execute(sql.SQL("ALTER TABLE {} OWNER TO {}").format(sql.Identifier(table), owner))
    yield old_url
    with connect(old_url) as connection:
        connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(owner))
        connection.execute(sql.SQL("DROP ROLE {}").format(owner))


@pytest.fixture
def as_owner(owned_url: URL, vestnik: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command as that role."""
    url = owned_url.set(username=OWNER, password=PASSWORD)
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    return vestnik


def test_the_owner_of_the_tables_needs_no_other_rights(as_owner: Run, owned_url: URL) -> None:
    check_conservation(owned_url, adopt(as_owner))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("ALTER TABLE users OWNER TO CURRENT_USER", "must be owner of table users"),
        ("ALTER TABLE jobs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY", "row-level security policy"),
        (f"REVOKE ALL ON DATABASE {{}} FROM {OWNER}", "permission denied for database"),
    ],
)
def test_rights_that_are_missing_are_named_and_no_row_is_overlooked(
    as_owner: Run, owned_url: URL, change: str, words: str
) -> None:
    build(owned_url, change.format(owned_url.database))
    before = describe_database(owned_url)
    refused = as_owner("db", "adopt")
    assert refused.code == 1
    assert words in refused.err
    assert "connect as the role that owns the tables" in refused.err
    assert describe_database(owned_url) == before


def test_tables_in_another_schema_are_found(vestnik: Run, old_url: URL) -> None:
    build(old_url, "CREATE SCHEMA app; ALTER TABLE jobs SET SCHEMA app; ALTER TABLE campaigns SET SCHEMA app")
    refused = vestnik("db", "adopt")
    assert refused.code == 1
    assert "in the schema app" in refused.err
    assert "SET SCHEMA public" in refused.err


def test_a_command_that_is_killed_in_the_middle_leaves_everything_as_it_was(
    old_url: URL, tmp_path: Path
) -> None:
    before = describe_database(old_url)
    address = old_url.render_as_string(hide_password=False)
    waiting = (
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'users'::regclass"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    # All other tables have been moved by the time it waits for this one.
    with connect(old_url) as holder, holder.transaction():
        holder.execute("SELECT FROM users")
        command = subprocess.Popen(
            [sys.executable, "-m", "vestnik", "db", "adopt"],
            env={**os.environ, "DATABASE_URL": address, "VESTNIK_DATA_DIR": str(tmp_path)},
            cwd=tmp_path,
        )
        wait_until(lambda: one(old_url, waiting) == (1,))
        command.kill()
        assert command.wait() != 0
    wait_until(lambda: one(old_url, waiting) == (0,))
    wait_until(lambda: one(old_url, SCHEMA_WORKERS) == (0,))
    assert describe_database(old_url) == before


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
