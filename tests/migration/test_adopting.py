"""Taking over the predecessor's last database, with UUIDs and in snake_case: what becomes of it."""

from collections import Counter
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL

from tests.integration.cli.conftest import Run
from tests.migration.predecessor import (
    CAMPAIGN,
    CHANNEL,
    JOB,
    connect,
    describe_database,
    number,
    one,
    read,
)
from vestnik.content import frozen_from_json
from vestnik.db.models import Base
from vestnik.db.schema import find_differences

COUNTERS = """
SELECT c.name, p.total = count(j.id) AND p.queued = count(*) FILTER (WHERE j.status = 'QUEUED')
       AND p.sending = 0 AND p.sent = count(*) FILTER (WHERE j.status = 'SENT')
       AND p.failed = count(*) FILTER (WHERE j.status = 'FAILED')
       AND p.cancelled = count(*) FILTER (WHERE j.status = 'CANCELLED')
       AND p.brake_sent = p.sent AND p.brake_failed = p.failed
       AND p.sent = (SELECT coalesce(sum(m.sent), 0) FROM campaign_minutes m WHERE m.campaign_id = c.id)
FROM campaigns c LEFT JOIN jobs j ON j.campaign_id = c.id JOIN campaign_progress p ON p.campaign_id = c.id
GROUP BY c.id, p.campaign_id
"""


def check_counters(url: URL) -> None:
    """Counters say what counting says, also of posts by the minute, and every campaign that began has some."""
    rows = read(url, COUNTERS)
    assert [name for name, is_right in rows if not is_right] == []
    assert len(rows) == one(url, "SELECT count(*) FROM campaigns WHERE started_at IS NOT NULL")[0]


def check_conservation(url: URL, adoption: Any) -> None:
    """Every row of the predecessor was taken over or is among the rejects, and is where it was moved to."""
    for table in adoption["tables"]:
        name = table["table"]
        place = sql.Identifier("predecessor", name)
        with connect(url) as connection:
            (rows,) = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(place)).fetchone() or (0,)
            (kept,) = connection.execute(
                sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("public", name))
            ).fetchone() or (0,)
        (rejected,) = one(url, "SELECT count(*) FROM legacy_rejects WHERE source_table = %s", name)
        added = 1 if name == "audit_logs" else 0  # the adoption's own entry
        assert (rows, kept - added + rejected) == (table["rows"], rows), name


def adopt(vestnik: Run, *options: str) -> Any:
    done = vestnik("db", "adopt", "--json", *options)
    assert done.code == 0, done.err
    return done.json["adoption"]


def test_campaigns_keep_their_ids_and_nothing_goes_on_by_itself(vestnik: Run, old_url: URL) -> None:
    adopt(vestnik)
    rows = read(
        old_url,
        "SELECT id::text, legacy_id, name, status, pause_reason, mode, started_at IS NULL, ended_at IS NULL,"
        " (content IS NULL) = (started_at IS NULL) FROM campaigns ORDER BY id",
    )
    assert rows == [
        (number(1, CAMPAIGN), number(1, CAMPAIGN), "Draft", "DRAFT", None, "TEST", True, True, True),
        (
            number(2, CAMPAIGN),
            number(2, CAMPAIGN),
            "Running",
            "PAUSED",
            "OPERATOR",
            "TEST",
            False,
            True,
            True,
        ),
        (number(3, CAMPAIGN), number(3, CAMPAIGN), "Paused", "PAUSED", "OPERATOR", "TEST", False, True, True),
        (
            number(4, CAMPAIGN),
            number(4, CAMPAIGN),
            "Completed",
            "COMPLETED",
            None,
            "TEST",
            False,
            False,
            True,
        ),
        (
            number(5, CAMPAIGN),
            number(5, CAMPAIGN),
            "Cancelled",
            "CANCELLED",
            None,
            "TEST",
            False,
            False,
            True,
        ),
    ]
    shown = vestnik("campaign", "show", "Running", "--json").json
    assert "where it was RUNNING" in shown["status_detail"]


