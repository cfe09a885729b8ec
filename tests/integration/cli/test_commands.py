import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import URL, Connection, text

from tests.integration.cli.conftest import Run
from tests.support.pictures import make_jpeg
from vestnik import __version__
from vestnik.db.schema import head_revision


def test_the_whole_way_from_a_list_to_an_end(vestnik: Run, channels_file: str) -> None:
    imported = vestnik("channels", "import", channels_file, "--json")
    assert imported.code == 0
    assert imported.json["imported"] == 3
    assert len(imported.json["channels"]) == 3
    batch = vestnik("batch", "create", "Morning", "--channels-file", channels_file, "--json").json
    assert (batch["name"], batch["channels"], batch["existing"]) == ("Morning", 3, 3)
    template = vestnik("template", "create", "Greeting", "--text", "Привет 👋", "--json").json
    assert (template["content"], template["length"]) == ("Привет 👋", 9)
    made = vestnik(
        "campaign", "create", "--name", "N", "--batch", "Morning", "--template", template["id"],
        "--rate", "0.33", "--retry-limit", "0", "--json",
    ).json  # fmt: skip
    assert (made["status"], made["mode"], made["account_name"]) == ("DRAFT", "TEST", "rehearsal")
    assert (made["delivery_rate"], made["retry_limit"], made["channels"]) == (0.33, 0, 3)
    started = vestnik("campaign", "start", "N", "--json").json
    assert (started["status"], started["progress"]["total"], started["worker_alive"]) == ("RUNNING", 3, False)
    assert started["started_at"].endswith("Z")
    assert vestnik("campaign", "pause", "N", "--json").json["pause_reason"] == "OPERATOR"
    assert vestnik("campaign", "resume", made["id"], "--json").json["status"] == "RUNNING"
    assert vestnik("campaign", "cancel", "N", "--json").json["progress"]["cancelled"] == 3
    shown = vestnik("campaign", "show", "N", "--json")
    assert (shown.code, shown.json["status"], shown.json["failures"]) == (0, "CANCELLED", {})
    assert [line["name"] for line in vestnik("campaign", "list", "--json").json_lines] == ["N"]
    assert [line["name"] for line in vestnik("account", "list", "--json").json_lines] == ["rehearsal"]


def test_the_same_way_in_words(vestnik: Run, channels_file: str) -> None:
    made = vestnik(
        "campaign", "create", "--name", "N", "--channels-file", channels_file, "--text", "Hi", "--rate", "20"
    )
    assert "is a draft: 3 channels at 20/s, TEST on account 'rehearsal'" in made.out
    assert "Next: vestnik campaign start" in made.out
    started = vestnik("campaign", "start", "N")
    assert "is started: 3 messages at 20/s" in started.out
    assert "nothing is delivering; run 'vestnik up'" in started.err
    assert "is paused" in vestnik("campaign", "pause", "N").out
    assert "0 sent, 3 waiting of 3" in vestnik("campaign", "show", "N").out
    listed = vestnik("campaign", "list").out
    assert "PAUSED (OPERATOR)" in listed
    assert "goes on" in vestnik("campaign", "resume", "N").out
    assert "3 cancelled of 3" in vestnik("campaign", "cancel", "N").out
    assert "SIMULATED" in vestnik("account", "list").out


def test_a_hold_is_shown_with_its_end(vestnik: Run, channels_file: str, connection: Connection) -> None:
    vestnik(
        "campaign", "create", "--name", "N", "--channels-file", channels_file, "--text", "Hi", "--rate", "1"
    )
    connection.execute(
        text(
            "INSERT INTO account_holds (account_id, scope, until, reason) "
            "SELECT id, 'SEND', '2100-01-01 00:00:00Z', 'FLOOD_WAIT' FROM accounts"
        )
    )
    assert "Telegram makes the account wait" in vestnik("campaign", "start", "N").err
    shown = vestnik("campaign", "show", "N", "--json").json
    assert (shown["status"], shown["stored_status"]) == ("PAUSED", "RUNNING")
    assert (shown["pause_reason"], shown["resumes_at"]) == ("FLOOD_WAIT", "2100-01-01T00:00:00Z")
    refused = vestnik("campaign", "resume", "N")
    assert refused.code == 1
    assert "2100-01-01 00:00:00 UTC" in refused.err


def test_lists_come_from_standard_input_too(vestnik: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"@one_news\r\nbad one\r\n")))
    outcome = vestnik("channels", "import", "-")
    assert outcome.code == 0
    assert "1 channel: 1 imported" in outcome.out
    assert "line 2: 'bad one'" in outcome.err


def test_a_dry_run_of_an_import_counts_the_same_and_stores_nothing(
    vestnik: Run, channels_file: str, connection: Connection
) -> None:
    known = Path(channels_file).with_name("known.txt")
    known.write_text("@one_news\n")
    assert vestnik("channels", "import", str(known)).code == 0
    tried = vestnik("channels", "import", channels_file, "--dry-run")
    assert tried.code == 0
    assert "3 channels: nothing was stored, it would be 2 imported, 1 known already." in tried.out
    assert f"Next: vestnik channels import {channels_file}" in tried.out
    counted = vestnik("channels", "import", channels_file, "--dry-run", "--json").json
    assert connection.execute(text("SELECT count(*) FROM channels")).scalar_one() == 1
    done = vestnik("channels", "import", channels_file, "--json").json
    assert [counted.pop("channels")] == [done.pop("channels")[:1]]
    assert counted == done


