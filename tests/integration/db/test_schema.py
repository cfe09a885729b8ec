"""The migrations, on fresh databases of a server of our own."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL

from vestnik.db.engine import parse_database_url
from vestnik.db.models import Base
from vestnik.db.schema import (
    find_differences,
    head_revision,
    read_schema_state,
    require_current_schema,
    upgrade_schema,
)
from vestnik.domain.errors import DatabaseUnavailableError, SchemaVersionError


def connect(url: URL) -> "psycopg.Connection[tuple[object, ...]]":
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(dsn, autocommit=True)


def test_a_fresh_database_gets_the_whole_schema(empty_database_url: URL) -> None:
    assert read_schema_state(empty_database_url).current is None
    assert upgrade_schema(empty_database_url).current is None
    assert read_schema_state(empty_database_url).is_current
    require_current_schema(empty_database_url)


def test_upgrading_again_changes_nothing(database_url: URL) -> None:
    with connect(database_url) as connection:
        before = connection.execute("SELECT id, created_at FROM accounts").fetchall()
    assert upgrade_schema(database_url).current == head_revision()
    with connect(database_url) as connection:
        assert connection.execute("SELECT id, created_at FROM accounts").fetchall() == before


def test_two_upgrades_at_once_both_succeed(empty_database_url: URL) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = [state.current for state in pool.map(upgrade_schema, [empty_database_url] * 4)]
    assert sorted(found, key=str) == [head_revision()] * 3 + [None]
    with connect(empty_database_url) as connection:
        assert connection.execute("SELECT name, kind FROM accounts").fetchall() == [
            ("rehearsal", "SIMULATED")
        ]


def test_the_schema_is_what_the_models_say(database_url: URL) -> None:
    assert find_differences(database_url) == []


def test_differences_are_found(database_url: URL) -> None:
    with connect(database_url) as connection:
        connection.execute("ALTER TABLE campaigns DROP COLUMN status_detail")
    assert any("status_detail" in difference for difference in find_differences(database_url))


def test_a_newer_schema_is_refused_and_left_alone(database_url: URL) -> None:
    with connect(database_url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for look in (read_schema_state, require_current_schema, upgrade_schema):
        with pytest.raises(SchemaVersionError, match="newer version of Vestnik"):
            look(database_url)
    with connect(database_url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


def test_a_missing_schema_is_refused_with_the_cure(empty_database_url: URL) -> None:
    with pytest.raises(SchemaVersionError, match="vestnik db upgrade"):
        require_current_schema(empty_database_url)


def test_a_failed_upgrade_leaves_nothing(empty_database_url: URL) -> None:
    with connect(empty_database_url) as connection:
        connection.execute("CREATE TABLE jobs (id int)")
    with pytest.raises(SchemaVersionError, match="nothing was changed"):
        upgrade_schema(empty_database_url)
    with connect(empty_database_url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    assert tables == [("jobs",)]


def test_an_unreachable_server_is_named_without_its_password(unused_tcp_port: int) -> None:
    url = parse_database_url(f"postgresql://someone:canary-pw@127.0.0.1:{unused_tcp_port}/db")
    for look in (read_schema_state, upgrade_schema, find_differences):
        with pytest.raises(DatabaseUnavailableError) as caught:
            look(url)
        assert "canary-pw" not in caught.value.message
        assert "127.0.0.1" in caught.value.message


def test_the_audit_log_is_append_only(database_url: URL) -> None:
    with connect(database_url) as connection:
        connection.execute(
            "INSERT INTO audit_logs (actor_kind, actor, action, entity_type, entity_id) "
            "VALUES ('SYSTEM', 'test', 'a', 'b', 'c')"
        )
        for statement in (
            "UPDATE audit_logs SET actor = 'other'",
            "DELETE FROM audit_logs",
            "TRUNCATE audit_logs",
            "TRUNCATE audit_logs CASCADE",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                connection.execute(statement)


class TestRolesThatSupabaseExposes:
    """`anon` and `authenticated` are reachable over HTTP there, with grants that differ between projects."""

    ROLES = ("anon", "authenticated")

    @pytest.fixture
    def exposed_url(self, empty_database_url: URL) -> URL:
        """A database whose defaults grant those roles everything, as Supabase's do, and then our schema."""
        with connect(empty_database_url) as connection:
            for role in self.ROLES:
                if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchall():
                    connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(role)))
                for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
                    connection.execute(
                        sql.SQL("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON {} TO {}").format(
                            sql.SQL(kind), sql.Identifier(role)
                        )
                    )
                connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(sql.Identifier(role)))
        upgrade_schema(empty_database_url)
        return empty_database_url

    def test_each_table_has_row_security(self, exposed_url: URL) -> None:
        with connect(exposed_url) as connection:
            rows = connection.execute(
                "SELECT relname, relrowsecurity FROM pg_class "
                "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            ).fetchall()
        assert {name for name, _ in rows} == {*Base.metadata.tables, "alembic_version"}
        assert [name for name, secured in rows if not secured] == []

    @pytest.mark.parametrize("role", ROLES)
    def test_nothing_can_be_done_with_any_table(self, exposed_url: URL, role: str) -> None:
        statements = (
            "SELECT FROM {}",
            "INSERT INTO {} DEFAULT VALUES",
            "DELETE FROM {}",
            "TRUNCATE {} CASCADE",
        )
        with connect(exposed_url) as connection:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
            for table in (*Base.metadata.tables, "alembic_version"):
                for statement in statements:
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(sql.SQL(statement).format(sql.Identifier(table)))

    @pytest.mark.parametrize("role", ROLES)
    def test_no_privilege_is_left_on_anything(self, exposed_url: URL, role: str) -> None:
        with connect(exposed_url) as connection:
            left = connection.execute(
                "SELECT c.relname, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a "
                "WHERE c.relnamespace = 'public'::regnamespace AND a.grantee = %(role)s::regrole "
                "UNION ALL SELECT p.proname, a.privilege_type FROM pg_proc p, aclexplode(p.proacl) a "
                "WHERE p.pronamespace = 'public'::regnamespace AND a.grantee IN (0, %(role)s::regrole)",
                {"role": role},
            ).fetchall()
        assert left == []

    @pytest.mark.parametrize("role", ROLES)
    def test_nothing_that_a_migration_ever_made_can_be_used(self, exposed_url: URL, role: str) -> None:
        """By what is there, not by a list: whatever a later migration makes is looked at too."""
        ours = "n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'"
        with connect(exposed_url) as connection:
            tables = connection.execute(
                "SELECT n.nspname, c.relname, p.privilege FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                " CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS p (privilege)"
                f" WHERE {ours} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
                " AND (has_any_column_privilege(%(role)s, c.oid, p.privilege)"
                "      OR has_table_privilege(%(role)s, c.oid, 'DELETE, TRUNCATE, TRIGGER'))",
                {"role": role},
            ).fetchall()
            functions = connection.execute(
                "SELECT n.nspname, p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
                f" WHERE {ours} AND has_function_privilege(%(role)s, p.oid, 'EXECUTE')",
                {"role": role},
            ).fetchall()
            sequences = connection.execute(
                "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                f" WHERE {ours} AND c.relkind = 'S'"
            ).fetchall()
            assert (tables, functions) == ([], [])
            assert len(sequences) >= 3
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
            for name in sequences:
                for attempt in ("SELECT last_value FROM {}", "SELECT nextval({})", "SELECT setval({}, 1)"):
                    identifier = sql.Identifier(*map(str, name))
                    target = (
                        identifier if "FROM" in attempt else sql.Literal(identifier.as_string(connection))
                    )
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(sql.SQL(attempt).format(target))
