"""`vestnik session inspect` says where a session leads, and never its key."""

import base64
import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.integration.cli.conftest import Run

WRITTEN = json.loads(
    (Path(__file__).parents[2] / "unit" / "telegram" / "gramjs_sessions.json").read_text(encoding="utf-8")
)["sessions"]
GRAMJS = next(entry for entry in WRITTEN if entry["port"] > 32767)
BROWSER = next(entry for entry in WRITTEN if entry["host"] == "venus.web.telegram.org")
KEY = bytes(range(256))
TELETHON = "1" + base64.urlsafe_b64encode(b"\4\x95\x9a\xa7\x5b\x01\xbb" + KEY).decode()
TELETHON_FACTS = {"layout": "telethon", "dc": 4, "host": "149.154.167.91", "port": 443}


@pytest.mark.parametrize(
    ("session", "facts"),
    [
        (TELETHON, TELETHON_FACTS),
        (
            GRAMJS["session"],
            {"layout": "gramjs", "dc": GRAMJS["dc"], "host": GRAMJS["host"], "port": GRAMJS["port"]},
        ),
        (BROWSER["session"], {"layout": "gramjs", "dc": 2, "host": "149.154.167.51", "port": 443}),
    ],
    ids=["telethon", "gramjs", "browser"],
)
def test_the_facts_are_one_object_without_the_key(run: Run, session: str, facts: dict[str, object]) -> None:
    outcome = run("session", "inspect", session, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.json == facts
    assert list(outcome.json) == ["layout", "dc", "host", "port"]


def test_people_read_the_same_in_words(run: Run) -> None:
    outcome = run("session", "inspect", TELETHON)
    lines = [line.split() for line in outcome.out.splitlines()]
    assert lines == [["layout", "telethon"], ["dc", "4"], ["host", "149.154.167.91"], ["port", "443"]]
    assert TELETHON[20:40] not in outcome.out


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_string_comes_from_standard_input_too(
    run: Run, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    data = io.BytesIO(f"{TELETHON}\r\n".encode(encoding))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=data))
    assert run("session", "inspect", "-", "--json").json == TELETHON_FACTS


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((TELETHON[:-8],), "holds 258 bytes"),
        (("2" + TELETHON[1:],), "does not begin with '1'"),
        ((TELETHON[:100], TELETHON[100:]), "is not base64"),
        (("",), "is empty"),
        ((TELETHON[:-4] + "====",), "is not base64"),
        ((GRAMJS["session"] + "AAAA",), "bytes"),
    ],
    ids=["cut", "version", "white space", "empty", "padding", "joined"],
)
@pytest.mark.parametrize("as_json", [False, True], ids=["words", "json"])
def test_what_is_no_session_is_refused_with_the_cure_and_not_quoted(
    run: Run, arguments: tuple[str, ...], problem: str, as_json: bool
) -> None:
    outcome = run("session", "inspect", *arguments, *(["--json"] if as_json else []))
    assert (outcome.code, outcome.out) == (1, "")
    assert problem in outcome.err
    assert "Copy the whole string from where it was made, or log in to make a new one." in outcome.err
    assert all(len(text) < 40 or text[20:40] not in outcome.err for text in arguments)
    if as_json:
        error = json.loads(outcome.err)["error"]
        assert (error["code"], error["field"]) == ("INVALID_INPUT", "session")


def test_nothing_is_made_to_inspect_a_string(run: Run, tmp_path: Path) -> None:
    run("session", "inspect", TELETHON)
    assert list(tmp_path.iterdir()) == []
