"""A clear line on standard error, an exit code, nothing half-written, and no traceback."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from tests.integration.cli.conftest import Run

CREATE = ("campaign", "create", "--name", "N")
WITH_TEXT = (*CREATE, "--text", "Hi")


def count_rows(connection: Connection) -> int:
    return sum(
        connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
        for table in ("channels", "batches", "templates", "campaigns", "jobs", "audit_logs")
    )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("campagn", "list"), 2, "Did you mean 'campaign'"),
        (("campaign", "strat", "N"), 2, "Did you mean 'start'"),
        (("campaign", "list", "--data-dir", "x"), 2, "stands before the command"),
        (("campaign", "list", "--colour"), 2, "No such option"),
        (("campaign", "list", "--limit", "0"), 2, "--limit"),
        (("campaign", "show"), 2, "CAMPAIGN"),
        (CREATE, 2, "--rate"),
        ((*WITH_TEXT, "--rate", "1"), 1, "batch and channels_file are both missing"),
        ((*WITH_TEXT, "--batch", "B", "--rate", "1"), 1, "no batch 'B'"),
        ((*WITH_TEXT, "--channels-file", "LIST", "--batch", "B", "--rate", "1"), 1, "both given"),
        (
            (*WITH_TEXT, "--channels-file", "LIST", "--rate", "0"),
            1,
            "rate is 0; it must be from 0.001 to 1000",
        ),
        ((*WITH_TEXT, "--channels-file", "LIST", "--rate", "-3"), 1, "must be from"),
        ((*WITH_TEXT, "--channels-file", "LIST", "--rate", "1000000"), 1, "must be from"),
        ((*WITH_TEXT, "--channels-file", "LIST", "--rate", "nan"), 1, "must be from"),
        ((*WITH_TEXT, "--channels-file", "LIST", "--rate", "0,33"), 1, "decimal point"),
        ((*WITH_TEXT, "--channels-file", "LIST", "--rate", "1", "--retry-limit", "21"), 1, "from 0 to 20"),
        ((*WITH_TEXT, "--channels-file", "LIST", "--rate", "1", "--retry-limit", "many"), 2, "--retry-limit"),
        ((*WITH_TEXT, "--channels-file", "LIST", "--rate", "1", "--mode", "DRY"), 1, "TEST"),
        ((*WITH_TEXT, "--channels-file", "LIST", "--rate", "1", "--mode", "LIVE"), 1, "vestnik account add"),
        ((*WITH_TEXT, "--channels-file", "LIST", "--rate", "1", "--account", "A"), 1, "no account 'A'"),
        ((*WITH_TEXT, "--channels-file", "missing.txt", "--rate", "1"), 1, "'missing.txt' cannot be read"),
        ((*WITH_TEXT, "--channels-file", ".", "--rate", "1"), 1, "cannot be read"),
        ((*CREATE, "--channels-file", "LIST", "--text", "x" * 4100, "--rate", "1"), 1, "4 too many"),
        ((*CREATE, "--channels-file", "LIST", "--text", "  ", "--rate", "1"), 1, "text is empty"),
        ((*CREATE, "--channels-file", "LIST", "--text", "caf\udce9", "--rate", "1"), 1, "not valid UTF-8"),
        ((*CREATE, "--channels-file", "LIST", "--template", "T", "--rate", "1"), 1, "no template 'T'"),
        (
            ("campaign", "create", "--name", "", "--channels-file", "LIST", "--text", "x", "--rate", "1"),
            1,
            "name",
        ),
        (("campaign", "start", "nothing"), 1, "no campaign 'nothing'; there is none yet"),
        (("campaign", "show", "00000000-0000-0000-0000-000000000000"), 1, "no campaign"),
        (("campaign", "show", "caf\udce9"), 1, "U+DCE9"),
        (("campaign", "start", "\x1b[31mred"), 1, "U+001B"),
        (("campaign", "start", ""), 1, "campaign is empty"),
        ((*CREATE, "--batch", "caf\udce9", "--text", "x", "--rate", "1"), 1, "U+DCE9"),
        (("channels", "import", "BINARY"), 1, "line 2 "),
        (("channels", "import", "EMPTY"), 1, "names no channel"),
        (("channels", "import", "PRIVATE"), 1, "line 1 't.me/+abc'"),
        (("channels", "import", "a\0b"), 1, "cannot be read"),
        (("batch", "create", " ", "--channels-file", "LIST"), 1, "name is empty"),
        (("batch", "create", "x\x1b[31m", "--channels-file", "LIST"), 1, "U+001B"),
        (("template", "create", "T"), 1, "either --text or --text-file"),
        (("template", "create", "T", "--text-file", "BINARY"), 1, "not UTF-8"),
        (("template", "create", "T", "--text", "x", "--text-file", "LIST"), 1, "either"),
    ],
)
def test_bad_input_is_one_clear_line(
    vestnik: Run,
    connection: Connection,
    tmp_path: Path,
    channels_file: str,
    arguments: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    (tmp_path / "binary").write_bytes(b"@good_one\n\x89PNG\0\n")
    (tmp_path / "empty").write_bytes(b"# nothing\n\n")
    (tmp_path / "private").write_bytes(b"t.me/+abc\n")
    files = {
        "LIST": channels_file,
        **{name.upper(): str(tmp_path / name) for name in ("binary", "empty", "private")},
    }
    before = count_rows(connection)
    outcome = vestnik(*(files.get(argument, argument) for argument in arguments))
    assert outcome.code == code, outcome
    assert outcome.out == ""
    assert outcome.err.startswith("vestnik: error: ")
    assert outcome.err.count("\n") == 1
    assert words in outcome.err
    assert count_rows(connection) == before


@pytest.mark.parametrize(
    ("arguments", "code", "field", "exit_code"),
    [
        (("campaign", "show", "nothing", "--json"), "NOT_FOUND", "campaign", 1),
        (("template", "create", "T", "--text", "", "--json"), "INVALID_INPUT", "text", 1),
        (("campaign", "creat", "--json"), "USAGE", None, 2),
    ],
)
def test_with_json_errors_are_json_too(
    vestnik: Run, arguments: tuple[str, ...], code: str, field: str | None, exit_code: int
) -> None:
    outcome = vestnik(*arguments)
    assert (outcome.code, outcome.out) == (exit_code, "")
    error = json.loads(outcome.err)["error"]
    assert (error["code"], error["field"]) == (code, field)
    assert error["message"]


def test_a_campaign_of_inactive_channels_does_not_start(
    vestnik: Run, channels_file: str, connection: Connection
) -> None:
    vestnik(*WITH_TEXT, "--channels-file", channels_file, "--rate", "1")
    connection.execute(text("UPDATE channels SET is_active = false"))
    outcome = vestnik("campaign", "start", "N")
    assert (outcome.code, "no channel that can be sent to" in outcome.err) == (1, True)
    assert connection.execute(text("SELECT status FROM campaigns")).scalar_one() == "DRAFT"


def test_a_second_start_is_refused(vestnik: Run, channels_file: str) -> None:
    vestnik(*WITH_TEXT, "--channels-file", channels_file, "--rate", "1")
    assert vestnik("campaign", "start", "N").code == 0
    outcome = vestnik("campaign", "start", "N", "--json")
    assert outcome.code == 1
    assert json.loads(outcome.err)["error"]["code"] == "CONFLICT"


def test_an_ambiguous_name_lists_the_ids(vestnik: Run, channels_file: str) -> None:
    ids = [
        vestnik(*WITH_TEXT, "--channels-file", channels_file, "--rate", "1", "--json").json["id"]
        for _ in range(2)
    ]
    outcome = vestnik("campaign", "start", "N")
    assert outcome.code == 1
    assert all(campaign_id in outcome.err for campaign_id in ids)


class TestSettings:
    @pytest.mark.parametrize(
        ("variable", "value", "words"),
        [
            ("VESTNIK_DATADIR", "x", "unknown setting VESTNIK_DATADIR"),
            ("PORT", "http", "PORT"),
            ("RATE_LIMIT_MESSAGES_PER_SECOND", "0", "RATE_LIMIT_MESSAGES_PER_SECOND"),
            ("TELEGRAM_SESSION", "canary-session", "TELEGRAM_API_ID"),
            ("SUPABASE_URL", "https://canary.example", "SUPABASE_DIRECT_URL"),
            ("DATABASE_URL", "canary-password", "not a URL"),
            ("DATABASE_URL", "mysql://user:canary-password@host/db", "needs postgresql://"),
            ("DATABASE_URL", "postgresql://user:canary-password@host:port/db", "not a URL"),
            ("DATABASE_URL", "postgresql://user:canary-password@host", "names no database"),
        ],
    )
    def test_a_bad_setting_is_named_and_not_quoted(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
    ) -> None:
        monkeypatch.setenv(variable, value)
        outcome = run("--traceback", "campaign", "list")
        assert outcome.code == 1
        assert words in outcome.err
        assert "canary" not in outcome.err

    def test_an_unreachable_database_is_explained(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
    ) -> None:
        address = f"postgresql://someone:canary-password@127.0.0.1:{unused_tcp_port}/db"
        monkeypatch.setenv("DATABASE_URL", address)
        for arguments in (("campaign", "list"), ("db", "upgrade"), ("db", "current"), ("db", "check")):
            outcome = run(*arguments)
            assert outcome.code == 1
            assert outcome.err.count("\n") == 1
            assert "PostgreSQL cannot be used" in outcome.err
            assert "DATABASE_URL" in outcome.err
            assert "canary" not in outcome.err

    def test_a_newer_schema_is_refused(self, vestnik: Run, connection: Connection) -> None:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        for arguments in (("campaign", "list"), ("db", "upgrade"), ("db", "current")):
            outcome = vestnik(*arguments)
            assert outcome.code == 1
            assert "newer version of Vestnik" in outcome.err

    def test_a_traceback_is_shown_only_when_asked_for(
        self, vestnik: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "Traceback" not in vestnik("campaign", "show", "x").err
        assert "Traceback" in vestnik("--traceback", "campaign", "show", "x").err
        monkeypatch.setenv("VESTNIK_LOG_LEVEL", "debug")
        assert "Traceback" in vestnik("campaign", "show", "x").err


def test_an_error_of_the_program_is_one_line_too(vestnik: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr("vestnik.services.accounts.list_accounts", fail)
    outcome = vestnik("account", "list")
    assert outcome.code == 1
    assert outcome.err == (
        "vestnik: error: unexpected RuntimeError: first line; add --traceback before the command to see where\n"
    )


def test_ctrl_c_is_no_error(vestnik: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vestnik.services.accounts.list_accounts", interrupt)
    outcome = vestnik("account", "list")
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "")


def test_what_a_data_directory_cannot_be(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    outcome = run("--data-dir", str(tmp_path / "file"), "campaign", "list")
    assert outcome.code == 1
    assert outcome.err.count("\n") == 1
