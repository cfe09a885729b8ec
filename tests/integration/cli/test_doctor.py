"""`vestnik doctor` names what is wrong, whatever it is. A transaction pooler: tests/deployment/test_poolers.py."""

import base64
import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import URL, Connection, create_engine, text

from tests.acceptance.running import Running
from tests.conftest import DatabaseServer
from tests.integration.cli.conftest import Outcome, Run
from tests.integration.delivery.test_worker_processes import WRONG_CLOCK
from vestnik.cli import doctor_database, examination
from vestnik.cli.examination import Senses, examine
from vestnik.db import schema
from vestnik.domain.doctor import Finding, Part, Verdict
from vestnik.settings import load_settings
from vestnik.simulator.endpoint import AUTH_KEY_BYTES, SimulatorEndpoint, make_session_string

LOOPBACK = "127.0.0.1"
MINUTE = 60


def find(outcome: Outcome, verdict: str) -> dict[str, list[dict[str, Any]]]:
    """The findings of this kind by what was examined."""
    assert "Traceback" not in outcome.out + outcome.err
    report = outcome.json
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in report["findings"]:
        if finding["verdict"] == verdict:
            found.setdefault(finding["check"], []).append(finding)
    assert report["healthy"] == all(finding["verdict"] != "FAULT" for finding in report["findings"])
    return found


def the_only_fault(outcome: Outcome, check: str) -> str:
    """Its text and cure, if it is the only one."""
    assert outcome.code == 1, outcome
    faults = find(outcome, "FAULT")
    assert list(faults) == [check], faults
    (fault,) = faults[check]
    assert fault["cure"]
    return f"{fault['text']} / {fault['cure']}"


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def _port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may run Vestnik on this machine."""
    monkeypatch.setenv("PORT", str(free_port()))


@pytest.fixture
def store_session(vestnik: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make an account of a session, as the environment may."""

    def store(session: str) -> None:
        monkeypatch.setenv("TELEGRAM_SESSION", session)
        monkeypatch.setenv("TELEGRAM_API_ID", "1")
        monkeypatch.setenv("TELEGRAM_API_HASH", "0" * 32)
        assert vestnik("account", "list").code == 0

    return store


def make_session(port: int) -> str:
    endpoint = SimulatorEndpoint(host=LOOPBACK, port=port, control_port=1, token="")
    return make_session_string(endpoint, secrets.token_bytes(AUTH_KEY_BYTES))


@pytest.fixture
def simulated_session(tmp_path: Path) -> Iterator[str]:
    """A session that leads to a running simulator."""
    with Running("simulator", "--session-account", "news", "--json", folder=tmp_path) as simulator:
        yield simulator.wait_for("ready")["session"]


