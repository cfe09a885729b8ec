"""Write results into the page of benchmarks: `python -m benchmarks.page results.jsonl …`.

The lines are those of `python -m benchmarks --json`; of two of the same name the later one counts, so that one
measure can be repeated alone. Tables stand between markers, and everything else on the page stays as it is.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.options import MEASURES
from benchmarks.report import Measure
from benchmarks.tables import format_number, format_peer, format_summary, format_target

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"
MACHINE: Final = "machine"
SECTIONS: Final = (MACHINE, *MEASURES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """A measure, and when and where it was taken."""

    measure: Measure
    run: Mapping[str, Any]

    @property
    def section(self) -> str:
        """Whose part of the page it belongs to."""
        return self.measure.name.partition(".")[0]


def read_results(lines: Iterable[str]) -> list[Result]:
    """Each name once; raises ValueError naming a line that is no result."""
    found: dict[str, Result] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            result = Result(measure=Measure.from_json(line), run=json.loads(line)["run"])
        except (KeyError, TypeError, ValueError) as exc:
            raise ValueError(f"line {number} is no result of python -m benchmarks --json: {exc!r}") from exc
        if result.section not in MEASURES:
            raise ValueError(f"line {number}: there is no measure {result.section!r}")
        found[result.measure.name] = result
    return list(found.values())


def render_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(_escape(cell) for cell in line)} |" for line in lines)


def _escape(cell: str) -> str:
    return " ".join(cell.split()).replace("|", "\\|").replace("<", "&lt;")


def render_section(name: str, results: Sequence[Result]) -> str:
    """A measure's table, what it was measured with, and who could not be measured."""
    if not results:
        return f"Not measured yet; `python -m benchmarks {name}` does it."
    peers = list(dict.fromkeys(peer for result in results for peer in result.measure.peers))
    rows = [
        [
            result.measure.name,
            result.measure.unit,
            format_summary(result.measure.ours),
            *(format_peer(result.measure, peer) for peer in peers),
            "; ".join(format_target(result.measure, target) for target in result.measure.targets),
        ]
        for result in results
    ]
    notes = [render_table(("measure", "unit", "Vestnik", *peers, "target"), rows)]
    failures = {peer: why for result in results for peer, why in result.measure.failures.items()}
    notes += [f"{peer} was not measured: {_escape(why)}." for peer, why in failures.items()]
    return "\n\n".join([*notes, describe_settings(results)])


def describe_settings(results: Sequence[Result]) -> str:
    """What all of them had in common, and when they were taken."""
    first = results[0].measure.settings
    common = {
        key: value
        for key, value in first.items()
        if all(result.measure.settings.get(key) == value for result in results)
    }
    settings = "".join(f", {key.replace('_', ' ')} {value}" for key, value in common.items())
    runs = max(result.measure.ours.runs for result in results)
    times = sorted({f"{result.run['at'][:10]} ({result.run['commit'] or 'no commit'})" for result in results})
    how = "One run" if runs == 1 else f"Medians of {runs} runs (least – most)"
    return f"{how}{settings}; {', '.join(times)}."


def render_machine(results: Sequence[Result]) -> str:
    """Of the latest result: the machine and the versions; those of peers from whichever run had them."""
    if not results:
        return "Nothing measured yet."
    runs = sorted((result.run for result in results), key=lambda each: str(each["at"]))
    run = runs[-1]
    packages = dict(run["packages"])
    for each in runs:
        packages |= each.get("peers", {})
    rows = [
        ("system", f"{run['system']}, {run['processors']} × {run['processor']}, {run['memory_gib']} GiB"),
        ("8 KiB made durable", f"{format_number(run['fsync_us'])} µs in the median"),
        ("load before", " ".join(map(str, run["load"]))),
        ("Python", run["python"]),
        ("PostgreSQL", ", ".join(f"{key} {value}" for key, value in run["postgresql"].items())),
        ("packages", ", ".join(f"{name} {version}" for name, version in packages.items())),
    ]
    return render_table(("what", "which"), rows)


def fill_page(page: str, results: Sequence[Result]) -> str:
    """The page with what stands between its markers replaced; raises ValueError when a pair is missing."""
    for name in SECTIONS:
        if name == MACHINE:
            content = render_machine(results)
        else:
            content = render_section(name, [result for result in results if result.section == name])
        begin, end = f"<!-- results: {name} -->", f"<!-- end: {name} -->"
        parts = re.split(f"{re.escape(begin)}.*?{re.escape(end)}", page, flags=re.DOTALL)
        if len(parts) != 2:
            raise ValueError(f"the page has no pair of markers {begin!r} and {end!r}, or several")
        page = f"{parts[0]}{begin}\n\n{content}\n\n{end}{parts[1]}"
    return page


def main() -> int:
    """Exit code 2 for a file that is not what it should be; the page is then as it was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+", type=Path, help="what --json printed")
    given = parser.parse_args()
    try:
        lines = [line for path in given.results for line in path.read_text(encoding="utf-8").splitlines()]
        page = fill_page(PAGE.read_text(encoding="utf-8"), read_results(lines))
    except (OSError, ValueError) as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 2
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