def test_a_template_file_loses_only_its_last_line_end(vestnik: Run, tmp_path: Path) -> None:
    path = tmp_path / "post.txt"
    path.write_bytes(b"\xef\xbb\xbf  one\r\n\r\ntwo\r\n")
    assert (
        vestnik("template", "create", "T", "--text-file", str(path), "--json").json["content"]
        == "  one\n\ntwo"
    )


def test_the_schema_commands(vestnik: Run, connection: Connection) -> None:
    assert vestnik("db", "current", "--json").json["is_current"] is True
    assert vestnik("db", "check").code == 0
    assert "nothing to do" in vestnik("db", "upgrade").out
    connection.execute(text("ALTER TABLE templates DROP COLUMN media_url CASCADE"))
    differs = vestnik("db", "check")
    assert differs.code == 1
    assert "media_url" in differs.err


def test_an_external_database_is_upgraded_only_when_asked(
    run: Run, empty_database_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPABASE_DIRECT_URL", empty_database_url.render_as_string(hide_password=False))
    refused = run("campaign", "list")
    assert (refused.code, "run 'vestnik db upgrade'" in refused.err) == (1, True)
    assert "missing" in run("db", "current").out
    assert run("db", "upgrade", "--json").json == {
        "before": None,
        "current": head_revision(),
        "changed": True,
    }
    assert run("campaign", "list").code == 0


def test_the_version(run: Run) -> None:
    assert run("--version").out == f"vestnik {__version__}\n"


def test_who_did_it_is_in_the_audit_log(vestnik: Run, connection: Connection) -> None:
    vestnik("template", "create", "T", "--text", "x")
    rows = connection.execute(text("SELECT actor_kind, actor <> '', action FROM audit_logs")).all()
    assert rows == [("CLI", True, "template.created")]


def test_a_template_takes_a_file_into_the_data_directory(vestnik: Run, tmp_path: Path) -> None:
    path = tmp_path / "утро.jpg"
    path.write_bytes(make_jpeg(size=2_000_000))
    template = vestnik("template", "create", "T", "--media", str(path), "--json").json
    assert (template["media_type"], template["content"], template["limit"]) == ("photo", "", 1024)
    (stored,) = [item for item in (tmp_path / "data" / "media").rglob("*") if item.is_file()]
    assert stored.read_bytes() == path.read_bytes()
    captioned = vestnik("template", "create", "U", "--media", str(path), "--text", "Look", "--json").json
    assert (captioned["media_id"], captioned["content"]) == (template["media_id"], "Look")


@pytest.mark.parametrize(
    ("options", "field", "words"),
    [
        (("--media", "missing.jpg"), "media", "cannot be read"),
        (("--media", "text.txt"), "file", "no JPEG, PNG or still WebP"),
        (("--media", "text.txt", "--media-type", "sticker"), "kind", "one of photo"),
        (
            ("--media", "text.txt", "--media-type", "document", "--text", "x" * 1025),
            "text",
            "caption is too long",
        ),
    ],
)
def test_a_file_that_does_not_do_is_refused_with_its_reason(
    vestnik: Run, tmp_path: Path, options: tuple[str, ...], field: str, words: str
) -> None:
    (tmp_path / "text.txt").write_text("text")
    outcome = vestnik("template", "create", "T", *options, "--json")
    assert outcome.code == 1
    error = json.loads(outcome.err)["error"]
    assert (error["code"], error["field"]) == ("INVALID_INPUT", field)
    assert words in error["message"]


def test_a_template_says_how_it_is_posted(vestnik: Run, connection: Connection) -> None:
    shape = (
        "--silent",
        "--protect-content",
        "--link-preview-position",
        "above",
        "--link-preview-size",
        "small",
    )
    vestnik("template", "create", "Quiet", "--text", "https://news.example/", *shape)
    row = connection.execute(text("SELECT * FROM templates")).one()
    assert (row.silent, row.protect_content) == (True, True)
    assert (row.link_preview_position, row.link_preview_size) == ("above", "small")
    refused = vestnik("template", "create", "Odd", "--text", "x", "--link-preview-size", "huge")
    assert (refused.code, "large or small" in refused.err) == (1, True)


def test_a_template_has_buttons(vestnik: Run) -> None:
    buttons = ("--button", "Read more https://news.example/1", "--button", "Tell tg://share?url=x")
    made = vestnik("template", "create", "T", "--text", "x", *buttons, "--json").json
    assert [[button["text"] for button in row] for row in made["buttons"]] == [["Read more"], ["Tell"]]
    refused = vestnik("template", "create", "U", "--text", "x", "--button", "Read news.example")
    assert (refused.code, "button 1 of row 1" in refused.err) == (1, True)