def test_each_message_has_the_outcome_that_is_known_of_it(vestnik: Run, old_url: URL) -> None:
    adopt(vestnik)
    rows = read(
        old_url,
        "SELECT c.legacy_id, j.legacy_id, j.status, j.error_code, j.maybe_sent, j.attempts, j.claims FROM jobs j"
        " JOIN channels c ON c.id = j.channel_id WHERE campaign_id = %s ORDER BY j.id",
        number(2, CAMPAIGN),
    )
    assert rows == [
        (number(1, CHANNEL), number(21, JOB), "SENT", None, False, 1, 0),
        (number(2, CHANNEL), number(22, JOB), "FAILED", "UNKNOWN_OUTCOME", True, 1, 0),
        (number(3, CHANNEL), number(23, JOB), "FAILED", "CHAT_WRITE_FORBIDDEN", False, 3, 0),
        (number(4, CHANNEL), number(24, JOB), "QUEUED", None, False, 0, 0),
        (number(5, CHANNEL), number(25, JOB), "QUEUED", None, False, 1, 0),
    ]
    (text,) = one(old_url, "SELECT error_message FROM jobs WHERE error_code = 'UNKNOWN_OUTCOME'")
    assert "stopped when it was SENDING" in text


def test_random_ids_are_those_that_an_expansion_would_have_written(vestnik: Run, old_url: URL) -> None:
    adopt(vestnik)
    of_adoption = dict(
        read(old_url, "SELECT channel_id, random_id FROM jobs WHERE campaign_id = %s", number(2, CAMPAIGN))
    )
    with connect(old_url) as connection:  # the same campaign, started anew
        connection.execute("DELETE FROM jobs WHERE campaign_id = %s", [number(2, CAMPAIGN)])
        connection.execute("DELETE FROM campaign_minutes; DELETE FROM campaign_progress")
        connection.execute(
            "UPDATE campaigns SET status = 'DRAFT', pause_reason = NULL, started_at = NULL, expanded_at = NULL"
            " WHERE id = %s", [number(2, CAMPAIGN)],
        )  # fmt: skip
    assert vestnik("campaign", "start", "Running").code == 0
    of_start = dict(
        read(old_url, "SELECT channel_id, random_id FROM jobs WHERE campaign_id = %s", number(2, CAMPAIGN))
    )
    assert of_adoption.items() <= of_start.items()


def test_counters_agree_with_the_jobs_and_no_row_is_lost(vestnik: Run, old_url: URL) -> None:
    adoption = adopt(vestnik)
    check_counters(old_url)
    check_conservation(old_url, adoption)
    assert find_differences(old_url) == []


def test_it_says_how_many_rows_change_in_which_way(vestnik: Run, old_url: URL) -> None:
    tables = {table["table"]: table for table in adopt(vestnik)["tables"]}
    assert tables["campaigns"]["changes"] == {"RATE_DIVIDED": 5, "RUNNING_TO_PAUSED": 1}
    assert tables["jobs"]["changes"] == {"QUEUED_OF_AN_ENDED_CAMPAIGN": 1, "SENDING_TO_UNKNOWN_OUTCOME": 1}
    assert tables["jobs"]["rejected"] == {"NOT_STARTED": 1}
    assert tables["users"]["changes"] == {"PASSWORD_TO_SET": 1}
    assert {name: table["rows"] for name, table in tables.items()} == {
        "users": 1, "channels": 6, "batches": 1, "batch_channels": 6, "templates": 1, "campaigns": 5, "jobs": 11,
        "audit_logs": 2,
    }  # fmt: skip


def test_a_refused_row_is_kept_unchanged_and_listed(vestnik: Run, old_url: URL) -> None:
    adoption = adopt(vestnik)
    assert adoption["rejected"] == [{"table": "jobs", "legacy_id": number(11, JOB), "reason": "NOT_STARTED"}]
    legacy_id, reason, row = one(old_url, "SELECT legacy_id, reason, row FROM legacy_rejects")
    assert (legacy_id, reason, row["bullJobId"], row["status"]) == (
        number(11, JOB), "NOT_STARTED", "bull:1:1", "QUEUED",
    )  # fmt: skip
    (whole,) = one(old_url, "SELECT to_jsonb(j) FROM predecessor.jobs j WHERE id = %s", number(11, JOB))
    assert row == whole