class TestOfAHealthyInstallation:
    def test_everything_is_looked_at_and_nothing_found(
        self, vestnik: Run, store_session: Callable[[str], None], simulated_session: str
    ) -> None:
        store_session(simulated_session)
        outcome = vestnik("doctor", "--json")
        assert outcome.code == 0, outcome
        assert set(find(outcome, "OK")) == {
            "data folder", "disk", "key", "port", "database", "clock", "schema", "permissions", "exposure",
            "pooler", "connections", "alerts", "telegram",
        }  # fmt: skip
        assert not find(outcome, "FAULT")

    def test_the_name_that_the_predecessor_had_for_the_database_is_enough(
        self, run: Run, database_url: URL, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        address = database_url.set(drivername="postgres").render_as_string(hide_password=False)
        monkeypatch.setenv("SUPABASE_DIRECT_URL", address)
        outcome = run("doctor", "--json")
        assert outcome.code == 0, outcome
        assert f"database {database_url.database}," in find(outcome, "OK")["database"][0]["text"]

    def test_a_person_reads_a_line_for_each_thing(self, vestnik: Run) -> None:
        outcome = vestnik("doctor", "--for", "worker")
        assert outcome.code == 0, outcome
        assert "port " not in outcome.out
        assert outcome.out.splitlines()[-1].startswith("0 faults")

    def test_nothing_is_made_in_the_database_or_the_folder(
        self, vestnik: Run, tmp_path: Path, connection: Connection
    ) -> None:
        assert vestnik("doctor", "--json").code == 0
        assert not (tmp_path / "data").exists()
        assert connection.execute(text("SELECT count(*) FROM audit_logs")).scalar_one() == 0

    def test_the_embedded_database_is_looked_at_too(self, run: Run) -> None:
        outcome = run("doctor", "--json")
        assert outcome.code == 0, outcome
        assert "PostgreSQL" in find(outcome, "OK")["database"][0]["text"]


class TestOfAPlantedFault:
    def test_the_database_is_down(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", f"postgresql://u:canary-pw@{LOOPBACK}:{free_port()}/news")
        outcome = run("doctor", "--json")
        assert "cannot be reached" in the_only_fault(outcome, "database")
        assert "canary-pw" not in outcome.out + outcome.err

    def test_the_host_does_not_exist(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@nowhere.invalid/news")
        assert "cannot be reached" in the_only_fault(run("doctor", "--json"), "database")

    def test_the_password_is_wrong(
        self, run: Run, database_url: URL, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wrong = database_url.set(password="canary-pw")
        monkeypatch.setenv("DATABASE_URL", wrong.render_as_string(hide_password=False))
        outcome = run("doctor", "--json")
        assert "refuses the user or the password" in the_only_fault(outcome, "database")
        assert "canary-pw" not in outcome.out + outcome.err

    def test_the_database_has_another_name(
        self, run: Run, database_url: URL, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wrong = database_url.set(database="nowhere_test")
        monkeypatch.setenv("DATABASE_URL", wrong.render_as_string(hide_password=False))
        assert "no such database" in the_only_fault(run("doctor", "--json"), "database")

    def test_the_schema_is_behind(
        self, run: Run, empty_database_url: URL, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        head = schema.head_revision()
        before = ScriptDirectory.from_config(schema._config()).get_revision(head).down_revision
        engine = create_engine(empty_database_url)
        with engine.begin() as connection:
            command.upgrade(schema._config(connection), str(before))
        engine.dispose()
        monkeypatch.setenv("DATABASE_URL", empty_database_url.render_as_string(hide_password=False))
        fault = the_only_fault(run("doctor", "--json"), "schema")
        assert f"it is {before}, this version needs {head}" in fault
        assert "vestnik db upgrade" in fault

    def test_there_is_no_schema(
        self, run: Run, empty_database_url: URL, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", empty_database_url.render_as_string(hide_password=False))
        assert "it is missing" in the_only_fault(run("doctor", "--json"), "schema")

    def test_the_schema_is_ahead(self, vestnik: Run, connection: Connection) -> None:
        connection.execute(text("UPDATE alembic_version SET version_num = 'from_tomorrow'"))
        fault = the_only_fault(vestnik("doctor", "--json"), "schema")
        assert "from_tomorrow, which a newer version of Vestnik made" in fault
        assert "update Vestnik" in fault

    def test_the_key_is_missing(
        self, vestnik: Run, store_session: Callable[[str], None], tmp_path: Path
    ) -> None:
        store_session(make_session(free_port()))
        (tmp_path / "data" / "secret.key").unlink()
        assert "there is no key" in the_only_fault(vestnik("doctor", "--json"), "key")
        assert not (tmp_path / "data" / "secret.key").exists()

    def test_the_key_is_another_one(
        self, vestnik: Run, store_session: Callable[[str], None], tmp_path: Path
    ) -> None:
        store_session(make_session(free_port()))
        other = base64.b64encode(secrets.token_bytes(32)).decode()
        (tmp_path / "data" / "secret.key").write_text(other)
        outcome = vestnik("doctor", "--json")
        assert "does not open what is stored for account 'default'" in the_only_fault(outcome, "key")
        assert other not in outcome.out + outcome.err

    def test_the_key_is_no_key(self, vestnik: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VESTNIK_SECRET_KEY", "canary-no-key")
        outcome = vestnik("doctor", "--json")
        assert "VESTNIK_SECRET_KEY" in the_only_fault(outcome, "key")
        assert "canary" not in outcome.out + outcome.err

    @pytest.mark.skipif(os.name == "nt", reason="Windows keeps permissions elsewhere")
    def test_others_can_read_the_key(
        self, vestnik: Run, store_session: Callable[[str], None], simulated_session: str, tmp_path: Path
    ) -> None:
        store_session(simulated_session)
        (tmp_path / "data" / "secret.key").chmod(0o644)
        outcome = vestnik("doctor", "--json")
        assert outcome.code == 1, outcome
        (finding,) = find(outcome, "FAULT")["key"]
        assert "secret.key" in finding["text"]
        assert "chmod 600" in finding["cure"]

    @pytest.mark.parametrize(("minutes", "words"), [(5, "5.0 min ahead of"), (-5, "5.0 min behind")])
    def test_the_clock_is_off_by_five_minutes(
        self, database_url: URL, tmp_path: Path, minutes: int, words: str
    ) -> None:
        """The clock of the doctor's process; one of the whole machine cannot be set by a test."""
        (tmp_path / "sitecustomize.py").write_text(WRONG_CLOCK)
        path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, "-m", "vestnik", "doctor", "--json"],
            env={
                **os.environ,
                "DATABASE_URL": database_url.render_as_string(hide_password=False),
                "VESTNIK_DATA_DIR": str(tmp_path / "data"),
                "PYTHONPATH": path,
                "WRONG_BY_SECONDS": str(minutes * MINUTE),
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        fault = the_only_fault(Outcome(code=done.returncode, out=done.stdout, err=done.stderr), "clock")
        assert f"this machine's clock is {words} the database's" in fault

    def test_the_clock_differs_from_telegrams(
        self, vestnik: Run, store_session: Callable[[str], None], simulated_session: str, tmp_path: Path
    ) -> None:
        """Both are right here, so the machine's clock is put in at its seam."""
        store_session(simulated_session)
        findings = list(
            examine(load_settings(), Part.WORKER, senses=Senses(wall_clock=lambda: time.time() - 5 * MINUTE))
        )
        faults = [finding for finding in findings if finding.verdict is Verdict.FAULT]
        assert [fault.check for fault in faults] == ["clock", "clock"]
        assert "5.0 min behind the database's" in faults[0].text
        assert "5.0 min behind Telegram's in data centre 2" in faults[1].text

    @pytest.mark.skipif(sys.platform != "linux", reason="a small file system of its own is made with mount")
    def test_the_disk_is_full(self, vestnik: Run, tmp_path: Path) -> None:
        place = tmp_path / "data"
        place.mkdir(mode=0o700)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", place],
            capture_output=True,
            check=False,
        )
        if mounted.returncode:
            pytest.skip(f"only root may mount: {mounted.stderr.decode().strip()}")
        try:
            fill(place / "ballast")
            assert "No space left on device" in the_only_fault(vestnik("doctor", "--json"), "disk")
            (place / "ballast").unlink()
            assert "1.0 MiB free" in the_only_fault(vestnik("doctor", "--json"), "disk")
        finally:
            subprocess.run(["umount", place], check=True)

    def test_the_disk_is_almost_full(self, vestnik: Run) -> None:
        """How much is free is put in at its seam: any user can run this."""
        findings = list(
            examine(load_settings(), Part.WORKER, senses=Senses(find_free_space=lambda _: 5_000_000))
        )
        (fault,) = [finding for finding in findings if finding.verdict is Verdict.FAULT]
        assert (fault.check, fault.text.split(" at ")[0]) == ("disk", "4.8 MiB free")

    def test_telegram_cannot_be_reached(self, vestnik: Run, store_session: Callable[[str], None]) -> None:
        port = free_port()
        store_session(make_session(port))
        fault = the_only_fault(vestnik("doctor", "--json"), "telegram")
        assert f"data centre 2 ({LOOPBACK} port {port}) of account 'default' cannot be reached" in fault
        assert "refused" in fault

    def test_something_else_answers_in_telegrams_place(
        self, vestnik: Run, store_session: Callable[[str], None]
    ) -> None:
        with socket.create_server((LOOPBACK, 0)) as impostor:

            def answer() -> None:
                client, _ = impostor.accept()
                with client:
                    client.recv(4096)
                    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(200))

            thread = threading.Thread(target=answer)
            thread.start()
            store_session(make_session(impostor.getsockname()[1]))
            fault = the_only_fault(vestnik("doctor", "--json"), "telegram")
            thread.join()
        assert "did not prove that it is Telegram" in fault

    def test_the_port_is_somebody_elses(self, vestnik: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.create_server((LOOPBACK, 0)) as other:
            port = other.getsockname()[1]
            monkeypatch.setenv("PORT", str(port))
            assert f"port {port} on {LOOPBACK} is in use" in the_only_fault(
                vestnik("doctor", "--json"), "port"
            )

    def test_the_role_may_not_work_with_the_tables(
        self, run: Run, database_server: DatabaseServer, database_url: URL, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        engine = create_engine(database_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            role = f"guest_{secrets.token_hex(4)}"
            connection.execute(text(f"CREATE ROLE {role} LOGIN PASSWORD 'guest'"))
            connection.execute(text(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"))
            guest = database_url.set(username=role, password="guest")
            monkeypatch.setenv("DATABASE_URL", guest.render_as_string(hide_password=False))
            outcome = run("doctor", "--json")
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))
        engine.dispose()
        lacking, hidden = find(outcome, "FAULT")["permissions"]
        assert outcome.code == 1
        assert f"{role} lacks DELETE on account_" in lacking["text"]
        assert "sees no row of account_" in hidden["text"]

    @pytest.mark.parametrize(
        ("grant", "words"),
        [
            ("SELECT ON jobs", "anon: SELECT on jobs"),
            ("USAGE ON SEQUENCE jobs_id_seq", "anon: USAGE on jobs_id_seq"),
            (
                "EXECUTE ON FUNCTION vestnik_refuse_audit_change()",
                "anon: EXECUTE on vestnik_refuse_audit_change",
            ),
        ],
    )
    def test_supabases_roles_may_use_something(
        self, vestnik: Run, connection: Connection, grant: str, words: str
    ) -> None:
        exists = "SELECT count(*) FROM pg_roles WHERE rolname = 'anon'"
        if not connection.execute(text(exists)).scalar_one():
            connection.execute(text("CREATE ROLE anon"))
        connection.execute(text(f"GRANT {grant} TO anon"))
        assert words in the_only_fault(vestnik("doctor", "--json"), "exposure")

    def test_there_are_too_few_connections(
        self, vestnik: Run, connection: Connection, database_url: URL
    ) -> None:
        name = sql.Identifier(str(database_url.database)).as_string()
        connection.execute(text(f"ALTER DATABASE {name} CONNECTION LIMIT 8"))
        assert "there are 8 for this role" in the_only_fault(vestnik("doctor", "--json"), "connections")
        assert vestnik("doctor", "--for", "api", "--json").code == 0

    def test_settings_are_wrong(self, vestnik: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VESTNIK_LEASE_SECONDS", "soon")
        monkeypatch.setenv("PORT", "here")
        fault = the_only_fault(vestnik("doctor", "--json"), "settings")
        assert "VESTNIK_LEASE_SECONDS" in fault
        assert "PORT" in fault

    def test_the_data_folder_is_a_file(self, vestnik: Run, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("")
        assert "is not a folder" in json.dumps(find(vestnik("doctor", "--json"), "FAULT"))

    def test_the_embedded_database_cannot_start(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("")
        assert {"data folder", "database"} <= set(find(run("doctor", "--json"), "FAULT"))


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on(
    vestnik: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> Iterator[Finding]:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(doctor_database, "examine_permissions", break_down)
    outcome = vestnik("doctor", "--json")
    assert "nobody foresaw this" in the_only_fault(outcome, "permissions")
    assert "connections" in find(outcome, "OK")
    assert examination.examine is examine
