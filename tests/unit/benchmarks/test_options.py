"""Reading the command line of the benchmarks."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from benchmarks.options import FULL_RUNS, MEASURES, Request, parse_request
from tests.support.shown_lines import find_lines

DOCS = Path(__file__).parents[3] / "docs"
SHOWN = re.compile(r"make bench(?: ARGS=(?P<made>.+))?|python -m (?P<module>benchmarks[.\w]*)(?P<given>.*)")


def test_without_a_wish_everything_is_measured_once_and_quickly() -> None:
    assert parse_request([]) == Request(
        measures=tuple(MEASURES), full=False, as_json=False, runs=1, peers=None
    )


def test_measures_run_in_their_own_order() -> None:
    assert parse_request(["pause", "start"]).measures == ("start", "pause")


def test_the_full_profile_takes_medians_unless_told_otherwise() -> None:
    assert parse_request(["--full"]).runs == FULL_RUNS
    assert parse_request(["--full", "--runs", "2"]).runs == 2


def test_peers_are_named_or_left_out() -> None:
    assert parse_request(["--peers", "b, a,b"]).peers == ("b", "a")
    assert parse_request(["--no-peers"]).peers == ()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["drian"], "there is no measure 'drian'; there are drain, slow_disk"),
        (["--runs", "0"], "'0' is not a number of runs from 1 to 100"),
        (["--runs", "few"], "'few' is not a number of runs"),
        (["--peers", ","], "name at least one, or say --no-peers"),
        (["--peers", "a", "--no-peers"], "not allowed with"),
    ],
)
def test_what_makes_no_sense_is_named(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        parse_request(arguments)
    assert stopped.value.code == 2
    assert complaint in capsys.readouterr().err


def test_the_pages_ask_for_what_there_is() -> None:
    """To run that would take hours."""
    pages = [
        path.read_text(encoding="utf-8") for path in (*DOCS.glob("*.md"), *DOCS.glob("explanation/*.md"))
    ]
    found = [match for page in pages for line in find_lines(page) if (match := SHOWN.fullmatch(line.text))]
    assert len(found) >= 8
    for each in found:
        if each["module"] in {None, "benchmarks"}:
            words = shlex.split(each["made"] or each["given"] or "")
            arguments = shlex.split(words[0]) if each["made"] else words
            request = parse_request(arguments[: arguments.index(">")] if ">" in arguments else arguments)
            assert request.measures
        else:
            assert importlib.util.find_spec(each["module"]) is not None