def test_a_dry_run_says_the_same_and_changes_nothing(vestnik: Run, old_url: URL) -> None:
    before = describe_database(old_url)
    said = adopt(vestnik, "--dry-run")
    assert describe_database(old_url) == before
    assert adopt(vestnik) == said


def test_a_second_run_finds_nothing_to_do_and_says_so(vestnik: Run, old_url: URL) -> None:
    adopt(vestnik)
    before = describe_database(old_url)
    again = vestnik("db", "adopt")
    assert (again.code, again.out) == (0, "The database has Vestnik's own schema; nothing to take over.\n")
    assert vestnik("db", "adopt", "--json").json == {"dry_run": False, "changed": False, "adoption": None}
    assert describe_database(old_url) == before


@pytest.mark.parametrize(
    ("options", "rate"), [((), 20), (("--rate-unit", "minute"), 20), (("--rate-unit", "second"), 1000)]
)
def test_rates_are_per_minute_unless_it_is_said_otherwise(
    vestnik: Run, old_url: URL, options: tuple[str, ...], rate: float
) -> None:
    adopt(vestnik, *options)  # there it says 1200; 1000 a second is the most here
    assert {float(found) for (found,) in read(old_url, "SELECT delivery_rate FROM campaigns")} == {rate}


def test_texts_are_posted_as_they_were(vestnik: Run, old_url: URL) -> None:
    adopt(vestnik)
    assert one(old_url, "SELECT content, parse_mode FROM templates") == ("Good {{morning}}", None)
    (content,) = one(old_url, "SELECT content FROM campaigns WHERE name = 'Running'")
    assert frozen_from_json(content).render(None).text == "Good {morning}"


def test_people_are_there_but_have_to_get_a_new_password(vestnik: Run, old_url: URL) -> None:
    adopt(vestnik)
    assert one(old_url, "SELECT email, role, password_hash, is_active FROM users") == (
        "chief@news.example", "ADMIN", None, True,
    )  # fmt: skip


def test_the_audit_log_goes_on_without_what_may_be_secret(vestnik: Run, old_url: URL) -> None:
    adopt(vestnik)
    rows = read(old_url, "SELECT actor_kind, actor, action, after, address FROM audit_logs ORDER BY id")
    assert rows[:2] == [
        ("USER", "chief@news.example", "predecessor.campaign_started", {"details": {"rate": 20}}, None),
        ("SYSTEM", "predecessor", "predecessor.login_failed", {"details": "left out"}, "203.0.113.9"),
    ]
    assert (rows[2][0], rows[2][2], rows[2][3]["jobs"], rows[2][3]["rejected"]) == (
        "CLI",
        "database.adopted",
        10,
        1,
    )


def test_live_campaigns_wait_for_the_session_of_the_default_account(
    vestnik: Run, old_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(old_url) as connection:
        connection.execute("UPDATE campaigns SET mode = 'PRODUCTION' WHERE status = 'RUNNING'")
    done = vestnik("db", "adopt")
    assert "TELEGRAM_SESSION" in done.out
    kinds = read(
        old_url,
        "SELECT c.mode, a.name, a.kind, a.state FROM campaigns c JOIN accounts a ON a.id = account_id",
    )
    assert Counter(kinds) == {
        ("LIVE", "default", "USER", "NEEDS_LOGIN"): 1,
        ("TEST", "rehearsal", "SIMULATED", "ACTIVE"): 4,
    }


def test_what_supabase_exposes_can_do_nothing_with_our_tables(vestnik: Run, old_url: URL) -> None:
    with connect(old_url) as connection:
        for role in ("anon", "authenticated"):
            if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchall():
                connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
            name = sql.Identifier(role)
            connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(name))
            connection.execute(sql.SQL("GRANT ALL ON ALL TABLES IN SCHEMA public TO {}").format(name))
            for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
                connection.execute(
                    sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON {} TO {}").format(
                        sql.SQL(kind), name
                    )
                )
    adopt(vestnik)
    tables = [*(("public", name) for name in Base.metadata.tables), ("predecessor", "jobs")]
    with connect(old_url) as connection:
        for role in ("anon", "authenticated"):
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
            for place in tables:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(sql.SQL("SELECT FROM {}").format(sql.Identifier(*place)))
    unprotected = read(
        old_url,
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        " AND NOT relrowsecurity",
    )
    assert unprotected == []
