"""Giving the predecessor its tables back."""

import pytest
from sqlalchemy import URL

from tests.integration.cli.conftest import Run
from tests.migration.predecessor import CAMPAIGN, connect, describe_database, number, read

UNDO = ("db", "adopt", "--undo", "--yes")


def test_everything_is_back_as_it_was(vestnik: Run, old_url: URL) -> None:
    with connect(old_url) as connection:
        connection.execute("ALTER TABLE jobs ENABLE ROW LEVEL SECURITY")
        connection.execute("CREATE POLICY own ON jobs USING (status <> 'SENT')")
        connection.execute("CREATE VIEW open_jobs AS SELECT * FROM jobs WHERE status = 'QUEUED'")
    before = describe_database(old_url)
    assert vestnik("db", "adopt").code == 0
    undone = vestnik(*UNDO)
    assert (undone.code, undone.err) == (0, "")
    assert "8 tables are back as before" in undone.out
    after = describe_database(old_url)
    assert [name for name in before if before[name] != after[name]] == []
    assert after == before
    assert "bullJobId" in {
        name
        for (name,) in read(
            old_url, "SELECT column_name FROM information_schema.columns WHERE table_name = 'jobs'"
        )
    }


def test_it_can_be_taken_over_again_afterwards(vestnik: Run, old_url: URL) -> None:
    first = vestnik("db", "adopt", "--json").json
    assert vestnik(*UNDO).code == 0
    assert vestnik("db", "adopt", "--json").json == first


def test_before_it_says_what_was_made_since_and_would_be_lost(vestnik: Run, old_url: URL) -> None:
    vestnik("db", "adopt")
    assert vestnik("template", "create", "New", "--text", "Hi").code == 0
    before = describe_database(old_url)
    said = vestnik(*UNDO, "--dry-run")
    assert "to be lost: 1 templates" in said.out
    assert describe_database(old_url) == before
    refused = vestnik("db", "adopt", "--undo")
    assert "add --yes" in refused.err
    assert describe_database(old_url) == before


@pytest.mark.parametrize("ended", [False, True])
def test_after_a_campaign_was_started_it_is_too_late(vestnik: Run, old_url: URL, ended: bool) -> None:
    vestnik("db", "adopt")
    assert vestnik("campaign", "resume", "Running").code == 0
    if ended:
        assert vestnik("campaign", "cancel", "Running").code == 0
    before = describe_database(old_url)
    refused = vestnik(*UNDO)
    assert refused.code == 1
    assert "was started since the adoption" in refused.err
    assert "cannot be undone any more" in refused.err
    assert describe_database(old_url) == before


def test_a_campaign_that_ended_before_does_not_stand_in_the_way(vestnik: Run, old_url: URL) -> None:
    with connect(old_url) as connection:  # its clock was wrong
        connection.execute(
            "UPDATE campaigns SET started_at = '2100-01-01' WHERE id = %s", [number(4, CAMPAIGN)]
        )
    vestnik("db", "adopt")
    assert vestnik(*UNDO).code == 0


def test_there_is_nothing_to_undo_without_an_adoption(vestnik: Run, empty_database_url: URL) -> None:
    for _ in ("an empty database", "one of ours"):
        refused = vestnik(*UNDO)
        assert (refused.code, "nothing to undo" in refused.err) == (1, True)
        assert vestnik("db", "upgrade").code == 0


def test_without_the_old_tables_it_is_refused(vestnik: Run, old_url: URL) -> None:
    vestnik("db", "adopt")
    with connect(old_url) as connection:
        connection.execute("DROP SCHEMA predecessor CASCADE")
    refused = vestnik(*UNDO)
    assert refused.code == 1
    assert "restore a backup" in refused.err


def test_it_is_refused_while_a_worker_of_ours_runs(vestnik: Run, old_url: URL) -> None:
    vestnik("db", "adopt")
    with connect(old_url) as connection:
        connection.execute("SET application_name = 'vestnik-worker'")
        refused = vestnik(*UNDO)
        assert "stop it first" in refused.err


@pytest.mark.parametrize("table", ["campaigns", "predecessor.campaigns"])
def test_it_does_not_wait_without_end_for_tables_in_use(vestnik: Run, old_url: URL, table: str) -> None:
    vestnik("db", "adopt")
    before = describe_database(old_url)
    with connect(old_url) as connection, connection.transaction():
        connection.execute(f"SELECT FROM {table}".encode())
        refused = vestnik(*UNDO)
    assert refused.code == 1
    assert "stop the API and the workers on it" in refused.err
    assert describe_database(old_url) == before


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("CREATE VIEW theirs AS SELECT * FROM campaigns", "view theirs depends on table campaigns"),
        ("CREATE TABLE predecessor.notes (x int)", "did not come from the adoption (notes)"),
    ],
)
def test_what_others_made_since_is_named_and_kept(vestnik: Run, old_url: URL, made: str, words: str) -> None:
    vestnik("db", "adopt")
    with connect(old_url) as connection:
        connection.execute(made.encode())
    before = describe_database(old_url)
    refused = vestnik(*UNDO)
    assert refused.code == 1
    assert words in refused.err
    assert describe_database(old_url) == before


def test_without_a_log_that_reaches_back_nobody_can_tell_and_it_is_refused(
    vestnik: Run, old_url: URL
) -> None:
    """What a campaign did goes from the ledger after a week and from the audit log when that is wished."""
    vestnik("db", "adopt")
    with connect(old_url) as connection:
        connection.execute("UPDATE legacy_adoptions SET adopted_at = adopted_at - interval '100 days'")
        connection.execute("ALTER TABLE audit_logs DISABLE TRIGGER USER")
        connection.execute("UPDATE audit_logs SET created_at = created_at - interval '100 days'")
        connection.execute("ALTER TABLE audit_logs ENABLE TRIGGER USER")
    assert vestnik(*UNDO, "--dry-run").code == 0
    with connect(old_url) as connection:
        connection.execute("SELECT vestnik_purge_audit(interval '30 days', 1000)")
    refused = vestnik(*UNDO)
    assert refused.code == 1
    assert "VESTNIK_AUDIT_RETENTION_DAYS" in refused.err
