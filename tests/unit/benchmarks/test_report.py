"""What a measure says of itself."""

import json

import pytest

from benchmarks.report import Measure, Summary, Target
from benchmarks.tables import format_number, format_peer, format_summary, make_row


def make_measure(**changes: object) -> Measure:
    given = {
        "name": "drain.10000",
        "unit": "messages/s",
        "ours": Summary.of([30_000.0, 20_000.0, 25_000.0]),
        "peers": {"a": Summary.of([12_500.0]), "idle": Summary.of([0.0])},
        "targets": [Target(of="a", at_least=1.1), Target(at_most=10_000), Target(of="b", at_least=1)],
        "settings": {"jobs": 10_000},
        "failures": {"b": "it did not start"},
    }
    return Measure(**(given | changes))  # type: ignore[arg-type]


def test_a_summary_has_the_middle_and_both_ends() -> None:
    assert Summary.of([3.0, 1.0, 2.0, 10.0]) == Summary(median=2.5, least=1.0, most=10.0, runs=4)


def test_a_ratio_is_ours_over_theirs_and_there_is_none_over_nothing() -> None:
    assert make_measure().ratio == {"a": 2.0}


def test_a_target_of_a_peer_is_about_the_ratio_and_others_about_the_figure() -> None:
    measure = make_measure()
    assert [measure.is_met(target) for target in measure.targets] == [True, False, None]


@pytest.mark.parametrize(("value", "met"), [(18.9, False), (19, True), (21, True), (21.1, False)])
def test_both_ends_of_a_target_count(value: float, met: bool) -> None:
    measure = make_measure(ours=Summary.of([value]))
    assert measure.is_met(Target(at_least=19, at_most=21)) is met


def test_a_line_of_json_has_everything_and_can_be_read_again() -> None:
    measure = make_measure()
    line = measure.to_json({"commit": "abc"})
    told = json.loads(line)
    assert "\n" not in line
    assert told["ours"]["median"] == 25_000
    assert told["ratio"] == {"a": 2.0}
    assert [target["met"] for target in told["targets"]] == [True, False, None]
    assert told["run"] == {"commit": "abc"}
    assert Measure.from_json(line) == measure


def test_a_row_names_the_spread_the_others_and_the_verdicts() -> None:
    assert make_row(make_measure()) == (
        "drain.10000",
        "messages/s",
        "25,000 (20,000 – 30,000)",
        "a 12,500; 2 ×, idle 0, b not measured: it did not start",
        "at least 1.10 × a: met; at most 10,000: missed; at least 1 × b: not measured",
    )


def test_deviations_to_either_side_are_not_so_many_times_each_other() -> None:
    measure = make_measure(ours=Summary.of([-0.5]), peers={"a": Summary.of([2]), "b": Summary.of([-1])})
    assert [format_peer(measure, name) for name in ("a", "b", "c")] == ["2", "-1", ""]


def test_one_run_has_no_spread() -> None:
    assert format_summary(Summary.of([0.25])) == "0.25"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1_234_567, "1,234,567"),
        (123.4, "123"),
        (12.34, "12.3"),
        (1.234, "1.23"),
        (0.01234, "0.0123"),
        (7, "7"),
        (-0.41, "-0.41"),
    ],
)
def test_numbers_have_as_many_digits_as_are_worth_reading(value: float, text: str) -> None:
    assert format_number(value) == text
