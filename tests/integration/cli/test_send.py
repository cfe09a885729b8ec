"""`vestnik send` on a database; with a worker behind it: tests/acceptance/test_send.py."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from tests.integration.cli.conftest import Run
from tests.support.pictures import make_jpeg

SEND = ("send", "--channel", "@one_news")


@pytest.fixture
def served(vestnik: Run, channels_file: str, connection: Connection) -> Run:
    """Channels are there, and a process claims to speak for the rehearsal account."""
    assert vestnik("channels", "import", channels_file).code == 0
    connection.execute(
        text(
            "INSERT INTO account_leases (account_id, holder, epoch, lease_until)"
            " SELECT id, 'someone', 1, clock_timestamp() + interval '1 hour' FROM accounts"
        )
    )
    return vestnik


def test_without_a_worker_it_says_what_to_do(
    vestnik: Run, channels_file: str, connection: Connection
) -> None:
    vestnik("channels", "import", channels_file)
    failed = vestnik(*SEND, "--text", "Hi", "--json")
    assert failed.code == 1
    error = json.loads(failed.err.splitlines()[-1])["error"]
    assert (error["code"], error["field"]) == ("NO_WORKER", "account")
    assert "vestnik up" in error["message"]
    assert connection.execute(text("SELECT count(*) FROM account_commands")).scalar_one() == 0


def test_a_post_that_nobody_starts_in_time_is_a_failure(served: Run) -> None:
    sent = served(*SEND, "--channel", "two_news", "--text", "Hi", "--timeout", "1", "--json")
    assert sent.code == 1
    first, second = sent.json_lines
    assert (first["channel"], second["channel"]) == ("@one_news", "@two_news")
    assert (first["status"], first["error_code"]) == ("EXPIRED", "CHANNEL_UNRESOLVED")
    assert (first["link"], first["message_ids"]) == (None, [])
    asked = served("send", "--result", first["id"])
    assert asked.code == 1
    assert asked.out.startswith("@one_news: expired, CHANNEL_UNRESOLVED: The channel's address")


def test_a_repeated_key_is_told(served: Run, connection: Connection) -> None:
    arguments = (*SEND, "--text", "Hi", "--timeout", "1", "--idempotency-key", "morning", "--json")
    first = served(*arguments).json
    again = served(*arguments)
    assert again.json["id"] == first["id"]
    assert "nothing new is posted" in again.err
    assert connection.execute(text("SELECT count(*) FROM account_commands")).scalar_one() == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("send", "--text", "Hi"), 1, "no channel is given"),
        (SEND, 1, "text and template are both missing"),
        ((*SEND, "--text", "Hi", "--template", "T"), 1, "both given"),
        ((*SEND, "--template", "T"), 1, "no template 'T'"),
        ((*SEND, "--text", " "), 1, "text is empty"),
        ((*SEND, "--text", "x" * 4100), 1, "4 too many"),
        (("send", "--channel", "@three_news", "--text", "Hi"), 1, "no channel @three_news"),
        ((*SEND, "--text", "Hi", "--mode", "LIVE"), 1, "vestnik account add"),
        ((*SEND, "--text", "Hi", "--mode", "LIVE", "--account", "rehearsal"), 1, "is simulated"),
        ((*SEND, "--text", "Hi", "--account", "A"), 1, "no account 'A'"),
        ((*SEND, "--text", "Hi", "--timeout", "0"), 1, "from 1 to 600"),
        ((*SEND, "--text", "Hi", "--timeout", "soon"), 2, "--timeout"),
        ((*SEND, "--text", "Hi", "--idempotency-key", ""), 1, "printable"),
        ((*SEND, "--result", "00000000-0000-0000-0000-000000000001"), 1, "goes alone"),
        (("send", "--result", "x"), 1, "no id of a post"),
        (("send", "--result", "00000000-0000-0000-0000-000000000001"), 1, "no direct send"),
    ],
)
def test_bad_input_is_a_clear_line_and_stores_nothing(
    served: Run, connection: Connection, arguments: tuple[str, ...], code: int, words: str
) -> None:
    failed = served(*arguments)
    assert failed.code == code, failed
    (line,) = [line for line in failed.err.splitlines() if "error" in line]
    assert words in line
    assert "Traceback" not in failed.err
    assert connection.execute(text("SELECT count(*) FROM account_commands")).scalar_one() == 0


def test_a_held_account_is_told_with_its_time(served: Run, connection: Connection) -> None:
    connection.execute(
        text(
            "INSERT INTO account_holds (account_id, scope, until, reason)"
            " SELECT id, 'SEND', '2199-01-02 03:04:05+00', 'FLOOD_WAIT' FROM accounts"
        )
    )
    failed = served(*SEND, "--text", "Hi", "--json")
    error = json.loads(failed.err.splitlines()[-1])["error"]
    assert (failed.code, error["code"]) == (1, "ACCOUNT_HELD")
    assert "2199-01-02 03:04:05 UTC" in error["message"]


def test_files_go_with_a_text_or_alone(served: Run, connection: Connection, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.jpg", "b.jpg")]
    for path in paths:
        path.write_bytes(make_jpeg(size=20_000))
    album = ("--media", str(paths[0]), "--media", str(paths[1]))
    sent = served(*SEND, *album, "--timeout", "1", "--json")
    assert sent.json["error_code"] == "CHANNEL_UNRESOLVED"
    names = connection.execute(text("SELECT name FROM media ORDER BY name")).scalars().all()
    assert list(names) == ["a.jpg", "b.jpg"]
    refused = served(*SEND, "--template", "T", *album)
    assert (refused.code, "a template has its own files" in refused.err) == (1, True)
    wrong = served(*SEND, *album, "--media-type", "document", "--media-type", "photo")
    assert (wrong.code, "do not go together" in wrong.err) == (1, True)
