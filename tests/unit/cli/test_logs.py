"""Log lines: an event and permitted fields, nothing else."""

import ast
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

import vestnik
from vestnik.cli.logs import ALLOWED_FIELDS, WITHHELD, LogFormat, configure_logging
from vestnik.cli.stack import StackReporter
from vestnik.worker import LANE_CRASHED

METHODS = {"debug", "info", "warning", "error", "critical", "exception", "bind"}


@pytest.fixture(autouse=True)
def restore_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    yield
    for handler in root.handlers[:]:
        if handler not in handlers:
            root.removeHandler(handler)
            handler.close()
    for handler in handlers:
        if handler not in root.handlers:
            root.addHandler(handler)
    root.setLevel(level)
    logging.raiseExceptions = raising
    structlog.reset_defaults()


def read_lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_line_is_an_event_with_its_fields(tmp_path: Path) -> None:
    configure_logging(level="info", file=tmp_path / "logs" / "worker.log")
    structlog.get_logger("vestnik.test").info("campaign.paused", campaign_id=7, reason="слишком много")
    (line,) = read_lines(tmp_path / "logs" / "worker.log")
    assert line.pop("timestamp")
    assert line == {
        "event": "campaign.paused", "campaign_id": 7, "reason": "слишком много", "level": "info",
        "logger": "vestnik.test",
    }  # fmt: skip


def test_a_field_that_is_not_permitted_is_withheld(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(level="info", terminal_format=LogFormat.CONSOLE, file=tmp_path / "log")
    structlog.get_logger().warning("account.checked", session="1BVtsOK", phone="+10000000000")
    (line,) = read_lines(tmp_path / "log")
    assert (line["session"], line["phone"]) == (WITHHELD, WITHHELD)
    assert "1BVtsOK" not in capsys.readouterr().err


def fail_with_secrets(address: str) -> None:
    raise RuntimeError(f"{len(address)} bytes, no answer from {address}")


def test_passwords_and_local_variables_stay_out_of_tracebacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(level="info", terminal_format=LogFormat.CONSOLE, file=tmp_path / "log")
    try:
        # `address` is a local variable there: nothing may print the variables of a frame.
        fail_with_secrets("postgresql://vestnik:" + "yranac"[::-1] + "@db.example/x")
    except RuntimeError:
        structlog.get_logger().exception("database.lost")
        logging.getLogger("library").exception("at https://user:" + "yranac"[::-1] + "@host/")
    everything = (tmp_path / "log").read_text() + capsys.readouterr().err
    assert everything.count("RuntimeError: ") == 4
    assert "postgresql://vestnik:***@db.example/x" in everything
    assert "https://user:***@host/" in everything
    assert "canary" not in everything


def test_a_line_says_what_request_and_campaign_it_is_about_whoever_writes_it(tmp_path: Path) -> None:
    configure_logging(level="info", terminal_level="error", file=tmp_path / "log")
    with structlog.contextvars.bound_contextvars(request_id="r1", campaign_id="c1", session="1BVtsOK"):
        structlog.get_logger().info("campaign.paused", campaign_id="c2")
        logging.getLogger("library").warning("something is odd")
    structlog.get_logger().info("quiet")
    ours, library, later = read_lines(tmp_path / "log")
    assert (ours["request_id"], ours["campaign_id"], ours["session"]) == ("r1", "c2", WITHHELD)
    assert (library["request_id"], library["campaign_id"], library["session"]) == ("r1", "c1", WITHHELD)
    assert not {"request_id", "campaign_id", "session"} & set(later)


def test_the_terminal_may_show_less_than_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="info", terminal_level="warning", file=tmp_path / "log")
    log = structlog.get_logger()
    log.info("quiet")
    log.warning("loud")
    assert [line["event"] for line in read_lines(tmp_path / "log")] == ["quiet", "loud"]
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["loud"]


def test_a_parent_is_told_the_event_and_its_fields_only(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="info", terminal_format=LogFormat.BRIEF, terminal_level="warning")
    structlog.get_logger().warning("account.held", reason="FLOOD_WAIT", seconds=4.0, session="1BVts")
    assert capsys.readouterr().err == "account.held reason=FLOOD_WAIT seconds=4.0 session=[withheld]\n"


def test_the_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestnik.cli.logs.MAX_FILE_BYTES", 2000)
    configure_logging(level="info", terminal_level="error", file=tmp_path / "worker.log")
    for count in range(200):
        structlog.get_logger().info("job.sent", count=count)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["worker.log", "worker.log.1", "worker.log.2"]
    assert all(file.stat().st_size <= 2000 for file in files)


def test_every_field_that_our_code_logs_is_permitted() -> None:
    missing = set()
    for file in Path(vestnik.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in METHODS
                and isinstance(node.func.value, ast.Name | ast.Attribute)
                and "log" in ast.unparse(node.func.value)
            ):
                names = {keyword.arg for keyword in node.keywords if keyword.arg}
                missing |= {(file.name, name) for name in names - ALLOWED_FIELDS - {"exc_info", "stack_info"}}
    assert not missing, "add them to vestnik.cli.logs.ALLOWED_FIELDS if they can never hold a secret"


def test_a_parent_counts_what_a_child_says_about_a_crash(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="error", terminal_format=LogFormat.BRIEF, terminal_level="warning")
    log = structlog.get_logger()
    try:
        int(LANE_CRASHED)  # the traceback quotes it, which is no other crash
    except ValueError:
        log.exception(LANE_CRASHED, account_id="1", kind="USER")
    log.error("lane.something_else")
    passed_on: list[str] = []
    reporter = StackReporter(json_events=False, write_line=passed_on.append)
    written = capsys.readouterr().err.splitlines()
    for line in written:
        reporter.on_line("worker", line)
    assert reporter.crashes == 1
    assert len(passed_on) == len(written) > 3
