"""A peer's program is run with a limit, and every way in which it can fail ends in one sentence."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.peers import programs
from benchmarks.peers.programs import PeerFailedError, run_program

URL = "postgresql://someone:secret@/db"


def run(code: str, *, seconds: float = 60, **orders: object) -> dict[str, object]:
    return run_program([sys.executable, "-c", code], orders, database_url=URL, seconds=seconds)


def test_a_program_gets_its_orders_and_its_limit_and_answers() -> None:
    code = "import json, sys; print('noise'); print(json.dumps(json.loads(sys.argv[1])))"
    assert run(code, jobs=3) == {"jobs": 3, "timeout": 60}


def test_the_address_with_its_password_is_not_among_the_arguments() -> None:
    code = """
import json, os, sys
print(json.dumps({"arguments": sys.argv, "address": os.environ["PEER_DATABASE_URL"]}))
"""
    answer = run(code)
    assert answer["address"] == URL
    assert "secret" not in json.dumps(answer["arguments"])


def test_an_error_is_told_without_the_lines_that_say_where_it_was_raised() -> None:
    code = """
import json, sys
print(json.dumps({"error": "Traceback (most recent call last):\\n  File 'x', line 1\\nValueError: 3 of 4\\n"}))
sys.exit(1)
"""
    with pytest.raises(PeerFailedError, match=r"^ValueError: 3 of 4$"):
        run(code)


def test_an_answer_before_a_failing_end_does_not_count() -> None:
    with pytest.raises(PeerFailedError):
        run("import sys; print('{\"handled\": 3}'); sys.exit(1)")


def test_a_program_that_says_nothing_is_told_with_its_last_words() -> None:
    with pytest.raises(PeerFailedError, match=r"code 3 and without an answer: no such module$"):
        run("import sys; sys.stderr.write('no such module'); sys.exit(3)")


def test_a_program_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(programs, "GRACE_SECONDS", 0)
    begun = tmp_path / "begun"
    code = f"import time; open({str(begun)!r}, 'w').close(); time.sleep(600)"
    with pytest.raises(PeerFailedError, match="without an answer"):
        run(code, seconds=5)
    assert begun.exists()
