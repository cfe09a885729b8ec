"""Running several measures by one command."""

import importlib
import json
from collections.abc import Callable, Iterator

import pytest

from benchmarks import __main__ as program
from benchmarks.options import MEASURES, Options, Request
from benchmarks.report import Measure, Summary, Target
from vestnik.domain.errors import DatabaseUnavailableError

REQUEST = Request(measures=("start", "pause"), full=False, as_json=True, runs=3, peers=())
Measuring = Callable[[Options], Iterator[Measure]]


def measuring(name: str, value: float, error: BaseException | None = None) -> Measuring:
    def measure(options: Options) -> Iterator[Measure]:
        yield Measure(
            name=name, unit="s", ours=Summary.of([value] * options.runs), targets=[Target(at_most=10)]
        )
        if error is not None:
            raise error

    return measure


@pytest.fixture
def measures(monkeypatch: pytest.MonkeyPatch) -> dict[str, Measuring]:
    found = {"start": measuring("start.1", 1), "pause": measuring("pause.1", 2)}
    monkeypatch.setattr(program, "measure_one", lambda name, options: found[name](options))
    monkeypatch.setattr(program, "describe_run", lambda: {"commit": "abc"})
    return found


def test_every_figure_is_a_line_with_its_run(
    measures: dict[str, Measuring], capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.run(REQUEST) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["name"] for each in told] == ["start.1", "pause.1"]
    assert all(each["ours"]["runs"] == 3 and each["run"]["commit"] == "abc" for each in told)


def test_a_missed_target_is_told_by_the_exit_code(measures: dict[str, Measuring]) -> None:
    measures["start"] = measuring("start.1", 11)
    assert program.run(REQUEST) == 1


@pytest.mark.parametrize("error", [DatabaseUnavailableError("no database"), SystemExit("no database")])
def test_a_measure_that_fails_costs_neither_its_own_figures_nor_the_others(
    measures: dict[str, Measuring], capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    measures["start"] = measuring("start.1", 1, error)
    assert program.run(REQUEST) == 2
    said = capsys.readouterr()
    assert [json.loads(line)["name"] for line in said.out.splitlines()] == ["start.1", "pause.1"]
    assert "start could not be measured" in said.err
    assert "no database" in said.err


def test_without_json_there_is_a_table(
    measures: dict[str, Measuring], capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        program.run(Request(**{**{f: getattr(REQUEST, f) for f in REQUEST.__slots__}, "as_json": False})) == 0
    )
    said = capsys.readouterr().out
    assert "start.1" in said
    assert "at most 10: met" in said


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_has_a_module_that_measures(name: str) -> None:
    assert callable(importlib.import_module(MEASURES[name]).measure)
