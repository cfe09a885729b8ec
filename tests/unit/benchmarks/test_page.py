"""Writing results into the page."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import page as program
from benchmarks.options import MEASURES
from benchmarks.page import PAGE, SECTIONS, fill_page, read_results, render_section
from benchmarks.report import Measure, Summary, Target

RUN: dict[str, Any] = {
    "at": "2026-01-02T03:04:05+00:00",
    "commit": "abc",
    "system": "Linux",
    "processor": "P",
    "processors": 2,
    "memory_gib": 4,
    "load": [0.1, 0.2, 0.3],
    "fsync_us": 34.0,
    "python": "3.11.7",
    "packages": {"vestnik": "0.1"},
    "postgresql": {"fsync": "on"},
    "peers": {"bullmq": "6.7.0"},
}
EMPTY = "".join(f"# {name}\n<!-- results: {name} -->\n<!-- end: {name} -->\n" for name in SECTIONS)


def make_line(name: str, value: float, **changes: Any) -> str:
    measure = Measure(**{"name": name, "unit": "s", "ours": Summary.of([value]), **changes})
    return measure.to_json(RUN)


def test_the_page_has_a_place_for_every_measure() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert fill_page(page, []).count("<!-- results: ") == len(MEASURES) + 1


def test_results_stand_between_their_markers_and_the_rest_stays() -> None:
    results = read_results([make_line("start.1000", 2.5), "", make_line("api.jobs.p95", 7)])
    page = fill_page(f"before\n{EMPTY}after\n", results)
    assert page.startswith("before\n# machine\n")
    assert page.endswith("after\n")
    start = page.partition("<!-- results: start -->")[2].partition("<!-- end: start -->")[0]
    assert "| start.1000 | s | 2.50 |  |" in start
    assert "One run; 2026-01-02 (abc)." in start
    assert "Not measured yet; `python -m benchmarks growth` does it." in page
    assert "bullmq 6.7.0" in page.partition("<!-- end: machine -->")[0]


def test_a_later_run_without_peers_does_not_take_their_versions_away() -> None:
    later = Measure(name="client.transport", unit="s", ours=Summary.of([1]))
    alone = RUN | {"at": "2026-01-03T03:04:05+00:00", "python": "3.12.1", "peers": {}}
    results = read_results([make_line("start.1000", 2.5), later.to_json(alone)])
    machine = fill_page(EMPTY, results).partition("<!-- end: machine -->")[0]
    assert "bullmq 6.7.0" in machine
    assert "3.12.1" in machine


def test_filling_again_changes_nothing() -> None:
    results = read_results([make_line("start.1000", 2.5)])
    once = fill_page(EMPTY, results)
    assert fill_page(once, results) == once


def test_of_two_lines_of_one_name_the_later_one_counts() -> None:
    (result,) = read_results([make_line("start.1000", 1), make_line("start.1000", 2)])
    assert result.measure.ours.median == 2


def test_each_peer_has_a_column_with_the_ratio_and_a_failed_one_a_sentence() -> None:
    lines = [
        make_line("drain.10", 30, peers={"a": Summary.of([10])}, targets=[Target(of="a", at_least=2)]),
        make_line("drain.20", 30, peers={"b": Summary.of([20])}, failures={"c": "it said <no> | and left"}),
    ]
    section = render_section("drain", read_results(lines))
    assert "| measure | unit | Vestnik | a | b | target |" in section
    assert "| drain.10 | s | 30 | 10; 3 × |  | at least 2 × a: met |" in section
    assert "| drain.20 | s | 30 |  | 20; 1.50 × |  |" in section
    assert "c was not measured: it said &lt;no> \\| and left." in section


def test_settings_that_all_have_are_told_once() -> None:
    lines = [
        make_line("start.1", 1, settings={"jobs": 1, "start_chunk": 5}),
        make_line("start.2", 1, settings={"jobs": 2, "start_chunk": 5}),
    ]
    assert "One run, start chunk 5; 2026-01-02 (abc)." in render_section("start", read_results(lines))


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "line 2 is no result"),
        ("[]", "line 2 is no result"),
        ('{"name": "start.1"}', "line 2 is no result"),
        (make_line("run.1", 1), "line 2: there is no measure 'run'"),
    ],
)
def test_a_line_that_is_no_result_is_named(line: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_results([make_line("start.1000", 1), line])


def test_a_page_without_a_marker_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, results = tmp_path / "page.md", tmp_path / "results.jsonl"
    page.write_text(EMPTY.replace("<!-- end: growth -->", ""), encoding="utf-8")
    before = page.read_bytes()
    results.write_text(make_line("start.1000", 1), encoding="utf-8")
    monkeypatch.setattr(program, "PAGE", page)
    monkeypatch.setattr("sys.argv", ["page", str(results)])
    assert program.main() == 2
    assert "results: growth" in capsys.readouterr().err
    assert page.read_bytes() == before
